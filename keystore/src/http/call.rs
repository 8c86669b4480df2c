//! One request and its whole answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::dial::{dial, trust};
use super::fault::HttpFault;
use super::{ANSWER_BYTES_MAX, CALL_TIMEOUT, CONNECT_TIMEOUT, Endpoint};
use crate::Site;

/// Connections to one endpoint, and so calls under way: a node unwraps many keys only at a cold start,
/// and a service is not stormed then. More calls wait for their turn.
const CONNECTIONS_MAX: usize = 8;

/// Longest wait for that turn: a storm of calls passes within it, and its callers have an end.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// It asks.
    Get,
    /// It sends.
    Post,
}

/// One request. Its body may hold a payload.
pub struct Request {
    /// What it does.
    pub method: Method,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers; `Host` and `Content-Length` are set by us.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// The body; empty for none.
    pub body: Zeroizing<Vec<u8>>,
}

impl Request {
    /// Asks for a path.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::Get, path: path.into(), headers: Vec::new(), body: Zeroizing::default() }
    }

    /// Sends a body of this type to a path.
    pub fn post(path: impl Into<String>, content_type: &str, body: Zeroizing<Vec<u8>>) -> Self {
        let request = Self { method: Method::Post, path: path.into(), headers: Vec::new(), body };
        request.header("content-type", content_type)
    }

    /// Sends JSON.
    pub fn post_json(path: impl Into<String>, body: &impl serde::Serialize) -> Self {
        Self::post(path, "application/json", json_body(body))
    }

    /// With one header more.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, Zeroizing::new(value.into())));
        self
    }
}

/// Room for a body: payloads in base64 and associated data have some hundred bytes, and what moves when
/// it grows is wiped by the process's allocator alone.
const BODY_BYTES: usize = 16 * 1024;

/// JSON in a buffer that is wiped.
pub fn json_body(body: &impl serde::Serialize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(BODY_BYTES));
    serde_json::to_writer(&mut *bytes, body).expect("our requests are JSON, and a vector takes them");
    bytes
}

/// An answer, whole.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// When to ask again, if it says so.
    pub retry_after: Option<Duration>,
    /// How to prove oneself, if it says so.
    pub challenge: Option<String>,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
    /// Who answered.
    from: String,
}

impl Answer {
    /// Whether it is a success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpFault> {
        serde_json::from_slice(&self.body).map_err(|_| self.garbage("it is not the JSON expected"))
    }

    /// The same, where nothing of it is relied on.
    pub fn hint<T: DeserializeOwned + Default>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// An answer that is not what this service says.
    pub fn garbage(&self, problem: &'static str) -> HttpFault {
        HttpFault::Garbage { to: self.from.clone(), problem }
    }
}

/// A client of one endpoint.
pub struct Client {
    endpoint: Endpoint,
    site: Site,
    trust: Arc<ClientConfig>,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    turns: Semaphore,
}

impl Client {
    /// For `https://host[:port]`, which is judged as [`Endpoint::parse`] does, trusting the authority in `ca_pem`
    /// or else the public ones.
    pub fn of(url: &str, site: &Site, clouds: &[&str], ca_pem: Option<&str>) -> Result<Self, HttpFault> {
        let endpoint = Endpoint::parse(url, site, clouds)?;
        let trust = trust(ca_pem, site)?;
        let (site, turns) = (site.clone(), Semaphore::new(CONNECTIONS_MAX));
        Ok(Self { endpoint, site, trust, idle: Mutex::default(), turns })
    }

    /// Its endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends the request and waits for the whole answer.
    pub async fn send(&self, request: Request) -> Result<Answer, HttpFault> {
        let to = self.endpoint.authority();
        let Ok(Ok(_turn)) = tokio::time::timeout(TURN_TIMEOUT, self.turns.acquire()).await else {
            return Err(HttpFault::Slow { to, after: TURN_TIMEOUT });
        };
        let slow = HttpFault::Slow { to: to.clone(), after: CALL_TIMEOUT };
        tokio::time::timeout(CALL_TIMEOUT, self.exchange(request, &to)).await.unwrap_or(Err(slow))
    }

    async fn exchange(&self, request: Request, to: &str) -> Result<Answer, HttpFault> {
        let request = self.encode(request)?;
        let (mut connection, response) = self.respond(request, to).await?;
        let (head, body) = response.into_parts();
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let retry_after: Option<String> = text(hyper::header::RETRY_AFTER);
        let answer = Answer {
            status: head.status.as_u16(),
            retry_after: retry_after.and_then(|text| text.parse().ok()).map(Duration::from_secs),
            challenge: text(hyper::header::WWW_AUTHENTICATE),
            body: whole(body, to).await?,
            from: to.to_owned(),
        };
        if head.status.is_redirection() {
            return Err(HttpFault::Redirect { to: to.to_owned() });
        }
        if connection.ready().await.is_ok() {
            self.keep(connection);
        }
        Ok(answer)
    }

    /// Sends on an idle connection if there is one; if that was closed before the request left, on a
    /// new one.
    async fn respond(
        &self,
        request: hyper::Request<Full<Bytes>>,
        to: &str,
    ) -> Result<(SendRequest<Full<Bytes>>, hyper::Response<Incoming>), HttpFault> {
        while let Some(mut connection) = self.take() {
            if connection.ready().await.is_err() {
                continue;
            }
            match connection.send_request(request.clone()).await {
                Ok(response) => return Ok((connection, response)),
                // Closed while it idled. Our calls may all be repeated.
                Err(_) => break,
            }
        }
        let mut connection = self.connect(to).await?;
        let response = connection.send_request(request).await;
        response.map(|response| (connection, response)).map_err(|error| HttpFault::broken(to, &error))
    }

    async fn connect(&self, to: &str) -> Result<SendRequest<Full<Bytes>>, HttpFault> {
        let dialled = tokio::time::timeout(CONNECT_TIMEOUT, dial(&self.endpoint, &self.site, &self.trust));
        let slow = HttpFault::Slow { to: to.to_owned(), after: CONNECT_TIMEOUT };
        let stream = dialled.await.unwrap_or(Err(slow))?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| HttpFault::broken(to, &error))?;
        // Ends with its sender; an error shows at the next request.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn encode(&self, request: Request) -> Result<hyper::Request<Full<Bytes>>, HttpFault> {
        let method = match request.method {
            Method::Get => hyper::Method::GET,
            Method::Post => hyper::Method::POST,
        };
        let mut encoded = hyper::Request::builder()
            .method(method)
            .uri(&request.path)
            .header(hyper::header::HOST, self.endpoint.host_header())
            .header(hyper::header::USER_AGENT, concat!("keyraft/", env!("CARGO_PKG_VERSION")))
            .header(hyper::header::ACCEPT, "application/json");
        for (name, value) in &request.headers {
            let mut value = hyper::header::HeaderValue::from_str(value).map_err(|_| HttpFault::Address {
                url: (*name).to_owned(),
                why: "it holds characters that no header may have",
            })?;
            value.set_sensitive(true);
            encoded = encoded.header(*name, value);
        }
        encoded.body(Full::new(Bytes::from_owner(request.body))).map_err(|_| HttpFault::Address {
            url: request.path.clone(),
            why: "it holds characters that no path may have",
        })
    }

    fn take(&self) -> Option<SendRequest<Full<Bytes>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, connection: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < CONNECTIONS_MAX {
            idle.push(connection);
        }
    }
}

/// Reads a body to its end, or to its bound.
async fn whole(mut body: Incoming, to: &str) -> Result<Zeroizing<Vec<u8>>, HttpFault> {
    let too_long = || HttpFault::Garbage { to: to.to_owned(), problem: "it is longer than any answer" };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > ANSWER_BYTES_MAX {
        return Err(too_long());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(announced.max(BODY_BYTES)));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| HttpFault::broken(to, &error))?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > ANSWER_BYTES_MAX {
            return Err(too_long());
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}
