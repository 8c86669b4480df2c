//! The two key derivation functions, and the one way to call them.
//!
//! [`derive()`] is the only function that turns a key into another: it binds a label and a context,
//! `label ‖ 00 ‖ lp(context…)`, so that no two uses of a key meet. Nothing is allocated: the parts
//! stream into the MAC, the result goes into the caller's buffer.
//!
//! KDF 1 is HKDF-Expand with SHA-256 (RFC 5869 2.3); Extract is left out on purpose, all our keys are
//! uniformly random already. KDF 2 is the counter mode of SP 800-108r1 4.1 with HMAC-SHA-256.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::stack::with_scrubbed_leaf;

pub use model::uid::Kdf;

/// Most parts of a context: L3 has five, an L4 drawn again has four; one to spare.
const PARTS_MAX: usize = 6;

/// Longest output: 255 blocks, the bound of HKDF-Expand; both functions share it.
pub const OUTPUT_BYTES_MAX: usize = 255 * 32;

/// Derives `out.len()` bytes from `key` for the use named by `label` in the place named by `context`.
/// Nothing of either key stays behind on the stack.
///
/// # Panics
/// If `out` is empty or longer than [`OUTPUT_BYTES_MAX`], or a part is longer than 65,535 bytes, or
/// there are more than six: callers check what comes from outside.
pub fn derive(kdf: Kdf, key: &[u8; 32], label: &str, context: &[&[u8]], out: &mut [u8]) {
    with_scrubbed_leaf(|| {
        with_info(label, context, |info| match kdf {
            Kdf::Hkdf => hkdf_expand(key, info, out),
            Kdf::Counter => {
                let bits = u32::try_from(out.len() * 8).expect("the output is at most 8,160 bytes");
                counter_hmac(key, info, &bits.to_be_bytes(), out);
            }
        });
    });
}

/// HMAC-SHA-256 over the concatenation of `parts`.
#[must_use]
pub fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA-256 over `label ‖ 00 ‖ lp(context…)`.
///
/// # Panics
/// As [`derive()`], about the context.
#[must_use]
pub fn labelled_mac(key: &[u8; 32], label: &str, context: &[&[u8]]) -> [u8; 32] {
    with_info(label, context, |info| mac(key, info))
}

/// Calls `run` with the pieces of `label ‖ 00 ‖ lp(context…)`, laid out on the stack.
fn with_info<R>(label: &str, context: &[&[u8]], run: impl FnOnce(&[&[u8]]) -> R) -> R {
    assert!(context.len() <= PARTS_MAX, "a context has at most {PARTS_MAX} parts");
    let mut lengths = [[0; 2]; PARTS_MAX];
    for (length, part) in lengths.iter_mut().zip(context) {
        *length = u16::try_from(part.len()).expect("a part has at most 65,535 bytes").to_be_bytes();
    }
    let mut pieces: [&[u8]; 2 + 2 * PARTS_MAX] = [&[]; _];
    pieces[0] = label.as_bytes();
    pieces[1] = &[0];
    for (i, part) in context.iter().enumerate() {
        pieces[2 + 2 * i] = &lengths[i];
        pieces[3 + 2 * i] = part;
    }
    run(&pieces[..2 + 2 * context.len()])
}

/// HKDF-Expand (RFC 5869 2.3) with PRK = `key`.
pub(crate) fn hkdf_expand(key: &[u8; 32], info: &[&[u8]], out: &mut [u8]) {
    assert!(!out.is_empty(), "a derivation has an output");
    let hkdf = Hkdf::<Sha256>::from_prk(key).expect("32 bytes are exactly one hash length");
    hkdf.expand_multi_info(info, out).expect("the output is at most 255 blocks");
}

/// KDF in counter mode (SP 800-108r1 4.1), 32-bit counter before the fixed input `info ‖ length`.
pub(crate) fn counter_hmac(key: &[u8; 32], info: &[&[u8]], length: &[u8], out: &mut [u8]) {
    assert!(!out.is_empty() && out.len() <= OUTPUT_BYTES_MAX, "a derivation has 1 to 8,160 bytes");
    let keyed = keyed(key);
    for (block, counter) in out.chunks_mut(32).zip(1u32..) {
        let mut mac = keyed.clone();
        mac.update(&counter.to_be_bytes());
        for piece in info {
            mac.update(piece);
        }
        mac.update(length);
        block.copy_from_slice(&mac.finalize().into_bytes()[..block.len()]);
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}
