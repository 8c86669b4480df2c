//! Randomness from the kernel.

/// Fills `out` from `getrandom(2)`.
///
/// # Panics
/// If the kernel gives no randomness. It cannot fail on a booted Linux; a key server that met such
/// a kernel must stop rather than make keys.
pub fn fill(out: &mut [u8]) {
    getrandom::fill(out).expect("getrandom(2) cannot fail on a booted Linux");
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
