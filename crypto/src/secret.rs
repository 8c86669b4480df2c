//! A secret: the owner of one slot in the arena.
//!
//! A secret cannot be cloned, copied, printed, serialised or dereferenced; its bytes are lent to a
//! closure by [`SecretBytes::with`], a verb one can search for. Dropping it zeroes the slot.
#![allow(unsafe_code)] // Lends the bytes of a slot it owns; each block says why it is sound.

use std::ptr::NonNull;

use zeroize::Zeroize;

use crate::arena::{ArenaError, SecretArena};
use crate::random;

/// A 32-byte secret: every key of the hierarchy.
pub type Secret = SecretBytes<32>;

/// `N` secret bytes in the arena; `N` is 32 or 64.
///
/// Its bytes are lent for the length of a call, and what is computed from them may leave it:
/// ```
/// let secret = crypto::Secret::generate()?;
/// let some = secret.with(|bytes| bytes.iter().any(|byte| *byte != 0));
/// # assert!(some);
/// # Ok::<(), crypto::ArenaError>(())
/// ```
/// The bytes themselves may not:
/// ```compile_fail
/// let secret = crypto::Secret::generate()?;
/// let some = secret.with(|bytes| bytes);
/// # Ok::<(), crypto::ArenaError>(())
/// ```
/// It has one owner, who may pass it on:
/// ```
/// let secret = crypto::Secret::generate()?;
/// let moved = secret;
/// moved.with(|_| ());
/// # Ok::<(), crypto::ArenaError>(())
/// ```
/// and has nothing then, for it is no copy that was passed on:
/// ```compile_fail
/// let secret = crypto::Secret::generate()?;
/// let moved = secret;
/// secret.with(|_| ());
/// # Ok::<(), crypto::ArenaError>(())
/// ```
/// Nor is there a way to make one:
/// ```compile_fail
/// let secret = crypto::Secret::generate()?;
/// let moved = secret.clone();
/// moved.with(|_| ());
/// # Ok::<(), crypto::ArenaError>(())
/// ```
/// What secrets lack besides is asserted in `tests/closed.rs`: they are neither printed, nor stored,
/// nor compared, nor dereferenced.
pub struct SecretBytes<const N: usize> {
    slot: NonNull<u8>,
    arena: &'static SecretArena,
}

// SAFETY: the slot has this one owner; shared access only reads.
unsafe impl<const N: usize> Send for SecretBytes<N> {}
// SAFETY: as above; there is no way to write through a shared reference.
unsafe impl<const N: usize> Sync for SecretBytes<N> {}

impl<const N: usize> SecretBytes<N> {
    const SIZE_HAS_A_POOL: () = assert!(N == 32 || N == 64, "the arena has slots of 32 and 64 bytes");

    /// Fresh bytes from the kernel, written straight into the slot.
    ///
    /// # Errors
    /// [`ArenaError`]: no slot could be had.
    pub fn generate() -> Result<Self, ArenaError> {
        Self::fill(|bytes| random::fill(bytes))
    }

    /// A secret written in place by `write`, which finds zeroes.
    ///
    /// # Errors
    /// [`ArenaError`]: no slot could be had; `write` was not called.
    pub fn fill(write: impl FnOnce(&mut [u8; N])) -> Result<Self, ArenaError> {
        Self::try_fill(|bytes| {
            write(bytes);
            Ok(())
        })
    }

    /// As [`SecretBytes::fill`], for a `write` that may fail; the slot is then zeroed and given back.
    ///
    /// # Errors
    /// Those of `write`, and [`ArenaError`].
    pub fn try_fill<E: From<ArenaError>>(
        write: impl FnOnce(&mut [u8; N]) -> Result<(), E>,
    ) -> Result<Self, E> {
        Self::try_fill_in(SecretArena::global(), write)
    }

    pub(crate) fn try_fill_in<E: From<ArenaError>>(
        arena: &'static SecretArena,
        write: impl FnOnce(&mut [u8; N]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let () = Self::SIZE_HAS_A_POOL;
        let mut secret = Self { slot: arena.allocate(N)?, arena };
        write(secret.bytes_mut())?;
        Ok(secret)
    }

    /// Lends the bytes to `read`. Do not copy them anywhere that outlives the call.
    pub fn with<R>(&self, read: impl FnOnce(&[u8; N]) -> R) -> R {
        // SAFETY: the slot is `N` bytes in a mapping that is never unmapped, owned by `self`, and
        // nobody writes while `self` is shared. An array of bytes needs no alignment.
        read(unsafe { self.slot.cast::<[u8; N]>().as_ref() })
    }

    fn bytes_mut(&mut self) -> &mut [u8; N] {
        // SAFETY: as in `with`; `&mut self` makes this the only reference.
        unsafe { self.slot.cast::<[u8; N]>().as_mut() }
    }
}

impl<const N: usize> Drop for SecretBytes<N> {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        // SAFETY: the slot came from this arena with this size, and `self` ends here.
        unsafe { self.arena.release(self.slot, N) };
    }
}
