//! What a search asks for: attributes, and structures of which only some fields are said (1.4, 4.9: "all of the
//! structure fields are not REQUIRED to be specified").

use super::{Attribute, AttributeKind, AttributeList, IndexedAttribute};
use crate::field::{Decode, Field};
use crate::ttlv::{DecodeError, DecodeErrorKind, Item, Limits, Writer};
use crate::{ByteString, ItemType, Tag, Version};

/// Attributes as a search names them: repeated `Attribute` in 1.x, one `Attributes` structure in 2.x.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Attributes that say all that an object's own would.
    pub whole: AttributeList,
    /// Structures that lack a field which an object's own has.
    pub partial: Vec<PartialAttribute>,
}

/// A structure that lacks a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialAttribute {
    /// Which attribute it is.
    pub kind: AttributeKind,
    /// Its items, encoded; checked when they were read.
    pub items: ByteString,
}

impl Filters {
    /// The attributes that say all.
    pub fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.whole.iter()
    }

    /// Takes an attribute as it was read; what lacks a field is read as a part, if it is one.
    fn take(
        &mut self,
        read: Result<IndexedAttribute, DecodeError>,
        part: impl FnOnce() -> Option<PartialAttribute>,
    ) -> Result<(), DecodeError> {
        match read {
            Ok(whole) => self.whole.0.push(whole),
            Err(error @ DecodeError { kind: DecodeErrorKind::Missing(_), .. }) => {
                self.partial.push(part().ok_or(error)?);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl From<Vec<Attribute>> for Filters {
    fn from(attributes: Vec<Attribute>) -> Self {
        Self { whole: attributes.into(), partial: Vec::new() }
    }
}

impl PartialAttribute {
    fn of(kind: Option<AttributeKind>, value: Item<'_>) -> Option<Self> {
        let kind = kind.filter(|_| value.kind() == ItemType::Structure)?;
        Some(Self { kind, items: value.raw().to_vec().into() })
    }

    /// Of a 1.x Attribute structure.
    fn of_v1(item: Item<'_>) -> Option<Self> {
        let child = |tag| item.structure().ok()?.find(|child| child.tag() == tag);
        let kind = AttributeKind::from_spec_name(child(Tag::ATTRIBUTE_NAME)?.text().ok()?);
        Self::of(kind, child(Tag::ATTRIBUTE_VALUE)?)
    }

    fn encode_v1(&self, w: &mut Writer<'_>) {
        w.structure(Tag::ATTRIBUTE, |w| {
            w.text(Tag::ATTRIBUTE_NAME, self.kind.spec_name());
            w.structure(Tag::ATTRIBUTE_VALUE, |w| w.encoded_items(&self.items.0));
        });
    }

    /// Whether an object's own attribute has every field that is said here.
    #[must_use]
    pub fn is_in(&self, known: &Attribute) -> bool {
        if known.kind() != Some(self.kind) {
            return false;
        }
        let mut wanted = Vec::new();
        Writer::new(&mut wanted, Version::V2_1)
            .structure(self.kind.tag(), |w| w.encoded_items(&self.items.0));
        has_fields(known, &wanted)
    }
}

impl Attribute {
    /// Whether a structure has every field that `wanted` says of the same attribute.
    #[must_use]
    pub fn has_fields_of(&self, wanted: &Self) -> bool {
        self.kind().is_some() && self.kind() == wanted.kind() && has_fields(self, &wanted.to_ttlv_bytes())
    }
}

/// Whether a structure has every field of another, which is in the stored form.
fn has_fields(known: &Attribute, wanted: &[u8]) -> bool {
    let known = known.to_ttlv_bytes();
    let fields = |bytes| Item::parse(bytes, &Limits::DEFAULT).and_then(|item| item.structure());
    let (Ok(own), Ok(mut wanted)) = (fields(&known), fields(wanted)) else { return false };
    wanted.all(|field| own.clone().any(|known| fits(known, field)))
}

/// A limit is found if it allows and leaves at least as much (1.4, 4.9); anything else is found if it is the same.
fn fits(known: Item<'_>, wanted: Item<'_>) -> bool {
    match wanted.tag() {
        Tag::USAGE_LIMITS_TOTAL | Tag::USAGE_LIMITS_COUNT => {
            known.tag() == wanted.tag() && known.long_integer().ok() >= wanted.long_integer().ok()
        }
        _ => known == wanted,
    }
}

impl<'a> Field<'a> for Filters {
    type Slot = Self;

    fn accept(slot: &mut Self, item: Item<'a>) -> Result<(), DecodeError> {
        if item.tag() == Tag::ATTRIBUTE {
            return slot.take(IndexedAttribute::decode(item), || PartialAttribute::of_v1(item));
        }
        for child in item.structure()? {
            let kind = AttributeKind::from_tag(child.tag());
            slot.take(Attribute::decode_tagged(child).map(Into::into), || PartialAttribute::of(kind, child))?;
        }
        Ok(())
    }

    fn finish(slot: Self, _parent: Item<'a>, _tag: Tag) -> Result<Self, DecodeError> {
        Ok(slot)
    }

    fn put(&self, w: &mut Writer<'_>, tag: Tag) {
        if tag == Tag::ATTRIBUTE {
            self.whole.put(w, tag);
            self.partial.iter().for_each(|one| one.encode_v1(w));
        } else {
            w.structure(tag, |w| {
                self.iter().for_each(|one| one.encode_tagged(w));
                for one in &self.partial {
                    w.structure(one.kind.tag(), |w| w.encoded_items(&one.items.0));
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CryptographicParameters, Link, LinkType, UsageLimits, UsageLimitsUnit};

    fn read(tag: Tag, write: impl FnOnce(&mut Writer<'_>)) -> Result<Filters, DecodeError> {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes, Version::V2_1).structure(tag, write);
        let mut filters = Filters::default();
        Filters::accept(&mut filters, Item::parse(&bytes, &Limits::DEFAULT).expect("well formed"))?;
        Ok(filters)
    }

    /// A link that says what it leads to and not of which type it is, in both styles.
    fn untyped(object: &str) -> [Filters; 2] {
        let v1 = read(Tag::ATTRIBUTE, |w| {
            w.text(Tag::ATTRIBUTE_NAME, "Link");
            w.structure(Tag::ATTRIBUTE_VALUE, |w| w.text(Tag::LINKED_OBJECT_IDENTIFIER, object));
        });
        let v2 = read(Tag::ATTRIBUTES, |w| {
            w.structure(Tag::LINK, |w| w.text(Tag::LINKED_OBJECT_IDENTIFIER, object));
        });
        [v1.expect("read"), v2.expect("read")]
    }

    #[test]
    fn a_link_is_found_by_what_it_leads_to_alone() {
        let known = Attribute::Link(Link { kind: LinkType::ParentLink, object: "a".into() });
        for (object, found) in [("a", true), ("b", false)] {
            for filters in untyped(object) {
                assert_eq!(filters.partial.len(), 1);
                assert_eq!(filters.partial[0].is_in(&known), found, "{object}");
            }
        }
        assert!(!untyped("a")[0].partial[0].is_in(&Attribute::Fresh(true)));
    }

    #[test]
    fn what_is_said_in_part_is_written_as_it_was_read() {
        for (tag, filters) in [Tag::ATTRIBUTE, Tag::ATTRIBUTES].into_iter().zip(untyped("a")) {
            let mut bytes = Vec::new();
            filters.put(&mut Writer::new(&mut bytes, Version::V2_1), tag);
            let mut again = Filters::default();
            Filters::accept(&mut again, Item::parse(&bytes, &Limits::DEFAULT).expect("well formed"))
                .expect("reads what it wrote");
            assert_eq!(again, filters);
        }
    }

    #[test]
    fn what_is_no_attribute_is_no_part_of_one() {
        let nameless = read(Tag::ATTRIBUTE, |w| w.text(Tag::ATTRIBUTE_VALUE, "a"));
        assert!(matches!(nameless, Err(DecodeError { kind: DecodeErrorKind::Missing(_), .. })));
        let alien = read(Tag::ATTRIBUTES, |w| {
            w.structure(Tag::LINK, |w| w.text(Tag::NAME_VALUE, "a"));
        });
        assert!(matches!(alien, Err(DecodeError { kind: DecodeErrorKind::Unexpected(_), .. })));
    }

    #[test]
    fn a_structure_is_found_by_some_of_its_fields_and_a_limit_by_what_it_leaves() {
        use crate::{BlockCipherMode, PaddingMethod};
        let parameters = |padding_method, block_cipher_mode| {
            Attribute::CryptographicParameters(CryptographicParameters {
                padding_method,
                block_cipher_mode,
                ..CryptographicParameters::default()
            })
        };
        let (pkcs5, cbc) = (Some(PaddingMethod::Pkcs5), Some(BlockCipherMode::Cbc));
        let known = parameters(pkcs5, cbc);
        assert!(known.has_fields_of(&parameters(None, cbc)));
        assert!(known.has_fields_of(&parameters(pkcs5, cbc)));
        assert!(!known.has_fields_of(&parameters(None, Some(BlockCipherMode::Ecb))));
        assert!(!parameters(None, cbc).has_fields_of(&known));
        let limit = |total, count, unit| Attribute::UsageLimits(UsageLimits { total, count, unit });
        let known = limit(100, Some(40), UsageLimitsUnit::Byte);
        for (wanted, found) in [
            (limit(100, None, UsageLimitsUnit::Byte), true),
            (limit(50, Some(40), UsageLimitsUnit::Byte), true),
            (limit(50, Some(41), UsageLimitsUnit::Byte), false),
            (limit(101, None, UsageLimitsUnit::Byte), false),
            (limit(50, None, UsageLimitsUnit::Object), false),
        ] {
            assert_eq!(known.has_fields_of(&wanted), found, "{wanted:?}");
        }
    }
}
