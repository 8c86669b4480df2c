//! Bit masks: an Integer on the wire, whose unknown bits are kept so that policy can refuse them.

use std::ops::{BitOr, BitOrAssign};

use crate::Tag;
use crate::field::{Decode, Encode};
use crate::ttlv::{DecodeError, Item, Writer};

/// Declares one mask; a row is `CONSTANT = bit "NameInXml",`.
macro_rules! mask {
    ($(#[$meta:meta])* pub struct $name:ident { $($bit:ident = $value:literal $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        #[allow(missing_docs)] // the specification's own names
        impl $name {
            $(pub const $bit: Self = Self($value);)*
        }

        impl $name {
            /// No bit set.
            pub const NONE: Self = Self(0);

            /// Every bit the specifications define.
            pub const ALL: Self = Self(0 $(| $value)*);

            /// The bits and their names as XML and JSON spell them, ascending.
            pub const NAMES: &'static [(Self, &'static str)] = &[$((Self::$bit, $text),)*];

            /// Whether every bit of `other` is set here.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any bit of `other` is set here.
            #[must_use]
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Whether a bit is set that no version defines.
            #[must_use]
            pub const fn has_unknown_bits(self) -> bool {
                self.0 & !Self::ALL.0 != 0
            }
        }

        impl BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl BitOrAssign for $name {
            fn bitor_assign(&mut self, other: Self) {
                self.0 |= other.0;
            }
        }

        impl Decode<'_> for $name {
            fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
                item.integer().map(|bits| Self(bits.cast_unsigned()))
            }
        }

        impl Encode for $name {
            fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
                w.integer(tag, self.0.cast_signed());
            }
        }

        #[cfg(test)]
        impl crate::sample::Sample for $name {
            fn sample(s: &mut crate::sample::Sampler) -> Self {
                Self(s.u32())
            }
        }
    };
}

mask! {
    /// What a key may be used for (Cryptographic Usage Mask).
    pub struct UsageMask {
        SIGN = 0x1 "Sign",
        VERIFY = 0x2 "Verify",
        ENCRYPT = 0x4 "Encrypt",
        DECRYPT = 0x8 "Decrypt",
        WRAP_KEY = 0x10 "WrapKey",
        UNWRAP_KEY = 0x20 "UnwrapKey",
        EXPORT = 0x40 "Export",
        MAC_GENERATE = 0x80 "MACGenerate",
        MAC_VERIFY = 0x100 "MACVerify",
        DERIVE_KEY = 0x200 "DeriveKey",
        CONTENT_COMMITMENT = 0x400 "ContentCommitment",
        KEY_AGREEMENT = 0x800 "KeyAgreement",
        CERTIFICATE_SIGN = 0x1000 "CertificateSign",
        CRL_SIGN = 0x2000 "CRLSign",
        GENERATE_CRYPTOGRAM = 0x4000 "GenerateCryptogram",
        VALIDATE_CRYPTOGRAM = 0x8000 "ValidateCryptogram",
        TRANSLATE_ENCRYPT = 0x10000 "TranslateEncrypt",
        TRANSLATE_DECRYPT = 0x20000 "TranslateDecrypt",
        TRANSLATE_WRAP = 0x40000 "TranslateWrap",
        TRANSLATE_UNWRAP = 0x80000 "TranslateUnwrap",
        AUTHENTICATE = 0x100000 "Authenticate",
        UNRESTRICTED = 0x200000 "Unrestricted",
        FPE_ENCRYPT = 0x400000 "FPEEncrypt",
        FPE_DECRYPT = 0x800000 "FPEDecrypt",
    }
}

mask! {
    /// Where Locate looks.
    pub struct StorageStatusMask {
        ONLINE_STORAGE = 0x1 "On_lineStorage",
        ARCHIVAL_STORAGE = 0x2 "ArchivalStorage",
        DESTROYED_STORAGE = 0x4 "DestroyedStorage",
    }
}

mask! {
    /// Where an object may be kept (2.0).
    pub struct ProtectionStorageMask {
        SOFTWARE = 0x1 "Software",
        HARDWARE = 0x2 "Hardware",
        ON_PROCESSOR = 0x4 "OnProcessor",
        ON_SYSTEM = 0x8 "OnSystem",
        OFF_SYSTEM = 0x10 "OffSystem",
        HYPERVISOR = 0x20 "Hypervisor",
        OPERATING_SYSTEM = 0x40 "OperatingSystem",
        CONTAINER = 0x80 "Container",
        ON_PREMISES = 0x100 "OnPremises",
        OFF_PREMISES = 0x200 "OffPremises",
        SELF_MANAGED = 0x400 "SelfManaged",
        OUTSOURCED = 0x800 "Outsourced",
        VALIDATED = 0x1000 "Validated",
        SAME_JURISDICTION = 0x2000 "SameJurisdiction",
    }
}
