//! What each operation does: one file per operation, one row in [`serve`] and in [`SERVED`].

mod activate;
mod add_attribute;
mod adjust_attribute;
mod archive;
mod cancel;
mod certify;
mod check;
mod create;
mod create_key_pair;
mod create_secret_data;
mod create_split_key;
mod decrypt;
mod delete_attribute;
mod derive_key;
mod destroy;
mod discover_versions;
mod encrypt;
mod export;
mod get;
mod get_attribute_list;
mod get_attributes;
mod get_usage_allocation;
mod hash;
mod import;
mod interop;
mod join_split_key;
mod locate;
mod log;
mod login;
mod mac;
mod mac_verify;
mod modify_attribute;
mod obtain_lease;
#[cfg(test)]
mod page;
mod ping;
mod pkcs11;
mod poll;
mod query;
mod re_certify;
mod re_key;
mod re_key_key_pair;
mod recover;
mod refused;
pub mod register;
mod revoke;
mod rng_retrieve;
mod rng_seed;
mod set_attribute;
mod sign;
mod signature_verify;
mod validate;

use std::time::Duration;

use engine::{DerivedKey, Found, Refused, Turn};
use kmip::message::RequestItem;
use kmip::{
    Attribute, AttributeKind, AttributeList, AttributeName, CryptographicAlgorithm, ManagedObject,
    ObjectType, Operation, ProtectionStorageMask, ProtectionStorageMasks, RequestPayload, ResponsePayload,
    ResultReason, Template, UniqueIdentifier, Version,
};
use model::refusal::Refusal;
use model::uid::UidText;
use zeroize::Zeroizing;

use crate::attributes::edit::Edit;
use crate::attributes::rules::applies_to;
use crate::attributes::wanted::{Wanted, expanded};
use crate::dispatch::read_stored;
use crate::failure::Failure;
use crate::left::{Left, kind_of};
use crate::presented::{Presented, owner_attribute};

pub use query::announce_https;

/// The operations this server serves: dispatch, Query and the documents agree on them.
pub const SERVED: &[Operation] = &[
    Operation::Create,
    Operation::CreateKeyPair,
    Operation::CreateSplitKey,
    Operation::JoinSplitKey,
    Operation::Register,
    Operation::Import,
    Operation::Export,
    Operation::Locate,
    Operation::Get,
    Operation::GetAttributes,
    Operation::GetAttributeList,
    Operation::AddAttribute,
    Operation::ModifyAttribute,
    Operation::DeleteAttribute,
    Operation::SetAttribute,
    Operation::AdjustAttribute,
    Operation::ReKey,
    Operation::ReKeyKeyPair,
    Operation::Validate,
    Operation::Certify,
    Operation::ReCertify,
    Operation::Check,
    Operation::ObtainLease,
    Operation::GetUsageAllocation,
    Operation::Archive,
    Operation::Recover,
    Operation::Activate,
    Operation::Revoke,
    Operation::Destroy,
    Operation::Query,
    Operation::DiscoverVersions,
    Operation::Log,
    Operation::Interop,
    Operation::Ping,
    Operation::DeriveKey,
    Operation::Encrypt,
    Operation::Decrypt,
    Operation::Sign,
    Operation::SignatureVerify,
    Operation::Mac,
    Operation::MacVerify,
    Operation::Hash,
    Operation::RngRetrieve,
    Operation::RngSeed,
    Operation::Poll,
    Operation::Cancel,
    Operation::Login,
    Operation::Logout,
    Operation::DelegatedLogin,
    Operation::Pkcs11,
    Operation::SetEndpointRole,
    Operation::ReProvision,
    Operation::Notify,
    Operation::Put,
];

/// How long a first Get waits until it is noted: a healthy cluster commits in a few milliseconds, and one
/// that elects a leader must not hold up a key.
const SERVED_TIMEOUT: Duration = Duration::from_millis(100);

/// What an operation works with.
pub struct Context<'c, 'e> {
    /// The request's turn.
    pub turn: &'c mut Turn<'e>,
    /// The version of the request.
    pub version: Version,
    /// What earlier items of this batch left.
    pub left: &'c mut Left,
    /// The identifier this item is about, for the audit record.
    pub identifier: String,
    /// What the header showed beside the certificate.
    pub presented: &'c Presented,
    /// The item's operation.
    pub operation: Operation,
}

/// What an operation answers.
pub enum Reply {
    /// Values.
    Payload(ResponsePayload<'static>),
    /// A derived key, still to be derived, straight into the response.
    Key {
        /// Its identifier.
        uid: UidText,
        /// Its algorithm.
        algorithm: CryptographicAlgorithm,
        /// Its Cryptographic Length in bits.
        bits: i32,
        /// The key.
        key: DerivedKey,
    },
    /// An answer that waited, under the operation it answers.
    Kept {
        /// The operation.
        operation: Operation,
        /// The response message of one item.
        answer: Zeroizing<Vec<u8>>,
    },
    /// An object.
    Stored {
        /// Its identifier.
        uid: String,
        /// Its type.
        object_type: ObjectType,
        /// The object in TTLV.
        material: Zeroizing<Vec<u8>>,
    },
    /// An object with its attributes.
    Exported {
        /// Its identifier.
        uid: String,
        /// Its type.
        object_type: ObjectType,
        /// Its attributes.
        attributes: AttributeList,
        /// The object in TTLV.
        material: Zeroizing<Vec<u8>>,
    },
}

/// Why an operation answers nothing.
pub enum Error {
    /// The request cannot be.
    Failure(Failure),
    /// The engine refused.
    Refused(Refused),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// Serves one item.
///
/// # Errors
/// See [`Error`].
pub async fn serve(context: &mut Context<'_, '_>, payload: &RequestPayload<'_>) -> Result<Reply, Error> {
    match payload {
        RequestPayload::Create(request) => create::serve(context, request).await,
        RequestPayload::Get(request) => get::serve(context, request).await,
        // A future is moved whole, with room for the largest of its parts, at every await on its way down.
        // So what the hot path does not do lies elsewhere, here and below.
        _ => Box::pin(serve_any(context, payload)).await,
    }
}

/// Every operation, one row each.
async fn serve_any(context: &mut Context<'_, '_>, payload: &RequestPayload<'_>) -> Result<Reply, Error> {
    match payload {
        RequestPayload::Create(request) => create::serve(context, request).await,
        RequestPayload::Get(request) => get::serve(context, request).await,
        RequestPayload::CreateKeyPair(request) => create_key_pair::serve(context, request).await,
        RequestPayload::CreateSplitKey(request) => create_split_key::serve(context, request).await,
        RequestPayload::JoinSplitKey(request) => join_split_key::serve(context, request).await,
        RequestPayload::Register(request) => register::serve(context, request).await,
        RequestPayload::Import(request) => import::serve(context, request).await,
        RequestPayload::Export(request) => export::serve(context, request).await,
        RequestPayload::Locate(request) => locate::serve(context, request).await,
        RequestPayload::GetAttributes(request) => get_attributes::serve(context, request).await,
        RequestPayload::GetAttributeList(request) => get_attribute_list::serve(context, request).await,
        RequestPayload::AddAttribute(request) => add_attribute::serve(context, request).await,
        RequestPayload::ModifyAttribute(request) => modify_attribute::serve(context, request).await,
        RequestPayload::DeleteAttribute(request) => delete_attribute::serve(context, request).await,
        RequestPayload::SetAttribute(request) => set_attribute::serve(context, request).await,
        RequestPayload::AdjustAttribute(request) => adjust_attribute::serve(context, request).await,
        RequestPayload::ReKey(request) => re_key::serve(context, request).await,
        RequestPayload::ReKeyKeyPair(request) => re_key_key_pair::serve(context, request).await,
        RequestPayload::Certify(request) => certify::serve(context, request).await,
        RequestPayload::ReCertify(request) => re_certify::serve(context, request).await,
        RequestPayload::Validate(request) => validate::serve(context, request).await,
        RequestPayload::Check(request) => check::serve(context, request).await,
        RequestPayload::ObtainLease(request) => obtain_lease::serve(context, request).await,
        RequestPayload::GetUsageAllocation(request) => get_usage_allocation::serve(context, request).await,
        RequestPayload::Archive(request) => archive::serve(context, request).await,
        RequestPayload::Recover(request) => recover::serve(context, request).await,
        RequestPayload::Activate(request) => activate::serve(context, request).await,
        RequestPayload::Revoke(request) => revoke::serve(context, request).await,
        RequestPayload::Destroy(request) => destroy::serve(context, request).await,
        RequestPayload::Query(request) => Ok(query::serve(context, request)),
        RequestPayload::Log(request) => log::serve(context, request),
        RequestPayload::Interop(request) => interop::serve(context, request).await,
        RequestPayload::Ping(_) => Ok(ping::serve()),
        RequestPayload::Poll(request) => poll::serve(context, request).await,
        RequestPayload::Cancel(request) => cancel::serve(context, request).await,
        RequestPayload::Login(request) => login::serve(context, request).await,
        RequestPayload::DelegatedLogin(request) => login::delegated(context, request).await,
        RequestPayload::Logout(request) => login::logout(context, request).await,
        RequestPayload::Pkcs11(request) => pkcs11::serve(context, request).await,
        RequestPayload::SetEndpointRole(request) => refused::set_endpoint_role(request),
        RequestPayload::ReProvision(_) => Err(refused::re_provision()),
        RequestPayload::Notify(_) | RequestPayload::Put(_) => Err(refused::server_to_client()),
        RequestPayload::DiscoverVersions(request) => Ok(discover_versions::serve(request)),
        RequestPayload::DeriveKey(request) => derive_key::serve(context, request).await,
        RequestPayload::Encrypt(request) => encrypt::serve(context, request).await,
        RequestPayload::Decrypt(request) => decrypt::serve(context, request).await,
        RequestPayload::Sign(request) => sign::serve(context, request).await,
        RequestPayload::SignatureVerify(request) => signature_verify::serve(context, request).await,
        RequestPayload::Mac(request) => mac::serve(context, request).await,
        RequestPayload::MacVerify(request) => mac_verify::serve(context, request).await,
        RequestPayload::Hash(request) => hash::serve(context, request).await,
        RequestPayload::RngRetrieve(request) => rng_retrieve::serve(context, request),
        RequestPayload::RngSeed(request) => Ok(rng_seed::serve(context, request)),
    }
}

/// Refuses an object without a state.
fn has_state(found: &Found) -> Result<(), Failure> {
    let state = AttributeName::Standard(AttributeKind::State);
    match ObjectType::from_value(found.object.object_type) {
        Some(kind) if !applies_to(&state, kind) => {
            let message = "objects of this type have no state";
            Err(Failure::new(ResultReason::IllegalOperation, message))
        }
        _ => Ok(()),
    }
}

impl<'c, 'e> Context<'c, 'e> {
    /// For one item of a message.
    pub fn new(
        turn: &'c mut Turn<'e>,
        version: Version,
        left: &'c mut Left,
        presented: &'c Presented,
        item: &RequestItem<'_>,
    ) -> Self {
        let operation = item.operation().unwrap_or(Operation::Query);
        Self { turn, version, left, identifier: String::new(), presented, operation }
    }
}

impl Context<'_, '_> {
    /// Finds the object an item is about: the one it names, or the one the last item brought.
    ///
    /// # Errors
    /// [`Refused::NotFound`] and whatever else the engine says; a failure where nothing is named.
    pub async fn find(&mut self, named: Option<&UniqueIdentifier<'_>>) -> Result<Found, Error> {
        let missing = "no Unique Identifier is given, and no earlier item of this batch brought one";
        let identifier =
            self.left.resolve(named).ok_or(Failure::new(ResultReason::InvalidMessage, missing))?;
        identifier.clone_into(&mut self.identifier);
        let found = self.turn.find(&self.identifier).await?;
        self.presented.check(self.operation, &found)?;
        self.left.place(&self.identifier);
        Ok(found)
    }

    /// Finds an object that an item wants in another state: one that has a state, which templates do not.
    ///
    /// # Errors
    /// As [`Context::find`]; [`ResultReason::IllegalOperation`].
    pub async fn find_with_state(&mut self, named: Option<&UniqueIdentifier<'_>>) -> Result<Found, Error> {
        let found = self.find(named).await?;
        has_state(&found)?;
        Ok(found)
    }

    /// Finds the object an item wants to change, as it is now.
    ///
    /// # Errors
    /// As [`Context::find`]; [`Refused::Archived`].
    pub async fn edit(&mut self, named: Option<&UniqueIdentifier<'_>>) -> Result<(Found, Edit), Error> {
        self.turn.refresh().await?;
        let found = self.find(named).await?;
        found.on_line()?;
        let edit = Edit::of(&found, self.turn.now(), self.version)?;
        Ok((found, edit))
    }

    /// Commits a change to what an object has.
    ///
    /// # Errors
    /// What the state refuses; a name that is taken is told in the words of attribute changes.
    pub async fn commit(&mut self, found: &Found, edit: Edit) -> Result<(), Error> {
        match self.turn.change_attributes(found, edit.change()).await {
            // 1.4, 11.16: "a Name attribute with the same value that another object already has".
            Err(Refused::Refused(refusal @ Refusal::NameTaken { .. })) if !self.version.is_v2() => {
                let failure = Failure::of(&Refused::Refused(refusal), self.version);
                Err(Failure { reason: ResultReason::IllegalOperation, ..failure }.into())
            }
            done => Ok(done?),
        }
    }

    /// Sorts what a request wants of its new object, named templates expanded.
    ///
    /// # Errors
    /// [`ResultReason::ItemNotFound`] for a template that does not exist, and as [`Wanted::of`].
    pub async fn wanted(&mut self, template: Option<&Template>) -> Result<Wanted, Error> {
        let mut wanted = match template {
            None => Wanted::default(),
            Some(template) if template.names.is_empty() => Wanted::of(template)?,
            Some(template) => Wanted::of(&Box::pin(self.expand(template)).await?)?,
        };
        if let Some(label) = self.presented.label {
            wanted.add_fact(owner_attribute(label));
        }
        Ok(wanted)
    }

    /// A template with the attributes of the templates it names, whose own names stay with them.
    ///
    /// # Errors
    /// [`ResultReason::ItemNotFound`] for a template that does not exist; [`Refused::Archived`].
    pub async fn expand(&mut self, template: &Template) -> Result<Template, Error> {
        let mut inherited = Vec::new();
        for name in &template.names {
            let absent = Failure::new(ResultReason::ItemNotFound, "the template named does not exist");
            let named = self.turn.object_named(&name.value).await?;
            let object =
                named.filter(|object| object.object_type == ObjectType::Template.value()).ok_or(absent)?;
            let found = Found { object, has_row: true };
            let material = self.turn.material(&found).await?;
            if let ManagedObject::Template(held) = read_stored(&material)? {
                inherited.extend(held.attributes.into_attributes());
            }
        }
        Ok(expanded(inherited, template))
    }

    /// Refuses a request whose every acceptable place is one this server does not keep objects in (2.1, 6.1).
    ///
    /// # Errors
    /// [`ResultReason::ProtectionStorageUnavailable`].
    pub fn check_storage(wanted: Option<&ProtectionStorageMasks>) -> Result<(), Failure> {
        let here = |mask: &ProtectionStorageMask| mask.0 & !ProtectionStorageMask::SOFTWARE.0 == 0;
        match wanted {
            Some(wanted) if !wanted.masks.is_empty() && !wanted.masks.iter().any(here) => {
                let message = "this server keeps objects in software only, wrapped";
                Err(Failure::new(ResultReason::ProtectionStorageUnavailable, message))
            }
            _ => Ok(()),
        }
    }

    /// Makes the application data that a client left to the server.
    pub fn complete(&self, attribute: &mut Attribute) {
        if let Attribute::ApplicationSpecificInformation(info) = attribute
            && info.data.is_none()
        {
            info.data = Some(self.turn.random_text());
        }
    }

    /// Notes that Get serves the object, which is fresh no more. Of a group's member that must hold before the
    /// answer, so that nobody else gets it as fresh; a Get of any other neither fails nor waits long for want
    /// of a quorum.
    ///
    /// # Errors
    /// What the state refuses, of a member of a group.
    pub async fn served(&mut self, found: &Found) -> Result<(), Error> {
        match found.object.fresh && !found.fields().kind.is_ephemeral() {
            true => Box::pin(self.note_served(found)).await,
            false => Ok(()),
        }
    }

    async fn note_served(&mut self, found: &Found) -> Result<(), Error> {
        let grouped = found.object.attributes.iter().any(|stored| stored.name == "Object Group");
        if grouped {
            return Ok(self.turn.mark_served(found).await?);
        }
        let noted = tokio::time::timeout(SERVED_TIMEOUT, self.turn.mark_served(found)).await;
        if !matches!(noted, Ok(Ok(()))) {
            tracing::debug!(?noted, uid = %found.uid(), "a first Get was not noted; the next one will be");
        }
        Ok(())
    }

    /// Notes the identifier an item made; later items may refer to it.
    pub fn made(&mut self, identifier: &str) {
        identifier.clone_into(&mut self.identifier);
        self.left.place(identifier);
        if self.version.is_v2()
            && let Some(kind) = kind_of(self.operation)
        {
            self.left.bring(kind, identifier);
        }
    }

    /// Notes the identifiers of a pair an item made: the private key's stands for both, and 2.x has a word for each.
    pub fn made_pair(&mut self, private: &str, public: &str) {
        use kmip::UniqueIdentifierKind as K;
        self.made(private);
        if self.version.is_v2() {
            let [of_private, of_public] = match self.operation {
                Operation::ReKeyKeyPair => [K::ReKeyKeyPairPrivateKey, K::ReKeyKeyPairPublicKey],
                _ => [K::CreateKeyPairPrivateKey, K::CreateKeyPairPublicKey],
            };
            self.left.bring(of_private, private);
            self.left.bring(of_public, public);
        }
    }
}
