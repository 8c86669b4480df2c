//! The table of operations.
//!
//! To add one: write `ops/<operation>.rs` with its two payloads, declare it in `ops/mod.rs`, and
//! add a row here. Dispatch, Query, permissions, metric labels and documents read this table.

use crate::field::{Decode, Encode};
use crate::ttlv::{DecodeError, Item, Writer};
use crate::{Tag, Version, ops};

macro_rules! operations {
    ($($variant:ident = $number:literal $name:literal $first:ident $module:ident $(<$request:lifetime>)? / $(<$response:lifetime>)?;)*) => {
        /// An operation this crate has payloads for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        #[allow(missing_docs)] // the specification's own names
        pub enum Operation {
            $($variant = $number,)*
        }

        impl Operation {
            /// Every operation, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The operation with this number on the wire.
            #[must_use]
            pub const fn from_value(value: u32) -> Option<Self> {
                match value {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The name as XML and JSON spell it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The operation with this name, spelt as in XML and JSON.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The first version that defines it.
            #[must_use]
            pub const fn first_version(self) -> Version {
                match self {
                    $(Self::$variant => Version::$first,)*
                }
            }
        }

        /// The payload of a request.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // the specification's own names
        pub enum RequestPayload<'a> {
            $($variant(ops::$module::Request $(<$request>)?),)*
        }

        impl<'a> RequestPayload<'a> {
            /// Reads the payload of this operation.
            ///
            /// # Errors
            /// A [`DecodeError`] about the payload.
            pub fn decode(operation: Operation, payload: Item<'a>) -> Result<Self, DecodeError> {
                match operation {
                    $(Operation::$variant => Decode::decode(payload).map(Self::$variant),)*
                }
            }

            /// Which operation it belongs to.
            #[must_use]
            pub const fn operation(&self) -> Operation {
                match self {
                    $(Self::$variant(_) => Operation::$variant,)*
                }
            }
        }

        impl Encode for RequestPayload<'_> {
            fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
                match self {
                    $(Self::$variant(payload) => payload.encode(w, tag),)*
                }
            }
        }

        /// The payload of a response.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // the specification's own names
        pub enum ResponsePayload<'a> {
            $($variant(ops::$module::Response $(<$response>)?),)*
        }

        impl<'a> ResponsePayload<'a> {
            /// Reads the payload of this operation.
            ///
            /// # Errors
            /// A [`DecodeError`] about the payload.
            pub fn decode(operation: Operation, payload: Item<'a>) -> Result<Self, DecodeError> {
                match operation {
                    $(Operation::$variant => Decode::decode(payload).map(Self::$variant),)*
                }
            }

            /// Which operation it belongs to.
            #[must_use]
            pub const fn operation(&self) -> Operation {
                match self {
                    $(Self::$variant(_) => Operation::$variant,)*
                }
            }
        }

        impl Encode for ResponsePayload<'_> {
            fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
                match self {
                    $(Self::$variant(payload) => payload.encode(w, tag),)*
                }
            }
        }

        #[cfg(test)]
        impl crate::sample::Sample for RequestPayload<'_> {
            fn sample(s: &mut crate::sample::Sampler) -> Self {
                match s.pick(Operation::ALL) {
                    $(Operation::$variant => Self::$variant(crate::sample::Sample::sample(s)),)*
                }
            }
        }

        #[cfg(test)]
        impl crate::sample::Sample for ResponsePayload<'_> {
            fn sample(s: &mut crate::sample::Sampler) -> Self {
                match s.pick(Operation::ALL) {
                    $(Operation::$variant => Self::$variant(crate::sample::Sample::sample(s)),)*
                }
            }
        }
    };
}

// number, name, first version, module, and whether request / response borrow from the message.
operations! {
    Create = 0x01 "Create" V1_0 create / <'a>;
    CreateKeyPair = 0x02 "CreateKeyPair" V1_0 create_key_pair / <'a>;
    Register = 0x03 "Register" V1_0 register<'a> / <'a>;
    ReKey = 0x04 "ReKey" V1_0 re_key<'a> / <'a>;
    DeriveKey = 0x05 "DeriveKey" V1_0 derive_key<'a> / <'a>;
    Certify = 0x06 "Certify" V1_0 certify<'a> / <'a>;
    ReCertify = 0x07 "ReCertify" V1_0 re_certify<'a> / <'a>;
    Locate = 0x08 "Locate" V1_0 locate / <'a>;
    Check = 0x09 "Check" V1_0 check<'a> / <'a>;
    Get = 0x0A "Get" V1_0 get<'a> / <'a>;
    GetAttributes = 0x0B "GetAttributes" V1_0 get_attributes<'a> / <'a>;
    GetAttributeList = 0x0C "GetAttributeList" V1_0 get_attribute_list<'a> / <'a>;
    AddAttribute = 0x0D "AddAttribute" V1_0 add_attribute<'a> / <'a>;
    ModifyAttribute = 0x0E "ModifyAttribute" V1_0 modify_attribute<'a> / <'a>;
    DeleteAttribute = 0x0F "DeleteAttribute" V1_0 delete_attribute<'a> / <'a>;
    ObtainLease = 0x10 "ObtainLease" V1_0 obtain_lease<'a> / <'a>;
    GetUsageAllocation = 0x11 "GetUsageAllocation" V1_0 get_usage_allocation<'a> / <'a>;
    Activate = 0x12 "Activate" V1_0 activate<'a> / <'a>;
    Revoke = 0x13 "Revoke" V1_0 revoke<'a> / <'a>;
    Destroy = 0x14 "Destroy" V1_0 destroy<'a> / <'a>;
    Archive = 0x15 "Archive" V1_0 archive<'a> / <'a>;
    Recover = 0x16 "Recover" V1_0 recover<'a> / <'a>;
    Validate = 0x17 "Validate" V1_0 validate<'a> / ;
    Query = 0x18 "Query" V1_0 query / <'a>;
    Cancel = 0x19 "Cancel" V1_0 cancel<'a> / <'a>;
    Poll = 0x1A "Poll" V1_0 poll<'a> / ;
    Notify = 0x1B "Notify" V1_0 notify<'a> / ;
    Put = 0x1C "Put" V1_0 put<'a> / ;
    ReKeyKeyPair = 0x1D "ReKeyKeyPair" V1_1 re_key_key_pair<'a> / <'a>;
    DiscoverVersions = 0x1E "DiscoverVersions" V1_1 discover_versions / ;
    Encrypt = 0x1F "Encrypt" V1_2 encrypt<'a> / <'a>;
    Decrypt = 0x20 "Decrypt" V1_2 decrypt<'a> / <'a>;
    Sign = 0x21 "Sign" V1_2 sign<'a> / <'a>;
    SignatureVerify = 0x22 "SignatureVerify" V1_2 signature_verify<'a> / <'a>;
    Mac = 0x23 "MAC" V1_2 mac<'a> / <'a>;
    MacVerify = 0x24 "MACVerify" V1_2 mac_verify<'a> / <'a>;
    RngRetrieve = 0x25 "RNGRetrieve" V1_2 rng_retrieve / <'a>;
    RngSeed = 0x26 "RNGSeed" V1_2 rng_seed<'a> / ;
    Hash = 0x27 "Hash" V1_2 hash<'a> / <'a>;
    CreateSplitKey = 0x28 "CreateSplitKey" V1_2 create_split_key<'a> / <'a>;
    JoinSplitKey = 0x29 "JoinSplitKey" V1_2 join_split_key<'a> / <'a>;
    Import = 0x2A "Import" V1_4 import<'a> / <'a>;
    Export = 0x2B "Export" V1_4 export<'a> / <'a>;
    Log = 0x2C "Log" V2_0 log<'a> / ;
    Login = 0x2D "Login" V2_0 login / <'a>;
    Logout = 0x2E "Logout" V2_0 logout<'a> / ;
    DelegatedLogin = 0x2F "DelegatedLogin" V2_0 delegated_login<'a> / <'a>;
    AdjustAttribute = 0x30 "AdjustAttribute" V2_0 adjust_attribute<'a> / <'a>;
    SetAttribute = 0x31 "SetAttribute" V2_0 set_attribute<'a> / <'a>;
    SetEndpointRole = 0x32 "SetEndpointRole" V2_0 set_endpoint_role / ;
    Pkcs11 = 0x33 "PKCS_11" V2_0 pkcs11<'a> / <'a>;
    Interop = 0x34 "Interop" V2_0 interop<'a> / ;
    ReProvision = 0x35 "Re_Provision" V2_0 re_provision<'a> / <'a>;
    Ping = 0x3B "Ping" V2_1 ping / ;
}

impl Operation {
    /// The number on the wire.
    #[must_use]
    pub const fn value(self) -> u32 {
        self as u32
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Decode<'_> for Operation {
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        Self::from_value(item.enumeration()?)
            .ok_or(item.error(crate::ttlv::DecodeErrorKind::UnknownEnumeration(item.tag())))
    }
}

impl Encode for Operation {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.enumeration(tag, self.value());
    }
}
