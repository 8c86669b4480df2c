//! Between the attributes of KMIP and the records of the state.

use engine::{Change, Found};
use kmip::{
    Attribute, AttributeKind, AttributeList, AttributeName, CryptographicAlgorithm, DateTime,
    IndexedAttribute, NameType, ObjectType, ResultReason, RevocationReason, RevocationReasonCode, State,
    Template, UsageMask,
};
use model::commands::Description;
use model::object::{KeyState, Name, StoredAttribute};
use model::time::ClusterTime;
use model::uid::Kind;

use crate::failure::Failure;

/// A usage mask whose bits all mean something.
pub fn masked(mask: UsageMask) -> Result<u32, Failure> {
    if mask.has_unknown_bits() {
        return Err(Failure::invalid_field("the Cryptographic Usage Mask has bits that mean nothing"));
    }
    Ok(mask.0)
}

/// The Object Type of a found object.
pub fn object_type(found: &Found) -> Result<ObjectType, Failure> {
    ObjectType::from_value(found.object.object_type)
        .ok_or(Failure::new(ResultReason::GeneralFailure, "the object's type is unknown here"))
}

/// What a template asks for beyond algorithm, length and mask.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    names: Vec<Name>,
    activation_date: Option<u64>,
    deactivation_date: Option<u64>,
    process_start_date: Option<u64>,
    protect_stop_date: Option<u64>,
    /// Algorithm, length and mask: a registered object keeps them, a derived key's identifier says them.
    key: Vec<Attribute>,
    other: Vec<Attribute>,
}

impl Wanted {
    /// Sorts a template.
    pub fn of(template: &Template) -> Result<Self, Failure> {
        if !template.names.is_empty() {
            return Err(Failure::new(ResultReason::ItemNotFound, "the template named does not exist"));
        }
        let mut wanted = Self::default();
        for attribute in template.attributes.iter() {
            wanted.add(attribute)?;
        }
        Ok(wanted)
    }

    fn add(&mut self, attribute: &Attribute) -> Result<(), Failure> {
        match attribute {
            Attribute::CryptographicAlgorithm(_) | Attribute::CryptographicLength(_) => {
                self.key.push(attribute.clone());
            }
            Attribute::CryptographicUsageMask(mask) => {
                masked(*mask)?;
                self.key.push(attribute.clone());
            }
            Attribute::Name(name) => self.names.push(model_name(name)),
            Attribute::ActivationDate(date) => self.activation_date = Some(seconds(*date)?),
            Attribute::DeactivationDate(date) => self.deactivation_date = Some(seconds(*date)?),
            Attribute::ProcessStartDate(date) => self.process_start_date = Some(seconds(*date)?),
            Attribute::ProtectStopDate(date) => self.protect_stop_date = Some(seconds(*date)?),
            // The one policy there is, by the name every client knows it under.
            Attribute::OperationPolicyName(name) if name == "default" => {}
            _ if is_server_set(attribute) => {
                return Err(Failure::new(
                    ResultReason::ReadOnlyAttribute,
                    "the attribute is set by the server only",
                ));
            }
            _ => self.other.push(attribute.clone()),
        }
        Ok(())
    }

    /// Adds what the template left out.
    pub fn add_if_absent(&mut self, attribute: Attribute) {
        if !self.key.iter().any(|known| known.name() == attribute.name()) {
            self.key.push(attribute);
        }
    }

    /// Whether an identifier can say all of it.
    pub fn is_plain(&self) -> bool {
        let dates =
            [self.activation_date, self.deactivation_date, self.process_start_date, self.protect_stop_date];
        self.names.is_empty() && self.other.is_empty() && dates.iter().all(Option::is_none)
    }

    /// For a record; `activate` is the date from a service policy, where the template has none.
    pub fn describe(self, activate: Option<u64>) -> Description {
        let kept = self.key.iter().chain(&self.other);
        Description {
            activation_date: self.activation_date.or(activate),
            deactivation_date: self.deactivation_date,
            process_start_date: self.process_start_date,
            protect_stop_date: self.protect_stop_date,
            usage: None,
            attributes: stored(kept),
            names: self.names,
        }
    }
}

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

/// A date the state can keep.
pub fn seconds(date: DateTime) -> Result<u64, Failure> {
    u64::try_from(date.0).map_err(|_| Failure::invalid_field("dates before 1970 are not kept"))
}

/// Attributes only the server sets (KMIP 1.4, chapter 3: "SHALL be set by the server").
pub fn is_server_set(attribute: &Attribute) -> bool {
    matches!(
        attribute.kind(),
        Some(
            AttributeKind::State
                | AttributeKind::UniqueIdentifier
                | AttributeKind::ObjectType
                | AttributeKind::InitialDate
                | AttributeKind::DestroyDate
                | AttributeKind::CompromiseDate
                | AttributeKind::CompromiseOccurrenceDate
                | AttributeKind::RevocationReason
                | AttributeKind::ArchiveDate
                | AttributeKind::LastChangeDate
                | AttributeKind::LeaseTime
                | AttributeKind::Digest
                | AttributeKind::Fresh
                | AttributeKind::AlwaysSensitive
                | AttributeKind::NeverExtractable
        )
    )
}

/// Every attribute of an object at a moment of cluster time.
pub fn attributes_of(found: &Found, now: ClusterTime) -> AttributeList {
    let mut list = AttributeList::default();
    let object = &found.object;
    list.push(Attribute::UniqueIdentifier(found.uid().to_string().as_str().into()));
    if let Some(object_type) = ObjectType::from_value(object.object_type) {
        list.push(Attribute::ObjectType(object_type));
    }
    push_derived_facts(found, &mut list);
    for (index, name) in object.names.iter().enumerate() {
        let kind = NameType::from_value(name.name_type).unwrap_or(NameType::UninterpretedTextString);
        let attribute = Attribute::Name(kmip::Name { value: name.value.clone(), kind });
        let index = (index > 0).then(|| i32::try_from(index).unwrap_or(i32::MAX));
        list.0.push(IndexedAttribute { index, attribute });
    }
    push_lifecycle(found, now, &mut list);
    for stored in &object.attributes {
        let derived = found.fields().kind != Kind::Registered;
        match Attribute::from_ttlv_bytes(&stored.value) {
            Ok(attribute) if derived && is_key_fact(&attribute) => {}
            Ok(attribute) => {
                let index = (stored.index > 0).then(|| i32::try_from(stored.index).unwrap_or(i32::MAX));
                list.0.push(IndexedAttribute { index, attribute });
            }
            Err(error) => tracing::error!(%error, uid = %found.uid(), "a stored attribute does not decode"),
        }
    }
    list
}

fn is_key_fact(attribute: &Attribute) -> bool {
    matches!(
        attribute,
        Attribute::CryptographicAlgorithm(_)
            | Attribute::CryptographicLength(_)
            | Attribute::CryptographicUsageMask(_)
    )
}

/// What the identifier of a derived key says.
fn push_derived_facts(found: &Found, list: &mut AttributeList) {
    let fields = found.fields();
    if fields.kind == Kind::Registered {
        return;
    }
    if let Some(algorithm) = CryptographicAlgorithm::from_value(fields.algorithm.into()) {
        list.push(Attribute::CryptographicAlgorithm(algorithm));
    }
    if let Some(bits) = engine::length_bits(&fields) {
        list.push(Attribute::CryptographicLength(bits));
    }
    list.push(Attribute::CryptographicUsageMask(UsageMask(fields.usage_mask)));
}

/// A date an object may have, and the attribute that shows it.
type OptionalDate = (Option<u64>, fn(DateTime) -> Attribute);

fn push_lifecycle(found: &Found, now: ClusterTime, list: &mut AttributeList) {
    let lifecycle = &found.object.lifecycle;
    list.push(Attribute::State(kmip_state(lifecycle.state_at(now))));
    let date = |seconds: u64| DateTime(i64::try_from(seconds).unwrap_or(i64::MAX));
    list.push(Attribute::InitialDate(date(lifecycle.initial_date)));
    list.push(Attribute::LastChangeDate(date(lifecycle.last_change_date)));
    let optional: [OptionalDate; 7] = [
        (lifecycle.activation_date, Attribute::ActivationDate),
        (lifecycle.process_start_date, Attribute::ProcessStartDate),
        (lifecycle.protect_stop_date, Attribute::ProtectStopDate),
        (lifecycle.deactivation_date, Attribute::DeactivationDate),
        (lifecycle.destroy_date, Attribute::DestroyDate),
        (lifecycle.compromise_occurrence_date, Attribute::CompromiseOccurrenceDate),
        (lifecycle.compromise_date, Attribute::CompromiseDate),
    ];
    for (given, attribute) in optional {
        if let Some(seconds) = given {
            list.push(attribute(date(seconds)));
        }
    }
    if let Some(revocation) = &lifecycle.revocation
        && let Some(code) = RevocationReasonCode::from_value(revocation.code)
    {
        let message = revocation.message.clone();
        list.push(Attribute::RevocationReason(RevocationReason { code, message }));
    }
}

const fn kmip_state(state: KeyState) -> State {
    match state {
        KeyState::PreActive => State::PreActive,
        KeyState::Active => State::Active,
        KeyState::Deactivated => State::Deactivated,
        KeyState::Compromised => State::Compromised,
        KeyState::Destroyed => State::Destroyed,
        KeyState::DestroyedCompromised => State::DestroyedCompromised,
    }
}

/// A change under way to the attributes of a found object: what the state keeps, taken apart.
pub struct Edit {
    /// Names.
    pub names: Vec<Name>,
    /// Everything the state does not judge.
    pub attributes: Vec<Attribute>,
    /// Dates.
    pub dates: model::commands::Dates,
    /// What it may still protect.
    pub usage: Option<model::object::Usage>,
    /// Whether the change can turn an allowed answer into a refusal (CONSISTENCY 3).
    pub withdraws: bool,
}

impl Edit {
    /// Begins with what the object has.
    pub fn of(found: &Found) -> Result<Self, Failure> {
        let lifecycle = &found.object.lifecycle;
        let undecodable = Failure::new(ResultReason::GeneralFailure, "a stored attribute does not decode");
        let attributes =
            found.object.attributes.iter().map(|stored| Attribute::from_ttlv_bytes(&stored.value));
        Ok(Self {
            names: found.object.names.clone(),
            attributes: attributes.collect::<Result<_, _>>().map_err(|_| undecodable)?,
            dates: model::commands::Dates {
                activation_date: lifecycle.activation_date,
                deactivation_date: lifecycle.deactivation_date,
                process_start_date: lifecycle.process_start_date,
                protect_stop_date: lifecycle.protect_stop_date,
            },
            usage: found.object.usage,
            withdraws: false,
        })
    }

    /// What the object is to be from then on.
    pub fn change(self) -> Change {
        let Self { names, attributes, dates, usage, withdraws } = self;
        Change { names, attributes: stored(attributes.iter()), dates, usage, withdraws }
    }

    /// Sets a single-valued date; `true` if the attribute is one. A date that ends something withdraws.
    pub fn set_date(&mut self, attribute: &Attribute) -> Result<bool, Failure> {
        let (slot, ends) = match attribute {
            Attribute::ActivationDate(_) => (&mut self.dates.activation_date, false),
            Attribute::ProcessStartDate(_) => (&mut self.dates.process_start_date, true),
            Attribute::ProtectStopDate(_) => (&mut self.dates.protect_stop_date, true),
            Attribute::DeactivationDate(_) => (&mut self.dates.deactivation_date, true),
            _ => return Ok(false),
        };
        let (Attribute::ActivationDate(date)
        | Attribute::ProcessStartDate(date)
        | Attribute::ProtectStopDate(date)
        | Attribute::DeactivationDate(date)) = attribute
        else {
            return Ok(false);
        };
        *slot = Some(seconds(*date)?);
        self.withdraws |= ends;
        Ok(true)
    }

    /// Refuses what no client may change.
    pub fn check_writable(name: &AttributeName, attribute: Option<&Attribute>) -> Result<(), Failure> {
        let fixed = match name {
            AttributeName::Standard(
                AttributeKind::CryptographicAlgorithm
                | AttributeKind::CryptographicLength
                | AttributeKind::CryptographicUsageMask
                | AttributeKind::KeyFormatType,
            ) => true,
            AttributeName::Unknown(_) => {
                return Err(Failure::new(
                    ResultReason::UnsupportedAttribute,
                    "the attribute is unknown here",
                ));
            }
            _ => attribute.is_some_and(is_server_set),
        };
        if fixed {
            return Err(Failure::new(ResultReason::ReadOnlyAttribute, "the attribute cannot be changed"));
        }
        Ok(())
    }
}
