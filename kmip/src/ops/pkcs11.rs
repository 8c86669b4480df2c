//! PKCS#11: a function call carried through (2.x section 6.1).

use crate::field::structure;
use crate::{Bytes, RawEnumeration, Text};

structure! {
    /// The request.
    pub struct Request<'a> {
        /// PKCS#11 version; absent means 3.0.
        interface: Option<Text<'a>> = PKCS11_INTERFACE,
        /// Function, by number.
        function: RawEnumeration = PKCS11_FUNCTION,
        /// Names the session.
        correlation_value: Option<Bytes<'a>> = CORRELATION_VALUE,
        /// Input parameters.
        input_parameters: Option<Bytes<'a>> = PKCS11_INPUT_PARAMETERS,
    }
}

structure! {
    /// The response.
    pub struct Response<'a> {
        /// PKCS#11 version; absent means 3.0.
        interface: Option<Text<'a>> = PKCS11_INTERFACE,
        /// Function, by number.
        function: RawEnumeration = PKCS11_FUNCTION,
        /// Names the session.
        correlation_value: Option<Bytes<'a>> = CORRELATION_VALUE,
        /// Output parameters.
        output_parameters: Option<Bytes<'a>> = PKCS11_OUTPUT_PARAMETERS,
        /// Return code.
        return_code: RawEnumeration = PKCS11_RETURN_CODE,
    }
}
