//! The authorities and certificates of a development cluster.
//!
//! One authority per purpose, so that a certificate of one kind is worth nothing elsewhere: servers,
//! peers, operators, one per tenant (pinned to it), and one that may issue for any tenant.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

/// An authority: its certificate and key on disk.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    file: PathBuf,
}

/// What a certificate is for.
pub enum Purpose<'a> {
    /// KMIP and administration servers on loopback.
    Server,
    /// A node towards other nodes.
    Peer {
        /// The node's name.
        node: &'a str,
    },
    /// A platform operator.
    Operator,
    /// A service of a tenant.
    Service {
        /// The tenant's name.
        tenant: &'a str,
        /// The service's name.
        service: &'a str,
    },
}

impl Authority {
    /// Opens `<folder>/<name>.pem` and `.key`, or makes them.
    ///
    /// # Errors
    /// If a file cannot be read or written, or holds something else.
    pub fn open_or_create(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let file = folder.join(format!("{name}.pem"));
        let key_file = folder.join(format!("{name}.key"));
        if file.exists() && key_file.exists() {
            let certificate_pem = read(&file)?;
            let key = KeyPair::from_pem(&read(&key_file)?).context(key_file.display().to_string())?;
            let issuer =
                Issuer::from_ca_cert_pem(&certificate_pem, key).context(file.display().to_string())?;
            return Ok(Self { issuer, certificate_pem, file });
        }
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = common_name(&format!("keyraft dev CA {name}"));
        set_validity(&mut params);
        let certificate_pem = params.self_signed(&key)?.pem();
        write_private(&key_file, &key.serialize_pem())?;
        write_private(&file, &certificate_pem)?;
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem, file })
    }

    /// The authority's certificate file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Issues `<folder>/<name>.pem` (with its chain) and `.key`, unless they are there.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn issue(
        &self,
        purpose: &Purpose<'_>,
        trust_domain: &str,
        folder: &Path,
        name: &str,
    ) -> anyhow::Result<()> {
        let (file, key_file) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        if file.exists() && key_file.exists() {
            return Ok(());
        }
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let key = KeyPair::generate()?;
        let certificate = params(purpose, trust_domain)?.signed_by(&key, &self.issuer)?;
        write_private(&key_file, &key.serialize_pem())?;
        write_private(&file, &format!("{}{}", certificate.pem(), self.certificate_pem))
    }
}

fn params(purpose: &Purpose<'_>, trust_domain: &str) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    set_validity(&mut params);
    let loopback = [
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let uri = |path: String| -> anyhow::Result<SanType> {
        Ok(SanType::URI(format!("spiffe://{trust_domain}/{path}").try_into()?))
    };
    match purpose {
        Purpose::Server => {
            params.distinguished_name = common_name("keyraft dev server");
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.subject_alt_names.extend(loopback);
        }
        Purpose::Peer { node } => {
            params.distinguished_name = common_name(node);
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            params.subject_alt_names.push(uri(format!("node/{node}"))?);
            params.subject_alt_names.extend(loopback);
        }
        Purpose::Operator => {
            params.distinguished_name = common_name("keyraft dev operator");
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.subject_alt_names.push(uri("operator/dev".to_owned())?);
        }
        Purpose::Service { tenant, service } => {
            params.distinguished_name = common_name(service);
            params.distinguished_name.push(DnType::OrganizationalUnitName, *tenant);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.subject_alt_names.push(uri(format!("tenant/{tenant}/service/{service}"))?);
        }
    }
    Ok(params)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// A development cluster outlives any demonstration; real certificates come from a real authority.
fn set_validity(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2044, 1, 1);
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Writes a file that only its owner reads.
///
/// # Errors
/// If it cannot be written.
pub fn write_private(file: &Path, content: &str) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    out.write_all(content.as_bytes()).with_context(|| format!("cannot write {}", file.display()))
}
