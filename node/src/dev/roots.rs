//! The roots of a development cluster: key files, or keys in a SoftHSM2 token. Two are the platform's, two are
//! there for tenants that bring their own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};
use keystore::RootSettings;
use keystore::providers::pkcs11;
use keystore::providers::software::DangerSoftwareRoot;
use serde_json::json;

use super::RootKind;
use super::certificates::write_private;
use super::layout::Layout;
use super::nodes::{shell_text, toml_text};

/// The two roots and what each is for; the number is the PKCS#11 key id.
const ROOTS: [(&str, u8); 2] = [("barrier", 1), ("tenants", 2)];
/// Roots that tenants may bring as their own, by name; the number is the PKCS#11 key id. For each there are
/// `<data>/roots/<name>.json` and `<name>.credentials.json`, for `keyraft root configure`.
const CUSTOMERS: [(&str, u8); 2] = [("customer", 3), ("customer-2", 4)];
/// The label of the SoftHSM2 token.
const TOKEN: &str = "keyraft-dev";
/// Where Debian and others install the module.
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];

/// Makes both roots, unless they are there.
pub fn prepare(layout: &Layout, kind: RootKind) -> anyhow::Result<()> {
    std::fs::create_dir_all(layout.roots())?;
    CUSTOMERS.iter().try_for_each(|(root, _)| make_key_file(layout, root))?;
    match kind {
        RootKind::Software => ROOTS.iter().try_for_each(|(root, _)| make_key_file(layout, root))?,
        RootKind::Softhsm => prepare_softhsm(layout)?,
    }
    CUSTOMERS.iter().try_for_each(|(root, id)| describe(layout, kind, root, *id))
}

/// How a customer would describe a root: its configuration, and its credentials.
fn describe(layout: &Layout, kind: RootKind, root: &str, id: u8) -> anyhow::Result<()> {
    let (config, credentials) = match kind {
        RootKind::Software => {
            (json!({ "provider": "software", "key": root }), json!({ "kind": "workload_identity" }))
        }
        RootKind::Softhsm => {
            let key_id = format!("{id:02x}");
            let pin = std::fs::read_to_string(layout.roots().join("pin"))?;
            (
                json!({ "provider": "pkcs11", "hsm": "softhsm", "token": TOKEN, "key_label": root,
                    "key_id": key_id }),
                json!({ "kind": "pin", "pin": pin.trim() }),
            )
        }
    };
    write_private(&layout.roots().join(format!("{root}.json")), &config.to_string())?;
    write_private(&layout.roots().join(format!("{root}.credentials.json")), &credentials.to_string())
}

/// The tables `[roots]` and `[platform_root.*]` of a node's configuration.
pub fn configuration(layout: &Layout, kind: &str) -> String {
    site(layout) + &platform(layout, kind)
}

/// What roots of tenants may be here: a key file, keys in SoftHSM2, services on this machine.
fn site(layout: &Layout) -> String {
    let keys = CUSTOMERS.map(|(root, _)| format!("{root} = {}", toml_text(&key_file(layout, root))));
    let files = format!(
        "[roots]\ndanger_allow_loopback = true\nallow = [\"localhost:*\", \"127.0.0.1:*\"]\n\
         danger_key_files = {{ {} }}\n\n",
        keys.join(", "),
    );
    match module() {
        Some(module) => format!("{files}[roots.hsm.softhsm]\nmodule = \"{module}\"\n\n"),
        None => files,
    }
}

fn platform(layout: &Layout, kind: &str) -> String {
    let software = kind == RootKind::Software.as_str();
    ROOTS
        .iter()
        .map(|(root, id)| {
            let settings = if software {
                format!("provider = \"software\"\ndanger_key_file = {}\n", toml_text(&key_file(layout, root)))
            } else {
                token_settings(layout, root, *id)
            };
            format!("[platform_root.{root}]\n{settings}\n")
        })
        .collect()
}

/// What a node's environment must say before it starts; empty for key files.
pub fn environment(layout: &Layout) -> String {
    let file = softhsm_configuration(layout);
    if file.exists() { format!("export SOFTHSM2_CONF={}\n", shell_text(&file)) } else { String::new() }
}

fn key_file(layout: &Layout, root: &str) -> PathBuf {
    layout.roots().join(format!("{root}.key"))
}

fn make_key_file(layout: &Layout, root: &str) -> anyhow::Result<()> {
    let file = key_file(layout, root);
    if !file.exists() {
        DangerSoftwareRoot::create(&file)?;
    }
    Ok(())
}

fn softhsm_configuration(layout: &Layout) -> PathBuf {
    layout.roots().join("softhsm2.conf")
}

fn token_settings(layout: &Layout, root: &str, id: u8) -> String {
    format!(
        "provider = \"pkcs11\"\nmodule = \"{}\"\ntoken = \"{TOKEN}\"\nkey_label = \"{root}\"\nkey_id = \"{id:02x}\"\n\
         pin_file = {}\n",
        module().unwrap_or(MODULES[0]),
        toml_text(&layout.roots().join("pin")),
    )
}

fn module() -> Option<&'static str> {
    MODULES.into_iter().find(|module| std::path::Path::new(module).exists())
}

fn prepare_softhsm(layout: &Layout) -> anyhow::Result<()> {
    let configuration = softhsm_configuration(layout);
    if configuration.exists() {
        return Ok(());
    }
    if module().is_none() {
        bail!(
            "SoftHSM2 is not installed: install the package softhsm2 (make setup does), or use --root software"
        );
    }
    let tokens = layout.roots().join("tokens");
    std::fs::create_dir_all(&tokens)?;
    let pin = super::random_token()?;
    write_private(&layout.roots().join("pin"), &pin)?;
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    let fresh = layout.roots().join("softhsm2.conf.new");
    write_private(&fresh, &text)?;
    let output = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", TOKEN, "--pin", &pin, "--so-pin", &pin])
        .env("SOFTHSM2_CONF", &fresh)
        .output()
        .context("cannot run softhsm2-util: install the package softhsm2 (make setup does)")?;
    if !output.status.success() {
        bail!("softhsm2-util could not make a token: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    create_keys(layout, &fresh)?;
    Ok(std::fs::rename(fresh, configuration)?)
}

/// Makes the keys inside the token. A process of its own, because a module reads its environment once.
fn create_keys(layout: &Layout, softhsm: &std::path::Path) -> anyhow::Result<()> {
    for (root, id) in ROOTS.into_iter().chain(CUSTOMERS) {
        let settings = layout.roots().join(format!("{root}.toml"));
        write_private(&settings, &token_settings(layout, root, id))?;
        let output = Command::new(std::env::current_exe()?)
            .args(["root", "create-key", "--settings"])
            .arg(&settings)
            .env("SOFTHSM2_CONF", softhsm)
            .output()
            .context("cannot start keyraft root create-key")?;
        if !output.status.success() {
            bail!("the key {root} could not be made: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    Ok(())
}

/// `keyraft root create-key`: makes the key that settings name, inside its token.
///
/// # Errors
/// If the settings are not those of a token, or the token refuses.
pub fn create_root_key(settings: &std::path::Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(settings).with_context(|| settings.display().to_string())?;
    let settings: RootSettings = toml::from_str(&text).with_context(|| settings.display().to_string())?;
    let RootSettings::Pkcs11(settings) = settings else {
        bail!("only provider = \"pkcs11\" makes keys inside a token");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(pkcs11::create_key(&settings))?)
}
