//! Attributes as messages carry them: singly, in lists, and in templates, each in both styles.

use super::{
    Attribute, AttributeKind, AttributeName, CryptographicParameters, CustomAttribute, CustomValue, Name,
};
use crate::Tag;
use crate::field::{Decode, Encode, Field};
use crate::ttlv::{DecodeError, DecodeErrorKind, Item, Writer};

/// An attribute and its 1.x index among those of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IndexedAttribute {
    /// Attribute Index; `None` when absent, which means 0, and in 2.x.
    pub index: Option<i32>,
    /// The attribute.
    pub attribute: Attribute,
}

impl From<Attribute> for IndexedAttribute {
    fn from(attribute: Attribute) -> Self {
        Self { index: None, attribute }
    }
}

impl IndexedAttribute {
    /// Reads a 1.x Attribute structure: name, index, value. A 2.x vendor attribute, which has the
    /// same tag, is known by its Vendor Identification.
    fn decode_v1(item: Item<'_>) -> Result<Self, DecodeError> {
        let (mut name, mut index, mut value) = (None, None, None);
        for child in item.structure()? {
            let slot = match child.tag() {
                Tag::ATTRIBUTE_NAME => &mut name,
                Tag::ATTRIBUTE_INDEX => &mut index,
                Tag::ATTRIBUTE_VALUE => &mut value,
                Tag::VENDOR_IDENTIFICATION => return Attribute::decode_tagged(item).map(Self::from),
                tag => return Err(child.error(DecodeErrorKind::Unexpected(tag))),
            };
            if slot.replace(child).is_some() {
                return Err(child.error(DecodeErrorKind::Repeated(child.tag())));
            }
        }
        let missing = |tag| item.error(DecodeErrorKind::Missing(tag));
        let value = value.ok_or(missing(Tag::ATTRIBUTE_VALUE))?;
        let index = index.map(|index| index.integer()).transpose()?;
        let attribute = match name {
            Some(name) => decode_named(name, value)?,
            None => decode_nameless(value).ok_or(missing(Tag::ATTRIBUTE_NAME))?,
        };
        Ok(Self { index, attribute })
    }

    fn encode_v1(&self, w: &mut Writer<'_>) {
        let mark = w.open(Tag::ATTRIBUTE);
        match self.attribute.kind() {
            Some(kind) => w.text(Tag::ATTRIBUTE_NAME, kind.spec_name()),
            None => w.text(Tag::ATTRIBUTE_NAME, &self.attribute.name().to_text()),
        }
        if let Some(index) = self.index {
            w.integer(Tag::ATTRIBUTE_INDEX, index);
        }
        self.attribute.encode_value(w, Tag::ATTRIBUTE_VALUE);
        w.close(mark);
    }
}

fn decode_named(name: Item<'_>, value: Item<'_>) -> Result<Attribute, DecodeError> {
    let text = name.text()?;
    if let Some(kind) = AttributeKind::from_spec_name(text) {
        return kind.decode_value(value);
    }
    match AttributeName::from_text(text) {
        AttributeName::Custom { vendor, name } => {
            Ok(Attribute::Custom(CustomAttribute { vendor, name, value: CustomValue::decode(value)? }))
        }
        AttributeName::Standard(_) | AttributeName::Unknown(_) => {
            Err(name.error(DecodeErrorKind::UnknownAttribute))
        }
    }
}

/// Two published cases (CS-AC-M-3-12, CS-AC-M-8-12) leave out the name of their Cryptographic
/// Parameters and expect success; no other structure reads as one.
fn decode_nameless(value: Item<'_>) -> Option<Attribute> {
    value.structure().ok()?.next()?;
    CryptographicParameters::decode(value).ok().map(Attribute::CryptographicParameters)
}

impl Decode<'_> for IndexedAttribute {
    /// `Attribute` (1.x) or `New Attribute` (2.x).
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        if item.tag() == Tag::ATTRIBUTE {
            Self::decode_v1(item)
        } else {
            Attribute::decode(item).map(Self::from)
        }
    }
}

impl Decode<'_> for Attribute {
    /// `New Attribute` or `Current Attribute` (2.x): a structure around one tagged attribute.
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        let mut items = item.structure()?;
        let only = items.next().ok_or(item.error(DecodeErrorKind::Missing(Tag::ATTRIBUTE)))?;
        if let Some(second) = items.next() {
            return Err(second.error(DecodeErrorKind::Unexpected(second.tag())));
        }
        Self::decode_tagged(only)
    }
}

impl Encode for IndexedAttribute {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        if tag == Tag::ATTRIBUTE { self.encode_v1(w) } else { self.attribute.encode(w, tag) }
    }
}

impl Encode for Attribute {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.structure(tag, |w| self.encode_tagged(w));
    }
}

/// A list of attributes: repeated `Attribute` in 1.x, one `Attributes` structure in 2.x. In a
/// response, attributes that its version does not have are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeList(pub Vec<IndexedAttribute>);

impl AttributeList {
    /// Adds an attribute without an index.
    pub fn push(&mut self, attribute: Attribute) {
        self.0.push(attribute.into());
    }

    /// The attributes, indexes aside.
    pub fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter().map(|indexed| &indexed.attribute)
    }

    /// The attributes, indexes dropped.
    #[must_use]
    pub fn into_attributes(self) -> Vec<Attribute> {
        self.0.into_iter().map(|indexed| indexed.attribute).collect()
    }
}

impl From<Vec<Attribute>> for AttributeList {
    fn from(attributes: Vec<Attribute>) -> Self {
        Self(attributes.into_iter().map(IndexedAttribute::from).collect())
    }
}

impl<'a> Field<'a> for AttributeList {
    type Slot = Self;

    fn accept(slot: &mut Self, item: Item<'a>) -> Result<(), DecodeError> {
        if item.tag() == Tag::ATTRIBUTE {
            slot.0.push(IndexedAttribute::decode_v1(item)?);
            return Ok(());
        }
        for child in item.structure()? {
            slot.0.push(Attribute::decode_tagged(child)?.into());
        }
        Ok(())
    }

    fn finish(slot: Self, _parent: Item<'a>, _tag: Tag) -> Result<Self, DecodeError> {
        Ok(slot)
    }

    fn put(&self, w: &mut Writer<'_>, tag: Tag) {
        if tag == Tag::ATTRIBUTE {
            write_v1(w, &self.0);
        } else {
            let mark = w.open(tag);
            write_tagged(w, self.iter());
            w.close(mark);
        }
    }
}

fn write_v1(w: &mut Writer<'_>, attributes: &[IndexedAttribute]) {
    for attribute in attributes {
        if !w.is_gated() || attribute.attribute.is_in(w.version()) {
            attribute.encode_v1(w);
        }
    }
}

fn write_tagged<'x>(w: &mut Writer<'_>, attributes: impl Iterator<Item = &'x Attribute>) {
    for attribute in attributes {
        if !w.is_gated() || attribute.is_in(w.version()) {
            attribute.encode_tagged(w);
        }
    }
}

/// What a request wants its object to have: Template-Attribute in 1.x, Attributes in 2.x.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Names of registered templates to expand (1.x).
    pub names: Vec<Name>,
    /// The attributes, which override those of the named templates.
    pub attributes: AttributeList,
}

impl From<Vec<Attribute>> for Template {
    fn from(attributes: Vec<Attribute>) -> Self {
        Self { names: Vec::new(), attributes: attributes.into() }
    }
}

impl Template {
    /// Whether it asks for nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty() && self.attributes.0.is_empty()
    }

    /// The tags that hold 1.x `Attribute` structures; any other holds tagged attributes.
    const fn is_v1(tag: Tag) -> bool {
        matches!(
            tag,
            Tag::TEMPLATE_ATTRIBUTE
                | Tag::COMMON_TEMPLATE_ATTRIBUTE
                | Tag::PRIVATE_KEY_TEMPLATE_ATTRIBUTE
                | Tag::PUBLIC_KEY_TEMPLATE_ATTRIBUTE
                | Tag::TEMPLATE
        )
    }
}

impl Decode<'_> for Template {
    /// An empty structure is an empty template: old clients send one.
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        let mut template = Self::default();
        let v1 = Self::is_v1(item.tag());
        for child in item.structure()? {
            match child.tag() {
                Tag::NAME if v1 => template.names.push(Name::decode(child)?),
                Tag::ATTRIBUTE if v1 => template.attributes.0.push(IndexedAttribute::decode_v1(child)?),
                tag if v1 => return Err(child.error(DecodeErrorKind::Unexpected(tag))),
                _ => template.attributes.push(Attribute::decode_tagged(child)?),
            }
        }
        Ok(template)
    }
}

impl Encode for Template {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        let mark = w.open(tag);
        if Self::is_v1(tag) {
            self.names.iter().for_each(|name| name.encode(w, Tag::NAME));
            write_v1(w, &self.attributes.0);
        } else {
            write_tagged(w, self.attributes.iter());
        }
        w.close(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::Limits;
    use crate::{State, Version};

    fn written(list: &AttributeList, version: Version) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut w = Writer::for_response(&mut bytes, version);
        w.structure(Tag::RESPONSE_PAYLOAD, |w| {
            list.put(w, if version.is_v2() { Tag::ATTRIBUTES } else { Tag::ATTRIBUTE });
        });
        bytes
    }

    fn read(bytes: &[u8]) -> AttributeList {
        let mut list = AttributeList::default();
        let payload = Item::parse(bytes, &Limits::DEFAULT).expect("well formed");
        for item in payload.structure().expect("a structure") {
            AttributeList::accept(&mut list, item).expect("attributes");
        }
        list
    }

    #[test]
    fn indexes_travel_in_1_x_only() {
        let name = |index| IndexedAttribute { index, attribute: Attribute::Name("k".into()) };
        let list = AttributeList(vec![name(Some(0)), name(Some(7)), name(None)]);
        assert_eq!(read(&written(&list, Version::V1_0)), list);
        assert_eq!(read(&written(&list, Version::V2_0)), AttributeList(vec![name(None); 3]));
    }

    #[test]
    fn a_response_leaves_out_attributes_its_version_lacks() {
        let all = vec![
            Attribute::State(State::Active),
            Attribute::Fresh(true),
            Attribute::Sensitive(false),
            Attribute::QuantumSafe(true),
            Attribute::OperationPolicyName("default".into()),
        ];
        for (version, expected) in [
            (Version::V1_0, vec![0, 4]),
            (Version::V1_1, vec![0, 1, 4]),
            (Version::V1_4, vec![0, 1, 2, 4]),
            (Version::V2_0, vec![0, 1, 2, 3]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|i: usize| all[i].clone()).collect();
            let list = read(&written(&all.clone().into(), version));
            assert_eq!(list.into_attributes(), expected, "{version}");
        }
    }

    #[test]
    fn custom_names_mean_the_same_in_both_styles() {
        let custom = CustomAttribute {
            vendor: "x".into(),
            name: "Vendor".into(),
            value: CustomValue::Text("acme".into()),
        };
        let list = AttributeList::from(vec![Attribute::Custom(custom)]);
        let v1 = written(&list, Version::V1_1);
        assert!(v1.windows(8).any(|window| window == b"x-Vendor"));
        assert_eq!(read(&v1), read(&written(&list, Version::V2_1)));
    }
}
