//! Changing what an object has: Add, Modify, Set, Adjust and Delete Attribute work on one [`Edit`], which is
//! committed as a whole if the object is still as it was read.

use engine::{Change, Found, Refused};
use kmip::{
    AdjustmentType, Attribute, AttributeKind, AttributeName, CustomValue, DateTime, IndexedAttribute,
    Interval, ObjectType, ResultReason, Version,
};
use model::commands::Dates;
use model::object::{KeyState, Name, Usage};
use model::time::ClusterTime;

use super::rules::{Owner, applies_to, is_multi_valued, owner_of};
use super::{indices, kmip_name, model_name, seconds, stored, usage, usage_limits};
use crate::failure::Failure;
use crate::ops::Error;

/// A change under way to the attributes of a found object: what the state keeps, taken apart.
pub struct Edit {
    /// Names.
    pub names: Vec<Name>,
    /// Everything the state does not judge.
    pub attributes: Vec<Attribute>,
    /// Dates.
    pub dates: Dates,
    /// What it may still protect.
    pub usage: Option<Usage>,
    /// Whether the change can turn an allowed answer into a refusal (CONSISTENCY 3).
    pub withdraws: bool,
    /// The object's state now: some dates change in some states only.
    state: KeyState,
    /// Now, in seconds: some dates change until they have come.
    now: u64,
    object_type: u32,
    version: Version,
}

impl Edit {
    /// Begins with what the object has.
    pub fn of(found: &Found, now: ClusterTime, version: Version) -> Result<Self, Failure> {
        let lifecycle = &found.object.lifecycle;
        let undecodable = Failure::new(ResultReason::GeneralFailure, "a stored attribute does not decode");
        let attributes =
            found.object.attributes.iter().map(|stored| Attribute::from_ttlv_bytes(&stored.value));
        Ok(Self {
            names: found.object.names.clone(),
            attributes: attributes.collect::<Result<_, _>>().map_err(|_| undecodable)?,
            dates: Dates {
                activation_date: lifecycle.activation_date,
                deactivation_date: lifecycle.deactivation_date,
                process_start_date: lifecycle.process_start_date,
                protect_stop_date: lifecycle.protect_stop_date,
            },
            usage: found.object.usage,
            withdraws: false,
            state: lifecycle.state_at(now),
            now: now.as_secs(),
            object_type: found.object.object_type,
            version,
        })
    }

    /// What the object is to be from then on.
    pub fn change(self) -> Change {
        let Self { names, attributes, dates, usage, withdraws, .. } = self;
        Change { names, attributes: stored(attributes.iter()), dates, usage, withdraws }
    }

    /// One more value; returns the index it got among those of its name.
    pub fn add(&mut self, attribute: &Attribute) -> Result<i32, Error> {
        self.check_owner(&attribute.name(), &[Owner::Client, Owner::Kept, Owner::Once])?;
        let name = attribute.name();
        let mut indices = self.indices(&name);
        // Every object has these two; until a client said so, there is nothing to collide with.
        let implied = matches!(attribute, Attribute::Sensitive(_) | Attribute::Extractable(_))
            && !self.attributes.iter().any(|known| known.kind() == attribute.kind());
        if !indices.is_empty() && !implied && !is_multi_valued(attribute) {
            return Err(self.already_there().into());
        }
        self.push(attribute)?;
        if implied {
            return Ok(0);
        }
        let index = indices::next(&indices);
        indices.push(index);
        indices::keep(&mut self.attributes, &name, &indices);
        Ok(index)
    }

    /// Another value for an instance the object has: the one with `current`'s value, or the one of this index.
    pub fn modify(
        &mut self,
        new: &Attribute,
        current: Option<&Attribute>,
        index: Option<i32>,
    ) -> Result<(), Error> {
        self.check_owner(&new.name(), &[Owner::Client, Owner::Kept])?;
        let at = self.position(&new.name(), current, index)?;
        self.replace(at, new)
    }

    /// The one value from now on (2.x, Set Attribute): added where there is none, in the place of the only one there
    /// is. A client that has several to choose from says by Modify Attribute which one it means.
    pub fn set(&mut self, new: &Attribute) -> Result<(), Error> {
        let known = self.values(&new.name()).len();
        let mut owners = vec![Owner::Client, Owner::Kept];
        if known == 0 {
            owners.push(Owner::Once);
        }
        self.check_owner(&new.name(), &owners)?;
        match known {
            0 => self.push(new),
            1 => self.replace(0, new),
            _ => {
                let message = "an attribute with several values is added, modified or deleted, not set";
                Err(Failure::new(ResultReason::MultiValuedAttribute, message).into())
            }
        }
    }

    /// One value fewer, or all of a name; returns the value that is gone.
    pub fn delete(
        &mut self,
        name: &AttributeName,
        current: Option<&Attribute>,
        index: Option<i32>,
        all: bool,
    ) -> Result<IndexedAttribute, Error> {
        self.check_owner(name, &[Owner::Client])?;
        if *name == AttributeName::Standard(AttributeKind::UsageLimits) {
            self.check_unused_limit()?;
        }
        let whole = all && current.is_none();
        let at = match self.values(name).len() {
            several if whole && several > 0 => 0,
            _ => self.position(name, current, index)?,
        };
        let gone = self.values(name).swap_remove(at);
        let mut indices = self.indices(name);
        let number = indices.remove(at);
        if whole {
            while !self.values(name).is_empty() {
                self.remove(name, 0);
            }
            indices.clear();
        } else {
            self.remove(name, at);
        }
        indices::keep(&mut self.attributes, name, &indices);
        // Index 0 is told to who named it: PyKMIP's own tests read it back.
        Ok(IndexedAttribute { index: (number > 0 || index.is_some()).then_some(number), attribute: gone })
    }

    /// Counts up, counts down, negates (2.x).
    pub fn adjust(
        &mut self,
        name: &AttributeName,
        kind: AdjustmentType,
        by: Option<&CustomValue>,
    ) -> Result<(), Error> {
        self.check_owner(name, &[Owner::Client, Owner::Kept])?;
        let mut values = self.values(name);
        if values.len() > 1 {
            let message = "the attribute has several values; none of them is adjusted";
            return Err(Failure::new(ResultReason::MultiValuedAttribute, message).into());
        }
        let value = values.pop().ok_or_else(absent)?;
        self.replace(0, &adjusted(&value, kind, by)?)
    }

    /// Puts a link in the place of the one of its type: an object has one replacement.
    pub fn replace_link(&mut self, link: Attribute) {
        let kind = |attribute: &Attribute| match attribute {
            Attribute::Link(link) => Some(link.kind),
            _ => None,
        };
        match self.attributes.iter_mut().find(|known| kind(known) == kind(&link)) {
            Some(known) => *known = link,
            None => self.add_link(link),
        }
    }

    /// One more link.
    pub fn add_link(&mut self, link: Attribute) {
        let name = link.name();
        let mut indices = self.indices(&name);
        indices.push(indices::next(&indices));
        self.attributes.push(link);
        indices::keep(&mut self.attributes, &name, &indices);
    }

    /// The key was rotated: another is the newest.
    pub fn no_longer_latest(&mut self) {
        self.drop_kind(AttributeKind::RotateLatest);
        self.attributes.push(Attribute::RotateLatest(false));
    }

    /// Refuses what no client, or not this object, may have changed.
    fn check_owner(&self, name: &AttributeName, allowed: &[Owner]) -> Result<(), Failure> {
        let object_type = ObjectType::from_value(self.object_type).unwrap_or(ObjectType::OpaqueObject);
        match owner_of(name) {
            None => Err(Failure::new(ResultReason::UnsupportedAttribute, "the attribute is unknown here")),
            Some(_) if !applies_to(name, object_type) => {
                let message = "objects of this type do not have the attribute";
                Err(Failure::new(ResultReason::UnsupportedAttribute, message).denied_before_v2(self.version))
            }
            Some(owner) if allowed.contains(&owner) => Ok(()),
            Some(_) => {
                Err(Failure::new(ResultReason::AttributeReadOnly, "the attribute cannot be changed so"))
            }
        }
    }

    fn already_there(&self) -> Failure {
        let message = "the object has this attribute already";
        // 1.4, 11.16: "The specified attribute already exists: Illegal Operation".
        let reason = if self.version.is_v2() {
            ResultReason::AttributeSingleValued
        } else {
            ResultReason::IllegalOperation
        };
        Failure::new(reason, message)
    }

    /// The values of a name, in order.
    fn values(&self, name: &AttributeName) -> Vec<Attribute> {
        use AttributeKind as A;
        let one_date = |given: Option<u64>, of: fn(DateTime) -> Attribute| {
            given.map(|seconds| of(super::date(seconds))).into_iter().collect()
        };
        match name {
            AttributeName::Standard(A::Name) => {
                self.names.iter().map(|name| Attribute::Name(kmip_name(name))).collect()
            }
            AttributeName::Standard(A::ActivationDate) => {
                one_date(self.dates.activation_date, Attribute::ActivationDate)
            }
            AttributeName::Standard(A::ProcessStartDate) => {
                one_date(self.dates.process_start_date, Attribute::ProcessStartDate)
            }
            AttributeName::Standard(A::ProtectStopDate) => {
                one_date(self.dates.protect_stop_date, Attribute::ProtectStopDate)
            }
            AttributeName::Standard(A::DeactivationDate) => {
                one_date(self.dates.deactivation_date, Attribute::DeactivationDate)
            }
            AttributeName::Standard(A::UsageLimits) => {
                self.usage.map(|usage| Attribute::UsageLimits(usage_limits(usage))).into_iter().collect()
            }
            // What every object has, whether its row says so or not.
            AttributeName::Standard(A::Sensitive) => vec![Attribute::Sensitive(self.is_sensitive())],
            AttributeName::Standard(A::Extractable) => vec![Attribute::Extractable(self.is_extractable())],
            _ => self.attributes.iter().filter(|known| known.name() == *name).cloned().collect(),
        }
    }

    /// The indices of a name's values, in the same order.
    fn indices(&self, name: &AttributeName) -> Vec<i32> {
        indices::of(&self.attributes, name, self.values(name).len())
    }

    fn position(
        &self,
        name: &AttributeName,
        current: Option<&Attribute>,
        index: Option<i32>,
    ) -> Result<usize, Failure> {
        let values = self.values(name);
        if values.is_empty() {
            return Err(absent());
        }
        let instance = match current {
            Some(current) => values.iter().position(|known| known == current),
            // Without an index it is the only one there is, or in 1.x index 0; 2.x has no word for one of several.
            None if index.is_none() && values.len() == 1 => Some(0),
            None if index.is_none() && self.version.is_v2() => None,
            None => self.indices(name).iter().position(|known| *known == index.unwrap_or(0)),
        };
        let message = "the object has no such instance of the attribute";
        instance.ok_or(Failure::new(ResultReason::AttributeInstanceNotFound, message))
    }

    fn push(&mut self, attribute: &Attribute) -> Result<(), Error> {
        match attribute {
            Attribute::Name(name) => self.names.push(model_name(name)),
            Attribute::UsageLimits(limits) => self.limit(usage(limits)?)?,
            _ if self.set_date(attribute)? || self.set_flag(attribute) => {}
            _ => self.attributes.push(attribute.clone()),
        }
        Ok(())
    }

    fn replace(&mut self, at: usize, new: &Attribute) -> Result<(), Error> {
        match new {
            Attribute::Name(name) => self.names[at] = model_name(name),
            Attribute::UsageLimits(limits) => self.limit(usage(limits)?)?,
            _ if self.set_date(new)? || self.set_flag(new) => {}
            _ => {
                let same = self.attributes.iter_mut().filter(|known| known.name() == new.name());
                if let Some(slot) = same.into_iter().nth(at) {
                    *slot = new.clone();
                }
            }
        }
        Ok(())
    }

    fn remove(&mut self, name: &AttributeName, at: usize) {
        match name {
            AttributeName::Standard(AttributeKind::Name) => {
                self.names.remove(at);
            }
            AttributeName::Standard(AttributeKind::UsageLimits) => self.usage = None,
            _ => {
                let mut same = 0..self.attributes.len();
                if let Some(position) =
                    same.by_ref().filter(|one| self.attributes[*one].name() == *name).nth(at)
                {
                    self.attributes.remove(position);
                }
            }
        }
    }

    /// Another limit: what was allowed may be refused, and what nodes hold of the one before is void everywhere
    /// before this is answered.
    fn limit(&mut self, usage: Usage) -> Result<(), Failure> {
        self.check_unused_limit()?;
        self.withdraws |= self.usage != Some(usage);
        self.usage = Some(usage);
        Ok(())
    }

    /// A limit "SHALL NOT be changed once the object begins to be used for applying cryptographic protection"
    /// (2.1, 4.59), nor taken away: it would bound nothing.
    fn check_unused_limit(&self) -> Result<(), Failure> {
        if self.usage.is_some_and(|usage| usage.left != usage.total) {
            let message = "the count of the usage limit is no longer its total; it stays as it is";
            return Err(Failure::new(ResultReason::AttributeReadOnly, message));
        }
        Ok(())
    }

    /// Sets a single-valued date; `true` if the attribute is one. A date that ends something withdraws.
    fn set_date(&mut self, attribute: &Attribute) -> Result<bool, Error> {
        let early = self.state == KeyState::PreActive;
        let alive = early || self.state == KeyState::Active;
        let Dates { process_start_date: start, protect_stop_date: stop, .. } = self.dates;
        let (slot, value, lawful, ends) = match attribute {
            Attribute::ActivationDate(date) => (&mut self.dates.activation_date, date, early, false),
            Attribute::ProcessStartDate(date) => (&mut self.dates.process_start_date, date, alive, true),
            Attribute::ProtectStopDate(date) => (&mut self.dates.protect_stop_date, date, alive, true),
            Attribute::DeactivationDate(date) => (&mut self.dates.deactivation_date, date, alive, true),
            _ => return Ok(false),
        };
        if !lawful {
            return Err(Refused::WrongState { state: self.state }.into());
        }
        // 2.1, 4.40 and 4.41: modifiable "as long as the [date] has not been reached".
        let come = match attribute {
            Attribute::ProcessStartDate(_) => start,
            Attribute::ProtectStopDate(_) => stop,
            _ => None,
        };
        if come.is_some_and(|date| date <= self.now) {
            return Err(Refused::OutsideDates { reason: "the date has come, and is kept as it is" }.into());
        }
        *slot = Some(seconds(*value)?);
        self.withdraws |= ends;
        Ok(true)
    }

    /// Sets Sensitive or Extractable, and what was always or never so; `true` if the attribute is one.
    fn set_flag(&mut self, attribute: &Attribute) -> bool {
        match attribute {
            Attribute::Sensitive(true) => self.withdraws = true,
            Attribute::Extractable(false) => self.withdraws = true,
            Attribute::Sensitive(false) => self.drop_kind(AttributeKind::AlwaysSensitive),
            Attribute::Extractable(true) => self.drop_kind(AttributeKind::NeverExtractable),
            _ => return false,
        }
        if let Some(kind) = attribute.kind() {
            self.drop_kind(kind);
        }
        self.attributes.push(attribute.clone());
        true
    }

    fn drop_kind(&mut self, kind: AttributeKind) {
        self.attributes.retain(|known| known.kind() != Some(kind));
    }

    fn is_sensitive(&self) -> bool {
        self.attributes.contains(&Attribute::Sensitive(true))
    }

    fn is_extractable(&self) -> bool {
        !self.attributes.contains(&Attribute::Extractable(false))
    }
}

fn absent() -> Failure {
    Failure::new(ResultReason::AttributeNotFound, "the object has no such attribute")
}

/// The value after an adjustment (2.1, 6.1.3): numbers, dates and intervals are counted, Booleans negated.
fn adjusted(value: &Attribute, kind: AdjustmentType, by: Option<&CustomValue>) -> Result<Attribute, Failure> {
    let number = |old: i64| count(old, kind, by);
    let seconds = |old: DateTime| number(old.0).map(DateTime);
    let interval = |old: Interval| {
        let new = u32::try_from(number(i64::from(old.0))?).map_err(|_| out_of_range())?;
        Ok::<_, Failure>(Interval(new))
    };
    Ok(match value {
        Attribute::Sensitive(old) => Attribute::Sensitive(negated(*old, kind)?),
        Attribute::Extractable(old) => Attribute::Extractable(negated(*old, kind)?),
        Attribute::QuantumSafe(old) => Attribute::QuantumSafe(negated(*old, kind)?),
        Attribute::RotateAutomatic(old) => Attribute::RotateAutomatic(negated(*old, kind)?),
        Attribute::ActivationDate(old) => Attribute::ActivationDate(seconds(*old)?),
        Attribute::ProcessStartDate(old) => Attribute::ProcessStartDate(seconds(*old)?),
        Attribute::ProtectStopDate(old) => Attribute::ProtectStopDate(seconds(*old)?),
        Attribute::DeactivationDate(old) => Attribute::DeactivationDate(seconds(*old)?),
        Attribute::ProtectionPeriod(old) => Attribute::ProtectionPeriod(interval(*old)?),
        Attribute::RotateInterval(old) => Attribute::RotateInterval(interval(*old)?),
        Attribute::RotateOffset(old) => Attribute::RotateOffset(interval(*old)?),
        Attribute::Custom(custom) => {
            let value = adjusted_custom(&custom.value, kind, by)?;
            Attribute::Custom(kmip::CustomAttribute { value, ..custom.clone() })
        }
        _ => return Err(not_adjustable()),
    })
}

fn adjusted_custom(
    value: &CustomValue,
    kind: AdjustmentType,
    by: Option<&CustomValue>,
) -> Result<CustomValue, Failure> {
    let number = |old: i64| count(old, kind, by);
    Ok(match value {
        CustomValue::Integer(old) => {
            CustomValue::Integer(number(i64::from(*old))?.try_into().map_err(|_| out_of_range())?)
        }
        CustomValue::LongInteger(old) => CustomValue::LongInteger(number(*old)?),
        CustomValue::DateTime(old) => CustomValue::DateTime(number(*old)?),
        CustomValue::DateTimeExtended(old) => CustomValue::DateTimeExtended(number(*old)?),
        CustomValue::Interval(old) => {
            CustomValue::Interval(number(i64::from(*old))?.try_into().map_err(|_| out_of_range())?)
        }
        CustomValue::Boolean(old) => CustomValue::Boolean(negated(*old, kind)?),
        CustomValue::BigInteger(_)
        | CustomValue::Enumeration(_)
        | CustomValue::Text(_)
        | CustomValue::Bytes(_)
        | CustomValue::Structure(_) => return Err(not_adjustable()),
    })
}

fn negated(old: bool, kind: AdjustmentType) -> Result<bool, Failure> {
    if kind == AdjustmentType::Negate { Ok(!old) } else { Err(not_adjustable()) }
}

fn count(old: i64, kind: AdjustmentType, by: Option<&CustomValue>) -> Result<i64, Failure> {
    let by = match by {
        None => 1,
        Some(CustomValue::Integer(by)) => i64::from(*by),
        Some(CustomValue::LongInteger(by)) => *by,
        Some(CustomValue::Interval(by)) => i64::from(*by),
        Some(_) => {
            let message = "the Adjustment Value is not a number";
            return Err(Failure::new(ResultReason::InvalidDataType, message));
        }
    };
    let new = match kind {
        AdjustmentType::Increment => old.checked_add(by),
        AdjustmentType::Decrement => old.checked_sub(by),
        AdjustmentType::Negate => old.checked_neg(),
    };
    new.ok_or_else(out_of_range)
}

fn out_of_range() -> Failure {
    Failure::new(ResultReason::NumericRange, "the adjusted value is out of range")
}

fn not_adjustable() -> Failure {
    Failure::new(ResultReason::InvalidDataType, "an attribute of this type is not adjusted so")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(value: CustomValue) -> Attribute {
        Attribute::Custom(kmip::CustomAttribute { vendor: "x".into(), name: "a".into(), value })
    }

    #[test]
    fn numbers_count_and_booleans_negate() {
        let one = custom(CustomValue::Integer(1));
        assert_eq!(adjusted(&one, AdjustmentType::Increment, None).unwrap(), custom(CustomValue::Integer(2)));
        let by = CustomValue::Integer(3);
        assert_eq!(
            adjusted(&one, AdjustmentType::Decrement, Some(&by)).unwrap(),
            custom(CustomValue::Integer(-2))
        );
        let flag = Attribute::Sensitive(false);
        assert_eq!(adjusted(&flag, AdjustmentType::Negate, None).unwrap(), Attribute::Sensitive(true));
    }

    #[test]
    fn what_leaves_its_range_or_is_no_number_is_refused() {
        let reason = |value: &Attribute, kind| adjusted(value, kind, None).unwrap_err().reason;
        let most = custom(CustomValue::Integer(i32::MAX));
        assert_eq!(reason(&most, AdjustmentType::Increment), ResultReason::NumericRange);
        let none = Attribute::RotateInterval(Interval(0));
        assert_eq!(reason(&none, AdjustmentType::Decrement), ResultReason::NumericRange);
        let text = custom(CustomValue::Text("a".into()));
        assert_eq!(reason(&text, AdjustmentType::Increment), ResultReason::InvalidDataType);
        let flag = Attribute::Sensitive(false);
        assert_eq!(reason(&flag, AdjustmentType::Increment), ResultReason::InvalidDataType);
    }
}
