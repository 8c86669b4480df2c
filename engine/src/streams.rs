//! Messages that come in several parts: what their first parts left behind, on this node.
//!
//! A stream lives in the memory of the node that began it, bound to the service, the object and the
//! operation it was begun for; its correlation value proves that, names node and boot, and is good for one part: a part
//! whose answer was lost is refused when it comes again, not worked on twice. It ends with its last part, with any
//! failure, when nobody continued it in time, and with the process. Whoever continues it
//! has judged the object's state anew: a withdrawal ends the stream at its next part. A part that comes to another
//! node is passed on to that one, which judges as it does for its own clients; the node that the client asked has
//! judged before, and checks its own lease before the answer leaves.
//!
//! Invariant: a part takes the stream out of the table, so that no two parts work on it at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crypto::services::{Cipher, Hasher, Macer};
use model::id::{BootId, NodeId, ServiceHandle, TenantHandle};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::objects::Found;
use crate::refused::Refused;
use crate::turn::Turn;

/// Most open streams of one service on one node: each holds a key schedule and perhaps its data.
pub const STREAMS_PER_SERVICE_MAX: usize = 256;
/// Most open streams of one node.
pub const STREAMS_MAX: usize = 4_096;
/// Most bytes that one stream may hold back, where nothing can be given out before the last part.
pub const STREAM_HELD_BYTES_MAX: usize = 8 << 20;
/// A stream that nobody continued for so long is forgotten.
pub const STREAM_IDLE: Duration = Duration::from_secs(120);

/// Random bytes in a correlation value.
const RANDOM_BYTES: usize = 16;
/// Node, boot, random and code, the same for every part.
const NAME_BYTES: usize = 8 + 8 + RANDOM_BYTES + 16;
/// The name, and which part is awaited: an answer that was lost is not asked for twice, since the part it answered has
/// been worked on.
const VALUE_BYTES: usize = NAME_BYTES + 4;

/// What a stream works on.
pub enum Work {
    /// Encrypts or decrypts.
    Cipher(Cipher),
    /// Authenticates.
    Mac(Macer),
    /// Hashes: on its own, or before a signature.
    Hash(Hasher),
    /// Collects what can only be worked on as a whole.
    Message(Vec<Zeroizing<Vec<u8>>>),
}

/// A stream between two parts.
pub struct Stream {
    /// What it works on.
    pub work: Work,
    /// What the last part compares with or is cut to, as the operation left it: a MAC, a signature, a
    /// tag's length.
    pub kept: Vec<u8>,
    name: [u8; NAME_BYTES],
    /// How many parts were worked on.
    parts: u32,
    owner: Owner,
}

/// What a stream was begun for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Owner {
    tenant: TenantHandle,
    service: ServiceHandle,
    /// KMIP Operation.
    operation: u32,
}

/// The open streams of one node.
#[derive(Default)]
pub(crate) struct Streams(Mutex<HashMap<[u8; RANDOM_BYTES], (Stream, Instant)>>);

impl Streams {
    /// `ended` is asked under the lock: whether the stream's tenant was purged since it was begun.
    fn put(&self, stream: Stream, ended: impl FnOnce() -> bool) -> Result<(), Refused> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ended() {
            return Err(Refused::NotNow { reason: "the key was withdrawn meanwhile".to_owned() });
        }
        open.retain(|_, (_, touched)| touched.elapsed() < STREAM_IDLE);
        let owner = stream.owner;
        let own = |(other, _): &&(Stream, Instant)| {
            (other.owner.tenant, other.owner.service) == (owner.tenant, owner.service)
        };
        if open.len() >= STREAMS_MAX || open.values().filter(own).count() >= STREAMS_PER_SERVICE_MAX {
            let reason = "too many messages in parts are open; finish some first".to_owned();
            return Err(Refused::NotNow { reason });
        }
        open.insert(random_of(&stream.name), (stream, Instant::now()));
        Ok(())
    }

    /// Ends every stream of a tenant.
    pub(crate) fn end_all_of(&self, tenant: TenantHandle) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, (stream, _)| stream.owner.tenant != tenant);
    }

    fn take(&self, value: &[u8; VALUE_BYTES], owner: Owner) -> Option<Stream> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, _) = value.split_first_chunk()?;
        let random = random_of(name);
        let (stream, touched) = open.get(&random)?;
        if stream.owner != owner || stream.value() != *value || touched.elapsed() >= STREAM_IDLE {
            return None;
        }
        open.remove(&random).map(|(stream, _)| stream)
    }
}

fn random_of(name: &[u8; NAME_BYTES]) -> [u8; RANDOM_BYTES] {
    name[16..16 + RANDOM_BYTES].try_into().expect("the name has its random bytes in the middle")
}

impl Stream {
    /// The correlation value of the part it awaits.
    fn value(&self) -> [u8; VALUE_BYTES] {
        let mut value = [0; VALUE_BYTES];
        value[..NAME_BYTES].copy_from_slice(&self.name);
        value[NAME_BYTES..].copy_from_slice(&self.parts.to_be_bytes());
        value
    }
}

impl Work {
    /// Bytes it keeps for the last part.
    fn held(&self) -> usize {
        match self {
            Self::Cipher(cipher) => cipher.held(),
            Self::Message(parts) => parts.iter().map(|part| part.len()).sum(),
            Self::Mac(_) | Self::Hash(_) => 0,
        }
    }
}

impl Turn<'_> {
    /// Begins a stream; [`Turn::keep_stream`] gives it its place.
    ///
    /// # Errors
    /// [`Refused::Internal`].
    pub fn begin_stream(
        &self,
        operation: u32,
        found: Option<&Found>,
        work: Work,
        kept: Vec<u8>,
    ) -> Result<Stream, Refused> {
        let mut name = [0; NAME_BYTES];
        name[..8].copy_from_slice(&self.engine.store.identity().node.0.to_be_bytes());
        name[8..16].copy_from_slice(&self.engine.boot().0.to_be_bytes());
        name[16..32].copy_from_slice(&crypto::random::bytes::<RANDOM_BYTES>());
        let code = self.stream_code(&name, operation, found)?;
        name[32..].copy_from_slice(&code);
        Ok(Stream { work, kept, name, parts: 0, owner: self.owner(operation) })
    }

    /// Keeps a stream for its next part, and returns the correlation value that is good for that part alone.
    ///
    /// # Errors
    /// [`Refused::NotNow`] when too many are open; [`Refused::Invalid`] when too much of it is held back.
    pub fn keep_stream(&self, mut stream: Stream) -> Result<Vec<u8>, Refused> {
        if stream.work.held() > STREAM_HELD_BYTES_MAX {
            return Err(Refused::Invalid {
                reason: "a message that is held back to its end has at most 8 MiB",
            });
        }
        stream.parts = stream.parts.wrapping_add(1);
        let value = stream.value().to_vec();
        let held = self.engine.hot.held();
        held.streams.put(stream, || held.is_closed(self.tenant.handle, self.generation.index))?;
        Ok(value)
    }

    /// Takes a stream out for its next part. The lease is checked here, as before any use of a key.
    ///
    /// # Errors
    /// [`Refused::NoStream`] for a value that is not this service's, object's and operation's;
    /// [`Refused::BegunElsewhere`] if another node holds the stream, for [`Turn::pass_part`];
    /// [`Refused::NotNow`] if it belongs to an earlier start of this one.
    pub fn take_stream(
        &self,
        operation: u32,
        found: Option<&Found>,
        correlation: &[u8],
    ) -> Result<Stream, Refused> {
        let value: &[u8; VALUE_BYTES] = correlation.try_into().map_err(|_| Refused::NoStream)?;
        let (name, _) = value.split_first_chunk().ok_or(Refused::NoStream)?;
        let code = self.stream_code(name, operation, found)?;
        if !bool::from(code.ct_eq(&name[32..])) {
            return Err(Refused::NoStream);
        }
        let node = NodeId(u64::from_be_bytes(value[..8].try_into().expect("eight bytes")));
        let boot = BootId(u64::from_be_bytes(value[8..16].try_into().expect("eight bytes")));
        if node != self.engine.store.identity().node {
            return Err(Refused::BegunElsewhere { node });
        }
        if boot != self.engine.boot() {
            let reason = "the message was begun before this node restarted; begin it again";
            return Err(Refused::NotNow { reason: reason.to_owned() });
        }
        self.check_lease()?;
        self.engine.hot.held().streams.take(value, self.owner(operation)).ok_or(Refused::NoStream)
    }

    fn owner(&self, operation: u32) -> Owner {
        Owner { tenant: self.tenant.handle, service: self.service.handle, operation }
    }

    /// The code over what a stream is bound to, under the tenant's own key.
    fn stream_code(
        &self,
        name: &[u8; NAME_BYTES],
        operation: u32,
        found: Option<&Found>,
    ) -> Result<[u8; 16], Refused> {
        let identifier = found.map(Found::identifier).unwrap_or_default();
        let key = self.tag_key()?;
        let service = self.service.handle;
        let operation = operation.to_be_bytes();
        Ok(key.stream_code(&[&name[..32], service.as_bytes(), &operation, identifier.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::services::Hash;

    fn stream(random: u8, owner: Owner) -> Stream {
        let mut name = [0; NAME_BYTES];
        name[16..32].fill(random);
        Stream { work: Work::Hash(Hasher::new(Hash::Sha256)), kept: Vec::new(), name, parts: 1, owner }
    }

    #[test]
    fn a_stream_is_taken_once_and_by_its_owner_alone() {
        let owner = Owner { tenant: TenantHandle([1; 4]), service: ServiceHandle([2; 4]), operation: 0x27 };
        let others = [
            Owner { tenant: TenantHandle([9; 4]), ..owner },
            Owner { service: ServiceHandle([9; 4]), ..owner },
            Owner { operation: 0x1f, ..owner },
        ];
        let streams = Streams::default();
        let open = stream(7, owner);
        let value = open.value();
        streams.put(open, || false).unwrap();
        for other in others {
            assert!(streams.take(&value, other).is_none());
        }
        let mut forged = value;
        forged[40] ^= 1;
        assert!(streams.take(&forged, owner).is_none());
        for part in [0, 2] {
            let other = Stream { parts: part, ..stream(7, owner) }.value();
            assert!(streams.take(&other, owner).is_none(), "part {part} is not awaited");
        }
        assert!(streams.take(&value, owner).is_some());
        assert!(streams.take(&value, owner).is_none(), "a part in progress holds the stream");
    }

    #[test]
    fn one_service_cannot_take_every_place() {
        let owner = Owner { tenant: TenantHandle([1; 4]), service: ServiceHandle([2; 4]), operation: 0x27 };
        let streams = Streams::default();
        for n in 0..STREAMS_PER_SERVICE_MAX {
            let mut open = stream(0, owner);
            open.name[16..24].copy_from_slice(&(n as u64).to_be_bytes());
            streams.put(open, || false).unwrap();
        }
        assert!(matches!(streams.put(stream(0xff, owner), || false), Err(Refused::NotNow { .. })));
        let other = Owner { service: ServiceHandle([3; 4]), ..owner };
        assert!(streams.put(stream(0xfd, other), || true).is_err(), "purged meanwhile");
        assert!(streams.put(stream(0xfe, other), || false).is_ok());
        streams.end_all_of(owner.tenant);
        assert!(streams.put(stream(0xff, owner), || false).is_ok());
    }
}
