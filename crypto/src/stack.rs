//! Wiping the stack below a call that handled key bytes.
//!
//! Compilers spill and move: a by-value copy of a key stays in a dead stack frame until something
//! overwrites it. Run derivation and response encoding in one synchronous function inside
//! [`with_scrubbed_stack`]; no key lives across an await.
#![allow(unsafe_code)] // Writes memory that must not be optimised away.

use std::mem::MaybeUninit;

use crate::wipe::wipe;

/// How deep the wipe reaches: the deepest path below a request measured a few KiB; 64 KiB leaves an
/// order of magnitude, and costs about a microsecond.
const SCRUB_BYTES: usize = 64 << 10;

/// The same for calls that stay inside this crate: HKDF, HMAC and AES-GCM use less than 4 KiB. What is wiped
/// takes room in the first-level cache from what the request needs next, so this is no larger than it must be.
const SCRUB_LEAF_BYTES: usize = 8 << 10;

/// Runs `act`, then wipes the 64 KiB of stack it may have used, also when it panics.
#[inline(never)]
pub fn with_scrubbed_stack<R>(act: impl FnOnce() -> R) -> R {
    let _scrub = Scrub::<SCRUB_BYTES>;
    below(act)
}

/// As [`with_scrubbed_stack`], 8 KiB deep.
#[inline(never)]
pub(crate) fn with_scrubbed_leaf<R>(act: impl FnOnce() -> R) -> R {
    let _scrub = Scrub::<SCRUB_LEAF_BYTES>;
    below(act)
}

/// Wipes the stack below its owner when dropped.
struct Scrub<const BYTES: usize>;

impl<const BYTES: usize> Drop for Scrub<BYTES> {
    fn drop(&mut self) {
        scrub::<BYTES>();
    }
}

/// A frame of its own for `act`, so that nothing of it is merged into the caller's frame.
#[inline(never)]
fn below<R>(act: impl FnOnce() -> R) -> R {
    act()
}

/// Zeroes the 64 KiB of stack below the caller.
pub fn scrub_stack() {
    scrub::<SCRUB_BYTES>();
}

#[inline(never)]
fn scrub<const BYTES: usize>() {
    let mut area = MaybeUninit::<[u8; BYTES]>::uninit();
    // SAFETY: the area is ours and has this size.
    unsafe { wipe(area.as_mut_ptr().cast(), BYTES) };
}
