//! The key an operation works with: found, judged, and read only when it may be used.

use crypto::services::{Macer, PrivateKey, PublicKey};
use engine::{Found, Refused, Stream, Use, Work};
use kmip::{
    Attribute, CryptographicAlgorithm, CryptographicParameters, KeyBlock, ManagedObject, ResultReason,
    UniqueIdentifier, UsageMask,
};
use model::uid::Kind;
use zeroize::Zeroizing;

use crate::dispatch::read_stored;
use crate::failure::Failure;
use crate::keys::convert::raw_bytes;
use crate::keys::{Stored, blocks, certificate, fetch};
use crate::ops::{Context, Error};
use crate::services::params::{mac_algorithm, unsupported};
use crate::services::parts::Part;

/// A found key that may be used for what it was asked for.
pub struct ServiceKey {
    /// Where it was found.
    pub found: Found,
    /// Its own Cryptographic Algorithm, if it has one.
    pub algorithm: Option<CryptographicAlgorithm>,
    /// Its own Cryptographic Parameters of the lowest index.
    stored: Option<CryptographicParameters>,
}

impl Context<'_, '_> {
    /// Finds a key and judges state, dates and usage mask. A refusal for its state is given only after
    /// asking the cluster: another node may have activated it a moment ago (CONSISTENCY 4).
    pub async fn key_for(
        &mut self,
        named: Option<&UniqueIdentifier<'_>>,
        purpose: Use,
        mask: UsageMask,
    ) -> Result<ServiceKey, Error> {
        let mut found = self.find(named).await?;
        if self.turn.may_use(&found, purpose).is_err() {
            self.turn.refresh().await?;
            found = self.turn.find(&self.identifier).await?;
            self.turn.may_use(&found, purpose)?;
        }
        let key = ServiceKey::of(found)?;
        if !key.mask().contains(mask) {
            let message = "the key's Cryptographic Usage Mask does not allow this";
            return Err(Failure::new(ResultReason::IncompatibleCryptographicUsageMask, message).into());
        }
        Ok(key)
    }

    /// Pays for a use from the key's usage limit, in its unit: bytes, blocks, or one for the object or
    /// the operation, with a message's first part. Call it when the answer is ready to leave.
    pub async fn charge(
        &mut self,
        key: &ServiceKey,
        bytes: usize,
        block_bytes: usize,
        first: bool,
    ) -> Result<(), Error> {
        let Some(usage) = key.found.object.usage else { return Ok(()) };
        let amount = match usage.unit {
            1 => bytes,
            3 => bytes.div_ceil(block_bytes.max(1)),
            _ => usize::from(first),
        };
        if amount > 0 {
            self.turn.take_usage(&key.found, amount as u64).await?;
        }
        Ok(())
    }
}

impl ServiceKey {
    fn of(found: Found) -> Result<Self, Failure> {
        let fields = found.fields();
        let mut key = Self { algorithm: None, stored: None, found };
        if fields.kind != Kind::Registered {
            key.algorithm = CryptographicAlgorithm::from_value(fields.algorithm.into());
        }
        let undecodable = Failure::new(ResultReason::GeneralFailure, "a stored attribute does not decode");
        for stored in &key.found.object.attributes {
            match Attribute::from_ttlv_bytes(&stored.value).map_err(|_| undecodable.clone())? {
                Attribute::CryptographicAlgorithm(algorithm) if key.algorithm.is_none() => {
                    key.algorithm = Some(algorithm);
                }
                Attribute::CryptographicParameters(parameters) if key.stored.is_none() => {
                    key.stored = Some(parameters);
                }
                _ => {}
            }
        }
        Ok(key)
    }

    fn mask(&self) -> UsageMask {
        let fields = self.found.fields();
        if fields.kind != Kind::Registered {
            return UsageMask(fields.usage_mask);
        }
        let attributes = self.found.object.attributes.iter();
        let mut mask = attributes.filter_map(|stored| match Attribute::from_ttlv_bytes(&stored.value) {
            Ok(Attribute::CryptographicUsageMask(mask)) => Some(mask),
            _ => None,
        });
        mask.next_back().unwrap_or(UsageMask::NONE)
    }

    /// Whether the key is derived from its identifier.
    pub fn is_derived(&self) -> bool {
        self.found.fields().kind != Kind::Registered
    }

    /// Random IV, if its own Cryptographic Parameters say.
    pub fn made_with_random_iv(&self) -> Option<bool> {
        self.stored.as_ref().and_then(|parameters| parameters.random_iv)
    }

    /// The parameters of a use: the request's, or else the key's own (1.4, 4.29: as a whole).
    pub fn parameters(&self, requested: Option<&CryptographicParameters>) -> CryptographicParameters {
        match requested {
            Some(requested) if *requested != CryptographicParameters::default() => requested.clone(),
            _ => self.stored.clone().unwrap_or_default(),
        }
    }

    /// The code under way for a part of a message, and its stream where an earlier part began one.
    pub async fn macer(
        &self,
        context: &mut Context<'_, '_>,
        operation: u32,
        part: Part<'_>,
        requested: Option<&CryptographicParameters>,
    ) -> Result<(Option<Stream>, Macer), Error> {
        match context.resume(operation, Some(&self.found), part)? {
            Some((stream, Work::Mac(macer))) => Ok((Some(stream), macer)),
            Some(_) => Err(Refused::NoStream.into()),
            None => {
                let algorithm = mac_algorithm(&self.parameters(requested), self.algorithm)?;
                let bytes = self.bytes(context).await?;
                Ok((None, Macer::new(algorithm, &bytes).map_err(Failure::from)?))
            }
        }
    }

    /// The bytes of a symmetric key or of secret data. A key that was registered wrapped is opened with the
    /// key it names, if that one may.
    pub async fn bytes(&self, context: &mut Context<'_, '_>) -> Result<Zeroizing<Vec<u8>>, Error> {
        if self.is_derived() && self.found.fields().algorithm != 0 {
            return Ok(context.turn.key_bytes(&self.found).await?);
        }
        let object = self.opened(context).await?;
        let object = read_stored(&object)?;
        if !matches!(object, ManagedObject::SymmetricKey(_) | ManagedObject::SecretData(_)) {
            let message = "the object is neither a symmetric key nor secret data";
            return Err(Failure::new(ResultReason::InvalidObjectType, message).into());
        }
        let raw = raw_bytes(block(&object)?).ok_or(unsupported("the key has no bytes of its own"))?;
        Ok(Zeroizing::new(raw.to_vec()))
    }

    /// Whether it is an asymmetric key or a certificate.
    pub fn is_asymmetric(&self) -> bool {
        use kmip::ObjectType as Type;
        let asymmetric = [Type::PublicKey, Type::PrivateKey, Type::Certificate];
        asymmetric.iter().any(|kind| kind.value() == self.found.object.object_type)
    }

    /// The private key.
    pub async fn private(&self, context: &mut Context<'_, '_>) -> Result<PrivateKey, Error> {
        let object = self.opened(context).await?;
        Ok(private_key(&read_stored(&object)?)?)
    }

    /// The public key, of a certificate too.
    pub async fn public(&self, context: &mut Context<'_, '_>) -> Result<PublicKey, Error> {
        let object = self.opened(context).await?;
        Ok(public_key(&read_stored(&object)?)?)
    }

    /// The object in the clear.
    async fn opened(&self, context: &mut Context<'_, '_>) -> Result<Stored, Error> {
        let object = fetch::kept(context, &self.found).await?;
        let wrapped =
            read_stored(&object)?.key_block().is_some_and(|block| block.key_wrapping_data.is_some());
        if wrapped { fetch::unwrapped(context, &object).await } else { Ok(object) }
    }
}

/// The private key in an object that is in the clear.
///
/// # Errors
/// Invalid Object Type, and what the material cannot be read as.
pub fn private_key(object: &ManagedObject<'_>) -> Result<PrivateKey, Failure> {
    if !matches!(object, ManagedObject::PrivateKey(_)) {
        return Err(Failure::new(ResultReason::InvalidObjectType, "the object is no private key"));
    }
    let der = blocks::private_key(block(object)?)?.to_pkcs8().map_err(|_| unusable())?;
    Ok(PrivateKey::from_der(&der)?)
}

/// The public key in an object, a certificate too.
///
/// # Errors
/// As [`private_key`].
pub fn public_key(object: &ManagedObject<'_>) -> Result<PublicKey, Failure> {
    let key = match object {
        ManagedObject::Certificate(certificate) => certificate::public_key_of(&certificate.value)?,
        ManagedObject::PublicKey(_) => blocks::public_key(block(object)?)?,
        _ => {
            let message = "the object has no public key";
            return Err(Failure::new(ResultReason::InvalidObjectType, message));
        }
    };
    let der = key.to_spki().map_err(|_| unusable())?;
    Ok(PublicKey::from_spki(&der)?)
}

fn unusable() -> Failure {
    unsupported("a key of this kind is kept and not used here")
}

fn block<'o>(object: &'o ManagedObject<'_>) -> Result<&'o KeyBlock<'o>, Failure> {
    let none = Failure::new(ResultReason::InvalidObjectType, "objects of this type hold no key");
    let block = object.key_block().ok_or(none)?;
    if block.key_value.is_none() {
        return Err(Failure::new(ResultReason::KeyValueNotPresent, "the key's value is not kept here"));
    }
    Ok(block)
}
