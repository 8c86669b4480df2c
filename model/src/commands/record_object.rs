//! Records a derived key (kind 2) or registers exact material (kind 3).

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::{LogIndex, TenantHandle};
use crate::object::{
    ALIAS_BYTES_MAX, ATTRIBUTE_BYTES_MAX, Body, Lifecycle, MATERIAL_BYTES_MAX, NAME_BYTES_MAX, NAMES_MAX,
    Name, Object, Place, SYMMETRIC_KEY, StoredAttribute, Usage,
};
use crate::refusal::{Limit, Refusal};
use crate::state::{At, Changes, State};
use crate::uid::{Kind, Uid};

/// What is known of an object besides its material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// When it was made elsewhere, in seconds since the epoch; never later than now. `None`: now.
    pub initial_date: Option<u64>,
    /// When it last changed elsewhere; never later than now. `None`: now.
    pub last_change_date: Option<u64>,
    /// When it becomes Active, in seconds since the epoch: in the past or now makes it Active at once.
    pub activation_date: Option<u64>,
    /// When it becomes Deactivated.
    pub deactivation_date: Option<u64>,
    /// From when on it may process.
    pub process_start_date: Option<u64>,
    /// From when on it may not protect.
    pub protect_stop_date: Option<u64>,
    /// What it may protect; `None` means without limit.
    pub usage: Option<Usage>,
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
    /// The identifier the client chose at Import.
    pub alias: Option<String>,
    /// What is known of it.
    pub description: Description,
}

/// New material behind a registered object (KMIP Import with Replace Existing). The row keeps its identifier,
/// place and alias; everything else is as of a new object, and the old material is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaceMaterial {
    /// Which object; the proposer has checked its tag.
    pub uid: Uid,
    /// The revision the proposer read.
    pub if_revision: LogIndex,
    /// KMIP Object Type.
    pub object_type: u32,
    /// Enters the derivation of the root that wraps the material.
    pub salt: [u8; 32],
    /// The revision of the material that the record was wrapped for: one more than it has.
    pub revision: u32,
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
        put_new(state, at, changes, self.uid, SYMMETRIC_KEY, body, None, &self.description)
    }
}

impl Apply for RegisterObject {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        check_material(&self.record)?;
        check_alias(state, &self.uid, self.alias.as_deref())?;
        check_new(state, &self.uid, Kind::Registered, &self.description)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let body = Body::Material { revision: 1, salt: self.salt, record: self.record.clone() };
        put_new(state, at, changes, self.uid, self.object_type, body, self.alias.clone(), &self.description)
    }
}

impl Apply for ReplaceMaterial {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        check_material(&self.record)?;
        let fields = self.uid.header.fields();
        state.growing_tenant(fields.tenant)?;
        state.active_service(fields.tenant, fields.service)?;
        let object = state.object(fields.tenant, &self.uid).ok_or(Refusal::ObjectUnknown)?;
        if fields.kind != Kind::Registered {
            return Err(Refusal::WrongKind);
        }
        object.is_as_read(self.if_revision, at)?;
        match &object.body {
            Body::Material { revision, .. } if revision.checked_add(1) == Some(self.revision) => {}
            Body::Material { .. } => return Err(Refusal::RevisionConflict { now: object.revision }),
            Body::Override | Body::Derived { .. } | Body::Erased => {
                let state = object.lifecycle.state_at(at.time);
                return Err(Refusal::WrongState { state, at: object.withdrawn_at });
            }
        }
        check_names(state, fields.tenant, &self.uid, &self.description.names)?;
        check_attributes(&self.description.attributes)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let tenant = self.uid.header.fields().tenant;
        let old = state.object(tenant, &self.uid).expect("check passed on this state").clone();
        let body = Body::Material { revision: self.revision, salt: self.salt, record: self.record.clone() };
        let mut object =
            new_object(at, self.uid, self.object_type, body, old.alias.clone(), &self.description);
        object.place = old.place;
        object.withdrawn_at = at.index;
        state.put_object(tenant, object, changes);
        Answer::Done
    }
}

fn check_material(record: &[u8]) -> Result<(), Refusal> {
    if record.len() <= MATERIAL_BYTES_MAX {
        return Ok(());
    }
    Err(Refusal::LimitReached { what: Limit::MaterialBytes, max: MATERIAL_BYTES_MAX as u64 })
}

/// A chosen identifier is short, not empty, and stands for no other object of the service.
fn check_alias(state: &State, uid: &Uid, alias: Option<&str>) -> Result<(), Refusal> {
    let Some(alias) = alias else { return Ok(()) };
    if alias.is_empty() || alias.len() > ALIAS_BYTES_MAX {
        return Err(Refusal::LimitReached { what: Limit::AliasBytes, max: ALIAS_BYTES_MAX as u64 });
    }
    let fields = uid.header.fields();
    match state.object_aliased(fields.tenant, fields.service, alias) {
        Some(_) => Err(Refusal::ObjectExists),
        None => Ok(()),
    }
}

fn check_new(state: &State, uid: &Uid, kind: Kind, description: &Description) -> Result<(), Refusal> {
    let fields = uid.header.fields();
    if fields.kind != kind {
        return Err(Refusal::WrongKind);
    }
    state.growing_tenant(fields.tenant)?;
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
    alias: Option<String>,
    description: &Description,
) -> Answer {
    let object = new_object(at, uid, object_type, body, alias, description);
    state.put_object(uid.header.fields().tenant, object, changes);
    Answer::Done
}

fn new_object(
    at: &At,
    uid: Uid,
    object_type: u32,
    body: Body,
    alias: Option<String>,
    description: &Description,
) -> Object {
    let now = at.time.as_secs();
    let not_later = |elsewhere: Option<u64>| elsewhere.map_or(now, |date| date.min(now));
    let made = not_later(description.initial_date);
    let lifecycle = Lifecycle {
        deactivation_date: description.deactivation_date,
        process_start_date: description.process_start_date,
        protect_stop_date: description.protect_stop_date,
        last_change_date: not_later(description.last_change_date).max(made),
        ..Lifecycle::new(made, description.activation_date)
    };
    Object {
        uid,
        object_type,
        place: Place { index: at.index, item: at.item },
        body,
        lifecycle,
        fresh: true,
        usage: description.usage,
        usage_since: at.index,
        alias,
        names: description.names.clone(),
        attributes: description.attributes.clone(),
        revision: at.index,
        withdrawn_at: LogIndex(0),
    }
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
        let taken = owner.is_some_and(|owner| owner != uid) && !Name::is_placeholder(&name.value);
        if twice || taken {
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
