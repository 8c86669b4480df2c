//! Enumerations: results, batches, credentials and what a message asks of the protocol itself (KMIP 1.x section 9.1.3.2, 2.x section 11).
//!
//! Data only: number, name as XML and JSON spell it, first version where the list grew.

use super::enumeration;

enumeration! {
    /// Result Status.
    pub enum ResultStatus "ResultStatus" {
        Success = 0x00 "Success",
        OperationFailed = 0x01 "OperationFailed",
        OperationPending = 0x02 "OperationPending",
        OperationUndone = 0x03 "OperationUndone",
    }
}

enumeration! {
    /// Result Reason.
    pub enum ResultReason "ResultReason" {
        ItemNotFound = 0x01 "ItemNotFound",
        ResponseTooLarge = 0x02 "ResponseTooLarge",
        AuthenticationNotSuccessful = 0x03 "AuthenticationNotSuccessful",
        InvalidMessage = 0x04 "InvalidMessage",
        OperationNotSupported = 0x05 "OperationNotSupported",
        MissingData = 0x06 "MissingData",
        InvalidField = 0x07 "InvalidField",
        FeatureNotSupported = 0x08 "FeatureNotSupported",
        OperationCanceledByRequester = 0x09 "OperationCanceledByRequester",
        CryptographicFailure = 0x0a "CryptographicFailure",
        IllegalOperation = 0x0b "IllegalOperation",
        PermissionDenied = 0x0c "PermissionDenied",
        ObjectArchived = 0x0d "ObjectArchived",
        IndexOutOfBounds = 0x0e "IndexOutOfBounds",
        ApplicationNamespaceNotSupported = 0x0f "ApplicationNamespaceNotSupported",
        KeyFormatTypeNotSupported = 0x10 "KeyFormatTypeNotSupported",
        KeyCompressionTypeNotSupported = 0x11 "KeyCompressionTypeNotSupported",
        EncodingOptionError = 0x12 "EncodingOptionError" since V1_1,
        KeyValueNotPresent = 0x13 "KeyValueNotPresent" since V1_2,
        AttestationRequired = 0x14 "AttestationRequired" since V1_2,
        AttestationFailed = 0x15 "AttestationFailed" since V1_2,
        Sensitive = 0x16 "Sensitive" since V1_4,
        NotExtractable = 0x17 "NotExtractable" since V1_4,
        ObjectAlreadyExists = 0x18 "ObjectAlreadyExists" since V1_4,
        InvalidTicket = 0x19 "InvalidTicket" since V2_0,
        UsageLimitExceeded = 0x1a "UsageLimitExceeded" since V2_0,
        NumericRange = 0x1b "NumericRange" since V2_0,
        InvalidDataType = 0x1c "InvalidDataType" since V2_0,
        ReadOnlyAttribute = 0x1d "ReadOnlyAttribute" since V2_0,
        MultiValuedAttribute = 0x1e "MultiValuedAttribute" since V2_0,
        UnsupportedAttribute = 0x1f "UnsupportedAttribute" since V2_0,
        AttributeInstanceNotFound = 0x20 "AttributeInstanceNotFound" since V2_0,
        AttributeNotFound = 0x21 "AttributeNotFound" since V2_0,
        AttributeReadOnly = 0x22 "AttributeReadOnly" since V2_0,
        AttributeSingleValued = 0x23 "AttributeSingleValued" since V2_0,
        BadCryptographicParameters = 0x24 "BadCryptographicParameters" since V2_0,
        BadPassword = 0x25 "BadPassword" since V2_0,
        CodecError = 0x26 "CodecError" since V2_0,
        IllegalObjectType = 0x28 "IllegalObjectType" since V2_0,
        IncompatibleCryptographicUsageMask = 0x29 "IncompatibleCryptographicUsageMask" since V2_0,
        InternalServerError = 0x2a "InternalServerError" since V2_0,
        InvalidAsynchronousCorrelationValue = 0x2b "InvalidAsynchronousCorrelationValue" since V2_0,
        InvalidAttribute = 0x2c "InvalidAttribute" since V2_0,
        InvalidAttributeValue = 0x2d "InvalidAttributeValue" since V2_0,
        InvalidCorrelationValue = 0x2e "InvalidCorrelationValue" since V2_0,
        InvalidCsr = 0x2f "InvalidCSR" since V2_0,
        InvalidObjectType = 0x30 "InvalidObjectType" since V2_0,
        KeyWrapTypeNotSupported = 0x32 "KeyWrapTypeNotSupported" since V2_0,
        MissingInitializationVector = 0x34 "MissingInitializationVector" since V2_0,
        NonUniqueNameAttribute = 0x35 "NonUniqueNameAttribute" since V2_0,
        ObjectDestroyed = 0x36 "ObjectDestroyed" since V2_0,
        ObjectNotFound = 0x37 "ObjectNotFound" since V2_0,
        NotAuthorised = 0x39 "NotAuthorised" since V2_0,
        ServerLimitExceeded = 0x3a "ServerLimitExceeded" since V2_0,
        UnknownEnumeration = 0x3b "UnknownEnumeration" since V2_0,
        UnknownMessageExtension = 0x3c "UnknownMessageExtension" since V2_0,
        UnknownTag = 0x3d "UnknownTag" since V2_0,
        UnsupportedCryptographicParameters = 0x3e "UnsupportedCryptographicParameters" since V2_0,
        UnsupportedProtocolVersion = 0x3f "UnsupportedProtocolVersion" since V2_0,
        WrappingObjectArchived = 0x40 "WrappingObjectArchived" since V2_0,
        WrappingObjectDestroyed = 0x41 "WrappingObjectDestroyed" since V2_0,
        WrappingObjectNotFound = 0x42 "WrappingObjectNotFound" since V2_0,
        WrongKeyLifecycleState = 0x43 "WrongKeyLifecycleState" since V2_0,
        ProtectionStorageUnavailable = 0x44 "ProtectionStorageUnavailable" since V2_0,
        Pkcs11CodecError = 0x45 "PKCS_11CodecError" since V2_0,
        Pkcs11InvalidFunction = 0x46 "PKCS_11InvalidFunction" since V2_0,
        Pkcs11InvalidInterface = 0x47 "PKCS_11InvalidInterface" since V2_0,
        PrivateProtectionStorageUnavailable = 0x48 "PrivateProtectionStorageUnavailable" since V2_0,
        PublicProtectionStorageUnavailable = 0x49 "PublicProtectionStorageUnavailable" since V2_0,
        UnknownObjectGroup = 0x4a "UnknownObjectGroup" since V2_0,
        ConstraintViolation = 0x4b "ConstraintViolation" since V2_1,
        DuplicateProcessRequest = 0x4c "DuplicateProcessRequest" since V2_1,
        GeneralFailure = 0x100 "GeneralFailure",
    }
}

enumeration! {
    /// Batch Error Continuation Option.
    pub enum BatchErrorContinuationOption "BatchErrorContinuationOption" {
        Continue = 0x01 "Continue",
        Stop = 0x02 "Stop",
        Undo = 0x03 "Undo",
    }
}

enumeration! {
    /// Asynchronous Indicator.
    pub enum AsynchronousIndicator "AsynchronousIndicator" {
        Mandatory = 0x01 "Mandatory",
        Optional = 0x02 "Optional",
        Prohibited = 0x03 "Prohibited",
    }
}

enumeration! {
    /// Credential Type.
    pub enum CredentialType "CredentialType" {
        UsernameAndPassword = 0x01 "UsernameAndPassword",
        Device = 0x02 "Device" since V1_1,
        Attestation = 0x03 "Attestation" since V1_2,
        OneTimePassword = 0x04 "OneTimePassword" since V2_0,
        HashedPassword = 0x05 "HashedPassword" since V2_0,
        Ticket = 0x06 "Ticket" since V2_0,
    }
}

enumeration! {
    /// Attestation Type.
    pub enum AttestationType "AttestationType" {
        TpmQuote = 0x01 "TPMQuote",
        TcgIntegrityReport = 0x02 "TCGIntegrityReport",
        SamlAssertion = 0x03 "SAMLAssertion",
    }
}

enumeration! {
    /// Cancellation Result.
    pub enum CancellationResult "CancellationResult" {
        Canceled = 0x01 "Canceled",
        UnableToCancel = 0x02 "UnableToCancel",
        Completed = 0x03 "Completed",
        Failed = 0x04 "Failed",
        Unavailable = 0x05 "Unavailable",
    }
}

enumeration! {
    /// Put Function.
    pub enum PutFunction "PutFunction" {
        New = 0x01 "New",
        Replace = 0x02 "Replace",
    }
}

enumeration! {
    /// Query Function.
    pub enum QueryFunction "QueryFunction" {
        QueryOperations = 0x01 "QueryOperations",
        QueryObjects = 0x02 "QueryObjects",
        QueryServerInformation = 0x03 "QueryServerInformation",
        QueryApplicationNamespaces = 0x04 "QueryApplicationNamespaces",
        QueryExtensionList = 0x05 "QueryExtensionList" since V1_1,
        QueryExtensionMap = 0x06 "QueryExtensionMap" since V1_1,
        QueryAttestationTypes = 0x07 "QueryAttestationTypes" since V1_2,
        QueryRngs = 0x08 "QueryRNGs" since V1_3,
        QueryValidations = 0x09 "QueryValidations" since V1_3,
        QueryProfiles = 0x0a "QueryProfiles" since V1_3,
        QueryCapabilities = 0x0b "QueryCapabilities" since V1_3,
        QueryClientRegistrationMethods = 0x0c "QueryClientRegistrationMethods" since V1_3,
        QueryDefaultsInformation = 0x0d "QueryDefaultsInformation" since V2_0,
        QueryStorageProtectionMasks = 0x0e "QueryStorageProtectionMasks" since V2_0,
    }
}

enumeration! {
    /// Ticket Type.
    pub enum TicketType "TicketType" {
        Login = 0x01 "Login",
    }
}

enumeration! {
    /// Endpoint Role.
    pub enum EndpointRole "EndpointRole" {
        Client = 0x01 "Client",
        Server = 0x02 "Server",
    }
}

enumeration! {
    /// Interop Function.
    pub enum InteropFunction "InteropFunction" {
        Begin = 0x01 "Begin",
        End = 0x02 "End",
        Reset = 0x03 "Reset",
    }
}

enumeration! {
    /// Adjustment Type.
    pub enum AdjustmentType "AdjustmentType" {
        Increment = 0x01 "Increment",
        Decrement = 0x02 "Decrement",
        Negate = 0x03 "Negate",
    }
}

enumeration! {
    /// Processing Stage.
    pub enum ProcessingStage "ProcessingStage" {
        Submitted = 0x01 "Submitted",
        InProcess = 0x02 "InProcess",
        Completed = 0x03 "Completed",
    }
}

enumeration! {
    /// Data.
    pub enum DataPlaceholder "Data" {
        Decrypt = 0x01 "Decrypt",
        Encrypt = 0x02 "Encrypt",
        Hash = 0x03 "HASH",
        MacMacData = 0x04 "MACMACData",
        RngRetrieve = 0x05 "RNGRetrieve",
        SignSignatureData = 0x06 "SignSignatureData",
        SignatureVerify = 0x07 "SignatureVerify",
    }
}
