//! What arrives broken, late, or is never read: each ends its own connection at most, and
//! nothing else notices.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use client::KeyRequest;
use kmip::message::RequestHeader;
use kmip::ttlv::Limits;
use kmip::{Attribute, RequestBuilder, ResponseMessage, ResultReason, Version, ops};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::support::{Cluster, KEYRAFT, PATIENCE, text, until};
use crate::wire::{self, Credentials};

/// How long a message may take to arrive.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may wait to be read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

async fn connect(cluster: &Cluster) -> TlsStream<TcpStream> {
    let credentials = Credentials::of(cluster, "tenant-a", "mongodb");
    wire::connect(cluster, Some(&credentials)).await.expect("a connection")
}

/// Locate of everything with this name.
fn locate(name: &[u8]) -> Vec<u8> {
    // As many bytes as the name has, which need not be text; so the text is put in afterwards.
    let stand_in = "n".repeat(name.len());
    let attributes = vec![Attribute::Name(stand_in.as_str().into())];
    let locate = ops::locate::Request { attributes: attributes.into(), ..Default::default() };
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, &RequestHeader::new(Version::V1_4));
    builder.item(kmip::Operation::Locate, None, &locate);
    builder.finish();
    let at = bytes.windows(name.len()).position(|window| window == stand_in.as_bytes()).expect("the name");
    bytes[at..at + name.len()].copy_from_slice(name);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn t16_missing_padding_is_told_when_the_deadline_comes() {
    let cluster = Cluster::shared();
    let mut stream = connect(&cluster).await;
    let request = wire::get("k-none");
    let begun = Instant::now();
    let answer = wire::last_words(&mut stream, &request[..request.len() - 2]).await;
    assert_eq!(wire::reasons(&answer), [ResultReason::InvalidMessage]);
    assert!(begun.elapsed() >= MESSAGE_TIMEOUT, "answered before the deadline: {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_text_that_is_none_is_refused_and_never_logged_as_it_came() {
    let cluster = Cluster::shared();
    for (what, bytes) in [
        ("a lone continuation byte", &b"abc\x80defg"[..]),
        ("an overlong slash", b"abc\xc0\xafdef"),
        ("a surrogate", b"ab\xed\xa0\x80def"),
        ("past the last character", b"abc\xf4\x90\x80\x80d"),
    ] {
        let mut stream = connect(&cluster).await;
        let answer = wire::last_words(&mut stream, &locate(bytes)).await;
        assert_eq!(wire::reasons(&answer), [ResultReason::InvalidMessage], "{what}");
    }
    let mut stream = connect(&cluster).await;
    let long = "n".repeat(kmip::ttlv::TEXT_BYTES_MAX + 1);
    for (what, bytes) in [
        ("NUL", &b"abc\0defg"[..]),
        ("an escape sequence", b"\x1b[31mred\x1b[0m"),
        ("a bell", b"abc\x07defg"),
        ("too long", long.as_bytes()),
    ] {
        let answer = wire::ask(&mut stream, &locate(bytes)).await.expect("the connection stays");
        assert_eq!(wire::reasons(&answer), [ResultReason::InvalidField], "{what}");
    }
    let log = fs::read(cluster.node(0).join("log")).expect("a log");
    assert!(!log.contains(&0x1b) && !log.contains(&0x07), "control bytes of a peer are in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn t23_slow_messages_are_dropped_at_the_deadline() {
    let cluster = Cluster::shared();
    // Seven bytes are no header: nothing can be said.
    let mut stalled = connect(&cluster).await;
    let mut slow = connect(&cluster).await;
    let request = wire::create_and_get();
    let begun = Instant::now();
    let stall = async {
        let answer = wire::last_words(&mut stalled, &request[..7]).await;
        assert!(answer.is_empty(), "a message without a header was answered");
        begun.elapsed()
    };
    let loris = async {
        let mut answer = Vec::new();
        for byte in &request {
            if timeout(Duration::from_secs(1), stream_read(&mut slow, &mut answer)).await.is_ok() {
                break;
            }
            if slow.write_all(&[*byte]).await.is_err() || slow.flush().await.is_err() {
                break;
            }
        }
        assert_eq!(wire::reasons(&answer), [ResultReason::InvalidMessage]);
        begun.elapsed()
    };
    let (stalled_for, slow_for) = tokio::join!(stall, loris);
    for took in [stalled_for, slow_for] {
        assert!(took >= MESSAGE_TIMEOUT && took < MESSAGE_TIMEOUT + PATIENCE / 2, "dropped after {took:?}");
    }
}

/// Reads what there is until the peer closes.
async fn stream_read(stream: &mut TlsStream<TcpStream>, answer: &mut Vec<u8>) {
    let _ = stream.read_to_end(answer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t24_a_half_closed_line_is_still_answered_and_a_reset_one_harms_nobody() {
    let cluster = Cluster::shared();
    let mut stream = connect(&cluster).await;
    stream.write_all(&wire::create_and_get()).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("in time").expect("an answer");
    assert_eq!(wire::reasons(&answer), []);
    let read = ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
    let made: ops::create::Response<'_> = read.items[0].payload().expect("a key");
    let key = made.unique_identifier.as_text().expect("a text").to_owned();
    let log = cluster.node(0).join("data/audit");
    until("the audit log tells what became of both items", || {
        let told = Command::new(KEYRAFT).args(["audit", "export"]).arg(&log).output().expect("keyraft audit");
        let told = text(&told.stdout);
        let outcomes = told.lines().filter(|line| line.contains(&key) && line.contains("\"ok\""));
        outcomes.count() == 2
    });

    for _ in 0..50 {
        let mut stream = connect(&cluster).await;
        stream.write_all(&wire::create_and_get()).await.expect("sent");
        stream.flush().await.expect("sent");
        // Closing with data unread, or with no time to linger, is a reset.
        let (tcp, _) = stream.into_inner();
        tcp.set_zero_linger().expect("no lingering");
        drop(tcp);
    }
    cluster.client(0, "tenant-a").create_and_get(&KeyRequest::aes256()).await.expect("the node serves on");
}

#[tokio::test(flavor = "multi_thread")]
async fn t25_answers_nobody_reads_hold_one_connection_and_no_memory() {
    let cluster = Cluster::shared();
    let mut stream = connect(&cluster).await;
    let before = resident_bytes(cluster.pid(0));
    // More answers than both ends' socket buffers hold, whatever they grow to.
    let requests = wire::create_and_get().repeat(100);
    let begun = Instant::now();
    let flood = async {
        loop {
            if stream.write_all(&requests).await.is_err() {
                return;
            }
        }
    };
    timeout(WRITE_TIMEOUT + PATIENCE, flood).await.expect("the node gives up on the connection");
    assert!(begun.elapsed() >= WRITE_TIMEOUT, "dropped before the deadline");
    let grown = resident_bytes(cluster.pid(0)).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} more bytes in memory");
    cluster.client(0, "tenant-a").create_and_get(&KeyRequest::aes256()).await.expect("the node serves on");
}

/// Memory of a process that is in RAM.
fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a live process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("kB");
    kib * 1024
}
