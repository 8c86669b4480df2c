//! The secret arena: the one place where plaintext keys rest.
//!
//! Fixed slots of 32 and 64 bytes in chunks of memory from `memfd_secret(2)`: no other process, no
//! debugger, no core dump and no kernel copy through `/proc/self/mem` can read them, and they are
//! never swapped. Where the kernel refuses that call the arena falls back to locked, undumpable
//! anonymous memory and says so, in the log and in [`arena_status`].
//!
//! Invariants: a free slot is all zero (checked when it is handed out again); a slot has one owner;
//! chunks are never unmapped, so a slot's address stays valid for the life of the process.

use std::ptr::NonNull;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use mapping::Mapping;

mod mapping;

pub use mapping::ArenaMode;

/// Chunk of 32-byte slots: 1 MiB, 32,768 keys. Large enough that growth is rare, small enough that
/// seven chunks fit below the usual 8 MiB limit on locked memory of an unprivileged process.
const KEY_CHUNK_BYTES: usize = 1 << 20;

/// Total of 32-byte slots: 64 MiB, two million keys: 100,000 tenants with twenty hot services each.
const KEY_BYTES_MAX: usize = 64 << 20;

/// Chunk of 64-byte slots: one page group; they hold L1 payloads while a root wraps or unwraps them.
const PAYLOAD_CHUNK_BYTES: usize = 16 << 10;

/// Total of 64-byte slots: 1 MiB, 16,384 payloads in flight, far above any bound on unwraps.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Locked memory in slots of 32 and 64 bytes.
pub struct SecretArena {
    keys: Pool,
    payloads: Pool,
}

/// The arena of this process.
static GLOBAL: LazyLock<SecretArena> =
    LazyLock::new(|| SecretArena::with_limits(KEY_BYTES_MAX, PAYLOAD_BYTES_MAX));

impl SecretArena {
    /// The arena of this process, made at first use.
    #[must_use]
    pub fn global() -> &'static Self {
        &GLOBAL
    }

    /// An arena of its own, for a test of the bounds; `bytes` are rounded down to whole chunks.
    fn with_limits(key_bytes_max: usize, payload_bytes_max: usize) -> Self {
        Self {
            keys: Pool::new(32, KEY_CHUNK_BYTES.min(key_bytes_max), key_bytes_max),
            payloads: Pool::new(64, PAYLOAD_CHUNK_BYTES.min(payload_bytes_max), payload_bytes_max),
        }
    }

    /// What the arena is made of and how full it is, for metrics and `status`.
    #[must_use]
    pub fn status(&self) -> ArenaStatus {
        let (keys, payloads) = (self.keys.lock(), self.payloads.lock());
        let downgraded = [&keys, &payloads].iter().any(|p| p.mode() == Some(ArenaMode::LockedAnonymous));
        let mapped = keys.mode().is_some() || payloads.mode().is_some();
        ArenaStatus {
            mode: match (mapped, downgraded) {
                (false, _) => None,
                (true, false) => Some(ArenaMode::SecretMemory),
                (true, true) => Some(ArenaMode::LockedAnonymous),
            },
            slots_in_use: keys.in_use + payloads.in_use,
            slots_mapped: keys.slots_mapped() + payloads.slots_mapped(),
            slots_max: self.keys.slots_max() + self.payloads.slots_max(),
        }
    }

    /// A zeroed slot of `bytes` (32 or 64).
    pub(crate) fn allocate(&self, bytes: usize) -> Result<NonNull<u8>, ArenaError> {
        self.pool(bytes).allocate()
    }

    /// Takes a slot back; the caller has zeroed it.
    ///
    /// # Safety
    /// `slot` came from `allocate(bytes)` of this arena and is not used afterwards.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn release(&self, slot: NonNull<u8>, bytes: usize) {
        self.pool(bytes).lock().release(slot);
    }

    fn pool(&self, bytes: usize) -> &Pool {
        match bytes {
            32 => &self.keys,
            64 => &self.payloads,
            _ => unreachable!("SecretBytes exists for 32 and 64 bytes alone"),
        }
    }
}

/// The state of this process's arena: [`SecretArena::status`] of [`SecretArena::global`].
#[must_use]
pub fn arena_status() -> ArenaStatus {
    SecretArena::global().status()
}

/// What an arena is made of and how full it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArenaStatus {
    /// Kind of memory; the weakest of all chunks; `None` until the first secret exists.
    pub mode: Option<ArenaMode>,
    /// Secrets alive now.
    pub slots_in_use: usize,
    /// Slots mapped so far.
    pub slots_mapped: usize,
    /// Slots the arena may grow to.
    pub slots_max: usize,
}

/// Why no slot could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArenaError {
    /// All slots up to the bound are in use.
    #[error("secret memory is full: all {slots} slots are in use")]
    Full {
        /// The bound.
        slots: usize,
    },
    /// The kernel gave no more locked memory.
    #[error("the kernel refused {bytes} bytes of locked memory (errno {errno}): raise RLIMIT_MEMLOCK")]
    Refused {
        /// The size of the chunk that was asked for.
        bytes: usize,
        /// The system's error number.
        errno: i32,
    },
}

/// Slots of one size.
struct Pool {
    slot_bytes: usize,
    chunk_bytes: usize,
    chunks_max: usize,
    slots: Mutex<Slots>,
}

/// The guarded half of a pool: its chunks and who owns what.
struct Slots {
    chunks: Vec<Mapping>,
    free: Vec<Slot>,
    slot_bytes: usize,
    in_use: usize,
}

/// The address of a free slot.
struct Slot(NonNull<u8>);

// SAFETY: a slot is an address inside a mapping that lives as long as the pool and belongs to no
// thread; who may touch it is decided by the pool's lock.
#[allow(unsafe_code)]
unsafe impl Send for Slot {}

impl Pool {
    fn new(slot_bytes: usize, chunk_bytes: usize, bytes_max: usize) -> Self {
        let slots = Slots { chunks: Vec::new(), free: Vec::new(), slot_bytes, in_use: 0 };
        Self { slot_bytes, chunk_bytes, chunks_max: bytes_max / chunk_bytes, slots: Mutex::new(slots) }
    }

    fn slots_max(&self) -> usize {
        self.chunks_max * self.chunk_bytes / self.slot_bytes
    }

    /// A panic elsewhere cannot leave the lists half-changed: nothing between two of their updates
    /// can panic. So a poisoned lock is taken all the same.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allocate(&self) -> Result<NonNull<u8>, ArenaError> {
        let mut slots = self.lock();
        if slots.free.is_empty() {
            if slots.chunks.len() == self.chunks_max {
                return Err(ArenaError::Full { slots: self.slots_max() });
            }
            slots.grow(self.chunk_bytes)?;
        }
        Ok(slots.take())
    }
}

impl Slots {
    fn grow(&mut self, chunk_bytes: usize) -> Result<(), ArenaError> {
        let chunk = Mapping::new(chunk_bytes)?;
        // Last address first: slots are handed out from the front.
        self.free.extend(chunk.slots(self.slot_bytes).rev().map(Slot));
        self.chunks.push(chunk);
        Ok(())
    }

    fn take(&mut self) -> NonNull<u8> {
        let Slot(slot) = self.free.pop().expect("the pool has just grown or was not empty");
        assert!(is_zero(slot, self.slot_bytes), "a free slot was written to: memory is corrupt");
        self.in_use += 1;
        slot
    }

    fn release(&mut self, slot: NonNull<u8>) {
        self.in_use -= 1;
        self.free.push(Slot(slot));
    }

    fn slots_mapped(&self) -> usize {
        self.free.len() + self.in_use
    }

    /// The weakest kind of memory among the chunks.
    fn mode(&self) -> Option<ArenaMode> {
        self.chunks.iter().map(Mapping::mode).max()
    }
}

#[allow(unsafe_code)]
fn is_zero(slot: NonNull<u8>, bytes: usize) -> bool {
    // SAFETY: the slot lies in a live mapping, has `bytes` bytes, and nobody else owns it now.
    unsafe { std::slice::from_raw_parts(slot.as_ptr(), bytes) }.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Secret, SecretBytes};

    fn arena(key_bytes: usize) -> &'static SecretArena {
        Box::leak(Box::new(SecretArena::with_limits(key_bytes, 4096)))
    }

    fn filled(arena: &'static SecretArena, with: u8) -> Result<Secret, ArenaError> {
        Secret::try_fill_in(arena, |out| {
            *out = [with; 32];
            Ok(())
        })
    }

    #[test]
    fn a_full_arena_says_so_and_recovers() {
        let arena = arena(4096);
        let mut all: Vec<_> = (0..128).map(|i| filled(arena, i).unwrap()).collect();
        assert_eq!(filled(arena, 1).err(), Some(ArenaError::Full { slots: 128 }));
        assert_eq!(arena.status().slots_in_use, 128);
        all.pop();
        assert!(filled(arena, 1).is_ok());
    }

    #[test]
    fn every_slot_is_its_own_and_zero_when_handed_out() {
        let arena = arena(1 << 20);
        for round in 0..4 {
            // 25,000 secrets alive at once, four times over: freed slots come back, zeroed.
            let all: Vec<_> = (0..25_000u32)
                .map(|i| {
                    Secret::try_fill_in::<ArenaError>(arena, |out| {
                        assert_eq!(*out, [0; 32]);
                        out[..4].copy_from_slice(&(i + round).to_be_bytes());
                        Ok(())
                    })
                    .unwrap()
                })
                .collect();
            for (i, secret) in (0u32..).zip(&all) {
                secret.with(|bytes| assert_eq!(bytes[..4], (i + round).to_be_bytes()));
            }
        }
        let status = arena.status();
        assert_eq!((status.slots_in_use, status.slots_mapped), (0, 32_768));
    }

    #[test]
    fn a_failed_fill_gives_its_slot_back() {
        let arena = arena(4096);
        let failed = Secret::try_fill_in(arena, |out| {
            *out = [7; 32];
            Err(ArenaError::Full { slots: 0 })
        });
        assert!(failed.is_err());
        assert_eq!(arena.status().slots_in_use, 0);
        // The slot handed out next is that one; taking it asserts that it is zero.
        assert!(filled(arena, 1).is_ok());
    }

    #[test]
    fn threads_share_an_arena() {
        let arena = arena(1 << 20);
        std::thread::scope(|scope| {
            for thread in 0..8u8 {
                scope.spawn(move || {
                    for _ in 0..500 {
                        let mine: Vec<_> = (0..20).map(|_| filled(arena, thread).unwrap()).collect();
                        for secret in &mine {
                            secret.with(|bytes| assert_eq!(*bytes, [thread; 32]));
                        }
                    }
                });
            }
        });
        assert_eq!(arena.status().slots_in_use, 0);
    }

    #[test]
    fn wide_slots_have_a_pool_of_their_own() {
        let arena = arena(4096);
        let wide = SecretBytes::<64>::try_fill_in(arena, |out| {
            out.fill(9);
            Ok::<_, ArenaError>(())
        });
        wide.unwrap().with(|bytes| assert_eq!(*bytes, [9; 64]));
        assert_eq!(arena.status().slots_max, 128 + 64);
    }
}
