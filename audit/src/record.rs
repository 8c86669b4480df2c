//! The record, and the one place that knows its bytes.
//!
//! Version 1, all numbers big-endian. First what the log knows (fixed length, [`Place`]), then what the
//! caller said (the body). Optional fields are announced by a bit each; texts carry their length.
//! Decoding is canonical: what is accepted re-encodes to the same bytes.

use std::net::{IpAddr, SocketAddr};

use model::id::{BootId, ClusterId, L2Version, NodeId, ServiceHandle, TenantHandle};
use sha2::{Digest, Sha256};

use crate::entry::{Entry, Kind, Outcome, RequestId};

/// The first and only version of the encoding.
const VERSION: u8 = 1;

/// Separates a record's hash from every other use of SHA-256; the zero byte makes it the leaf of a Merkle tree
/// (RFC 6962 2.1).
const HASH_DOMAIN: &[u8] = b"\0keyraft/v1/audit/record";

/// Longest operation name: the longest in KMIP 2.1 has 23 characters.
const OPERATION_BYTES_MAX: usize = 32;
/// Longest identifier: ours have 64 characters, foreign ones seen in the wild stay under 128.
const IDENTIFIER_BYTES_MAX: usize = 128;
/// Longest reason code: one line of a table.
const REASON_BYTES_MAX: usize = 64;
/// Longest detail: one sentence.
const DETAIL_BYTES_MAX: usize = 256;

/// Longest encoding: every field present and full needs 672 bytes; the rest is room for version 2.
pub(crate) const RECORD_BYTES_MAX: usize = 1024;

/// Bits of the body's second byte.
mod flag {
    pub const TENANT: u8 = 1;
    pub const SERVICE: u8 = 1 << 1;
    pub const CERTIFICATE: u8 = 1 << 2;
    pub const PEER_V4: u8 = 1 << 3;
    pub const PEER_V6: u8 = 1 << 4;
    pub const L2_VERSION: u8 = 1 << 5;
    pub const CUT: u8 = 1 << 6;
    pub const UNKNOWN: u8 = 1 << 7;
}

/// One event as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands, by the log.
    pub place: Place,
    /// The sort of event.
    pub kind: Kind,
    /// Whether a text was too long and lost its end.
    pub cut: bool,
    /// Wall clock of the node in milliseconds since the epoch.
    pub time_ms: u64,
    /// The tenant, and with it the chain; `None` is the system chain.
    pub tenant: Option<TenantHandle>,
    /// The calling service.
    pub service: Option<ServiceHandle>,
    /// SHA-256 of the caller's certificate.
    pub certificate: Option<[u8; 32]>,
    /// Where the request came from.
    pub peer: Option<SocketAddr>,
    /// The operation's code.
    pub operation_code: u16,
    /// The operation's name.
    pub operation: String,
    /// The key's identifier; empty if none.
    pub identifier: String,
    /// The L2 version that served.
    pub l2_version: Option<L2Version>,
    /// How it ended.
    pub outcome: Outcome,
    /// The true cause as a code.
    pub reason: String,
    /// The true cause in words.
    pub detail: String,
    /// Latency in microseconds.
    pub latency_us: u32,
    /// The request it belongs to.
    pub request: RequestId,
    /// Position in the request's batch.
    pub item: u16,
}

/// Where a record stands: what the log adds to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Position in the log, from 1.
    pub sequence: u64,
    /// Position of the first record of the same group commit: everything before it was durable when
    /// this record was written.
    pub batch_first: u64,
    /// Position in the chain, from 1.
    pub chain_sequence: u64,
    /// The cluster lineage of the writing node.
    pub cluster: ClusterId,
    /// The writing node.
    pub node: NodeId,
    /// Its process start.
    pub boot: BootId,
    /// Hash of the chain's previous record; zeros for the first.
    pub previous: [u8; 32],
}

/// A record's bytes do not follow the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadRecord(pub &'static str);

impl Record {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let mut input = Input(bytes);
        if input.array::<1>()? != [VERSION] {
            return Err(BadRecord("the record has an unknown version"));
        }
        let place = Place::decode(&mut input)?;
        let record = Self::decode_body(place, &mut input)?;
        if input.0.is_empty() { Ok(record) } else { Err(BadRecord("bytes follow the record's last field")) }
    }

    fn decode_body(place: Place, input: &mut Input<'_>) -> Result<Self, BadRecord> {
        let kind = Kind::from_byte(input.u8()?).ok_or(BadRecord("the record has an unknown kind"))?;
        let flags = input.u8()?;
        let both_peers = flag::PEER_V4 | flag::PEER_V6;
        if flags & flag::UNKNOWN != 0 || flags & both_peers == both_peers {
            return Err(BadRecord("the record has an impossible set of fields"));
        }
        let has = |bit| flags & bit != 0;
        Ok(Self {
            place,
            kind,
            cut: has(flag::CUT),
            time_ms: input.u64()?,
            tenant: has(flag::TENANT).then(|| input.array().map(TenantHandle)).transpose()?,
            service: has(flag::SERVICE).then(|| input.array().map(ServiceHandle)).transpose()?,
            certificate: has(flag::CERTIFICATE).then(|| input.array()).transpose()?,
            peer: input.peer(has(flag::PEER_V4), has(flag::PEER_V6))?,
            operation_code: input.u16()?,
            operation: input.text(OPERATION_BYTES_MAX)?,
            identifier: input.text(IDENTIFIER_BYTES_MAX)?,
            l2_version: has(flag::L2_VERSION).then(|| input.u16().map(L2Version)).transpose()?,
            outcome: Outcome::from_byte(input.u8()?).ok_or(BadRecord("the record has an unknown outcome"))?,
            reason: input.text(REASON_BYTES_MAX)?,
            detail: input.text(DETAIL_BYTES_MAX)?,
            latency_us: u32::from_be_bytes(input.array()?),
            request: input.array()?,
            item: input.u16()?,
        })
    }
}

impl Place {
    /// Writes the version and the place; the body follows.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.batch_first.to_be_bytes());
        out.extend_from_slice(&self.chain_sequence.to_be_bytes());
        out.extend_from_slice(self.cluster.as_bytes());
        out.extend_from_slice(&self.node.0.to_be_bytes());
        out.extend_from_slice(&self.boot.0.to_be_bytes());
        out.extend_from_slice(&self.previous);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, BadRecord> {
        Ok(Self {
            sequence: input.u64()?,
            batch_first: input.u64()?,
            chain_sequence: input.u64()?,
            cluster: ClusterId(input.array()?),
            node: NodeId(input.u64()?),
            boot: BootId(input.u64()?),
            previous: input.array()?,
        })
    }
}

/// Writes the body of a record: everything its caller knows.
pub(crate) fn encode_body(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[entry.kind as u8, flags_of(entry)]);
    out.extend_from_slice(&entry.time_ms.to_be_bytes());
    entry.tenant.iter().for_each(|tenant| out.extend_from_slice(tenant.as_bytes()));
    entry.service.iter().for_each(|service| out.extend_from_slice(service.as_bytes()));
    entry.certificate.iter().for_each(|hash| out.extend_from_slice(hash));
    entry.peer.iter().for_each(|peer| encode_peer(peer, out));
    out.extend_from_slice(&entry.operation.code.to_be_bytes());
    let mut cut = encode_text(entry.operation.name, OPERATION_BYTES_MAX, out);
    cut |= encode_text(entry.identifier, IDENTIFIER_BYTES_MAX, out);
    entry.l2_version.iter().for_each(|version| out.extend_from_slice(&version.0.to_be_bytes()));
    out.push(entry.outcome as u8);
    cut |= encode_text(entry.reason, REASON_BYTES_MAX, out);
    cut |= encode_text(entry.detail, DETAIL_BYTES_MAX, out);
    out.extend_from_slice(&entry.latency_us.to_be_bytes());
    out.extend_from_slice(&entry.request);
    out.extend_from_slice(&entry.item.to_be_bytes());
    if cut {
        out[start + 1] |= flag::CUT;
    }
}

/// The hash of an encoded record: what the next record of its chain names, and its leaf in the tree.
pub(crate) fn hash(encoded: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(HASH_DOMAIN).chain_update(encoded).finalize().into()
}

fn flags_of(entry: &Entry<'_>) -> u8 {
    let mut flags = 0;
    let mut set = |present: bool, bit: u8| flags |= if present { bit } else { 0 };
    set(entry.tenant.is_some(), flag::TENANT);
    set(entry.service.is_some(), flag::SERVICE);
    set(entry.certificate.is_some(), flag::CERTIFICATE);
    set(entry.peer.is_some_and(|peer| peer.is_ipv4()), flag::PEER_V4);
    set(entry.peer.is_some_and(|peer| peer.is_ipv6()), flag::PEER_V6);
    set(entry.l2_version.is_some(), flag::L2_VERSION);
    flags
}

fn encode_peer(peer: &SocketAddr, out: &mut Vec<u8>) {
    match peer.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&peer.port().to_be_bytes());
}

/// Writes a text with its length, cut to `bytes_max` at a character; says whether it was cut.
fn encode_text(text: &str, bytes_max: usize, out: &mut Vec<u8>) -> bool {
    let kept = &text[..text.floor_char_boundary(bytes_max)];
    let length = u16::try_from(kept.len()).expect("every text's limit is below 2^16");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(kept.as_bytes());
    kept.len() < text.len()
}

/// Bytes still to be read.
pub(crate) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn take(&mut self, bytes: usize) -> Result<&'a [u8], BadRecord> {
        let (taken, rest) =
            self.0.split_at_checked(bytes).ok_or(BadRecord("the bytes end inside a field"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], BadRecord> {
        self.take(N).map(|taken| taken.try_into().expect("take returns as many bytes as asked"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, BadRecord> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, BadRecord> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, BadRecord> {
        self.array().map(u64::from_be_bytes)
    }

    fn text(&mut self, bytes_max: usize) -> Result<String, BadRecord> {
        let length = usize::from(self.u16()?);
        if length > bytes_max {
            return Err(BadRecord("a text is longer than its field allows"));
        }
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| BadRecord("a text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    fn peer(&mut self, v4: bool, v6: bool) -> Result<Option<SocketAddr>, BadRecord> {
        let ip = match (v4, v6) {
            (true, _) => IpAddr::from(self.array::<4>()?),
            (_, true) => IpAddr::from(self.array::<16>()?),
            (false, false) => return Ok(None),
        };
        Ok(Some(SocketAddr::new(ip, self.u16()?)))
    }
}
