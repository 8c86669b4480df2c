//! Derive Key: from one or several objects (1.x section 4.6, 2.x section 6.1).

use crate::field::structure;
use crate::{Bytes, CryptographicParameters, DerivationMethod, ObjectType, Template, UniqueIdentifier};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// What is derived: Symmetric Key or Secret Data.
        object_type: ObjectType = OBJECT_TYPE,
        /// The objects to derive from.
        unique_identifiers: Vec<UniqueIdentifier<'a>> = UNIQUE_IDENTIFIER,
        /// Derivation Method.
        derivation_method: DerivationMethod = DERIVATION_METHOD,
        /// Derivation Parameters.
        derivation_parameters: DerivationParameters<'a> = DERIVATION_PARAMETERS,
        /// Attributes of the new object.
        attributes: Template = TEMPLATE_ATTRIBUTE | ATTRIBUTES,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// Unique Identifier.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// Attributes the server set beyond the request (1.x).
        attributes: Option<Template> = TEMPLATE_ATTRIBUTE | ATTRIBUTES until V1_4,
    }
}

structure! {
    /// Derivation Parameters; which are needed follows from the method.
    #[derive(Default)]
    pub struct DerivationParameters<'a> {
        /// Cryptographic Parameters.
        cryptographic_parameters: Option<CryptographicParameters> = CRYPTOGRAPHIC_PARAMETERS,
        /// Initialization Vector.
        initialization_vector: Option<Bytes<'a>> = INITIALIZATION_VECTOR,
        /// Derivation Data.
        derivation_data: Option<Bytes<'a>> = DERIVATION_DATA,
        /// Salt.
        salt: Option<Bytes<'a>> = SALT,
        /// Iteration Count.
        iteration_count: Option<i32> = ITERATION_COUNT,
    }
}
