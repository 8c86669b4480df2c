//! A second, independent token: NSS's softokn. Its GCM cannot be used through the interface we have, so it
//! wraps by AES key wrap, and it wants parameters at its start.

use std::ffi::{CString, c_void};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr::NonNull;
use std::sync::{Arc, LazyLock};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use keystore::providers::pkcs11::worker::WorkerRoot;
use keystore::providers::pkcs11::{PinSource, Pkcs11Settings, create_key};
use keystore::{BoxFuture, Custody, RootKeystore, SecretText};

use crate::softhsm::key_id;
use crate::suite::{self, Fixture};

/// Where Debian and Fedora keep the module.
const MODULES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/nss/libsoftokn3.so",
    "/usr/lib/x86_64-linux-gnu/libsoftokn3.so",
    "/usr/lib64/libsoftokn3.so",
];

/// What softokn calls the token of its database.
const TOKEN: &str = "NSS Certificate DB";

const PIN: &str = "nss-1234";

/// A database of this process, with two keys.
struct Nss {
    module: &'static str,
    folder: PathBuf,
}

impl Nss {
    fn set_up() -> Option<Self> {
        let Some(module) = MODULES.into_iter().find(|module| Path::new(module).exists()) else {
            // Written past the test harness, which hides what passing tests print.
            let _ = writeln!(std::io::stderr(), "skipped: libnss3 is not installed (make setup)");
            return None;
        };
        let folder = match std::env::var_os("KEYSTORE_NSS_FOLDER") {
            Some(folder) => return Some(Self { module, folder: folder.into() }),
            None => Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("nss-{}", std::process::id())),
        };
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        // The module reads its database once per process, so another one makes it.
        let made = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "nss::child_makes_keys", "--ignored", "--nocapture"])
            .env("KEYSTORE_NSS_FOLDER", &folder)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&made.stdout);
        assert!(made.status.success(), "{text}\n{}", String::from_utf8_lossy(&made.stderr));
        Some(Self { module, folder })
    }

    fn parameters(&self) -> String {
        format!("configdir='sql:{}' certPrefix='' keyPrefix='' secmod='' flags=", self.folder.display())
    }

    fn settings(&self, label: &str, id: &str) -> Pkcs11Settings {
        Pkcs11Settings {
            module: self.module.into(),
            token: TOKEN.to_owned(),
            token_serial: None,
            key_label: label.to_owned(),
            key_id: key_id(id),
            pin: PinSource::Held(SecretText::new(PIN.to_owned())),
            parameters: Some(self.parameters()),
            sessions: 2.try_into().unwrap(),
            call_timeout_ms: 5_000,
            danger_accept_extractable: false,
        }
    }

    async fn open(&self, label: &str, id: &str) -> Arc<dyn RootKeystore> {
        Arc::new(WorkerRoot::open(self.settings(label, id), crate::worker::program()).await.unwrap())
    }
}

static NSS: LazyLock<Option<Nss>> = LazyLock::new(Nss::set_up);

impl Fixture for &Nss {
    fn open(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(Nss::open(self, "one", "01"))
    }

    fn open_other(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(Nss::open(self, "two", "02"))
    }

    fn binds_place(&self) -> bool {
        false
    }

    fn is_randomised(&self) -> bool {
        false
    }
}

suite::conformance!(NSS.as_ref());

#[tokio::test]
#[ignore = "run by the other tests in a process of its own"]
async fn child_makes_keys() {
    let Some(nss) = NSS.as_ref() else { return };
    let pkcs11 = Pkcs11::new(nss.module).unwrap();
    let text = CString::new(nss.parameters()).unwrap();
    let reserved = NonNull::new(text.into_raw().cast::<c_void>()).unwrap();
    // SAFETY: a NUL-terminated text that is never freed, as softokn wants it.
    #[allow(unsafe_code)]
    let arguments = unsafe { CInitializeArgs::new_with_reserved(CInitializeFlags::OS_LOCKING_OK, reserved) };
    pkcs11.initialize(arguments).unwrap();
    let mut slots = pkcs11.get_slots_with_token().unwrap();
    slots.retain(|slot| pkcs11.get_token_info(*slot).is_ok_and(|info| info.label().trim() == TOKEN));
    let session = pkcs11.open_rw_session(slots[0]).unwrap();
    session.login(UserType::So, Some(&AuthPin::new("".into()))).unwrap();
    session.init_pin(&AuthPin::new(PIN.into())).unwrap();
    session.logout().unwrap();
    drop(session);
    for (label, id) in [("one", "01"), ("two", "02")] {
        create_key(&nss.settings(label, id)).await.unwrap();
    }
}

#[tokio::test]
async fn the_probe_tells_whose_token_it_is() {
    let Some(nss) = NSS.as_ref() else { return };
    let health = nss.open("one", "01").await.probe().await.unwrap();
    let Custody::Token { token, attributes } = health.custody else { panic!("{health:?}") };
    assert!(token.contains("NSS"), "{token}");
    assert!(attributes.stays_inside());
}
