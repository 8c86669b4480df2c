//! What to look for, and how: every 8-byte piece of every known key, in seven spellings, in one pass.
//!
//! Whole keys are not looked for: a move or a half-overwritten stack frame leaves parts. Eight bytes that
//! are equal by chance do not occur: 2⁻⁶⁴ per window and place.

use std::collections::HashMap;

/// What a key is in the hierarchy, as columns of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A tenant's key.
    L2,
    /// A service's seed.
    Seed,
    /// A service's key.
    L3,
    /// A data key that a client received.
    L4,
    /// Material that a client registered, or tried to.
    Material,
    /// Leaked on purpose.
    Control,
}

impl Class {
    /// All, in the order of the report.
    pub const ALL: [Self; 6] = [Self::L2, Self::Seed, Self::L3, Self::L4, Self::Material, Self::Control];

    /// The heading.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::L2 => "L2",
            Self::Seed => "seed",
            Self::L3 => "L3",
            Self::L4 => "L4",
            Self::Material => "material",
            Self::Control => "control",
        }
    }
}

/// Bytes of a window.
const WINDOW: usize = 8;
/// Longest spelling: hexadecimal.
pub const NEEDLE_BYTES_MAX: usize = 2 * WINDOW;
/// Bits of the filter in front of the table: 512 KiB, which stays in the processor's cache.
const FILTER_BITS: u32 = 22;
/// What a page of memory or a block of a sparse file is skipped by when it is zero.
const PAGE: usize = 4096;

/// One spelling of one window.
struct Needle {
    bytes: Vec<u8>,
    key: u32,
    window: u8,
    spelling: &'static str,
}

/// Where a window was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hit {
    /// The key's place in the list the needles were made from.
    pub key: u32,
    /// Which window of it.
    pub window: u8,
    /// How it was written.
    pub spelling: &'static str,
    /// Offset in the haystack.
    pub at: usize,
}

/// All needles, ready to be found.
pub struct Needles {
    needles: Vec<Needle>,
    /// By the first eight bytes, which every spelling has.
    table: HashMap<u64, Vec<u32>>,
    filter: Vec<u64>,
}

impl Needles {
    /// Of these keys; bytes beyond the last whole window are not looked for.
    pub fn new<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut all =
            Self { needles: Vec::new(), table: HashMap::new(), filter: vec![0; 1 << (FILTER_BITS - 6)] };
        for (key, bytes) in (0_u32..).zip(keys) {
            for (window, bytes) in (0_u8..).zip(bytes.chunks_exact(WINDOW)) {
                for (spelling, bytes) in spellings(bytes) {
                    all.add(Needle { bytes, key, window, spelling });
                }
            }
        }
        all
    }

    fn add(&mut self, needle: Needle) {
        let head = u64::from_le_bytes(
            needle.bytes[..WINDOW].try_into().expect("a spelling has eight bytes or more"),
        );
        let slot = slot(head);
        self.filter[slot / 64] |= 1 << (slot % 64);
        let index = u32::try_from(self.needles.len()).expect("fewer needles than 2³²");
        self.table.entry(head).or_default().push(index);
        self.needles.push(needle);
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.needles.len()
    }

    /// Every needle in the haystack.
    pub fn search(&self, haystack: &[u8], mut found: impl FnMut(Hit)) {
        let mut at = 0;
        while at + WINDOW <= haystack.len() {
            if at % PAGE == 0 && is_zero(haystack, at) {
                // The last window of the page may reach into the next one.
                at += PAGE - WINDOW + 1;
                continue;
            }
            let head = u64::from_le_bytes(haystack[at..at + WINDOW].try_into().expect("eight bytes"));
            let slot = slot(head);
            if self.filter[slot / 64] >> (slot % 64) & 1 == 1 {
                self.compare(head, haystack, at, &mut found);
            }
            at += 1;
        }
    }

    fn compare(&self, head: u64, haystack: &[u8], at: usize, found: &mut impl FnMut(Hit)) {
        for index in self.table.get(&head).into_iter().flatten() {
            let needle = &self.needles[*index as usize];
            if haystack[at..].starts_with(&needle.bytes) {
                found(Hit { key: needle.key, window: needle.window, spelling: needle.spelling, at });
            }
        }
    }
}

fn is_zero(haystack: &[u8], at: usize) -> bool {
    haystack.get(at..at + PAGE).is_some_and(|page| page.iter().all(|byte| *byte == 0))
}

/// Fibonacci hashing: the top bits of a product with 2⁶⁴/φ.
fn slot(head: u64) -> usize {
    (head.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - FILTER_BITS)) as usize
}

fn spellings(window: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hex = |digits: &[u8; 16]| {
        window
            .iter()
            .flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]])
            .collect()
    };
    let mut all = vec![
        ("raw", window.to_vec()),
        ("reversed", window.iter().rev().copied().collect()),
        ("hex", hex(b"0123456789abcdef")),
        ("HEX", hex(b"0123456789ABCDEF")),
    ];
    all.extend((0..3).map(|phase| ("base64", base64_inside(window, phase))));
    all
}

/// The base64 characters that `window` alone decides when `phase` bytes stand before it in its group.
fn base64_inside(window: &[u8], phase: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = window.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    // Characters begin at multiples of six bits of the stream; the window begins 8·phase bits into it.
    let skip = (6 - 8 * phase % 6) % 6;
    bits[skip..]
        .chunks_exact(6)
        .map(|six| ALPHABET[six.iter().fold(0, |n, bit| n << 1 | usize::from(*bit))])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] =
        [0x9d, 0x01, 0xfe, 0x77, 0x3c, 0x80, 0x5a, 0xe1, 0x42, 0x13, 0xb7, 0xd8, 0x66, 0x0f, 0xc4, 0x2b];

    fn found_in(haystack: &[u8]) -> Vec<(u8, &'static str)> {
        let mut hits = Vec::new();
        Needles::new([&KEY[..]].into_iter()).search(haystack, |hit| hits.push((hit.window, hit.spelling)));
        hits
    }

    #[test]
    fn every_spelling_is_found_and_nothing_else() {
        let hex: String = KEY.iter().map(|byte| format!("{byte:02x}")).collect();
        let reversed: Vec<u8> = KEY.iter().rev().copied().collect();
        assert_eq!(found_in(&KEY), [(0, "raw"), (1, "raw")]);
        assert_eq!(found_in(&reversed), [(1, "reversed"), (0, "reversed")]);
        assert_eq!(found_in(format!("key={hex}.").as_bytes()), [(0, "hex"), (1, "hex")]);
        assert_eq!(found_in(hex.to_uppercase().as_bytes()), [(0, "HEX"), (1, "HEX")]);
        assert_eq!(found_in(&KEY[1..9]), []);
    }

    #[test]
    fn base64_is_found_in_all_three_phases() {
        // base64 of zero, one and two bytes 00 before the key.
        for text in ["nQH+dzyAWuFCE7fYZg/EKw==", "AJ0B/nc8gFrhQhO32GYPxCs=", "AACdAf53PIBa4UITt9hmD8Qr"] {
            assert_eq!(found_in(text.as_bytes()), [(0, "base64"), (1, "base64")], "{text}");
        }
    }

    #[test]
    fn skipped_pages_hide_nothing() {
        for at in [PAGE - 8, PAGE - 7, PAGE - 1, PAGE, 2 * PAGE - 3] {
            let mut haystack = vec![0; 4 * PAGE];
            haystack[at..at + KEY.len()].copy_from_slice(&KEY);
            assert_eq!(found_in(&haystack), [(0, "raw"), (1, "raw")], "at {at}");
        }
    }
}
