//! Records a derived key (kind 2) or registers exact material (kind 3).

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::{LogIndex, TenantHandle};
use crate::object::{
    ATTRIBUTE_BYTES_MAX, Body, Lifecycle, MATERIAL_BYTES_MAX, NAME_BYTES_MAX, NAMES_MAX, Name, Object, Place,
    SYMMETRIC_KEY, StoredAttribute,
};
use crate::refusal::{Limit, Refusal};
use crate::state::{At, Changes, State};
use crate::uid::{Kind, Uid};

/// What is known of an object besides its material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// When it becomes Active, in seconds since the epoch: in the past or now makes it Active at once.
    pub activation_date: Option<u64>,
    /// When it becomes Deactivated.
    pub deactivation_date: Option<u64>,
    /// From when on it may process.
    pub process_start_date: Option<u64>,
    /// From when on it may not protect.
    pub protect_stop_date: Option<u64>,
    /// Names.
    pub names: Vec<Name>,
    /// Everything else.
    pub attributes: Vec<StoredAttribute>,
}

/// A small record beside a derived key: names, dates, attributes, salt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordObject {
    /// Made by the proposer.
    pub uid: Uid,
    /// Enters the derivation.
    pub salt: [u8; 32],
    /// What is known of it.
    pub description: Description,
}

/// Material as it was given, wrapped under a root of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterObject {
    /// Made by the proposer.
    pub uid: Uid,
    /// KMIP Object Type.
    pub object_type: u32,
    /// Enters the derivation of the root that wraps the material.
    pub salt: [u8; 32],
    /// The `KRW1` record.
    pub record: Vec<u8>,
    /// What is known of it.
    pub description: Description,
}

impl Apply for RecordObject {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        check_new(state, &self.uid, Kind::Recorded, &self.description)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let body = Body::Derived { salt: self.salt };
        put_new(state, at, changes, self.uid, SYMMETRIC_KEY, body, &self.description)
    }
}

impl Apply for RegisterObject {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        if self.record.len() > MATERIAL_BYTES_MAX {
            let max = MATERIAL_BYTES_MAX as u64;
            return Err(Refusal::LimitReached { what: Limit::MaterialBytes, max });
        }
        check_new(state, &self.uid, Kind::Registered, &self.description)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let body = Body::Material { revision: 1, salt: self.salt, record: self.record.clone() };
        put_new(state, at, changes, self.uid, self.object_type, body, &self.description)
    }
}

fn check_new(state: &State, uid: &Uid, kind: Kind, description: &Description) -> Result<(), Refusal> {
    let fields = uid.header.fields();
    if fields.kind != kind {
        return Err(Refusal::WrongKind);
    }
    state.active_service(fields.tenant, fields.service)?;
    if state.object(fields.tenant, uid).is_some() {
        return Err(Refusal::ObjectExists);
    }
    state.room_for_object(fields.tenant, fields.service)?;
    check_names(state, fields.tenant, uid, &description.names)?;
    check_attributes(&description.attributes)
}

fn put_new(
    state: &mut State,
    at: &At,
    changes: &mut Changes,
    uid: Uid,
    object_type: u32,
    body: Body,
    description: &Description,
) -> Answer {
    let lifecycle = Lifecycle {
        deactivation_date: description.deactivation_date,
        process_start_date: description.process_start_date,
        protect_stop_date: description.protect_stop_date,
        ..Lifecycle::new(at.time.as_secs(), description.activation_date)
    };
    let object = Object {
        uid,
        object_type,
        place: Place { index: at.index, item: 0 },
        body,
        lifecycle,
        names: description.names.clone(),
        attributes: description.attributes.clone(),
        revision: at.index,
        withdrawn_at: LogIndex(0),
    };
    state.put_object(uid.header.fields().tenant, object, changes);
    Answer::Done
}

/// Names are few, short and free, in the tenant and among themselves.
pub(super) fn check_names(
    state: &State,
    tenant: TenantHandle,
    uid: &Uid,
    names: &[Name],
) -> Result<(), Refusal> {
    if names.len() > NAMES_MAX || names.iter().any(|name| name.value.len() > NAME_BYTES_MAX) {
        return Err(Refusal::LimitReached { what: Limit::Names, max: NAMES_MAX as u64 });
    }
    for (position, name) in names.iter().enumerate() {
        let owner = state.object_names.get(&(tenant, name.value.clone()));
        let twice = names[..position].iter().any(|earlier| earlier.value == name.value);
        if twice || owner.is_some_and(|owner| owner != uid) {
            return Err(Refusal::NameTaken { name: name.value.clone() });
        }
    }
    Ok(())
}

/// Attributes have a bounded size in all.
pub(super) fn check_attributes(attributes: &[StoredAttribute]) -> Result<(), Refusal> {
    let bytes: usize = attributes.iter().map(|attribute| attribute.name.len() + attribute.value.len()).sum();
    if bytes <= ATTRIBUTE_BYTES_MAX {
        return Ok(());
    }
    Err(Refusal::LimitReached { what: Limit::AttributeBytes, max: ATTRIBUTE_BYTES_MAX as u64 })
}
