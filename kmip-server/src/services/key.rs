//! The key an operation works with: found, judged, and read only when it may be used.

use crypto::services::{PrivateKey, PublicKey};
use engine::{Found, Use};
use kmip::field::Encode as _;
use kmip::ttlv::Writer;
use kmip::{
    Attribute, CryptographicAlgorithm, CryptographicParameters, KeyBlock, KeyFormatType, KeyMaterial,
    KeyValue, ManagedObject, ResultReason, Tag, UniqueIdentifier, UsageMask, Version,
};
use model::uid::Kind;
use zeroize::Zeroizing;

use crate::dispatch::read_stored;
use crate::failure::Failure;
use crate::keys::blocks;
use crate::ops::{Context, Error};
use crate::services::params::unsupported;

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
        let mask = attributes.filter_map(|stored| match Attribute::from_ttlv_bytes(&stored.value) {
            Ok(Attribute::CryptographicUsageMask(mask)) => Some(mask),
            _ => None,
        });
        mask.last().unwrap_or(UsageMask::NONE)
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

    /// The bytes of a symmetric key or of secret data.
    pub async fn bytes(&self, context: &mut Context<'_, '_>) -> Result<Zeroizing<Vec<u8>>, Error> {
        if self.found.fields().kind != Kind::Registered {
            if self.found.fields().algorithm == 0 {
                let message = "a service root is for Derive Key only";
                return Err(Failure::new(ResultReason::PermissionDenied, message).into());
            }
            return Ok(context.turn.key_bytes(&self.found).await?);
        }
        let stored = context.turn.material(&self.found).await?;
        let object = read_stored(&stored)?;
        let raw = match material(&object)? {
            KeyMaterial::Bytes(bytes) => bytes.to_vec(),
            KeyMaterial::Transparent(key) => match &key.key {
                Some(bytes) => bytes.to_vec(),
                None => return Err(unsupported("the key has no bytes of its own").into()),
            },
        };
        match object {
            ManagedObject::SymmetricKey(_) | ManagedObject::SecretData(_) => Ok(Zeroizing::new(raw)),
            _ => {
                drop(Zeroizing::new(raw));
                Err(Failure::new(ResultReason::InvalidObjectType, "the object is no symmetric key").into())
            }
        }
    }

    /// Whether it is an asymmetric key or a certificate.
    pub fn is_asymmetric(&self) -> bool {
        use kmip::ObjectType as Type;
        let asymmetric = [Type::PublicKey, Type::PrivateKey, Type::Certificate];
        asymmetric.iter().any(|kind| kind.value() == self.found.object.object_type)
    }

    /// The private key.
    pub async fn private(&self, context: &mut Context<'_, '_>) -> Result<PrivateKey, Error> {
        let stored = self.asymmetric(context).await?;
        let object = read_stored(&stored)?;
        match (&object, material(&object)?) {
            (ManagedObject::PrivateKey(_), KeyMaterial::Bytes(der)) => {
                Ok(PrivateKey::from_der(der).map_err(Failure::from)?)
            }
            // Numbers, and the bare bytes of Edwards curves, become DER first.
            (ManagedObject::PrivateKey(key), KeyMaterial::Transparent(_)) => {
                let block = key.key_block.as_ref().ok_or(unsupported("the object holds no key"))?;
                let der = blocks::private_key(block)?.to_pkcs8();
                let der = der.map_err(|_| unsupported("the key lacks numbers that its use needs"))?;
                Ok(PrivateKey::from_der(&der).map_err(Failure::from)?)
            }
            _ => Err(Failure::new(ResultReason::InvalidObjectType, "the object is no private key").into()),
        }
    }

    /// The public key, of a certificate too.
    pub async fn public(&self, context: &mut Context<'_, '_>) -> Result<PublicKey, Error> {
        let stored = self.asymmetric(context).await?;
        let object = read_stored(&stored)?;
        if let ManagedObject::Certificate(certificate) = &object {
            return Ok(certified(&certificate.value)?);
        }
        let format = object.key_block().map(|block| block.key_format_type);
        match (&object, material(&object)?) {
            (ManagedObject::PublicKey(_), KeyMaterial::Bytes(der)) => {
                let key = match format {
                    Some(KeyFormatType::Pkcs1) => PublicKey::from_pkcs1(der),
                    _ => PublicKey::from_spki(der),
                };
                Ok(key.map_err(Failure::from)?)
            }
            (ManagedObject::PublicKey(key), KeyMaterial::Transparent(_)) => {
                let block = key.key_block.as_ref().ok_or(unsupported("the object holds no key"))?;
                let der = blocks::public_key(block)?.to_spki();
                let der = der.map_err(|_| unsupported("the key lacks numbers that its use needs"))?;
                Ok(PublicKey::from_spki(&der).map_err(Failure::from)?)
            }
            _ => Err(Failure::new(ResultReason::InvalidObjectType, "the object has no public key").into()),
        }
    }

    async fn asymmetric(&self, context: &mut Context<'_, '_>) -> Result<Zeroizing<Vec<u8>>, Error> {
        if self.found.fields().kind != Kind::Registered {
            let message = "the object is a symmetric key";
            return Err(Failure::new(ResultReason::InvalidObjectType, message).into());
        }
        Ok(context.turn.material(&self.found).await?)
    }
}

/// An object as the state keeps it, in a buffer that is wiped and was never reallocated.
pub fn encode_object(object: &ManagedObject<'_>) -> Zeroizing<Vec<u8>> {
    let material = object.key_block().and_then(KeyBlock::material_bytes).map_or(0, <[u8]>::len);
    // A Key Block of bytes adds less than 200.
    let mut bytes = Zeroizing::new(Vec::with_capacity(material + 256));
    object.encode(&mut Writer::new(&mut bytes, Version::V2_1), Tag::SYMMETRIC_KEY);
    bytes
}

fn material<'o>(object: &'o ManagedObject<'_>) -> Result<&'o KeyMaterial<'o>, Failure> {
    let block = object
        .key_block()
        .ok_or(Failure::new(ResultReason::InvalidObjectType, "objects of this type hold no key"))?;
    match &block.key_value {
        Some(KeyValue::Plain { material, .. }) => Ok(material),
        Some(KeyValue::Wrapped(_)) => Err(Failure::new(
            ResultReason::PermissionDenied,
            "the key was registered wrapped; it is not used here",
        )),
        None => {
            Err(Failure::new(ResultReason::KeyValueNotPresent, "the object was registered without a key"))
        }
    }
}

fn certified(der: &[u8]) -> Result<PublicKey, Failure> {
    let undecodable = || Failure::new(ResultReason::CryptographicFailure, "the certificate does not decode");
    let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|_| undecodable())?;
    Ok(PublicKey::from_spki(certificate.public_key().raw)?)
}
