//! What each step of the hot path costs on this machine: `cargo run --release -p crypto --example derive_time`.
#![allow(clippy::print_stdout)] // Its output is its purpose.
#![allow(unsafe_code)] // Calls the two allocators by name to compare them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::time::Instant;

use crypto::{Commitments, Keyring, L2, L3Cache, L3Place, NonceSource, Seed, ZeroOnFree, scrub_stack};
use model::id::{BootId, L2Version, LogIndex, Realm, ServiceHandle, TenantHandle};
use model::sealer::Sealer;
use model::uid::{Fields, Header, Kdf, Kind};

/// Rounds per step; the fastest of five runs is printed, the others had company on the machine.
const ROUNDS: u32 = 100_000;

fn measure(what: &str, mut step: impl FnMut()) {
    let run = |step: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| step());
        start.elapsed() / ROUNDS
    };
    let best = (0..5).map(|_| run(&mut step)).min().expect("five runs");
    println!("{what:<34} {:>6} ns", best.as_nanos());
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (realm, tenant, service) = (Realm([1; 16]), TenantHandle([2; 4]), ServiceHandle([3; 4]));
    let l2 = L2::generate(realm, tenant, L2Version(1))?;
    let seed = Seed::generate(realm, tenant, service)?;
    let keyring = Keyring::generate(realm)?;
    let commitments = Commitments { l2: l2.commitment(), seed: seed.commitment() };
    let uid_key = keyring.uid_root().tenant_key(tenant)?;
    let nonces = NonceSource::new(BootId(1))?;
    let cache = L3Cache::new(1024);

    for kdf in [Kdf::Hkdf, Kdf::Counter] {
        let header = Header::new(&Fields {
            kind: Kind::EphemeralActive,
            kdf,
            tenant,
            service,
            l2_version: L2Version(1),
            created_s: 0,
            algorithm: 3,
            length_bytes: 32,
            usage_mask: 0x0c,
            nonce: nonces.next(),
        });
        let l3 = l2.l3(kdf, &seed)?;
        let mut out = [0; 32];
        measure(&format!("L3 -> L4, {kdf:?}"), || {
            l3.l4(black_box(&header), None, &mut out).expect("the fixture is sound");
            black_box(&out);
        });
        if kdf == Kdf::Hkdf {
            let uid = uid_key.make(header, &commitments);
            measure("identifier tag check", || assert!(uid_key.verify(black_box(&uid), &commitments)));
            let ticket = cache.begin_fill(tenant, LogIndex(1))?;
            let _ = cache.insert(&ticket, l3)?;
            let place = L3Place::of(&header);
            measure("cache lookup", || assert!(black_box(cache.get(black_box(&place))).is_some()));
        }
    }
    measure("L2 + seed -> L3, slot included", || drop(black_box(l2.l3(Kdf::Hkdf, &seed))));
    measure("hedged nonce", || {
        black_box(nonces.next());
    });
    measure("stack scrub, 64 KiB", scrub_stack);
    let row = [7; 200];
    let sealed = Sealer::seal(&keyring, b"place", &row);
    measure("barrier seal, 200 bytes", || drop(black_box(Sealer::seal(&keyring, b"place", &row))));
    measure("barrier open, 200 bytes", || drop(black_box(Sealer::open(&keyring, b"place", &sealed))));
    measure("row name", || {
        black_box(keyring.row_name(tenant, b"name"));
    });
    for bytes in [64, 4 << 10, 64 << 10] {
        allocate_and_free("system", &System, bytes);
        allocate_and_free("zero on free", &ZeroOnFree, bytes);
    }
    Ok(())
}

fn allocate_and_free(name: &str, allocator: &impl GlobalAlloc, bytes: usize) {
    let layout = Layout::array::<u8>(bytes).expect("a small size");
    measure(&format!("alloc + free {bytes} bytes, {name}"), || {
        // SAFETY: the block is not used and is freed once, with its own layout.
        unsafe { allocator.dealloc(black_box(allocator.alloc(layout)), layout) }
    });
}
