//! Random values of every structure, for round-trip tests.
//!
//! Every `structure!`, enumeration and table implements [`Sample`], so a new operation is covered
//! the day its row is added. A sampler is a seed: proptest prints it, and the same seed gives the
//! same value.

use std::borrow::Cow;

use crate::attribute::{AttributeKind, CustomValue};
use crate::field::RawStructure;
use crate::ttlv::{Item, Limits, Writer};
use crate::{
    Attribute, AttributeList, AttributeName, BigInteger, ByteString, Bytes, Data, DateTime, Filters,
    Identifier, IndexedAttribute, Interval, KeyMaterial, KeyValue, ManagedObject, RawEnumeration, Tag,
    Template, TicketTime, Version,
};

/// A source of values: SplitMix64 over a seed, and the version the values are for.
pub(crate) struct Sampler {
    state: u64,
    version: Version,
}

impl Sampler {
    pub(crate) const fn new(seed: u64, version: Version) -> Self {
        Self { state: seed, version }
    }

    fn u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn u32(&mut self) -> u32 {
        (self.u64() >> 32) as u32
    }

    fn below(&mut self, n: usize) -> usize {
        self.u64() as usize % n
    }

    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// One of them, or rarely none.
    pub(crate) fn maybe<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(self.below(all.len() + 3)).copied()
    }

    fn bytes(&mut self, max: usize) -> Vec<u8> {
        (0..self.below(max)).map(|_| self.u32() as u8).collect()
    }

    fn text(&mut self) -> String {
        const ALPHABET: &[char] = &['a', 'Z', '0', '-', '.', ' ', '\t', 'é', '漢', '🔑'];
        (0..self.below(20)).map(|_| self.pick(ALPHABET)).collect()
    }
}

pub(crate) trait Sample {
    fn sample(s: &mut Sampler) -> Self;
}

impl<T: Sample> Sample for Option<T> {
    fn sample(s: &mut Sampler) -> Self {
        (s.below(2) == 0).then(|| T::sample(s))
    }
}

impl<T: Sample> Sample for Box<T> {
    fn sample(s: &mut Sampler) -> Self {
        Self::new(T::sample(s))
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(s: &mut Sampler) -> Self {
        (0..s.below(4)).map(|_| T::sample(s)).collect()
    }
}

macro_rules! samples {
    ($($ty:ty = |$s:ident| $value:expr;)*) => {$(
        impl Sample for $ty {
            fn sample($s: &mut Sampler) -> Self {
                $value
            }
        }
    )*};
}

samples! {
    i32 = |s| s.u32() as i32;
    i64 = |s| s.u64() as i64;
    bool = |s| s.below(2) == 0;
    String = |s| s.text();
    Cow<'_, str> = |s| Cow::Owned(s.text());
    Bytes<'_> = |s| s.bytes(40).into();
    ByteString = |s| s.bytes(40).into();
    BigInteger<'_> = |s| BigInteger((0..8 * (1 + s.below(4))).map(|_| s.u32() as u8).collect::<Vec<_>>().into());
    DateTime = |s| DateTime(s.u64() as i64);
    Interval = |s| Interval(s.u32());
    TicketTime = |s| if s.below(2) == 0 { Self::For(Sample::sample(s)) } else { Self::Until(Sample::sample(s)) };
    RawEnumeration = |s| RawEnumeration(s.u32());
    Data<'_> = |s| if s.below(4) == 0 { Data::Placeholder(Sample::sample(s)) } else { Data::Bytes(Sample::sample(s)) };
    AttributeList = |s| Self(Sample::sample(s));
    // Structures with all their fields: `filter.rs` tests those that lack one.
    Filters = |s| Self { whole: Sample::sample(s), partial: Vec::new() };
    // Without an index: 2.x structures carry none. `list.rs` tests indexes.
    IndexedAttribute = |s| Attribute::sample(s).into();
    Template = |s| Self {
        names: if s.version.is_v2() { Vec::new() } else { Sample::sample(s) },
        attributes: Sample::sample(s),
    };
    AttributeName = |s| match s.maybe(AttributeKind::ALL) {
        Some(kind) => Self::Standard(kind),
        None if s.below(2) == 0 => Self::Unknown("No Such Attribute".into()),
        None => Self::Custom { vendor: s.pick(&["x", "y"]).into(), name: s.text() },
    };
    crate::ProtocolVersion = |s| Self { major: Sample::sample(s), minor: Sample::sample(s) };
    crate::attribute::CustomAttribute = |s| Self {
        vendor: s.pick(&["x", "y"]).into(),
        name: s.text(),
        value: Sample::sample(s),
    };
    CustomValue = |s| match s.below(11) {
        0 => Self::Integer(Sample::sample(s)),
        1 => Self::LongInteger(Sample::sample(s)),
        2 => Self::BigInteger(vec![0x80, 1, 2, 3, 4, 5, 6, s.u32() as u8].into()),
        3 => Self::Enumeration(s.u32()),
        4 => Self::Boolean(Sample::sample(s)),
        5 => Self::Text(s.text()),
        6 => Self::Bytes(Sample::sample(s)),
        7 => Self::DateTime(Sample::sample(s)),
        8 => Self::DateTimeExtended(Sample::sample(s)),
        9 => Self::Interval(s.u32()),
        _ => Self::Structure(Attribute::Fresh(Sample::sample(s)).to_ttlv_bytes().into()),
    };
    KeyValue<'_> = |s| if s.below(3) == 0 {
        KeyValue::Wrapped(Sample::sample(s))
    } else {
        KeyValue::Plain { material: Sample::sample(s), attributes: Sample::sample(s) }
    };
    KeyMaterial<'_> = |s| if s.below(3) == 0 {
        KeyMaterial::Transparent(Sample::sample(s))
    } else {
        KeyMaterial::Bytes(Sample::sample(s))
    };
    ManagedObject<'_> = |s| match s.below(10) {
        0 => ManagedObject::Certificate(Sample::sample(s)),
        1 => ManagedObject::SymmetricKey(Sample::sample(s)),
        2 => ManagedObject::PublicKey(Sample::sample(s)),
        3 => ManagedObject::PrivateKey(Sample::sample(s)),
        4 => ManagedObject::SplitKey(Sample::sample(s)),
        5 => ManagedObject::Template(Sample::sample(s)),
        6 => ManagedObject::SecretData(Sample::sample(s)),
        7 => ManagedObject::OpaqueObject(Sample::sample(s)),
        8 => ManagedObject::PgpKey(Sample::sample(s)),
        _ => ManagedObject::CertificateRequest(Sample::sample(s)),
    };
    crate::credential::Credential<'_> = |s| match s.below(6) {
        0 => Self::UsernameAndPassword(Sample::sample(s)),
        1 => Self::Device(Sample::sample(s)),
        2 => Self::Attestation(Sample::sample(s)),
        3 => Self::OneTimePassword(Sample::sample(s)),
        4 => Self::HashedPassword(Sample::sample(s)),
        _ => Self::Ticket(Sample::sample(s)),
    };
}

impl<S: From<String>> Sample for Identifier<S> {
    fn sample(s: &mut Sampler) -> Self {
        match s.below(6) {
            0 => Self::Enumeration(Sample::sample(s)),
            1 => Self::Integer(Sample::sample(s)),
            _ => Self::Text(s.text().into()),
        }
    }
}

impl Sample for RawStructure<'_> {
    fn sample(_: &mut Sampler) -> Self {
        const EMPTY: &[u8] = &[0x42, 0x00, 0x9C, 0x01, 0, 0, 0, 0];
        Self(Item::parse(EMPTY, &Limits::DEFAULT).expect("an empty structure is well formed"))
    }
}

/// Everything a payload can say survives the wire, in both styles.
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::{Decode, Encode};
    use crate::text::{self, Encoding};
    use crate::{Credential, RequestPayload, ResponsePayload};

    fn encoded(value: &impl Encode, version: Version, tag: Tag) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.encode(&mut Writer::new(&mut bytes, version), tag);
        bytes
    }

    fn opened(bytes: &[u8]) -> Item<'_> {
        Item::parse(bytes, &Limits::DEFAULT).expect("what we write is well formed")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn requests_round_trip(seed: u64, v2: bool) {
            let version = if v2 { Version::V2_1 } else { Version::V1_4 };
            let payload = RequestPayload::sample(&mut Sampler::new(seed, version));
            let bytes = encoded(&payload, version, Tag::REQUEST_PAYLOAD);
            let read = RequestPayload::decode(payload.operation(), opened(&bytes)).expect("reads what it wrote");
            prop_assert_eq!(&read, &payload);
            prop_assert_eq!(encoded(&read, version, Tag::REQUEST_PAYLOAD), bytes);
        }

        #[test]
        fn responses_round_trip(seed: u64, v2: bool) {
            let version = if v2 { Version::V2_1 } else { Version::V1_4 };
            let payload = ResponsePayload::sample(&mut Sampler::new(seed, version));
            let bytes = encoded(&payload, version, Tag::RESPONSE_PAYLOAD);
            let read = ResponsePayload::decode(payload.operation(), opened(&bytes)).expect("reads what it wrote");
            prop_assert_eq!(&read, &payload);
            prop_assert_eq!(encoded(&read, version, Tag::RESPONSE_PAYLOAD), bytes);
        }

        #[test]
        fn text_encodings_lose_nothing(seed: u64, v2: bool, request: bool) {
            let version = if v2 { Version::V2_1 } else { Version::V1_4 };
            let mut sampler = Sampler::new(seed, version);
            let bytes = if request {
                encoded(&RequestPayload::sample(&mut sampler), version, Tag::REQUEST_PAYLOAD)
            } else {
                encoded(&ResponsePayload::sample(&mut sampler), version, Tag::RESPONSE_PAYLOAD)
            };
            for encoding in Encoding::ALL {
                let text = text::from_ttlv(encoding, &bytes).expect("what we write is well formed");
                let back = text::to_ttlv(encoding, &text, &Limits::DEFAULT);
                prop_assert_eq!(
                    back.as_deref(), Ok(&bytes), "{:?}: {}", encoding, String::from_utf8_lossy(&text)
                );
            }
        }

        #[test]
        fn gated_responses_stay_readable(seed: u64, pick in 0_usize..7) {
            let version = Version::SUPPORTED[pick];
            let payload = ResponsePayload::sample(&mut Sampler::new(seed, version));
            let mut bytes = Vec::new();
            payload.encode(&mut Writer::for_response(&mut bytes, version), Tag::RESPONSE_PAYLOAD);
            ResponsePayload::decode(payload.operation(), opened(&bytes)).expect("gating leaves no hole");
        }

        #[test]
        fn credentials_round_trip(seed: u64) {
            let credential = Credential::sample(&mut Sampler::new(seed, Version::V2_1));
            let bytes = encoded(&credential, Version::V2_1, Tag::CREDENTIAL);
            prop_assert_eq!(Credential::decode(opened(&bytes)).expect("reads what it wrote"), credential);
        }

        #[test]
        fn stored_attributes_round_trip(seed: u64) {
            let attribute = Attribute::sample(&mut Sampler::new(seed, Version::V2_1));
            let bytes = attribute.to_ttlv_bytes();
            prop_assert_eq!(Attribute::from_ttlv_bytes(&bytes), Ok(attribute));
        }
    }
}
