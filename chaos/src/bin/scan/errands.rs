//! What the nodes are made to do before they are searched: every kind of key, every way to get one, and
//! the ways an answer goes wrong.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use chaos::cluster::{Cluster, NODES};
use chaos::environment::Tenant;
use client::{Client, Connector, KeyRequest, Material};
use kmip::message::RequestHeader;
use kmip::{
    CryptographicAlgorithm, Key, KeyBlock, KeyFormatType, ManagedObject, ObjectType, RequestBuilder,
    RequestPayload, RevocationReasonCode, Version, ops,
};
use rustix::process::Signal;
use tokio::time::{sleep, timeout};

/// Longest call: a write while a node is away.
const CALL: Duration = Duration::from_secs(15);
/// How long a restarted node may take until it answers.
const BACK_TIMEOUT: Duration = Duration::from_secs(60);
/// Recorded and registered objects of each kind: enough for several snapshots (one per 100 entries).
const WRITES: usize = 150;
/// Answers that nobody waits for.
const DROPPED: u64 = 60;

/// A key that left the cluster, or entered it.
#[derive(Clone)]
pub struct Known {
    /// Its identifier; none if it was refused.
    pub identifier: Option<String>,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Registered, not derived.
    pub material: bool,
}

/// Who runs the errands.
pub struct Errands {
    clients: Vec<Client>,
    strangers: Vec<Client>,
    /// What is known so far.
    pub known: Vec<Known>,
}

impl Errands {
    /// A client for each node and each tenant.
    pub fn new(cluster: &Cluster) -> anyhow::Result<Self> {
        let clients = |tenant| -> anyhow::Result<Vec<Client>> {
            let settings = |node| cluster.environment().settings(tenant, &[node], CALL);
            (0..NODES).map(|node| Ok(Client::new(&settings(node)?)?)).collect()
        };
        Ok(Self { clients: clients(Tenant::A)?, strangers: clients(Tenant::B)?, known: Vec::new() })
    }

    /// Ephemeral keys of several algorithms, in one batch with their Get, and from every other node.
    pub async fn ephemeral(&mut self, count: usize) -> anyhow::Result<()> {
        for i in 0..count {
            let everybody = if i % 4 == 3 { &self.strangers } else { &self.clients };
            let (identifier, key) = everybody[i % NODES].create_and_get(&spec(i)).await?;
            if i % 3 == 0 {
                for client in everybody {
                    same(&key, &client.get(&identifier).await?)?;
                }
            }
            self.learn(identifier, key.expose(), false);
        }
        Ok(())
    }

    /// Every known key that is answered by some node; each is asked for everywhere.
    ///
    /// # Errors
    /// A node does not answer at all: that it has no key is then not shown.
    pub async fn served(&self, keys: &[&str]) -> anyhow::Result<usize> {
        let mut served = 0;
        for client in &self.clients {
            for identifier in keys {
                match client.get(identifier).await {
                    Ok(_) => served += 1,
                    Err(error) if error.reason().is_some() => {}
                    Err(error) => return Err(error).context("a node did not answer"),
                }
            }
        }
        Ok(served)
    }

    /// Recorded keys: got everywhere, activated, revoked, destroyed.
    pub async fn recorded(&mut self, round: usize) -> anyhow::Result<()> {
        for i in 0..WRITES {
            let client = &self.clients[i % NODES];
            let (identifier, key) =
                client.create_and_get(&spec(i).named(&format!("scan-{round}-{i}"))).await?;
            same(&key, &self.clients[(i + 1) % NODES].get(&identifier).await?)?;
            if i % 2 == 0 {
                client.activate(&identifier).await?;
            }
            if i % 4 == 0 {
                client.revoke(&identifier, RevocationReasonCode::CessationOfOperation).await?;
            }
            if i % 4 <= 1 {
                client.destroy(&identifier).await?;
                ensure!(
                    self.clients[(i + 2) % NODES].get(&identifier).await.is_err(),
                    "a destroyed key was answered"
                );
            }
            self.learn(identifier, key.expose(), false);
        }
        Ok(())
    }

    /// Registered material: keys and secret data.
    pub async fn registered(&mut self) -> anyhow::Result<()> {
        for i in 0..WRITES {
            let bytes: [u8; 32] = crypto::random::bytes();
            let material =
                if i % 2 == 0 { Material::SecretData(&bytes) } else { Material::SymmetricKey(&bytes) };
            let identifier = self.clients[i % NODES].register(&KeyRequest::aes256(), material).await?;
            for client in &self.clients {
                ensure!(
                    client.get(&identifier).await?.expose() == bytes,
                    "registered bytes came back changed"
                );
            }
            if i % 3 == 0 {
                self.clients[(i + 1) % NODES].destroy(&identifier).await?;
            }
            self.learn(identifier, &bytes, true);
        }
        Ok(())
    }

    /// A node dies, misses more than the log keeps, and comes back; its L3 keys are unwrapped anew.
    pub async fn kill_and_return(&mut self, cluster: &mut Cluster, node: usize) -> anyhow::Result<()> {
        cluster.signal(node, Signal::KILL)?;
        while cluster.is_running(node) {
            sleep(Duration::from_millis(20)).await;
        }
        let awake = &self.clients[(node + 1) % NODES];
        for i in 0..WRITES {
            let (identifier, key) = awake.create_and_get(&spec(i).named(&format!("scan-away-{i}"))).await?;
            self.known.push(Known {
                identifier: Some(identifier),
                bytes: key.expose().to_vec(),
                material: false,
            });
        }
        cluster.start_again(node)?;
        let all: Vec<(String, Vec<u8>)> = self
            .known
            .iter()
            .rev()
            .take(WRITES)
            .filter_map(|known| Some((known.identifier.clone()?, known.bytes.clone())))
            .collect();
        let first_answer = async {
            while self.clients[node].get(&all[0].0).await.is_err() {
                sleep(Duration::from_millis(200)).await;
            }
        };
        timeout(BACK_TIMEOUT, first_answer).await.context("the killed node did not come back")?;
        for (identifier, bytes) in &all {
            ensure!(
                self.clients[node].get(identifier).await?.expose() == bytes,
                "a restarted node gave another key"
            );
        }
        Ok(())
    }

    /// Clients that vanish before, while and after their answer is written.
    pub async fn dropped_answers(&self, cluster: &Cluster) -> anyhow::Result<()> {
        let identifiers: Vec<&str> = self
            .known
            .iter()
            .filter(|known| !known.material)
            .filter_map(|known| known.identifier.as_deref())
            .collect();
        for (turn, identifier) in (0..DROPPED).zip(identifiers.iter().rev()) {
            let node = usize::try_from(turn)? % NODES;
            let mut connection = connector(cluster, node)?.open().await?;
            let get =
                ops::get::Request { unique_identifier: Some((*identifier).into()), ..Default::default() };
            let request = message(&RequestPayload::Get(get));
            // From "as soon as it is sent" to "about when the answer is on its way".
            let _ = timeout(Duration::from_micros(turn * 80), connection.exchange(&request)).await;
            drop(connection);
        }
        Ok(())
    }

    /// Requests that carry material and are refused: cut off, corrupted, contradictory, no KMIP at all.
    pub async fn malformed(&mut self, cluster: &Cluster) -> anyhow::Result<()> {
        for (turn, spoil) in [cut, wrong_type, wrong_operation, wrong_length, no_kmip, wrong_key_length]
            .into_iter()
            .cycle()
            .take(6 * NODES)
            .enumerate()
        {
            let bytes: [u8; 32] = crypto::random::bytes();
            let request = spoil(message(&RequestPayload::Register(registration(&bytes))));
            let mut connection = connector(cluster, turn % NODES)?.open().await?;
            let _ = timeout(Duration::from_millis(300), connection.exchange(&request)).await;
            self.known.push(Known { identifier: None, bytes: bytes.to_vec(), material: true });
        }
        Ok(())
    }

    fn learn(&mut self, identifier: String, bytes: &[u8], material: bool) {
        self.known.push(Known { identifier: Some(identifier), bytes: bytes.to_vec(), material });
    }
}

/// Runs a command of `keyraft` that must succeed.
pub fn act(cluster: &Cluster, arguments: &[&str]) -> anyhow::Result<()> {
    let output = cluster.command(arguments).output()?;
    if !output.status.success() {
        bail!("keyraft {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn same(one: &client::KeyBytes, other: &client::KeyBytes) -> anyhow::Result<()> {
    ensure!(one.expose() == other.expose(), "two nodes gave different keys");
    Ok(())
}

fn spec(i: usize) -> KeyRequest {
    let (algorithm, bits) = match i % 5 {
        0 => (CryptographicAlgorithm::Aes, 128),
        1 => (CryptographicAlgorithm::TripleDes, 168),
        2 => (CryptographicAlgorithm::HmacSha256, 256),
        _ => (CryptographicAlgorithm::Aes, 256),
    };
    KeyRequest { algorithm, bits, ..KeyRequest::aes256() }
}

fn connector(cluster: &Cluster, node: usize) -> anyhow::Result<Connector> {
    let settings = cluster.environment().settings(Tenant::A, &[node], CALL)?;
    Connector::all(&settings)?.pop().context("no node")
}

fn message(payload: &RequestPayload<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, &RequestHeader::new(Version::V1_4));
    builder.item(payload.operation(), None, payload);
    builder.finish();
    bytes
}

fn registration(bytes: &[u8]) -> ops::register::Request<'_> {
    let mut block = KeyBlock::from_bytes(KeyFormatType::Raw, bytes);
    block.cryptographic_algorithm = Some(CryptographicAlgorithm::Aes);
    block.cryptographic_length = Some(256);
    ops::register::Request {
        object_type: ObjectType::SymmetricKey,
        attributes: None,
        object: Some(Box::new(ManagedObject::SymmetricKey(Key::from(block)))),
        protection_storage_masks: None,
    }
}

/// The end is missing; the node waits for it until we are gone.
fn cut(mut request: Vec<u8>) -> Vec<u8> {
    request.truncate(request.len() - 3);
    request
}

/// The last item gets a type that does not exist.
fn wrong_type(request: Vec<u8>) -> Vec<u8> {
    // Cryptographic Length of the key block: tag 42002A, type 02.
    replaced(request, &[0x42, 0x00, 0x2a, 0x02], &[0x42, 0x00, 0x2a, 0x0e])
}

/// An operation that nobody defined.
fn wrong_operation(request: Vec<u8>) -> Vec<u8> {
    let register = [0x42, 0x00, 0x5c, 0x05, 0, 0, 0, 4, 0, 0, 0, 3];
    replaced(request, &register, &[0x42, 0x00, 0x5c, 0x05, 0, 0, 0, 4, 0, 0, 0x77, 0x77])
}

/// The key's byte string claims more bytes than there are.
fn wrong_length(request: Vec<u8>) -> Vec<u8> {
    let material = [0x42, 0x00, 0x43, 0x08, 0, 0, 0, 32];
    replaced(request, &material, &[0x42, 0x00, 0x43, 0x08, 0, 0, 0x7f, 32])
}

/// Key bytes behind something that is no message.
fn no_kmip(request: Vec<u8>) -> Vec<u8> {
    [b"POST /kmip HTTP/1.1\r\n\r\n", &request[..]].concat()
}

/// Well-formed, but the Cryptographic Length contradicts the bytes.
fn wrong_key_length(request: Vec<u8>) -> Vec<u8> {
    let length = |bits: u8| [0x42, 0x00, 0x2a, 0x02, 0, 0, 0, 4, 0, 0, bits, 0];
    replaced(request, &length(1), &length(2))
}

fn replaced(mut request: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = request.windows(old.len()).position(|window| window == old);
    let at = at.expect("the request was built with this item");
    request[at..at + new.len()].copy_from_slice(new);
    request
}
