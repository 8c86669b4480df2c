//! Enumerations: algorithms, modes and parameters (KMIP 1.x section 9.1.3.2, 2.x section 11).
//!
//! Data only: number, name as XML and JSON spell it, first version where the list grew.

use super::enumeration;

enumeration! {
    /// Cryptographic Algorithm.
    pub enum CryptographicAlgorithm "CryptographicAlgorithm" {
        Des = 0x01 "DES",
        TripleDes = 0x02 "DES3",
        Aes = 0x03 "AES",
        Rsa = 0x04 "RSA",
        Dsa = 0x05 "DSA",
        Ecdsa = 0x06 "ECDSA",
        HmacSha1 = 0x07 "HMAC_SHA1",
        HmacSha224 = 0x08 "HMAC_SHA224",
        HmacSha256 = 0x09 "HMAC_SHA256",
        HmacSha384 = 0x0a "HMAC_SHA384",
        HmacSha512 = 0x0b "HMAC_SHA512",
        HmacMd5 = 0x0c "HMAC_MD5",
        Dh = 0x0d "DH",
        Ecdh = 0x0e "ECDH",
        EcMqv = 0x0f "ECMQV",
        Blowfish = 0x10 "Blowfish",
        Camellia = 0x11 "Camellia",
        Cast5 = 0x12 "CAST5",
        Idea = 0x13 "IDEA",
        Mars = 0x14 "MARS",
        Rc2 = 0x15 "RC2",
        Rc4 = 0x16 "RC4",
        Rc5 = 0x17 "RC5",
        Skipjack = 0x18 "SKIPJACK",
        Twofish = 0x19 "Twofish",
        Ec = 0x1a "EC" since V1_2,
        OneTimePad = 0x1b "OneTimePad" since V1_3,
        ChaCha20 = 0x1c "ChaCha20" since V1_4,
        Poly1305 = 0x1d "Poly1305" since V1_4,
        ChaCha20Poly1305 = 0x1e "ChaCha20Poly1305" since V1_4,
        Sha3_224 = 0x1f "SHA3_224" since V1_4,
        Sha3_256 = 0x20 "SHA3_256" since V1_4,
        Sha3_384 = 0x21 "SHA3_384" since V1_4,
        Sha3_512 = 0x22 "SHA3_512" since V1_4,
        HmacSha3_224 = 0x23 "HMAC_SHA3_224" since V1_4,
        HmacSha3_256 = 0x24 "HMAC_SHA3_256" since V1_4,
        HmacSha3_384 = 0x25 "HMAC_SHA3_384" since V1_4,
        HmacSha3_512 = 0x26 "HMAC_SHA3_512" since V1_4,
        Shake128 = 0x27 "SHAKE_128" since V1_4,
        Shake256 = 0x28 "SHAKE_256" since V1_4,
        Aria = 0x29 "ARIA" since V2_0,
        Seed = 0x2a "Seed" since V2_0,
        Sm2 = 0x2b "SM2" since V2_0,
        Sm3 = 0x2c "SM3" since V2_0,
        Sm4 = 0x2d "SM4" since V2_0,
        GostR34_10_2012 = 0x2e "GOSTR34_10_2012" since V2_0,
        GostR34_11_2012 = 0x2f "GOSTR34_11_2012" since V2_0,
        GostR34_13_2015 = 0x30 "GOSTR34_13_2015" since V2_0,
        Gost28147_89 = 0x31 "GOST28147_89" since V2_0,
        Xmss = 0x32 "XMSS" since V2_0,
        Sphincs256 = 0x33 "SPHINCS_256" since V2_0,
        McEliece = 0x34 "McEliece" since V2_0,
        McEliece6960119 = 0x35 "McEliece_6960119" since V2_0,
        McEliece8192128 = 0x36 "McEliece_8192128" since V2_0,
        Ed25519 = 0x37 "Ed25519" since V2_0,
        Ed448 = 0x38 "Ed448" since V2_0,
    }
}

enumeration! {
    /// Block Cipher Mode.
    pub enum BlockCipherMode "BlockCipherMode" {
        Cbc = 0x01 "CBC",
        Ecb = 0x02 "ECB",
        Pcbc = 0x03 "PCBC",
        Cfb = 0x04 "CFB",
        Ofb = 0x05 "OFB",
        Ctr = 0x06 "CTR",
        Cmac = 0x07 "CMAC",
        Ccm = 0x08 "CCM",
        Gcm = 0x09 "GCM",
        CbcMac = 0x0a "CBC_MAC",
        Xts = 0x0b "XTS",
        AesKeyWrapPadding = 0x0c "AESKeyWrapPadding",
        NistKeyWrap = 0x0d "NISTKeyWrap",
        X9_102AesKw = 0x0e "X9_102AESKW",
        X9_102TdKw = 0x0f "X9_102TDKW",
        X9_102Akw1 = 0x10 "X9_102AKW1",
        X9_102Akw2 = 0x11 "X9_102AKW2",
        Aead = 0x12 "AEAD" since V1_4,
    }
}

enumeration! {
    /// Padding Method.
    pub enum PaddingMethod "PaddingMethod" {
        None = 0x01 "None",
        Oaep = 0x02 "OAEP",
        Pkcs5 = 0x03 "PKCS5",
        Ssl3 = 0x04 "SSL3",
        Zeros = 0x05 "Zeros",
        Ansix9_23 = 0x06 "ANSIX9_23",
        Iso10126 = 0x07 "ISO10126",
        Pkcs1V1_5 = 0x08 "PKCS1V1_5",
        X9_31 = 0x09 "X9_31",
        Pss = 0x0a "PSS",
    }
}

enumeration! {
    /// Hashing Algorithm.
    pub enum HashingAlgorithm "HashingAlgorithm" {
        Md2 = 0x01 "MD2",
        Md4 = 0x02 "MD4",
        Md5 = 0x03 "MD5",
        Sha1 = 0x04 "SHA_1",
        Sha224 = 0x05 "SHA_224",
        Sha256 = 0x06 "SHA_256",
        Sha384 = 0x07 "SHA_384",
        Sha512 = 0x08 "SHA_512",
        Ripemd160 = 0x09 "RIPEMD_160",
        Tiger = 0x0a "Tiger",
        Whirlpool = 0x0b "Whirlpool",
        Sha512_224 = 0x0c "SHA_512_224" since V1_2,
        Sha512_256 = 0x0d "SHA_512_256" since V1_2,
        Sha3_224 = 0x0e "SHA_3_224" since V1_4,
        Sha3_256 = 0x0f "SHA_3_256" since V1_4,
        Sha3_384 = 0x10 "SHA_3_384" since V1_4,
        Sha3_512 = 0x11 "SHA_3_512" since V1_4,
    }
}

enumeration! {
    /// Digital Signature Algorithm.
    pub enum DigitalSignatureAlgorithm "DigitalSignatureAlgorithm" {
        Md2WithRsaEncryptionPkcs1V1_5 = 0x01 "MD2WithRSAEncryptionPKCS_1V1_5",
        Md5WithRsaEncryptionPkcs1V1_5 = 0x02 "MD5WithRSAEncryptionPKCS_1V1_5",
        Sha1WithRsaEncryptionPkcs1V1_5 = 0x03 "SHA_1WithRSAEncryptionPKCS_1V1_5",
        Sha224WithRsaEncryptionPkcs1V1_5 = 0x04 "SHA_224WithRSAEncryptionPKCS_1V1_5",
        Sha256WithRsaEncryptionPkcs1V1_5 = 0x05 "SHA_256WithRSAEncryptionPKCS_1V1_5",
        Sha384WithRsaEncryptionPkcs1V1_5 = 0x06 "SHA_384WithRSAEncryptionPKCS_1V1_5",
        Sha512WithRsaEncryptionPkcs1V1_5 = 0x07 "SHA_512WithRSAEncryptionPKCS_1V1_5",
        RsassaPss = 0x08 "RSASSA_PSSPKCS_1V2_1",
        DsaWithSha1 = 0x09 "DSAWithSHA_1",
        DsaWithSha224 = 0x0a "DSAWithSHA224",
        DsaWithSha256 = 0x0b "DSAWithSHA256",
        EcdsaWithSha1 = 0x0c "ECDSAWithSHA_1",
        EcdsaWithSha224 = 0x0d "ECDSAWithSHA224",
        EcdsaWithSha256 = 0x0e "ECDSAWithSHA256",
        EcdsaWithSha384 = 0x0f "ECDSAWithSHA384",
        EcdsaWithSha512 = 0x10 "ECDSAWithSHA512",
        Sha3_256WithRsaEncryption = 0x11 "SHA3_256WithRSAEncryption",
        Sha3_384WithRsaEncryption = 0x12 "SHA3_384WithRSAEncryption",
        Sha3_512WithRsaEncryption = 0x13 "SHA3_512WithRSAEncryption",
    }
}

enumeration! {
    /// Key Role Type.
    pub enum KeyRoleType "KeyRoleType" {
        Bdk = 0x01 "BDK",
        Cvk = 0x02 "CVK",
        Dek = 0x03 "DEK",
        Mkac = 0x04 "MKAC",
        Mksmc = 0x05 "MKSMC",
        Mksmi = 0x06 "MKSMI",
        Mkdac = 0x07 "MKDAC",
        Mkdn = 0x08 "MKDN",
        Mkcp = 0x09 "MKCP",
        Mkoth = 0x0a "MKOTH",
        Kek = 0x0b "KEK",
        Mac16609 = 0x0c "MAC16609",
        Mac97971 = 0x0d "MAC97971",
        Mac97972 = 0x0e "MAC97972",
        Mac97973 = 0x0f "MAC97973",
        Mac97974 = 0x10 "MAC97974",
        Mac97975 = 0x11 "MAC97975",
        Zpk = 0x12 "ZPK",
        PvkIbm = 0x13 "PVKIBM",
        Pvkpvv = 0x14 "PVKPVV",
        Pvkoth = 0x15 "PVKOTH",
        Dukpt = 0x16 "DUKPT" since V1_4,
        Iv = 0x17 "IV" since V1_4,
        Trkbk = 0x18 "TRKBK" since V1_4,
    }
}

enumeration! {
    /// Derivation Method.
    pub enum DerivationMethod "DerivationMethod" {
        Pbkdf2 = 0x01 "PBKDF2",
        Hash = 0x02 "HASH",
        Hmac = 0x03 "HMAC",
        Encrypt = 0x04 "Encrypt",
        Nist800_108C = 0x05 "NIST800_108_C",
        Nist800_108F = 0x06 "NIST800_108_F",
        Nist800_108Dpi = 0x07 "NIST800_108_DPI",
        AsymmetricKey = 0x08 "AsymmetricKey" since V1_2,
        AwsSignatureVersion4 = 0x09 "AWSSignatureVersion4" since V2_0,
        Hkdf = 0x0a "HKDF" since V2_0,
    }
}

enumeration! {
    /// Recommended Curve.
    pub enum RecommendedCurve "RecommendedCurve" {
        P192 = 0x01 "P_192",
        K163 = 0x02 "K_163",
        B163 = 0x03 "B_163",
        P224 = 0x04 "P_224",
        K233 = 0x05 "K_233",
        B233 = 0x06 "B_233",
        P256 = 0x07 "P_256",
        K283 = 0x08 "K_283",
        B283 = 0x09 "B_283",
        P384 = 0x0a "P_384",
        K409 = 0x0b "K_409",
        B409 = 0x0c "B_409",
        P521 = 0x0d "P_521",
        K571 = 0x0e "K_571",
        B571 = 0x0f "B_571",
        Secp112R1 = 0x10 "SECP112R1" since V1_2,
        Secp112R2 = 0x11 "SECP112R2" since V1_2,
        Secp128R1 = 0x12 "SECP128R1" since V1_2,
        Secp128R2 = 0x13 "SECP128R2" since V1_2,
        Secp160K1 = 0x14 "SECP160K1" since V1_2,
        Secp160R1 = 0x15 "SECP160R1" since V1_2,
        Secp160R2 = 0x16 "SECP160R2" since V1_2,
        Secp192K1 = 0x17 "SECP192K1" since V1_2,
        Secp224K1 = 0x18 "SECP224K1" since V1_2,
        Secp256K1 = 0x19 "SECP256K1" since V1_2,
        Sect113R1 = 0x1a "SECT113R1" since V1_2,
        Sect113R2 = 0x1b "SECT113R2" since V1_2,
        Sect131R1 = 0x1c "SECT131R1" since V1_2,
        Sect131R2 = 0x1d "SECT131R2" since V1_2,
        Sect163R1 = 0x1e "SECT163R1" since V1_2,
        Sect193R1 = 0x1f "SECT193R1" since V1_2,
        Sect193R2 = 0x20 "SECT193R2" since V1_2,
        Sect239K1 = 0x21 "SECT239K1" since V1_2,
        Ansix9P192V2 = 0x22 "ANSIX9P192V2" since V1_2,
        Ansix9P192V3 = 0x23 "ANSIX9P192V3" since V1_2,
        Ansix9P239V1 = 0x24 "ANSIX9P239V1" since V1_2,
        Ansix9P239V2 = 0x25 "ANSIX9P239V2" since V1_2,
        Ansix9P239V3 = 0x26 "ANSIX9P239V3" since V1_2,
        Ansix9C2Pnb163V1 = 0x27 "ANSIX9C2PNB163V1" since V1_2,
        Ansix9C2Pnb163V2 = 0x28 "ANSIX9C2PNB163V2" since V1_2,
        Ansix9C2Pnb163V3 = 0x29 "ANSIX9C2PNB163V3" since V1_2,
        Ansix9C2Pnb176V1 = 0x2a "ANSIX9C2PNB176V1" since V1_2,
        Ansix9C2Tnb191V1 = 0x2b "ANSIX9C2TNB191V1" since V1_2,
        Ansix9C2Tnb191V2 = 0x2c "ANSIX9C2TNB191V2" since V1_2,
        Ansix9C2Tnb191V3 = 0x2d "ANSIX9C2TNB191V3" since V1_2,
        Ansix9C2Pnb208W1 = 0x2e "ANSIX9C2PNB208W1" since V1_2,
        Ansix9C2Tnb239V1 = 0x2f "ANSIX9C2TNB239V1" since V1_2,
        Ansix9C2Tnb239V2 = 0x30 "ANSIX9C2TNB239V2" since V1_2,
        Ansix9C2Tnb239V3 = 0x31 "ANSIX9C2TNB239V3" since V1_2,
        Ansix9C2Pnb272W1 = 0x32 "ANSIX9C2PNB272W1" since V1_2,
        Ansix9C2Pnb304W1 = 0x33 "ANSIX9C2PNB304W1" since V1_2,
        Ansix9C2Tnb359V1 = 0x34 "ANSIX9C2TNB359V1" since V1_2,
        Ansix9C2Pnb368W1 = 0x35 "ANSIX9C2PNB368W1" since V1_2,
        Ansix9C2Tnb431R1 = 0x36 "ANSIX9C2TNB431R1" since V1_2,
        Brainpoolp160R1 = 0x37 "BRAINPOOLP160R1" since V1_2,
        Brainpoolp160T1 = 0x38 "BRAINPOOLP160T1" since V1_2,
        Brainpoolp192R1 = 0x39 "BRAINPOOLP192R1" since V1_2,
        Brainpoolp192T1 = 0x3a "BRAINPOOLP192T1" since V1_2,
        Brainpoolp224R1 = 0x3b "BRAINPOOLP224R1" since V1_2,
        Brainpoolp224T1 = 0x3c "BRAINPOOLP224T1" since V1_2,
        Brainpoolp256R1 = 0x3d "BRAINPOOLP256R1" since V1_2,
        Brainpoolp256T1 = 0x3e "BRAINPOOLP256T1" since V1_2,
        Brainpoolp320R1 = 0x3f "BRAINPOOLP320R1" since V1_2,
        Brainpoolp320T1 = 0x40 "BRAINPOOLP320T1" since V1_2,
        Brainpoolp384R1 = 0x41 "BRAINPOOLP384R1" since V1_2,
        Brainpoolp384T1 = 0x42 "BRAINPOOLP384T1" since V1_2,
        Brainpoolp512R1 = 0x43 "BRAINPOOLP512R1" since V1_2,
        Brainpoolp512T1 = 0x44 "BRAINPOOLP512T1" since V1_2,
        Curve25519 = 0x45 "CURVE25519" since V2_0,
        Curve448 = 0x46 "CURVE448" since V2_0,
    }
}

enumeration! {
    /// Wrapping Method.
    pub enum WrappingMethod "WrappingMethod" {
        Encrypt = 0x01 "Encrypt",
        MacSign = 0x02 "MAC_sign",
        EncryptThenMacSign = 0x03 "EncryptThenMAC_sign",
        MacSignThenEncrypt = 0x04 "MAC_signThenEncrypt",
        Tr31 = 0x05 "TR_31",
    }
}

enumeration! {
    /// Encoding Option.
    pub enum EncodingOption "EncodingOption" {
        NoEncoding = 0x01 "NoEncoding",
        TtlvEncoding = 0x02 "TTLVEncoding",
    }
}

enumeration! {
    /// Mask Generator.
    pub enum MaskGenerator "MaskGenerator" {
        Mgf1 = 0x01 "MGF1",
    }
}

enumeration! {
    /// RNG Algorithm.
    pub enum RngAlgorithm "RNGAlgorithm" {
        Unspecified = 0x01 "Unspecified",
        Fips186_2 = 0x02 "FIPS186_2",
        Drbg = 0x03 "DRBG",
        Nrbg = 0x04 "NRBG",
        Ansix9_31 = 0x05 "ANSIX9_31",
        Ansix9_62 = 0x06 "ANSIX9_62",
    }
}

enumeration! {
    /// DRBG Algorithm.
    pub enum DrbgAlgorithm "DRBGAlgorithm" {
        Unspecified = 0x01 "Unspecified",
        DualEc = 0x02 "Dual_EC",
        Hash = 0x03 "HASH",
        Hmac = 0x04 "HMAC",
        Ctr = 0x05 "CTR",
    }
}

enumeration! {
    /// FIPS 186 Variation.
    pub enum Fips186Variation "FIPS186Variation" {
        Unspecified = 0x01 "Unspecified",
        GpxOriginal = 0x02 "GPX_Original",
        GpxChangeNotice = 0x03 "GPX_ChangeNotice",
        XOriginal = 0x04 "X_Original",
        XChangeNotice = 0x05 "XChangeNotice",
        KOriginal = 0x06 "K_Original",
        KChangeNotice = 0x07 "K_ChangeNotice",
    }
}
