//! Requests to the administration interface, written out, so that a test can send what no client would.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::support::{Cluster, PATIENCE, text};
use crate::wire::{self, Credentials};

/// A request to be.
#[derive(Clone, Default)]
pub struct Request {
    /// Method and target as they stand in the request line.
    pub line: String,
    /// Lines of the header, without `Host` and `Content-Length`.
    pub headers: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
    /// Index of the node to ask.
    pub node: u16,
    /// `false`: no `Content-Length` is written.
    pub chunked: bool,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    /// As JSON; a string where it is none.
    pub body: Value,
}

impl Request {
    /// A request of a method to a target.
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), ..Self::default() }
    }

    /// With a bearer token.
    pub fn token(self, token: &str) -> Self {
        self.header(format!("Authorization: Bearer {token}"))
    }

    /// With one more line of the header.
    pub fn header(mut self, line: impl Into<String>) -> Self {
        self.headers.push(line.into());
        self
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With a body of a type.
    pub fn body(mut self, media: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header(format!("Content-Type: {media}"))
    }

    /// To another node than the first.
    pub fn to(mut self, node: u16) -> Self {
        self.node = node;
        self
    }

    /// Sends it to the port for browsers and machines.
    pub async fn send(&self, cluster: &Cluster) -> Reply {
        self.send_to(cluster, cluster.ports.admin + self.node, None).await
    }

    /// Sends it to the operator port.
    pub async fn send_as(&self, cluster: &Cluster, who: &Credentials) -> Reply {
        self.send_to(cluster, cluster.ports.admin + 50 + self.node, Some(who)).await
    }

    /// The first frames of a stream of events: number and content. Then the line is cut.
    pub async fn frames(&self, cluster: &Cluster, count: usize) -> Vec<(String, Value)> {
        let mut events = self.follow(cluster).await;
        let mut frames = Vec::new();
        while frames.len() < count {
            frames.push(events.next().await);
        }
        frames
    }

    /// A stream of events, to be read one by one.
    pub async fn follow(&self, cluster: &Cluster) -> Events {
        let mut stream =
            wire::connect_to(cluster, cluster.ports.admin + self.node, None).await.expect("a connection");
        // HTTP/1.0 has no chunks: the frames stand in the body as they are.
        let head =
            format!("{} HTTP/1.0\r\nHost: localhost\r\n{}\r\n\r\n", self.line, self.headers.join("\r\n"));
        stream.write_all(head.as_bytes()).await.expect("a line");
        stream.flush().await.expect("a line");
        let mut events = Events { stream, unread: Vec::new() };
        let header = events.until("\r\n\r\n").await;
        assert!(header.contains(" 200 "), "{header}");
        events
    }

    async fn send_to(&self, cluster: &Cluster, port: u16, who: Option<&Credentials>) -> Reply {
        let mut stream = wire::connect_to(cluster, port, who).await.expect("a connection");
        let mut head = format!("{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", self.line);
        for line in &self.headers {
            head += &format!("{line}\r\n");
        }
        if !self.chunked {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        head += "\r\n";
        let mut bytes = Vec::new();
        let talk = async {
            // A server that refuses by the header alone may close before it read the body.
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&self.body).await;
            let _ = stream.flush().await;
            stream.read_to_end(&mut bytes).await
        };
        let _ = timeout(PATIENCE, talk).await.expect("an answer in time");
        read(&bytes)
    }
}

/// A stream of events on an open line.
pub struct Events {
    stream: TlsStream<TcpStream>,
    unread: Vec<u8>,
}

impl Events {
    /// The next event: number and content.
    pub async fn next(&mut self) -> (String, Value) {
        loop {
            let frame = self.until("\n\n").await;
            let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
            // A sign of life has neither.
            if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                return (id.to_owned(), serde_json::from_str(data).expect("JSON"));
            }
        }
    }

    async fn until(&mut self, end: &str) -> String {
        loop {
            let found = self.unread.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let rest = self.unread.split_off(at + end.len());
                return text(&std::mem::replace(&mut self.unread, rest));
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread));
            let read = read.await.expect("an event in time").expect("a line");
            assert!(read > 0, "the stream ended: {}", text(&self.unread));
        }
    }
}

fn read(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a header");
    let head = text(&bytes[..end]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let pair = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    };
    let body = &bytes[end + 4..];
    let body = serde_json::from_slice(body).unwrap_or_else(|_| Value::String(text(body)));
    Reply { status, headers: head.lines().skip(1).filter_map(pair).collect(), body }
}
