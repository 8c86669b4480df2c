//! Where the fuzzers start, and what they once found, held by every test run: `fuzz/seeds` through the same
//! decoders.

use std::fs;
use std::path::{Path, PathBuf};

use kmip::text::{Encoding, from_ttlv, to_ttlv};
use kmip::ttlv::Limits;
use kmip::{Attribute, RequestMessage, ResponseMessage};

/// Every file of one target's folder.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new("../fuzz/seeds").join(target);
    let files = fs::read_dir(&folder).expect("a folder of seeds").map(|file| file.expect("a file").path());
    let seeds: Vec<_> = files.map(|file| (file.clone(), fs::read(file).expect("a seed"))).collect();
    assert!(!seeds.is_empty(), "{} is empty", folder.display());
    seeds
}

/// As the fuzz targets: refused with an answer that reads, or printed and read as the same again.
fn holds(encoding: Encoding, bytes: &[u8]) {
    match to_ttlv(encoding, bytes, &Limits::DEFAULT) {
        Err(rejection) => {
            let mut answer = Vec::new();
            rejection.respond(0, &mut answer);
            ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("our own answer reads");
            from_ttlv(encoding, &answer).expect("our own answer prints");
        }
        Ok(ttlv) => {
            let printed = from_ttlv(encoding, &ttlv).expect("what was read prints");
            let again = to_ttlv(encoding, &printed, &Limits::DEFAULT).expect("what we print reads");
            assert_eq!(from_ttlv(encoding, &again).expect("and prints again"), printed);
        }
    }
}

#[test]
fn texts_hold() {
    for (encoding, target) in [(Encoding::Xml, "xml"), (Encoding::Json, "json")] {
        seeds(target).iter().for_each(|(_, bytes)| holds(encoding, bytes));
    }
}

#[test]
fn messages_hold() {
    for (file, bytes) in seeds("request") {
        if let Err(rejection) = RequestMessage::decode(&bytes, &Limits::DEFAULT) {
            let mut answer = Vec::new();
            rejection.respond(0, &mut answer);
            ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("our own answer reads");
        } else {
            // Whatever is well formed is the same message in every encoding.
            for encoding in Encoding::ALL {
                let text = from_ttlv(encoding, &bytes).expect("a message prints");
                let back = to_ttlv(encoding, &text, &Limits::DEFAULT).expect("what we print reads");
                assert_eq!(*back, bytes, "{} as {encoding:?}", file.display());
            }
        }
    }
    for (_, bytes) in seeds("response") {
        let _ = ResponseMessage::decode(&bytes, &Limits::DEFAULT);
    }
    for (_, bytes) in seeds("attribute") {
        let _ = Attribute::from_ttlv_bytes(&bytes);
    }
}
