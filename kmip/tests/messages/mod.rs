//! The golden messages: tag and type, length, value, one item a line.

#![allow(dead_code)] // each test file takes the messages it needs

use hex_literal::hex;

/// Create an AES-256 key for encryption and decryption.
pub const CREATE_REQUEST_1_0: &[u8] = &hex!(
    "42007801 00000120" // RequestMessage
        "42007701 00000038" // RequestHeader
            "42006901 00000020" // ProtocolVersion
                "42006a02 00000004 0000000100000000" // ProtocolVersionMajor
                "42006b02 00000004 0000000000000000" // ProtocolVersionMinor
            "42000d02 00000004 0000000100000000" // BatchCount
        "42000f01 000000d8" // BatchItem
            "42005c05 00000004 0000000100000000" // Operation
            "42007901 000000c0" // RequestPayload
                "42005705 00000004 0000000200000000" // ObjectType
                "42009101 000000a8" // TemplateAttribute
                    "42000801 00000030" // Attribute
                        "42000a07 00000017 43727970746f6772617068696320416c676f726974686d00" // AttributeName
                        "42000b05 00000004 0000000300000000" // AttributeValue
                    "42000801 00000030" // Attribute
                        "42000a07 00000014 43727970746f67726170686963204c656e67746800000000" // AttributeName
                        "42000b02 00000004 0000010000000000" // AttributeValue
                    "42000801 00000030" // Attribute
                        "42000a07 00000018 43727970746f67726170686963205573616765204d61736b" // AttributeName
                        "42000b02 00000004 0000000c00000000" // AttributeValue
);

/// Its answer.
pub const CREATE_RESPONSE_1_0: &[u8] = &hex!(
    "42007b01 000000c0" // ResponseMessage
        "42007a01 00000048" // ResponseHeader
            "42006901 00000020" // ProtocolVersion
                "42006a02 00000004 0000000100000000" // ProtocolVersionMajor
                "42006b02 00000004 0000000000000000" // ProtocolVersionMinor
            "42009209 00000008 0000000065f0a1b2" // TimeStamp
            "42000d02 00000004 0000000100000000" // BatchCount
        "42000f01 00000068" // BatchItem
            "42005c05 00000004 0000000100000000" // Operation
            "42007f05 00000004 0000000000000000" // ResultStatus
            "42007c01 00000040" // ResponsePayload
                "42005705 00000004 0000000200000000" // ObjectType
                "42009407 00000024" // UniqueIdentifier
                    "66633838333364652d373064322d346563652d623036332d6665646533613363"
                    "3539666500000000"
);

/// Get that key.
pub const GET_REQUEST_1_0: &[u8] = &hex!(
    "42007801 00000090" // RequestMessage
        "42007701 00000038" // RequestHeader
            "42006901 00000020" // ProtocolVersion
                "42006a02 00000004 0000000100000000" // ProtocolVersionMajor
                "42006b02 00000004 0000000000000000" // ProtocolVersionMinor
            "42000d02 00000004 0000000100000000" // BatchCount
        "42000f01 00000048" // BatchItem
            "42005c05 00000004 0000000a00000000" // Operation
            "42007901 00000030" // RequestPayload
                "42009407 00000024" // UniqueIdentifier
                    "66633838333364652d373064322d346563652d623036332d6665646533613363"
                    "3539666500000000"
);

/// Its answer: Raw, 32 bytes.
pub const GET_RESPONSE_1_0: &[u8] = &hex!(
    "42007b01 00000130" // ResponseMessage
        "42007a01 00000048" // ResponseHeader
            "42006901 00000020" // ProtocolVersion
                "42006a02 00000004 0000000100000000" // ProtocolVersionMajor
                "42006b02 00000004 0000000000000000" // ProtocolVersionMinor
            "42009209 00000008 0000000065f0a1b2" // TimeStamp
            "42000d02 00000004 0000000100000000" // BatchCount
        "42000f01 000000d8" // BatchItem
            "42005c05 00000004 0000000a00000000" // Operation
            "42007f05 00000004 0000000000000000" // ResultStatus
            "42007c01 000000b0" // ResponsePayload
                "42005705 00000004 0000000200000000" // ObjectType
                "42009407 00000024" // UniqueIdentifier
                    "66633838333364652d373064322d346563652d623036332d6665646533613363"
                    "3539666500000000"
                "42008f01 00000068" // SymmetricKey
                    "42004001 00000060" // KeyBlock
                        "42004205 00000004 0000000100000000" // KeyFormatType
                        "42004501 00000028" // KeyValue
                            "42004308 00000020 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" // KeyMaterial
                        "42002805 00000004 0000000300000000" // CryptographicAlgorithm
                        "42002a02 00000004 0000010000000000" // CryptographicLength
);

/// Both in one batch: the Get names no identifier.
pub const CREATE_GET_REQUEST_2_1: &[u8] = &hex!(
    "42007801 000000e8" // RequestMessage
        "42007701 00000038" // RequestHeader
            "42006901 00000020" // ProtocolVersion
                "42006a02 00000004 0000000200000000" // ProtocolVersionMajor
                "42006b02 00000004 0000000100000000" // ProtocolVersionMinor
            "42000d02 00000004 0000000200000000" // BatchCount
        "42000f01 00000070" // BatchItem
            "42005c05 00000004 0000000100000000" // Operation
            "42009308 00000001 0100000000000000" // UniqueBatchItemID
            "42007901 00000048" // RequestPayload
                "42005705 00000004 0000000200000000" // ObjectType
                "42012501 00000030" // Attributes
                    "42002805 00000004 0000000300000000" // CryptographicAlgorithm
                    "42002a02 00000004 0000010000000000" // CryptographicLength
                    "42002c02 00000004 0000000c00000000" // CryptographicUsageMask
        "42000f01 00000028" // BatchItem
            "42005c05 00000004 0000000a00000000" // Operation
            "42009308 00000001 0200000000000000" // UniqueBatchItemID
            "42007901 00000000" // RequestPayload
);

/// Their answer.
pub const CREATE_GET_RESPONSE_2_1: &[u8] = &hex!(
    "42007b01 000001c0" // ResponseMessage
        "42007a01 00000048" // ResponseHeader
            "42006901 00000020" // ProtocolVersion
                "42006a02 00000004 0000000200000000" // ProtocolVersionMajor
                "42006b02 00000004 0000000100000000" // ProtocolVersionMinor
            "42009209 00000008 0000000065f0a1b2" // TimeStamp
            "42000d02 00000004 0000000200000000" // BatchCount
        "42000f01 00000078" // BatchItem
            "42005c05 00000004 0000000100000000" // Operation
            "42009308 00000001 0100000000000000" // UniqueBatchItemID
            "42007f05 00000004 0000000000000000" // ResultStatus
            "42007c01 00000040" // ResponsePayload
                "42005705 00000004 0000000200000000" // ObjectType
                "42009407 00000024" // UniqueIdentifier
                    "66633838333364652d373064322d346563652d623036332d6665646533613363"
                    "3539666500000000"
        "42000f01 000000e8" // BatchItem
            "42005c05 00000004 0000000a00000000" // Operation
            "42009308 00000001 0200000000000000" // UniqueBatchItemID
            "42007f05 00000004 0000000000000000" // ResultStatus
            "42007c01 000000b0" // ResponsePayload
                "42005705 00000004 0000000200000000" // ObjectType
                "42009407 00000024" // UniqueIdentifier
                    "66633838333364652d373064322d346563652d623036332d6665646533613363"
                    "3539666500000000"
                "42008f01 00000068" // SymmetricKey
                    "42004001 00000060" // KeyBlock
                        "42004205 00000004 0000000100000000" // KeyFormatType
                        "42004501 00000028" // KeyValue
                            "42004308 00000020 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" // KeyMaterial
                        "42002805 00000004 0000000300000000" // CryptographicAlgorithm
                        "42002a02 00000004 0000010000000000" // CryptographicLength
);

/// What libmongocrypt 1.21 sends: usage mask 0, Opaque, no algorithm and no length.
pub const REGISTER_SECRET_DATA_1_0: &[u8] = &hex!(
    "42007801 00000150" // RequestMessage
        "42007701 00000038" // RequestHeader
            "42006901 00000020" // ProtocolVersion
                "42006a02 00000004 0000000100000000" // ProtocolVersionMajor
                "42006b02 00000004 0000000000000000" // ProtocolVersionMinor
            "42000d02 00000004 0000000100000000" // BatchCount
        "42000f01 00000108" // BatchItem
            "42005c05 00000004 0000000300000000" // Operation
            "42007901 000000f0" // RequestPayload
                "42005705 00000004 0000000700000000" // ObjectType
                "42009101 00000038" // TemplateAttribute
                    "42000801 00000030" // Attribute
                        "42000a07 00000018 43727970746f67726170686963205573616765204d61736b" // AttributeName
                        "42000b02 00000004 0000000000000000" // AttributeValue
                "42008501 00000098" // SecretData
                    "42008605 00000004 0000000200000000" // SecretDataType
                    "42004001 00000080" // KeyBlock
                        "42004205 00000004 0000000200000000" // KeyFormatType
                        "42004501 00000068" // KeyValue
                            "42004308 00000060" // KeyMaterial
                                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
                                "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
                                "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
);

/// What libkmip sends: Offset Items in 1.0, Maximum Response Size 8192.
pub const LOCATE_REQUEST_1_0: &[u8] = &hex!(
    "42007801 00000108" // RequestMessage
        "42007701 00000048" // RequestHeader
            "42006901 00000020" // ProtocolVersion
                "42006a02 00000004 0000000100000000" // ProtocolVersionMajor
                "42006b02 00000004 0000000000000000" // ProtocolVersionMinor
            "42005002 00000004 0000200000000000" // MaximumResponseSize
            "42000d02 00000004 0000000100000000" // BatchCount
        "42000f01 000000b0" // BatchItem
            "42005c05 00000004 0000000800000000" // Operation
            "42007901 00000098" // RequestPayload
                "42004f02 00000004 0000001000000000" // MaximumItems
                "4200d402 00000004 0000000000000000" // OffsetItems
                "42000801 00000028" // Attribute
                    "42000a07 0000000b 4f626a65637420547970650000000000" // AttributeName
                    "42000b05 00000004 0000000200000000" // AttributeValue
                "42000801 00000040" // Attribute
                    "42000a07 00000004 4e616d6500000000" // AttributeName
                    "42000b01 00000028" // AttributeValue
                        "42005507 00000009 494e4e4f44424b657900000000000000" // NameValue
                        "42005405 00000004 0000000100000000" // NameType
);

/// The answer to an empty message.
pub const INVALID_MESSAGE_1_0: &[u8] = &hex!(
    "42007b01 000000a0" // ResponseMessage
        "42007a01 00000048" // ResponseHeader
            "42006901 00000020" // ProtocolVersion
                "42006a02 00000004 0000000100000000" // ProtocolVersionMajor
                "42006b02 00000004 0000000000000000" // ProtocolVersionMinor
            "42009209 00000008 0000000065f0a1b2" // TimeStamp
            "42000d02 00000004 0000000100000000" // BatchCount
        "42000f01 00000048" // BatchItem
            "42007f05 00000004 0000000100000000" // ResultStatus
            "42007e05 00000004 0000000400000000" // ResultReason
            "42007d07 0000001d 746865206d65737361676520697320656d707479202862797465203029000000" // ResultMessage
);
