//! Attributes as messages carry them: singly, in lists, and in templates, each in both styles.

use super::{Attribute, AttributeKind, AttributeName, CustomAttribute, CustomValue, Name};
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
        let name = name.ok_or(missing(Tag::ATTRIBUTE_NAME))?;
        let value = value.ok_or(missing(Tag::ATTRIBUTE_VALUE))?;
        let index = index.map(|index| index.integer()).transpose()?;
        Ok(Self { index, attribute: decode_named(name, value)? })
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

impl Decode<'_> for IndexedAttribute {
    /// `Attribute` (1.x), or `New Attribute` and `Current Attribute` (2.x), which hold one tagged
    /// attribute.
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        if item.tag() == Tag::ATTRIBUTE {
            return Self::decode_v1(item);
        }
        let mut items = item.structure()?;
        let only = items.next().ok_or(item.error(DecodeErrorKind::Missing(Tag::ATTRIBUTE)))?;
        if let Some(second) = items.next() {
            return Err(second.error(DecodeErrorKind::Unexpected(second.tag())));
        }
        Attribute::decode_tagged(only).map(Self::from)
    }
}

impl Encode for IndexedAttribute {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        if tag == Tag::ATTRIBUTE {
            self.encode_v1(w);
        } else {
            w.structure(tag, |w| self.attribute.encode_tagged(w));
        }
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
