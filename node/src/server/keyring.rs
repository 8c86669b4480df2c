//! The barrier keyring on disk: its body sealed under a key that platform roots wrap. Unsealing precedes
//! Raft, so that applying an entry never does I/O.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use crypto::{Kek, Keyring, L1Payload};
use engine::KeyringFile;
use keystore::{BoxFuture, Context, RootKeystore, Wrapped};
use model::id::Realm;
use serde::{Deserialize, Serialize};

/// The file, and what travels to a joining node. All of it is ciphertext.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedKeyring {
    realm: String,
    wraps: Vec<KekWrap>,
    body: String,
}

/// The keyring's key-encryption key, wrapped by one root.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KekWrap {
    l1_ref: String,
    wrapped: String,
}

/// Makes a new keyring and its sealed form.
///
/// # Errors
/// If the root does not wrap.
pub async fn generate(realm: Realm, root: &dyn RootKeystore) -> anyhow::Result<Vec<u8>> {
    seal(&Keyring::generate(realm)?, root).await
}

/// Seals a keyring under a new key that the root wraps.
async fn seal(keyring: &Keyring, root: &dyn RootKeystore) -> anyhow::Result<Vec<u8>> {
    let realm = keyring.realm();
    let kek = Kek::generate()?;
    let payload = L1Payload::of_kek(&kek, realm, root.l1_ref())?;
    let wrapped = root.wrap(Context::barrier_kek(realm), payload).await?;
    let sealed = SealedKeyring {
        realm: realm.to_string(),
        wraps: vec![KekWrap { l1_ref: wrapped.l1_ref, wrapped: hex(&wrapped.blob) }],
        body: hex(&keyring.sealed(&kek)),
    };
    Ok(serde_json::to_vec_pretty(&sealed)?)
}

/// Unseals a keyring by any one of the roots at hand.
///
/// # Errors
/// Says which root refused, or that the bytes belong to another realm or root.
pub async fn unseal(sealed: &[u8], realm: Realm, root: &dyn RootKeystore) -> anyhow::Result<Arc<Keyring>> {
    let sealed: SealedKeyring = serde_json::from_slice(sealed).context("the sealed keyring is damaged")?;
    if sealed.realm != realm.to_string() {
        bail!("the sealed keyring belongs to realm {}, this node to realm {realm}", sealed.realm);
    }
    let Some(wrap) = sealed.wraps.iter().find(|wrap| wrap.l1_ref == root.l1_ref()) else {
        let known: Vec<&str> = sealed.wraps.iter().map(|wrap| wrap.l1_ref.as_str()).collect();
        bail!(
            "the keyring is wrapped by {}, but platform_root.barrier is {}: configure the root that wrapped it",
            known.join(", "),
            root.l1_ref()
        );
    };
    let wrapped = Wrapped { l1_ref: wrap.l1_ref.clone(), blob: unhex(&wrap.wrapped)? };
    let payload = root.unwrap(Context::barrier_kek(realm), &wrapped).await?;
    let kek = payload.into_kek(realm, &wrap.l1_ref)?;
    Ok(Arc::new(Keyring::unseal(realm, &kek, &unhex(&sealed.body)?)?))
}

/// The keyring of a running node: in memory, and as it lies on disk.
pub struct Kept {
    keyring: Arc<Keyring>,
    root: Arc<dyn RootKeystore>,
    file: PathBuf,
    sealed: ArcSwap<Vec<u8>>,
}

impl Kept {
    /// Unseals what lies in the file by any one of the roots at hand.
    ///
    /// # Errors
    /// The file cannot be read; and as [`unseal`].
    pub async fn open(file: &Path, realm: Realm, root: Arc<dyn RootKeystore>) -> anyhow::Result<Self> {
        let sealed = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let keyring = unseal(&sealed, realm, root.as_ref()).await?;
        Ok(Self { keyring, root, file: file.to_owned(), sealed: ArcSwap::from_pointee(sealed) })
    }

    /// The keyring, unsealed.
    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring)
    }

    /// The keyring, sealed: for a node that joins, and for a backup. It holds every term that anything was
    /// sealed under before this call.
    pub fn sealed(&self) -> Arc<Vec<u8>> {
        self.sealed.load_full()
    }
}

impl KeyringFile for Kept {
    fn keep(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let kept = async {
                let sealed = Arc::new(seal(&self.keyring, self.root.as_ref()).await?);
                let (file, bytes) = (self.file.clone(), Arc::clone(&sealed));
                tokio::task::spawn_blocking(move || write(&file, &bytes)).await??;
                self.sealed.store(sealed);
                anyhow::Ok(())
            };
            kept.await.map_err(|error| format!("{error:#}"))
        })
    }
}

/// Writes the sealed keyring so that it is there whole or not at all.
///
/// # Errors
/// If the file system refuses.
pub fn write(file: &Path, sealed: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let fresh = file.with_extension("new");
    let folder = file.parent().context("the keyring lies in a folder")?;
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .with_context(|| format!("cannot write {}", fresh.display()))?;
    out.write_all(sealed)?;
    out.sync_all()?;
    std::fs::rename(&fresh, file)?;
    Ok(std::fs::File::open(folder)?.sync_all()?)
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).context("the sealed keyring is damaged")
}
