//! Attributes: who may set them, what an object has, how a client changes them, and what Locate compares.
//!
//! `kmip` says what an attribute is called, in which versions it exists and how it travels; [`rules`] says
//! whose it is. The state keeps dates, names and usage limits itself, because it judges them; everything
//! else is kept as the client gave it.

pub mod edit;
pub mod indices;
pub mod matching;
pub mod read;
pub mod rules;
pub mod wanted;

use kmip::{Attribute, DateTime};
use model::object::{Name, StoredAttribute, Usage};

use crate::failure::Failure;

/// Attributes as the state keeps them, indexed among those of one name.
pub fn stored<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> Vec<StoredAttribute> {
    let mut stored: Vec<StoredAttribute> = Vec::new();
    for attribute in attributes {
        let name = attribute.name().to_text().into_owned();
        let index = stored.iter().filter(|known| known.name == name).map(|known| known.index + 1).max();
        stored.push(StoredAttribute { index: index.unwrap_or(0), value: attribute.to_ttlv_bytes(), name });
    }
    stored
}

/// The state's form of a name.
pub fn model_name(name: &kmip::Name) -> Name {
    Name { value: name.value.clone(), name_type: name.kind.value() }
}

/// KMIP's form of a name.
pub fn kmip_name(name: &Name) -> kmip::Name {
    let kind = kmip::NameType::from_value(name.name_type).unwrap_or(kmip::NameType::UninterpretedTextString);
    kmip::Name { value: name.value.clone(), kind }
}

/// A date the state can keep.
pub fn seconds(date: DateTime) -> Result<u64, Failure> {
    u64::try_from(date.0).map_err(|_| Failure::invalid_field("dates before 1970 are not kept"))
}

/// A date of the state.
pub fn date(seconds: u64) -> DateTime {
    DateTime(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// A usage limit the state can keep: what is left is the total until some of it is taken.
pub fn usage(limits: &kmip::UsageLimits) -> Result<Usage, Failure> {
    let amount = |count: i64| {
        u64::try_from(count).map_err(|_| Failure::invalid_field("a usage limit is not negative"))
    };
    let total = amount(limits.total)?;
    let left = limits.count.map_or(Ok(total), amount)?;
    Ok(Usage { unit: limits.unit.value(), total, left })
}

/// KMIP's form of a usage limit.
pub fn usage_limits(usage: Usage) -> kmip::UsageLimits {
    let count = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    kmip::UsageLimits {
        total: count(usage.total),
        count: Some(count(usage.left)),
        unit: kmip::UsageLimitsUnit::from_value(usage.unit).unwrap_or(kmip::UsageLimitsUnit::Byte),
    }
}
