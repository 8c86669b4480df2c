//! One method for each thing people ask a key server.

use std::time::Duration;

use kmip::message::ResponseItem;
use kmip::{
    Attribute, AttributeKind, AttributeName, CryptographicAlgorithm, Key, KeyBlock, KeyFormatType,
    ManagedObject, Name, ObjectType, Operation, RequestPayload, ResponseMessage, RevocationReason,
    RevocationReasonCode, SecretData, SecretDataType, State, Template, UniqueIdentifier, UsageMask, ops,
};

use crate::error::ProtocolFault;
use crate::{Client, Error, KeyBytes, Repeat};

/// Most keys of one [`Client::create_many`]: every server we met takes a message of so many items.
pub const BATCH_MAX: usize = 100;

/// A symmetric key to be made or registered.
#[derive(Clone, Debug)]
pub struct KeyRequest {
    /// Cryptographic Algorithm.
    pub algorithm: CryptographicAlgorithm,
    /// Cryptographic Length, bits.
    pub bits: i32,
    /// Cryptographic Usage Mask.
    pub mask: UsageMask,
    /// Whatever else it shall have. Anything at all makes keyraft write a record.
    pub more: Vec<Attribute>,
}

impl KeyRequest {
    /// An AES-256 key to encrypt and decrypt with; on keyraft it is ephemeral: nothing is written.
    #[must_use]
    pub const fn aes256() -> Self {
        Self {
            algorithm: CryptographicAlgorithm::Aes,
            bits: 256,
            mask: UsageMask(UsageMask::ENCRYPT.0 | UsageMask::DECRYPT.0),
            more: Vec::new(),
        }
    }

    /// The same, with a Name: a write.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.more.push(Attribute::Name(Name::from(name)));
        self
    }

    /// A key without a Name that nobody got to know is worth nothing: making another instead is safe.
    /// One with attributes may be found by them later, so it is made once or of unknown outcome.
    const fn repeat(&self) -> Repeat {
        if self.more.is_empty() { Repeat::Safe } else { Repeat::Never }
    }

    fn template(&self) -> Template {
        let mut attributes = vec![
            Attribute::CryptographicAlgorithm(self.algorithm),
            Attribute::CryptographicLength(self.bits),
            Attribute::CryptographicUsageMask(self.mask),
        ];
        attributes.extend(self.more.iter().cloned());
        attributes.into()
    }

    fn create(&self) -> RequestPayload<'static> {
        RequestPayload::Create(ops::create::Request {
            object_type: ObjectType::SymmetricKey,
            attributes: self.template(),
            protection_storage_masks: None,
        })
    }
}

/// What Register takes.
#[derive(Clone, Copy)]
pub enum Material<'a> {
    /// The bytes of a symmetric key.
    SymmetricKey(&'a [u8]),
    /// A password, a token: bytes without an algorithm. Algorithm and length of the request are left out.
    SecretData(&'a [u8]),
}

impl Client {
    /// Makes a key and returns its identifier.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create(&self, key: &KeyRequest) -> Result<String, Error> {
        self.call(&[key.create()], key.repeat(), |answer| created(item(answer, 0)?)).await
    }

    /// Makes as many keys of one kind, up to [`BATCH_MAX`], in one round trip.
    ///
    /// # Errors
    /// See [`Error`]. Where one item was refused, those before it may have made keys that nobody knows of;
    /// ephemeral ones cost nothing.
    pub async fn create_many(&self, key: &KeyRequest, count: usize) -> Result<Vec<String>, Error> {
        let batch: Vec<_> = (0..count.clamp(1, BATCH_MAX)).map(|_| key.create()).collect();
        self.call(&batch, key.repeat(), |answer| answer.items.iter().map(created).collect()).await
    }

    /// Makes a key, with its identifier and bytes in one round trip: Create, then Get of the ID
    /// placeholder, in one batch.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_and_get(&self, key: &KeyRequest) -> Result<(String, KeyBytes), Error> {
        let batch = [key.create(), RequestPayload::Get(ops::get::Request::default())];
        self.call(&batch, key.repeat(), |answer| {
            let identifier = created(item(answer, 0)?)?;
            let bytes = got(item(answer, 1)?, &identifier)?;
            Ok((identifier, bytes))
        })
        .await
    }

    /// The bytes of a key.
    ///
    /// # Errors
    /// See [`Error`]; unknown, destroyed and foreign identifiers are refused with Item Not Found.
    pub async fn get(&self, identifier: &str) -> Result<KeyBytes, Error> {
        let request = ops::get::Request { unique_identifier: Some(identifier.into()), ..Default::default() };
        self.call(&[RequestPayload::Get(request)], Repeat::Safe, |answer| got(item(answer, 0)?, identifier))
            .await
    }

    /// The bytes of a key and how long the server lets it be kept, in one round trip; `None` from a server
    /// that grants no leases.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_with_lease(&self, identifier: &str) -> Result<(KeyBytes, Option<Duration>), Error> {
        let named = || Some(UniqueIdentifier::from(identifier));
        let get = ops::get::Request { unique_identifier: named(), ..Default::default() };
        let lease = ops::obtain_lease::Request { unique_identifier: named() };
        let batch = [RequestPayload::Get(get), RequestPayload::ObtainLease(lease)];
        let both = self.call(&batch, Repeat::Safe, |answer| {
            let key = got(item(answer, 0)?, identifier)?;
            let lease = item(answer, 1)?.payload::<ops::obtain_lease::Response<'_>>()?;
            Ok((key, Some(Duration::from_secs(lease.lease_time.0.into()))))
        });
        match both.await {
            Err(Error::Refused { operation: Some(Operation::ObtainLease), .. }) => {
                Ok((self.get(identifier).await?, None))
            }
            done => done,
        }
    }

    /// Stores material the caller has, and returns its identifier.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn register(&self, key: &KeyRequest, bytes: Material<'_>) -> Result<String, Error> {
        let request = RequestPayload::Register(registration(key, bytes));
        self.call(&[request], Repeat::Never, |answer| {
            identifier(&item(answer, 0)?.payload::<ops::register::Response<'_>>()?.unique_identifier)
        })
        .await
    }

    /// Pre-Active becomes Active.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn activate(&self, identifier: &str) -> Result<(), Error> {
        let request = ops::activate::Request { unique_identifier: Some(identifier.into()) };
        self.write(RequestPayload::Activate(request)).await
    }

    /// Deactivated, or with a compromise as the reason Compromised, from now on.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn revoke(&self, identifier: &str, reason: RevocationReasonCode) -> Result<(), Error> {
        let request = ops::revoke::Request {
            unique_identifier: Some(identifier.into()),
            reason: RevocationReason { code: reason, message: None },
            compromise_occurrence_date: None,
        };
        self.write(RequestPayload::Revoke(request)).await
    }

    /// The material is gone for good. When this returns, no node answers with it any more.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn destroy(&self, identifier: &str) -> Result<(), Error> {
        let request = ops::destroy::Request { unique_identifier: Some(identifier.into()) };
        self.write(RequestPayload::Destroy(request)).await
    }

    /// The identifiers of the caller's recorded objects that have all these attributes.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn locate(&self, attributes: Vec<Attribute>) -> Result<Vec<String>, Error> {
        let request = ops::locate::Request { attributes: attributes.into(), ..Default::default() };
        self.call(&[RequestPayload::Locate(request)], Repeat::Safe, |answer| {
            let found = item(answer, 0)?.payload::<ops::locate::Response<'_>>()?;
            found.unique_identifiers.iter().map(identifier).collect()
        })
        .await
    }

    /// The state of an object.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn state(&self, identifier: &str) -> Result<State, Error> {
        let request = attributes_of(identifier, &[AttributeKind::State]);
        self.call(&[request], Repeat::Safe, |answer| {
            let got = item(answer, 0)?.payload::<ops::get_attributes::Response<'_>>()?;
            let state = got.attributes.iter().find_map(|attribute| match attribute {
                Attribute::State(state) => Some(*state),
                _ => None,
            });
            state.ok_or(ProtocolFault::Mismatch)
        })
        .await
    }

    /// Those of the named attributes that are set; every attribute when none is named.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn attributes(
        &self,
        identifier: &str,
        kinds: &[AttributeKind],
    ) -> Result<Vec<Attribute>, Error> {
        self.call(&[attributes_of(identifier, kinds)], Repeat::Safe, |answer| {
            let got = item(answer, 0)?.payload::<ops::get_attributes::Response<'_>>()?;
            Ok(got.attributes.into_attributes())
        })
        .await
    }

    async fn write(&self, request: RequestPayload<'_>) -> Result<(), Error> {
        self.call(&[request], Repeat::Never, |_| Ok(())).await
    }
}

fn attributes_of<'a>(identifier: &'a str, kinds: &[AttributeKind]) -> RequestPayload<'a> {
    RequestPayload::GetAttributes(ops::get_attributes::Request {
        unique_identifier: Some(identifier.into()),
        names: kinds.iter().copied().map(AttributeName::Standard).collect(),
    })
}

fn registration<'a>(key: &KeyRequest, bytes: Material<'a>) -> ops::register::Request<'a> {
    let (object_type, object, attributes) = match bytes {
        Material::SymmetricKey(bytes) => {
            let mut block = KeyBlock::from_bytes(KeyFormatType::Raw, bytes);
            block.cryptographic_algorithm = Some(key.algorithm);
            block.cryptographic_length = Some(key.bits);
            (ObjectType::SymmetricKey, ManagedObject::SymmetricKey(Key::from(block)), key.template())
        }
        Material::SecretData(bytes) => {
            let secret = SecretData {
                kind: SecretDataType::Password,
                key_block: Some(KeyBlock::from_bytes(KeyFormatType::Opaque, bytes)),
            };
            let mut attributes = vec![Attribute::CryptographicUsageMask(key.mask)];
            attributes.extend(key.more.iter().cloned());
            (ObjectType::SecretData, ManagedObject::SecretData(secret), attributes.into())
        }
    };
    ops::register::Request {
        object_type,
        attributes: Some(attributes),
        object: Some(Box::new(object)),
        protection_storage_masks: None,
    }
}

fn item<'m, 'a>(
    answer: &'m ResponseMessage<'a>,
    index: usize,
) -> Result<&'m ResponseItem<'a>, ProtocolFault> {
    answer.items.get(index).ok_or(ProtocolFault::Mismatch)
}

fn identifier(identifier: &UniqueIdentifier<'_>) -> Result<String, ProtocolFault> {
    identifier.as_text().map(str::to_owned).ok_or(ProtocolFault::OtherObject)
}

fn created(item: &ResponseItem<'_>) -> Result<String, ProtocolFault> {
    identifier(&item.payload::<ops::create::Response<'_>>()?.unique_identifier)
}

/// The bytes in an answer to Get, which is about the object asked for.
fn got(item: &ResponseItem<'_>, identifier: &str) -> Result<KeyBytes, ProtocolFault> {
    let got = item.payload::<ops::get::Response<'_>>()?;
    if got.unique_identifier.as_text() != Some(identifier) {
        return Err(ProtocolFault::Mismatch);
    }
    material(&got.object)
}

fn material(object: &ManagedObject<'_>) -> Result<KeyBytes, ProtocolFault> {
    let material = object.key_block().and_then(KeyBlock::material_bytes);
    material.map(KeyBytes::copy_of).ok_or(ProtocolFault::OtherObject)
}
