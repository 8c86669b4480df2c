//! What another process, a debugger or a core dump could see of this process's keys.
//!
//! The test scans its own memory through `/proc/self/mem`, which follows the rules of ptrace, for every
//! 8-byte window of a key, raw and as hexadecimal. A whole-key search would give false comfort: a
//! vector that grew leaves half a key. Each scan has a positive control that must be found.
#![allow(clippy::unwrap_used)] // A scene that cannot be set up is a failed test.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crypto::{ArenaMode, L2, Secret, Seed, with_scrubbed_stack};
use model::id::{L2Version, Realm, ServiceHandle, TenantHandle};
use model::uid::{Fields, Header, Kdf, Kind};

#[global_allocator]
static ALLOCATOR: crypto::ZeroOnFree = crypto::ZeroOnFree;

/// One scan at a time: a test's own control must not show up in another's scan.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A key to look for, kept inverted so that the scan does not find the needle itself.
struct Needle([u8; 32]);

impl Needle {
    fn of(key: &[u8; 32]) -> Self {
        Self(key.map(|byte| !byte))
    }

    /// How many of the key's four aligned 8-byte windows occur anywhere, raw or in hexadecimal.
    fn windows_found(&self) -> usize {
        (0..4).filter(|i| self.window_occurs(&self.0[8 * i..8 * i + 8])).count()
    }

    fn window_occurs(&self, inverted: &[u8]) -> bool {
        let hex: Vec<u8> = inverted.iter().flat_map(|byte| hex_inverted(!byte)).collect();
        occurs(inverted) || occurs(&hex)
    }
}

/// The two hexadecimal digits of `byte`, each inverted.
fn hex_inverted(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|nibble| !b"0123456789abcdef"[usize::from(nibble)])
}

/// Whether the pattern, given inverted, occurs in any readable memory of this process.
fn occurs(inverted: &[u8]) -> bool {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut block = vec![0; 1 << 20];
    readable_ranges().into_iter().any(|(start, end)| {
        let mut at = start;
        while at < end {
            let want = block.len().min((end - at) as usize);
            let Ok(read) = memory.read_at(&mut block[..want], at) else { return false };
            if read == 0 {
                return false;
            }
            // The scan's own buffer holds a copy of what it reads, but only of ranges before it.
            for byte in &mut block[..read] {
                *byte = !*byte;
            }
            if contains(&block[..read], inverted) {
                return true;
            }
            block[..read].fill(0);
            at += (read.saturating_sub(inverted.len() - 1)).max(1) as u64;
        }
        false
    })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|byte| *byte == needle[0]) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

fn readable_ranges() -> Vec<(u64, u64)> {
    let maps = BufReader::new(File::open("/proc/self/maps").unwrap());
    let parse = |line: String| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        rest.starts_with('r').then_some((hex(start)?, hex(end)?))
    };
    maps.lines().filter_map(|line| parse(line.unwrap())).collect()
}

#[test]
fn the_scan_finds_what_is_there() {
    let _turn = turn();
    let (needle, raw) = with_scrubbed_stack(|| {
        let key = crypto::random::bytes();
        (Needle::of(&key), Box::new(key))
    });
    assert_eq!(needle.windows_found(), 4, "raw bytes on the heap");
    drop(raw);
    assert_eq!(needle.windows_found(), 0, "the allocator zeroes what it frees");

    let (needle, text) = with_scrubbed_stack(|| {
        let key: [u8; 32] = crypto::random::bytes();
        let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        (Needle::of(&key), text)
    });
    assert_eq!(needle.windows_found(), 4, "hexadecimal text on the heap");
    drop(text);
    assert_eq!(needle.windows_found(), 0, "the text and all that it grew through");
}

#[test]
fn the_arena_cannot_be_read_from_outside() {
    let _turn = turn();
    let secret = Secret::generate().unwrap();
    let address = secret.with(|bytes| bytes.as_ptr() as u64);
    let mut out = [0; 32];
    let read = File::open("/proc/self/mem").unwrap().read_exact_at(&mut out, address);
    match crypto::arena_status().mode.unwrap() {
        ArenaMode::SecretMemory => assert!(read.is_err(), "memfd_secret must refuse this read"),
        // The fallback's known weakness, named in its warning; the test shows that the probe works.
        ArenaMode::LockedAnonymous => read.unwrap(),
    }
}

#[test]
fn guard_pages_lie_around_the_arena() {
    let _turn = turn();
    let secret = Secret::generate().unwrap();
    let address = secret.with(|bytes| bytes.as_ptr() as u64);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let ranges: Vec<(u64, u64, &str)> = maps
        .lines()
        .map(|line| {
            let (range, rest) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap(), &rest[..4])
        })
        .collect();
    let at = ranges.iter().position(|(start, end, _)| (*start..*end).contains(&address)).unwrap();
    for (neighbour, touches) in [
        (ranges[at - 1], ranges[at - 1].1 == ranges[at].0),
        (ranges[at + 1], ranges[at + 1].0 == ranges[at].1),
    ] {
        assert!(touches && neighbour.2.starts_with("---"), "{neighbour:?} is no guard");
    }
}

/// The whole path of a request: derive a data key, encode it, hand it out, forget it.
#[test]
fn a_served_key_leaves_no_trace() {
    let _turn = turn();
    let (realm, tenant, service) = (Realm([1; 16]), TenantHandle([2; 4]), ServiceHandle([3; 4]));
    let header = Header::new(&Fields {
        kind: Kind::EphemeralActive,
        kdf: Kdf::Hkdf,
        tenant,
        service,
        l2_version: L2Version(1),
        created_s: 0,
        algorithm: 3,
        length_bytes: 32,
        usage_mask: 0x0c,
        nonce: crypto::random::bytes(),
    });
    let (l4, control) = with_scrubbed_stack(|| {
        let l2 = L2::generate(realm, tenant, L2Version(1)).unwrap();
        let seed = Seed::generate(realm, tenant, service).unwrap();
        let l3 = l2.l3(header.fields().kdf, &seed).unwrap();
        let mut response = Vec::with_capacity(8);
        response.extend_from_slice(b"response");
        let mut key = [0; 32];
        l3.l4(&header, None, &mut key).unwrap();
        response.extend_from_slice(&key); // Grows on purpose: the old block must not matter.
        (Needle::of(&key), Box::new(response))
    });
    assert_eq!(l4.windows_found(), 4, "the response is still alive: the positive control");
    drop(control);
    assert_eq!(l4.windows_found(), 0, "the response is gone, and so is the key");
}
