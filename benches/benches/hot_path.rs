//! The hot path without its sockets and its disk: decode, derive, encode.
//!
//! Absolute times come from criterion; the ratios below them compare each step with the least it could
//! cost, measured in turns in the same seconds, so that they mean the same on every machine.
#![allow(clippy::print_stdout)] // the figures are the purpose

use std::hint::black_box;

use aws_lc_rs::hmac;
use benches::{KEY_BYTES, compare, create_and_get_request, write_response};
use criterion::Criterion;
use crypto::{L2, L3, Seed};
use kmip::ttlv::Limits;
use kmip::{RequestMessage, RequestPayload};
use model::id::{L2Version, Realm, ServiceHandle, TenantHandle};
use model::uid::{Fields, Header, Kdf, Kind};

fn main() {
    let request = create_and_get_request();
    let mut response = Vec::new();
    write_response(&mut response, |out| out.fill(7));
    let (l3, header) = (l3(), header());

    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("decode create+get request", |b| b.iter(|| decode(&request)));
    let mut out = Vec::with_capacity(1024);
    criterion.bench_function("encode create+get response", |b| b.iter(|| encode(&mut out)));
    let mut key = [0; KEY_BYTES];
    criterion.bench_function("derive L3 to L4", |b| b.iter(|| derive(&l3, &header, &mut key)));
    criterion.bench_function("decode, derive, encode", |b| {
        b.iter(|| {
            decode(&request);
            out.clear();
            write_response(&mut out, |out| l3.l4(&header, None, out).expect("the fixture is sound"));
            black_box(&out);
        });
    });
    criterion.final_summary();
    if !std::env::args().any(|argument| argument == "--test") {
        print_ratios(&request, &response, &l3, &header);
    }
}

fn print_ratios(request: &[u8], response: &[u8], l3: &L3, header: &Header) {
    let (mut to, mut out, mut key) = (vec![0; 4096], Vec::with_capacity(1024), [0; KEY_BYTES]);
    let mac_key = hmac::Key::new(hmac::HMAC_SHA256, &[1; KEY_BYTES]);
    let mut copy = |from: &[u8]| {
        to[..from.len()].copy_from_slice(black_box(from));
        black_box(&to);
    };
    let rows = [
        ("decode / memcpy of the request", compare(|| decode(request), || copy(request))),
        ("encode / memcpy of the response", compare(|| encode(&mut out), || copy(response))),
        ("derive / one bare HMAC-SHA-256", compare(|| derive(l3, header, &mut key), || mac(&mac_key))),
    ];
    println!("{:<34} {:>10} {:>13} {:>8}", "ratio", "subject ns", "reference ns", "ratio");
    for (name, found) in rows {
        let (subject, reference) = (found.subject_ns, found.reference_ns);
        println!("{name:<34} {subject:>10.1} {reference:>13.1} {:>8.2}", found.ratio);
    }
}

/// The whole message, and every payload.
fn decode(request: &[u8]) {
    let message = RequestMessage::decode(black_box(request), &Limits::DEFAULT).expect("a request");
    for item in &message.items {
        let payload: RequestPayload<'_> = item.decode_payload().expect("a payload");
        black_box(payload);
    }
}

fn encode(out: &mut Vec<u8>) {
    out.clear();
    write_response(out, |key| key.fill(black_box(7)));
    black_box(out);
}

fn derive(l3: &L3, header: &Header, key: &mut [u8; KEY_BYTES]) {
    l3.l4(black_box(header), None, key).expect("the fixture is sound");
    black_box(key);
}

/// As many bytes as one derivation feeds to its HMAC: label, realm, header, counter.
fn mac(key: &hmac::Key) {
    black_box(hmac::sign(key, black_box(&[2; 67])));
}

const REALM: Realm = Realm([1; 16]);
const TENANT: TenantHandle = TenantHandle([2; 4]);
const SERVICE: ServiceHandle = ServiceHandle([3; 4]);

fn l3() -> L3 {
    let l2 = L2::generate(REALM, TENANT, L2Version(1)).expect("locked memory");
    let seed = Seed::generate(REALM, TENANT, SERVICE).expect("locked memory");
    l2.l3(Kdf::Hkdf, &seed).expect("both are of one place")
}

fn header() -> Header {
    Header::new(&Fields {
        kind: Kind::EphemeralActive,
        kdf: Kdf::Hkdf,
        tenant: TENANT,
        service: SERVICE,
        l2_version: L2Version(1),
        created_s: 0,
        algorithm: 3,
        length_bytes: 32,
        usage_mask: 0x0c,
        nonce: [4; 12],
    })
}
