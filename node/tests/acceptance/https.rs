//! KMIP over HTTPS on the operator port: three encodings, one identity, and nothing of REST for a service.

use kmip::ops;
use kmip::text::{Encoding, from_ttlv, to_ttlv};
use kmip::ttlv::Limits;
use kmip::{ManagedObject, ResponseMessage, ResultReason};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::support::{Cluster, PATIENCE, text};
use crate::wire::{self, Credentials};

/// An answer of a web server.
pub struct Answer {
    pub status: u16,
    pub media_type: String,
    pub body: Vec<u8>,
}

/// One request over a connection of its own; `None` when the handshake or the line fails.
pub async fn http(
    cluster: &Cluster,
    port: u16,
    credentials: Option<&Credentials>,
    request: (&str, &str, &str),
    body: &[u8],
) -> Option<Answer> {
    let (method, path, media_type) = request;
    let mut stream = wire::connect_to(cluster, port, credentials).await.ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    let mut bytes = Vec::new();
    let talk = async {
        // A server that refuses by the header alone may close before it read the body.
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(body).await;
        let _ = stream.flush().await;
        stream.read_to_end(&mut bytes).await
    };
    let _ = timeout(PATIENCE, talk).await.expect("an answer in time");
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = text(&bytes[..end]);
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let media_type = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    Some(Answer { status, media_type: media_type.to_owned(), body: bytes[end + 4..].to_vec() })
}

/// A message over HTTPS, given and answered as TTLV, in an encoding on the way.
async fn exchange(cluster: &Cluster, credentials: &Credentials, encoding: Encoding, ttlv: &[u8]) -> Vec<u8> {
    let body = from_ttlv(encoding, ttlv).expect("our own request");
    let post = ("POST", "/kmip", encoding.media_type());
    let answer =
        http(cluster, operator_port(cluster), Some(credentials), post, &body).await.expect("an answer");
    assert_eq!(answer.status, 200, "{encoding:?}: {}", text(&answer.body));
    assert_eq!(answer.media_type, encoding.media_type());
    to_ttlv(encoding, &answer.body, &Limits::DEFAULT).expect("an answer in its encoding").to_vec()
}

/// The operator port of node 0.
pub fn operator_port(cluster: &Cluster) -> u16 {
    cluster.ports.admin + 50
}

/// Identifier and key bytes of the last item, a Get.
fn key(answer: &[u8]) -> (String, Vec<u8>) {
    let answer = ResponseMessage::decode(answer, &Limits::DEFAULT).expect("an answer");
    let get = answer.items.last().expect("an item").payload::<ops::get::Response<'_>>().expect("a Get");
    let ManagedObject::SymmetricKey(key) = &*get.object else { panic!("no symmetric key: {:?}", get.object) };
    let block = key.key_block.as_ref().expect("a key block");
    let uid = get.unique_identifier.as_text().expect("a text").to_owned();
    (uid, block.material_bytes().expect("bytes").to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_reads_alike_in_every_encoding() {
    let cluster = Cluster::shared();
    let credentials = Credentials::of(&cluster, "tenant-a", "mongodb");
    let mut stream = wire::connect(&cluster, Some(&credentials)).await.expect("a connection");
    for encoding in Encoding::ALL {
        let created = exchange(&cluster, &credentials, encoding, &wire::create_and_get()).await;
        assert_eq!(wire::reasons(&created), [], "{encoding:?}");
        let (uid, material) = key(&created);
        assert_eq!(material.len(), 32);
        for other in Encoding::ALL {
            let read = exchange(&cluster, &credentials, other, &wire::get(&uid)).await;
            assert_eq!(key(&read), (uid.clone(), material.clone()), "{encoding:?} and {other:?}");
        }
        let socket = wire::ask(&mut stream, &wire::get(&uid)).await.expect("an answer");
        assert_eq!(key(&socket), (uid.clone(), material), "{encoding:?} and the socket");
        let stranger = Credentials::of(&cluster, "tenant-b", "mongodb");
        let refused = exchange(&cluster, &stranger, encoding, &wire::get(&uid)).await;
        assert_eq!(wire::reasons(&refused), [ResultReason::ItemNotFound], "{encoding:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_opens_what_it_is_for_and_nothing_else() {
    let cluster = Cluster::shared();
    let service = Credentials::of(&cluster, "tenant-a", "mongodb");
    let operator = Credentials::operator(&cluster);
    let (port, public) = (operator_port(&cluster), cluster.ports.admin);
    let status = async |port: u16, credentials: Option<&Credentials>, request: (&str, &str, &str)| {
        http(&cluster, port, credentials, request, &wire::get("k-none")).await.map(|answer| answer.status)
    };
    let ttlv = Encoding::Ttlv.media_type();
    for (method, path, for_service, for_operator) in [
        ("POST", "/kmip", 200, 403),
        ("GET", "/kmip", 405, 405),
        ("GET", "/v1/tenants", 401, 200),
        ("GET", "/v1/cluster", 401, 200),
        ("GET", "/metrics", 401, 200),
        ("GET", "/livez", 200, 200),
        ("GET", "/nowhere", 404, 404),
    ] {
        let request = (method, path, ttlv);
        assert_eq!(
            status(port, Some(&service), request).await,
            Some(for_service),
            "service: {method} {path}"
        );
        assert_eq!(
            status(port, Some(&operator), request).await,
            Some(for_operator),
            "operator: {method} {path}"
        );
        assert_eq!(status(port, None, request).await, None, "nobody: {method} {path}");
    }
    // The port for browsers asks for no certificate, and so serves no keys.
    assert_eq!(status(public, Some(&service), ("POST", "/kmip", ttlv)).await, Some(404));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_answered_as_kmip_or_as_http_says() {
    let cluster = Cluster::shared();
    let credentials = Credentials::of(&cluster, "tenant-a", "mongodb");
    let post = async |media_type: &str, body: &[u8]| {
        let request = ("POST", "/kmip", media_type);
        http(&cluster, operator_port(&cluster), Some(&credentials), request, body).await.expect("an answer")
    };
    // T27, on a live node.
    let laughs =
        r#"<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><RequestMessage>&b;</RequestMessage>"#;
    for (media_type, encoding, body) in [
        ("text/xml", Encoding::Xml, laughs),
        ("application/xml; charset=utf-8", Encoding::Xml, "<RequestMessage>"),
        ("text/xml", Encoding::Xml, ""),
        ("application/json", Encoding::Json, r#"{"tag":"RequestMessage","tag":"RequestMessage"}"#),
        ("application/json", Encoding::Json, r#"{"tag":"RequestMessage","value":1e400}"#),
        ("application/json", Encoding::Json, "nonsense"),
    ] {
        let answer = post(media_type, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{body}");
        let ttlv = to_ttlv(encoding, &answer.body, &Limits::DEFAULT).expect("an answer in its encoding");
        assert_eq!(wire::reasons(&ttlv), [ResultReason::InvalidMessage], "{body}");
    }
    let noise = post("application/octet-stream", &[0xa5; 64]).await;
    assert_eq!(wire::reasons(&noise.body), [ResultReason::InvalidMessage]);

    for media_type in ["text/plain", "application/json; charset=latin1", ""] {
        let answer = post(media_type, b"{}").await;
        assert_eq!(
            (answer.status, answer.media_type.as_str()),
            (415, "application/problem+json"),
            "{media_type}"
        );
    }
    let answer = post("application/octet-stream", &vec![0; kmip::ttlv::FRAME_BYTES_MAX + 1]).await;
    assert_eq!(answer.status, 413);
}
