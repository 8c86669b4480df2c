//! Attribute names: text in 1.x, a tag or a vendor's name in 2.x.

use std::borrow::Cow;
use std::fmt;

use super::AttributeKind;
use crate::field::{Decode, Encode, structure};
use crate::ttlv::{DecodeError, Item, Writer};
use crate::{ItemType, Tag};

/// The name of an attribute, in a request for it or a list of what an object has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AttributeName {
    /// One the specifications define.
    Standard(AttributeKind),
    /// A custom one.
    Custom {
        /// Vendor Identification; `x` or `y` when the name came from 1.x.
        vendor: String,
        /// The name, without the 1.x prefix.
        name: String,
    },
    /// One that no version defines, as it was written: an object has none such, which is not an
    /// error when asked for.
    Unknown(String),
}

impl AttributeName {
    /// Reads a 1.x name.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        if let Some(kind) = AttributeKind::from_spec_name(text) {
            return Self::Standard(kind);
        }
        match text.split_once('-') {
            Some((vendor @ ("x" | "y"), name)) => {
                Self::Custom { vendor: vendor.to_owned(), name: name.to_owned() }
            }
            _ => Self::Unknown(text.to_owned()),
        }
    }

    /// The 1.x name.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Standard(kind) => Cow::Borrowed(kind.spec_name()),
            Self::Custom { vendor, name } => Cow::Owned(format!("{vendor}-{name}")),
            Self::Unknown(text) => Cow::Borrowed(text),
        }
    }

    fn from_tag(tag: Tag) -> Self {
        AttributeKind::from_tag(tag).map_or_else(|| Self::Unknown(tag.to_string()), Self::Standard)
    }

    fn encode_reference(&self, w: &mut Writer<'_>, tag: Tag) {
        match self {
            Self::Standard(kind) => w.enumeration(tag, kind.tag().0),
            Self::Custom { vendor, name } => {
                VendorReference { vendor: vendor.clone(), name: name.clone() }.encode(w, tag);
            }
            Self::Unknown(text) => {
                VendorReference { vendor: String::new(), name: text.clone() }.encode(w, tag)
            }
        }
    }
}

structure! {
    /// An Attribute Reference to a vendor attribute (2.0).
    struct VendorReference {
        vendor: String = VENDOR_IDENTIFICATION,
        name: String = ATTRIBUTE_NAME,
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl Decode<'_> for AttributeName {
    /// Attribute Name (1.x) or Attribute Reference (2.x), told apart by item type.
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        match item.kind() {
            ItemType::Enumeration => item.enumeration().map(|number| Self::from_tag(Tag(number))),
            ItemType::Structure => {
                let VendorReference { vendor, name } = VendorReference::decode(item)?;
                Ok(if vendor.is_empty() { Self::Unknown(name) } else { Self::Custom { vendor, name } })
            }
            _ => item.text().map(Self::from_text),
        }
    }
}

impl Encode for AttributeName {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        if w.version().is_v2() { self.encode_reference(w, tag) } else { w.text(tag, &self.to_text()) }
    }
}
