//! Segments: the files of a log, their names, and the summary each begins with.
//!
//! ```text
//! audit-<first sequence, 20 digits>.log =
//!     "KRAUDIT1"  body length u32  body  SHA-256 of everything before (32 bytes)  frames ...
//! body = cluster 16, node u64, boot u64, records before u64, Merkle edge 32 each, heads u32, each head
//! head = 1 or 0, tenant 4 (zeros for the system chain), sequence u64, hash 32
//! ```
//!
//! The summary is the whole ledger, so a log opens by reading its last segment only, and a verifier can
//! begin at any segment. A segment appears under its name only when its summary is durable.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use model::id::{BootId, ClusterId, NodeId, TenantHandle};
use sha2::{Digest, Sha256};

use crate::ledger::{Chain, Head, Ledger};
use crate::log::Identity;
use crate::merkle::Tree;
use crate::record::{BadRecord, Input};

const MAGIC: &[u8; 8] = b"KRAUDIT1";
const HASH_BYTES: usize = 32;
/// Longest summary: 45 bytes for each of three million chains, far more than a cluster has tenants.
const BODY_BYTES_MAX: u32 = 128 << 20;

/// What a segment begins with: who began it, and the ledger before its first record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub cluster: ClusterId,
    pub node: NodeId,
    pub boot: BootId,
    pub ledger: Ledger,
}

/// The name of the segment whose first record has this sequence.
pub(crate) fn name(first: u64) -> String {
    format!("audit-{first:020}.log")
}

/// The first sequence that a segment's name states; `None` if it is not a segment's name.
pub(crate) fn first_of(segment: &str) -> Option<u64> {
    let digits = segment.strip_prefix("audit-")?.strip_suffix(".log")?;
    let all_digits = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| all_digits)
}

/// The first sequences of all segments in a folder, in order.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut firsts = Vec::new();
    for entry in fs::read_dir(dir)? {
        firsts.extend(entry?.file_name().to_str().and_then(first_of));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

impl Summary {
    pub(crate) fn new(by: &Identity, ledger: Ledger) -> Self {
        Self { cluster: by.cluster, node: by.node, boot: by.boot, ledger }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = [&MAGIC[..], &[0; 4]].concat();
        self.encode_body(&mut out);
        let length = u32::try_from(out.len() - MAGIC.len() - 4).unwrap_or(u32::MAX);
        assert!(length <= BODY_BYTES_MAX, "the log has more chains than its summary may hold");
        out[MAGIC.len()..MAGIC.len() + 4].copy_from_slice(&length.to_be_bytes());
        let hash = Sha256::digest(&out);
        out.extend_from_slice(&hash);
        out
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.cluster.as_bytes());
        out.extend_from_slice(&self.node.0.to_be_bytes());
        out.extend_from_slice(&self.boot.0.to_be_bytes());
        out.extend_from_slice(&self.ledger.tree.size().to_be_bytes());
        self.ledger.tree.edge().iter().for_each(|hash| out.extend_from_slice(hash));
        let heads = u32::try_from(self.ledger.heads.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&heads.to_be_bytes());
        self.ledger.heads.iter().for_each(|(chain, head)| encode_head(*chain, head, out));
    }

    /// Reads a summary and its length in bytes from the beginning of a segment.
    pub(crate) fn read(file: &mut impl Read) -> io::Result<Result<(Self, u64), BadRecord>> {
        let mut start = [0; MAGIC.len() + 4];
        let Some(length) = read_start(file, &mut start)? else {
            return Ok(Err(BadRecord("the segment does not begin like one")));
        };
        let rest_bytes = length as usize + HASH_BYTES;
        let mut rest = Vec::new();
        file.take(rest_bytes as u64).read_to_end(&mut rest)?;
        if rest.len() < rest_bytes {
            return Ok(Err(BadRecord("the segment ends inside its opening summary")));
        }
        let (body, stored) = rest.split_at(length as usize);
        let hash = Sha256::new().chain_update(start).chain_update(body).finalize();
        if stored != &hash[..] {
            return Ok(Err(BadRecord("the hash of the segment's opening summary is wrong")));
        }
        Ok(Self::decode_body(body).map(|summary| (summary, (start.len() + rest_bytes) as u64)))
    }

    fn decode_body(body: &[u8]) -> Result<Self, BadRecord> {
        let mut input = Input(body);
        let cluster = ClusterId(input.array()?);
        let node = NodeId(input.u64()?);
        let boot = BootId(input.u64()?);
        let size = input.u64()?;
        let edge = (0..size.count_ones()).map(|_| input.array()).collect::<Result<_, _>>()?;
        let tree = Tree::from_parts(size, edge).ok_or(BadRecord("the segment's tree is impossible"))?;
        let heads = u32::from_be_bytes(input.array()?);
        let heads = (0..heads).map(|_| decode_head(&mut input)).collect::<Result<_, _>>()?;
        if !input.0.is_empty() {
            return Err(BadRecord("bytes follow the segment's last head"));
        }
        Ok(Self { cluster, node, boot, ledger: Ledger { heads, tree } })
    }
}

/// Reads magic and length; `None` if they are not there or cannot be right.
fn read_start(file: &mut impl Read, start: &mut [u8; MAGIC.len() + 4]) -> io::Result<Option<u32>> {
    match file.read_exact(start) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes([start[8], start[9], start[10], start[11]]);
    Ok((start.starts_with(MAGIC) && length <= BODY_BYTES_MAX).then_some(length))
}

pub(crate) fn encode_head(chain: Chain, head: &Head, out: &mut Vec<u8>) {
    out.push(u8::from(chain.is_some()));
    out.extend_from_slice(chain.unwrap_or(TenantHandle([0; 4])).as_bytes());
    out.extend_from_slice(&head.sequence.to_be_bytes());
    out.extend_from_slice(&head.hash);
}

fn decode_head(input: &mut Input<'_>) -> Result<(Chain, Head), BadRecord> {
    let is_tenant = input.u8()? == 1;
    let tenant = TenantHandle(input.array()?);
    let head = Head { sequence: input.u64()?, hash: input.array()? };
    Ok((is_tenant.then_some(tenant), head))
}
