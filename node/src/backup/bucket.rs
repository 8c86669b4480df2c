//! Backups in an S3-compatible store, one prefix each. The manifest is put last and removed first: without
//! one there is no backup.

use std::fs;
use std::path::Path as FilePath;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    Certificate, ClientOptions, ObjectStore as _, ObjectStoreExt as _, RetryConfig, WriteMultipart,
};
use raft_store::snapshot::SnapshotData;

use super::manifest::{Manifest, PIECE_BYTES};
use super::{KEYRING, MANIFEST, SNAPSHOT};
use crate::config::S3;

/// Begins the address of a store.
pub const SCHEME: &str = "s3://";
/// Bytes of one part of an upload: S3 takes no smaller ones.
const PART_BYTES: usize = 8 << 20;
/// Parts in flight.
const PARTS_MAX: usize = 4;
/// A request that fails is tried again, but a store that cannot be reached is told soon: a person may wait.
const RETRIES: usize = 4;
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest manifest that is read.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// A bucket, and a prefix in it.
#[derive(Clone, Debug)]
pub struct Bucket {
    store: std::sync::Arc<AmazonS3>,
    prefix: Path,
}

impl Bucket {
    /// Opens `s3://bucket/prefix`. Nothing is asked yet.
    ///
    /// # Errors
    /// The address or a setting is wrong, or a file cannot be read.
    pub fn open(address: &str, settings: Option<&S3>) -> anyhow::Result<Self> {
        let rest =
            address.strip_prefix(SCHEME).with_context(|| format!("{address:?} is no s3:// address"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let settings = settings.with_context(|| format!("{address} needs the settings [backup.s3]"))?;
        if !settings.endpoint.starts_with("https://") {
            bail!("backup.s3.endpoint must begin with https://: nothing leaves this node unencrypted");
        }
        let mut options = ClientOptions::new().with_allow_http(false);
        if let Some(file) = &settings.ca_file {
            let pem = fs::read(file).with_context(|| file.display().to_string())?;
            for certificate in Certificate::from_pem_bundle(&pem)? {
                options = options.with_root_certificate(certificate);
            }
        }
        let secret = |file: &FilePath| -> anyhow::Result<String> {
            Ok(fs::read_to_string(file).with_context(|| file.display().to_string())?.trim().to_owned())
        };
        let store = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&settings.region)
            .with_endpoint(&settings.endpoint)
            .with_access_key_id(secret(&settings.access_key_file)?)
            .with_secret_access_key(secret(&settings.secret_key_file)?)
            .with_client_options(options)
            .with_retry(RetryConfig { max_retries: RETRIES, retry_timeout: PATIENCE, ..Default::default() })
            .build()
            .with_context(|| format!("backup.target {address}"))?;
        Ok(Self { store: std::sync::Arc::new(store), prefix: Path::parse(prefix.trim_matches('/'))? })
    }

    /// Puts a backup: nothing is one before its manifest is there.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn store(
        &self,
        manifest: &Manifest,
        snapshot: &SnapshotData,
        keyring: &[u8],
    ) -> anyhow::Result<()> {
        let written = async {
            self.put_snapshot(&self.object(&manifest.name, SNAPSHOT), snapshot).await?;
            self.store.put(&self.object(&manifest.name, KEYRING), keyring.to_vec().into()).await?;
            let text = serde_json::to_vec_pretty(manifest)?;
            self.store.put(&self.object(&manifest.name, MANIFEST), text.into()).await?;
            anyhow::Ok(())
        };
        written.await.context("the backup cannot be put into the store")
    }

    async fn put_snapshot(&self, to: &Path, snapshot: &SnapshotData) -> anyhow::Result<()> {
        let upload = self.store.put_multipart(to).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut offset = 0;
        while offset < snapshot.len() {
            let piece = snapshot.read_at(offset, PIECE_BYTES)?;
            upload.wait_for_capacity(PARTS_MAX).await?;
            upload.write(&piece);
            offset += piece.len() as u64;
        }
        upload.finish().await?;
        Ok(())
    }

    /// The manifests of all backups here, oldest first.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn list(&self) -> anyhow::Result<Vec<Manifest>> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await;
        let mut found = Vec::new();
        for folder in listed.context("the store cannot be listed")?.common_prefixes {
            let Some(name) = folder.filename().map(str::to_owned) else { continue };
            if let Some(manifest) = self.manifest(&name).await? {
                found.push(manifest);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The manifest of a backup; `None` if it is none, or of another format.
    async fn manifest(&self, name: &str) -> anyhow::Result<Option<Manifest>> {
        let text = match self.store.get(&self.object(name, MANIFEST)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Ok(found) if found.meta.size > MANIFEST_BYTES_MAX => return Ok(None),
            found => found?.bytes().await?,
        };
        Ok(Manifest::parse(&text).ok().filter(|manifest| manifest.name == name))
    }

    /// Removes a backup, its manifest first.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn remove(&self, name: &str) -> anyhow::Result<()> {
        for file in [MANIFEST, SNAPSHOT, KEYRING] {
            let removed = self.store.delete(&self.object(name, file)).await;
            removed.with_context(|| format!("the backup {name} cannot be removed from the store"))?;
        }
        Ok(())
    }

    /// Brings a backup into a folder.
    ///
    /// # Errors
    /// The store refuses, or the disk.
    pub async fn fetch(&self, name: &str, into: &FilePath) -> anyhow::Result<()> {
        for file in [SNAPSHOT, KEYRING, MANIFEST] {
            let object = self.object(name, file);
            let found =
                self.store.get(&object).await.with_context(|| format!("{object} cannot be fetched"))?;
            let mut out = tokio::fs::File::create(into.join(file)).await?;
            let mut pieces = found.into_stream();
            while let Some(piece) = pieces.try_next().await? {
                tokio::io::AsyncWriteExt::write_all(&mut out, &piece).await?;
            }
            tokio::io::AsyncWriteExt::flush(&mut out).await?;
        }
        Ok(())
    }

    fn object(&self, name: &str, file: &str) -> Path {
        self.prefix.clone().join(name).join(file)
    }
}
