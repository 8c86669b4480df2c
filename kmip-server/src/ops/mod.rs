//! What each operation does: one file per operation, one row in [`serve`] and in [`SERVED`].

mod activate;
mod add_attribute;
mod create;
mod delete_attribute;
mod destroy;
mod discover_versions;
mod get;
mod get_attribute_list;
mod get_attributes;
mod locate;
mod modify_attribute;
mod query;
mod register;
mod revoke;

use engine::{DerivedKey, Found, Refused, Turn};
use kmip::{
    CryptographicAlgorithm, ObjectType, Operation, RequestPayload, ResponsePayload, ResultReason,
    UniqueIdentifier, Version,
};
use model::uid::UidText;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The operations this server serves: dispatch, Query and the documents agree on them.
pub const SERVED: &[Operation] = &[
    Operation::Create,
    Operation::Register,
    Operation::Locate,
    Operation::Get,
    Operation::GetAttributes,
    Operation::GetAttributeList,
    Operation::AddAttribute,
    Operation::ModifyAttribute,
    Operation::DeleteAttribute,
    Operation::Activate,
    Operation::Revoke,
    Operation::Destroy,
    Operation::Query,
    Operation::DiscoverVersions,
];

/// What an operation works with.
pub struct Context<'c, 'e> {
    /// The request's turn.
    pub turn: &'c mut Turn<'e>,
    /// The version of the request.
    pub version: Version,
    /// The ID placeholder: the identifier the last item of this batch brought.
    pub placeholder: &'c mut Option<String>,
    /// The identifier this item is about, for the audit record.
    pub identifier: String,
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
    /// An object as it was registered.
    Stored {
        /// Its identifier.
        uid: UidText,
        /// Its type.
        object_type: ObjectType,
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
        RequestPayload::Register(request) => register::serve(context, request).await,
        RequestPayload::Locate(request) => locate::serve(context, request).await,
        RequestPayload::Get(request) => get::serve(context, request).await,
        RequestPayload::GetAttributes(request) => get_attributes::serve(context, request).await,
        RequestPayload::GetAttributeList(request) => get_attribute_list::serve(context, request).await,
        RequestPayload::AddAttribute(request) => add_attribute::serve(context, request).await,
        RequestPayload::ModifyAttribute(request) => modify_attribute::serve(context, request).await,
        RequestPayload::DeleteAttribute(request) => delete_attribute::serve(context, request).await,
        RequestPayload::Activate(request) => activate::serve(context, request).await,
        RequestPayload::Revoke(request) => revoke::serve(context, request).await,
        RequestPayload::Destroy(request) => destroy::serve(context, request).await,
        RequestPayload::Query(request) => Ok(query::serve(context, request)),
        RequestPayload::DiscoverVersions(request) => Ok(discover_versions::serve(request)),
        // Everything else the vocabulary knows and SERVED does not list.
        _ => {
            let message = "this server does not offer the operation; Query lists what it offers";
            Err(Failure::new(ResultReason::OperationNotSupported, message).into())
        }
    }
}

impl Context<'_, '_> {
    /// Finds the object an item is about: the one it names, or the one the last item brought.
    ///
    /// # Errors
    /// [`Refused::NotFound`] and whatever else the engine says; a failure where nothing is named.
    pub async fn find(&mut self, named: Option<&UniqueIdentifier<'_>>) -> Result<Found, Error> {
        self.identifier = match named {
            Some(identifier) => match identifier.as_text() {
                Some(text) => text.to_owned(),
                None => self.placeholder()?,
            },
            None => self.placeholder()?,
        };
        let found = self.turn.find(&self.identifier).await?;
        *self.placeholder = Some(self.identifier.clone());
        Ok(found)
    }

    fn placeholder(&self) -> Result<String, Failure> {
        let missing = "no Unique Identifier is given, and no earlier item of this batch brought one";
        self.placeholder.clone().ok_or(Failure::new(ResultReason::InvalidMessage, missing))
    }

    /// Notes the identifier an item made; later items may refer to it.
    pub fn made(&mut self, identifier: &str) {
        identifier.clone_into(&mut self.identifier);
        *self.placeholder = Some(self.identifier.clone());
    }
}
