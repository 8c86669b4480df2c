//! What a user is told: `<data>/env` for scripts, a table and examples for people.

use std::fs;
use std::path::Path;

use super::certificates::write_private;
use super::layout::{Layout, Shape};
use super::nodes::{name, shell_text};

/// Writes `<data>/env` at once: `KEY=VALUE` lines, absolute and safe for a shell, mode 0600.
pub fn write(
    layout: &Layout,
    shape: &Shape,
    tenants: &[String],
    token: &str,
    pids: &[u32],
) -> anyhow::Result<()> {
    let list = |value: &dyn Fn(u16) -> String| (0..shape.nodes).map(value).collect::<Vec<_>>().join(",");
    let path = |file: &Path| shell_text(file);
    let address = |i: u16| format!("https://127.0.0.1:{}", shape.ports(i).admin);
    let mut lines = vec![
        ("KMIP_HOST", "127.0.0.1".to_owned()),
        ("KMIP_PORT", shape.kmip_port.to_string()),
        ("KMIP_PORTS", list(&|i| shape.ports(i).kmip.to_string())),
        ("KMIP_CA", path(&layout.ca().join("server.pem"))),
    ];
    let pairs = [("KMIP_CERT", "KMIP_KEY"), ("KMIP_CERT2", "KMIP_KEY2")];
    for ((certificate, key), tenant) in pairs.into_iter().zip(tenants) {
        lines.push((certificate, path(&layout.clients(tenant).join("mongodb.pem"))));
        lines.push((key, path(&layout.clients(tenant).join("mongodb.key"))));
    }
    lines.extend([
        ("KEYRAFT_ADDR", address(0)),
        ("KEYRAFT_ADDRS", list(&address)),
        ("KEYRAFT_CACERT", path(&layout.ca().join("server.pem"))),
        ("KEYRAFT_TOKEN", token.to_owned()),
        ("KEYRAFT_PIDS", pids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
    ]);
    let text: String = lines.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    let fresh = layout.root.join("env.new");
    write_private(&fresh, &text)?;
    Ok(fs::rename(fresh, layout.env_file())?)
}

/// Prints where everything is and what to try, within 80 columns.
#[allow(clippy::print_stdout)] // the answer of a command
pub fn print_table(layout: &Layout, shape: &Shape, tenants: &[String]) {
    let here = std::env::current_dir().unwrap_or_default();
    let short = |path: &Path| path.strip_prefix(&here).unwrap_or(path).display().to_string();
    println!("\nkeyraft: {} nodes are ready\n", shape.nodes);
    println!("  {:<8} {:<17} {:<24} log", "node", "kmip", "admin");
    for i in 0..shape.nodes {
        let ports = shape.ports(i);
        let (kmip, admin) =
            (format!("127.0.0.1:{}", ports.kmip), format!("https://127.0.0.1:{}", ports.admin));
        println!("  {:<8} {kmip:<17} {admin:<24} {}", name(i), short(&layout.node(i).join("log")));
    }
    println!("\n  tenants  {}", tenants.join(", "));
    println!("  clients  {}/<tenant>/<service>.pem and .key", short(&layout.root.join("clients")));
    println!("\nTry, in another terminal:\n");
    println!("  set -a; . {}; set +a", shell_text(Path::new(&short(&layout.env_file()))));
    println!("  keyraft status");
    println!("  keyraft bench --seconds 5");
    println!("  kill -9 ${{KEYRAFT_PIDS%%,*}}     # nothing stops");
    println!("  {}     # and it is back\n", short(&layout.node(0).join("run")));
    println!("Ctrl-C stops all nodes.");
}
