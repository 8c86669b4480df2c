//! Whether time tells one kind of "not found" from another: identifiers whose tag is wrong in its
//! first bit, in its last, or because they are another tenant's, judged in random turns and compared by Welch's t.
//!
//! A figure beyond 4.5 is what leakage looks like, and ends the program with an error. Measured on the judgement
//! alone: a network's noise would hide what an attacker beside the node could see.
#![allow(clippy::print_stdout)] // the figures are the purpose

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use crypto::{Commitments, Keyring, L2, Seed};
use model::id::{L2Version, Realm, ServiceHandle, TenantHandle};
use model::uid::{Fields, Header, Kdf, Kind, Uid};

/// What is compared, and where each differs from a genuine identifier.
const CLASSES: [&str; 3] = ["first bit of the tag", "last bit of the tag", "another tenant's"];
/// Samples of each class.
const SAMPLES: usize = 100_000;
/// Identifiers judged one after the other, in an order that chance gives.
const TURNS: usize = 1_024;
/// Of each class the slowest share is left out: interrupts have nothing to do with the question.
const KEPT: f64 = 0.9;
/// The bound that test vector leakage assessment uses (ISO/IEC 17825).
const T_MAX: f64 = 4.5;

fn main() -> ExitCode {
    // As a test it only has to run.
    let test = std::env::args().any(|argument| argument == "--test");
    let samples = measure(if test { 100 } else { SAMPLES });
    let mut leaks = false;
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let t = welch(&samples[a], &samples[b]);
        println!("{:<24} / {:<24} t = {t:6.2}", CLASSES[a], CLASSES[b]);
        leaks |= t.abs() > T_MAX;
    }
    if leaks && !test { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Nanoseconds of each judgement, by class.
fn measure(count: usize) -> [Vec<f64>; 3] {
    let (realm, tenant, service) = (Realm([1; 16]), TenantHandle([2; 4]), ServiceHandle([3; 4]));
    let l2 = L2::generate(realm, tenant, L2Version(1)).expect("secret memory");
    let seed = Seed::generate(realm, tenant, service).expect("secret memory");
    let commitments = Commitments { l2: l2.commitment(), seed: seed.commitment() };
    let keyring = Keyring::generate(realm).expect("secret memory");
    let key = keyring.uid_root().tenant_key(tenant).expect("secret memory");
    let other = TenantHandle([4; 4]);
    let foreign = keyring.uid_root().tenant_key(other).expect("secret memory");
    let make = |class: usize, nonce: [u8; 12]| match class {
        0 => flipped(key.make(header(tenant, service, nonce), &commitments), 0, 0x80),
        1 => flipped(key.make(header(tenant, service, nonce), &commitments), 7, 0x01),
        _ => foreign.make(header(other, service, nonce), &commitments),
    };
    let mut times = [const { Vec::new() }; 3];
    while times.iter().any(|class| class.len() < count) {
        // Made before any of them is judged: what made an identifier must not leave the caches warm for its judgement.
        let turns: Vec<(usize, Uid)> = (0..TURNS)
            .map(|_| {
                let random: [u8; 13] = crypto::random::bytes();
                let class = usize::from(random[0]) % CLASSES.len();
                (class, make(class, random[1..].try_into().expect("twelve of thirteen bytes")))
            })
            .collect();
        for (class, uid) in turns {
            let begun = Instant::now();
            let genuine = black_box(key.verify(black_box(&uid), &commitments));
            let taken = begun.elapsed();
            assert!(!genuine, "an identifier that is none passed");
            times[class].push(taken.as_secs_f64() * 1e9);
        }
    }
    times
}

fn header(tenant: TenantHandle, service: ServiceHandle, nonce: [u8; 12]) -> Header {
    Header::new(&Fields {
        kind: Kind::EphemeralActive,
        kdf: Kdf::Hkdf,
        tenant,
        service,
        l2_version: L2Version(1),
        created_s: 1_700_000_000,
        algorithm: 3,
        length_bytes: 32,
        usage_mask: 12,
        nonce,
    })
}

fn flipped(mut uid: Uid, byte: usize, bit: u8) -> Uid {
    uid.tag[byte] ^= bit;
    uid
}

/// Welch's t of two classes without their slowest samples.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (moments(a), moments(b));
    (a.0 - b.0) / (a.1 + b.1).sqrt()
}

/// Mean, and variance over the number of samples.
fn moments(samples: &[f64]) -> (f64, f64) {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
    sorted.truncate((sorted.len() as f64 * KEPT) as usize);
    let count = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / count;
    let variance = sorted.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, variance / count)
}
