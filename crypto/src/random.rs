//! Randomness from the kernel.

use std::io::Write as _;

/// Fills `out` from `getrandom(2)`.
///
/// # Panics
/// If the kernel gives no randomness. It cannot fail on a booted Linux; a key server that met such
/// a kernel must stop rather than make keys.
pub fn fill(out: &mut [u8]) {
    getrandom::fill(out).expect("getrandom(2) cannot fail on a booted Linux");
}

/// Mixes bytes into the kernel's generator. They count for nothing there and make nothing worse, whoever knows or
/// chose them (random(4)).
///
/// # Errors
/// If `/dev/urandom` cannot be written to.
pub fn stir(bytes: &[u8]) -> std::io::Result<()> {
    std::fs::OpenOptions::new().write(true).open("/dev/urandom")?.write_all(bytes)
}

/// `N` random bytes that are not secret: salts, handles, nonces.
///
/// # Panics
/// As [`fill`].
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    fill(&mut out);
    out
}
