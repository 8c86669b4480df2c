//! The yardstick: a TLS server that reads frames and answers each with the same bytes.
//!
//! A process of its own, of this same binary, so that allocator, TLS library, runtime and flags are those
//! of a node; mutual TLS as there. It knows nothing of KMIP but the length of a frame, and ends with the
//! one who started it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child as Process, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use client::{Connector, Settings};
use kmip::ttlv::{HEADER_BYTES, frame_length};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::CONNECT_TIMEOUT;
use super::load::Target;
use super::request::Prepared;

/// What the server is told, as one line on its standard input.
#[derive(Serialize, Deserialize)]
struct Orders {
    authority_pem: String,
    certificate_pem: String,
    key_pem: String,
    answer_bytes: usize,
}

/// The running server; dropping it ends it.
pub struct Child {
    process: Process,
    target: Arc<Target>,
}

impl Child {
    /// Starts the server with certificates made for this run, to answer such requests.
    pub fn start(prepared: &Prepared) -> anyhow::Result<Self> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let issue = || -> anyhow::Result<(String, String)> {
            let key = KeyPair::generate()?;
            let certificate =
                CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;
            Ok((certificate.pem(), key.serialize_pem()))
        };
        let (certificate_pem, key_pem) = issue()?;
        let answer_bytes = prepared.answer_bytes;
        let orders = Orders { authority_pem: authority.pem(), certificate_pem, key_pem, answer_bytes };

        let mut process = Command::new(std::env::current_exe()?)
            .args(["bench", "--echo-server"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the echo server")?;
        let port = instruct(&mut process, &orders).inspect_err(|_| {
            let _ = process.kill();
            let _ = process.wait();
        })?;
        let (certificate, key) = issue()?;
        let mut settings = Settings::new(
            vec![format!("127.0.0.1:{port}")],
            orders.authority_pem.into_bytes(),
            certificate.into_bytes(),
            key.into_bytes().into(),
        );
        settings.timeouts.connect = CONNECT_TIMEOUT;
        let target = Target {
            name: "echo",
            connectors: Connector::all(&settings)?,
            pids: vec![process.id()],
            request: Some(prepared.clone()),
            answers: false,
        };
        Ok(Self { process, target: Arc::new(target) })
    }

    /// As a target of the load.
    pub fn target(&self) -> Arc<Target> {
        Arc::clone(&self.target)
    }
}

/// Sends the orders and reads the port. Standard input stays open: its end is the server's.
fn instruct(process: &mut Process, orders: &Orders) -> anyhow::Result<u16> {
    let input = process.stdin.as_mut().context("the echo server has no standard input")?;
    serde_json::to_writer(&mut *input, orders)?;
    writeln!(input)?;
    input.flush()?;
    let output = process.stdout.take().context("the echo server has no standard output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    line.trim().parse().context("the echo server did not say its port")
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is the server, until standard input ends.
#[allow(clippy::print_stdout)] // the port is the answer to the orders
pub fn serve() -> anyhow::Result<()> {
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line)?;
    drop(input);
    let orders: Orders =
        serde_json::from_str(&line).context("the echo server is for keyraft bench --echo alone")?;
    let acceptor = acceptor(&orders)?;
    let answer: Arc<[u8]> = answer(orders.answer_bytes)?.into();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
            tokio::spawn(async move {
                let _ = echo(acceptor, stream, &answer).await; // the client counts what fails
            });
        }
    });
    let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
    runtime.shutdown_background();
    Ok(())
}

/// A frame of this length that says it is a Response Message.
fn answer(bytes: usize) -> anyhow::Result<Vec<u8>> {
    let Some(value_bytes) = bytes.checked_sub(HEADER_BYTES) else {
        bail!("an answer of {bytes} bytes is none")
    };
    let mut answer = vec![0; bytes];
    answer[..4].copy_from_slice(&[0x42, 0x00, 0x7B, 0x01]);
    answer[4..HEADER_BYTES].copy_from_slice(&u32::try_from(value_bytes)?.to_be_bytes());
    Ok(answer)
}

fn acceptor(orders: &Orders) -> anyhow::Result<TlsAcceptor> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(orders.authority_pem.as_bytes())?)?;
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let chain = vec![CertificateDer::from_pem_slice(orders.certificate_pem.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(orders.key_pem.as_bytes())?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier.build()?)
        .with_single_cert(chain, key)?;
    config.send_tls13_tickets = 0; // as a node
    Ok(Arc::new(config).into())
}

async fn echo(acceptor: TlsAcceptor, stream: TcpStream, answer: &[u8]) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    let mut input = Vec::with_capacity(4096);
    loop {
        let length = loop {
            if let Some(header) = input.first_chunk::<HEADER_BYTES>() {
                let length = frame_length(header)?;
                if input.len() >= length {
                    break length;
                }
            }
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        };
        input.drain(..length);
        stream.write_all(answer).await?;
        stream.flush().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_frames_of_the_length_asked_for() {
        let frame = answer(584).expect("long enough");
        let header = frame.first_chunk().expect("a header");
        let length =
            kmip::ttlv::frame_length_of(header, kmip::Tag::RESPONSE_MESSAGE, &kmip::ttlv::Limits::DEFAULT);
        assert_eq!(length, Ok(frame.len()));
        assert!(answer(7).is_err());
    }
}
