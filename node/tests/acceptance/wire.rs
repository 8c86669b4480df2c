//! One TLS connection, byte by byte: for what no well-behaved client does.

use std::io;
use std::sync::Arc;

use kmip::message::RequestHeader;
use kmip::ttlv::Limits;
use kmip::{
    Attribute, CryptographicAlgorithm, ObjectType, RequestBuilder, RequestPayload, ResponseMessage,
    ResultReason, UsageMask, Version, ops,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Cluster, NODES, PATIENCE, text};

/// A certificate with its chain, and its key, both PEM.
pub struct Credentials {
    pub chain: String,
    pub key: String,
}

impl Credentials {
    /// Those of a service of a tenant, as `keyraft dev` made them.
    pub fn of(cluster: &Cluster, tenant: &str, service: &str) -> Self {
        Self::read(cluster, &format!("clients/{tenant}/{service}"))
    }

    /// Those of the platform operator.
    pub fn operator(cluster: &Cluster) -> Self {
        Self::read(cluster, "operators/dev")
    }

    fn read(cluster: &Cluster, stem: &str) -> Self {
        let read = |end: &str| {
            let file = cluster.data.join(format!("{stem}.{end}"));
            std::fs::read_to_string(file).expect("a file of the contract")
        };
        Self { chain: read("pem"), key: read("key") }
    }
}

/// Connects to KMIP on node 0; in TLS 1.3 a refusal shows at the first read only.
pub async fn connect(
    cluster: &Cluster,
    credentials: Option<&Credentials>,
) -> io::Result<TlsStream<TcpStream>> {
    connect_to(cluster, cluster.ports.kmip, credentials).await
}

/// Connects to a port of the cluster.
pub async fn connect_to(
    cluster: &Cluster,
    port: u16,
    credentials: Option<&Credentials>,
) -> io::Result<TlsStream<TcpStream>> {
    let authority = CertificateDer::from_pem_file(cluster.data.join("ca/server.pem")).expect("an authority");
    let mut roots = RootCertStore::empty();
    roots.add(authority).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let config = match credentials {
        None => builder.with_no_client_auth(),
        Some(Credentials { chain, key }) => {
            let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
            let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a key that signs");
            // Shown as it is: whether it is a certificate at all is for the node to say.
            let shown = CertifiedKey::new(chain.expect("certificates"), key);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
        }
    };
    let connect = async {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    timeout(PATIENCE, connect).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Sends bytes and reads until the node closes; what it sent before.
pub async fn last_words(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let talk = async {
        let _ = stream.write_all(bytes).await; // it may close before it read all
        let _ = stream.flush().await;
        stream.read_to_end(&mut answer).await
    };
    let closed = timeout(PATIENCE, talk).await;
    let _ = closed.expect("the node closes the connection");
    answer
}

/// Sends one request and reads its whole answer.
pub async fn ask(stream: &mut TlsStream<TcpStream>, request: &[u8]) -> io::Result<Vec<u8>> {
    let talk = async {
        stream.write_all(request).await?;
        stream.flush().await?;
        let mut answer = vec![0; 8];
        stream.read_exact(&mut answer).await?;
        let length = u32::from_be_bytes([answer[4], answer[5], answer[6], answer[7]]);
        answer.resize(8 + usize::try_from(length).expect("a length"), 0);
        stream.read_exact(&mut answer[8..]).await?;
        Ok(answer)
    };
    timeout(PATIENCE, talk).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The metrics of every node.
pub async fn metrics(cluster: &Cluster) -> Vec<String> {
    let token = &cluster.env()["KEYRAFT_TOKEN"];
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    let mut all = Vec::new();
    for port in (cluster.ports.admin..).take(NODES) {
        let mut stream = connect_to(cluster, port, None).await.expect("a connection");
        all.push(text(&last_words(&mut stream, request.as_bytes()).await));
    }
    all
}

/// Create of an ephemeral AES-256 key and Get of it, in one batch.
pub fn create_and_get() -> Vec<u8> {
    let template = vec![
        Attribute::CryptographicAlgorithm(CryptographicAlgorithm::Aes),
        Attribute::CryptographicLength(256),
        Attribute::CryptographicUsageMask(UsageMask(UsageMask::ENCRYPT.0 | UsageMask::DECRYPT.0)),
    ];
    let create = ops::create::Request {
        object_type: ObjectType::SymmetricKey,
        attributes: template.into(),
        protection_storage_masks: None,
    };
    request(&[RequestPayload::Create(create), RequestPayload::Get(ops::get::Request::default())])
}

/// Get of one key.
pub fn get(identifier: &str) -> Vec<u8> {
    request(&[RequestPayload::Get(ops::get::Request {
        unique_identifier: Some(identifier.into()),
        ..Default::default()
    })])
}

/// A batch in 1.4.
pub fn request(items: &[RequestPayload<'_>]) -> Vec<u8> {
    request_in(&RequestHeader::new(Version::V1_4), items)
}

/// A batch under this header.
pub fn request_in(header: &RequestHeader<'_>, items: &[RequestPayload<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, header);
    for (index, payload) in items.iter().enumerate() {
        builder.item(payload.operation(), Some(&[u8::try_from(index).expect("few items")]), payload);
    }
    builder.finish();
    bytes
}

/// The reasons of the items that failed.
pub fn reasons(answer: &[u8]) -> Vec<ResultReason> {
    let answer = ResponseMessage::decode(answer, &Limits::DEFAULT).expect("an answer");
    answer.items.iter().filter_map(|item| item.reason()).collect()
}
