//! Objects beyond symmetric keys: pairs in every format on every node, wrapping keys nobody else may name,
//! parts, certificates, and identifiers that came from elsewhere.

use client::{Client, Error, Repeat};
use crypto::formats::{PrivateKey, PublicKey};
use kmip::message::ResponseItem;
use kmip::ops::{
    activate, certify, create_key_pair, create_split_key, export, get, import, join_split_key, register,
    validate,
};
use kmip::{
    Attribute, BlockCipherMode, CryptographicAlgorithm, CryptographicParameters, EncodingOption, KeyBlock,
    KeyFormatType, KeyInformation, KeyMaterial, KeyValue, KeyWrapType, KeyWrappingSpecification,
    ManagedObject, ObjectType, Operation, RequestPayload, ResultReason, SplitKeyMethod, Template,
    UniqueIdentifier, UsageMask, ValidityIndicator, Version, WrappingMethod,
};

use crate::support::Cluster;
use crate::talk::{Talk, about, aes as aes_key, attribute};

/// One request; what `read` takes from its answer.
async fn ask<T>(
    client: &Client,
    request: RequestPayload<'static>,
    read: impl Fn(&ResponseItem<'_>) -> T,
) -> Result<T, Error> {
    client.call(&[request], Repeat::Never, |answer| Ok(read(&answer.items[0]))).await
}

fn text(identifier: &UniqueIdentifier<'_>) -> String {
    identifier.as_text().expect("a textual identifier").to_owned()
}

fn refusal<T>(answer: Result<T, Error>) -> (ResultReason, String) {
    match answer {
        Err(Error::Refused { reason, message, .. }) => (reason, message),
        Err(other) => panic!("no refusal: {other}"),
        Ok(_) => panic!("answered"),
    }
}

fn id(text: &str) -> Option<UniqueIdentifier<'static>> {
    Some(text.to_owned().into())
}

fn template(attributes: Vec<Attribute>) -> Option<Template> {
    Some(attributes.into())
}

async fn pair(client: &Client, algorithm: CryptographicAlgorithm, bits: i32) -> (String, String) {
    let request = create_key_pair::Request {
        common_attributes: template(vec![
            Attribute::CryptographicAlgorithm(algorithm),
            Attribute::CryptographicLength(bits),
        ]),
        private_key_attributes: None,
        public_key_attributes: None,
        common_protection_storage_masks: None,
        private_protection_storage_masks: None,
        public_protection_storage_masks: None,
    };
    let made = ask(client, RequestPayload::CreateKeyPair(request), |item| {
        let made: create_key_pair::Response<'_> = item.payload().expect("a payload");
        (text(&made.private_key_unique_identifier), text(&made.public_key_unique_identifier))
    });
    made.await.expect("a pair")
}

/// The material of an object in a format: bytes as they came.
async fn material(client: &Client, request: get::Request<'static>) -> Result<Vec<u8>, Error> {
    ask(client, RequestPayload::Get(request), |item| {
        let got: get::Response<'_> = item.payload().expect("a payload");
        match got.object.key_block().and_then(|block| block.key_value.as_ref()) {
            Some(KeyValue::Wrapped(bytes) | KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. }) => {
                bytes.to_vec()
            }
            _ => panic!("the object has no bytes"),
        }
    })
    .await
}

async fn in_format(client: &Client, identifier: &str, format: KeyFormatType) -> Vec<u8> {
    let request = get::Request {
        unique_identifier: id(identifier),
        key_format_type: Some(format),
        ..get::Request::default()
    };
    material(client, request).await.unwrap_or_else(|error| panic!("{format:?}: {error}"))
}

async fn registered(client: &Client, object: ManagedObject<'static>, attributes: Vec<Attribute>) -> String {
    let request = register::Request {
        object_type: object.object_type(),
        attributes: template(attributes),
        object: Some(Box::new(object)),
        protection_storage_masks: None,
    };
    let made = ask(client, RequestPayload::Register(request), |item| {
        text(&item.payload::<register::Response<'_>>().expect("a payload").unique_identifier)
    });
    made.await.expect("registered")
}

fn aes(key: &[u8]) -> ManagedObject<'static> {
    let block = KeyBlock {
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        cryptographic_length: i32::try_from(key.len() * 8).ok(),
        ..KeyBlock::from_bytes(KeyFormatType::Raw, key.to_vec())
    };
    ManagedObject::SymmetricKey(block.into())
}

/// A registered wrapping key, Active.
async fn wrapping_key(client: &Client) -> String {
    let mask = Attribute::CryptographicUsageMask(UsageMask::WRAP_KEY);
    let identifier = registered(client, aes(&[7; 32]), vec![mask]).await;
    let request = activate::Request { unique_identifier: id(&identifier) };
    ask(client, RequestPayload::Activate(request), |_| ()).await.expect("active");
    identifier
}

fn wrapped_by(kek: &str, mode: BlockCipherMode) -> KeyWrappingSpecification<'static> {
    KeyWrappingSpecification {
        wrapping_method: WrappingMethod::Encrypt,
        encryption_key: Some(KeyInformation {
            unique_identifier: kek.to_owned().into(),
            cryptographic_parameters: Some(CryptographicParameters {
                block_cipher_mode: Some(mode),
                ..CryptographicParameters::default()
            }),
        }),
        mac_signature_key: None,
        attribute_names: Vec::new(),
        encoding_option: Some(EncodingOption::NoEncoding),
    }
}

fn get_wrapped(identifier: &str, kek: &str, mode: BlockCipherMode) -> get::Request<'static> {
    get::Request {
        unique_identifier: id(identifier),
        key_wrapping_specification: Some(Box::new(wrapped_by(kek, mode))),
        ..get::Request::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_is_one_key_in_every_format_on_every_node() {
    let cluster = Cluster::start();
    let clients = cluster.clients("tenant-a");
    let (private, public) = pair(&clients[0], CryptographicAlgorithm::Rsa, 2048).await;
    let pkcs8 = in_format(&clients[1], &private, KeyFormatType::Pkcs8).await;
    let key = PrivateKey::from_pkcs8(&pkcs8).expect("PKCS#8");
    let pkcs1 = in_format(&clients[2], &private, KeyFormatType::Pkcs1).await;
    assert_eq!(PrivateKey::from_pkcs1(&pkcs1).expect("PKCS#1").public(), key.public());
    let spki = in_format(&clients[2], &public, KeyFormatType::X509).await;
    assert_eq!(PublicKey::from_spki(&spki), key.public());

    let (private, public) = pair(&clients[1], CryptographicAlgorithm::Ecdsa, 384).await;
    let sec1 = in_format(&clients[0], &private, KeyFormatType::EcPrivateKey).await;
    let spki = in_format(&clients[2], &public, KeyFormatType::X509).await;
    assert_eq!(PrivateKey::from_sec1(&sec1, None).expect("SEC1").public(), PublicKey::from_spki(&spki));

    let request = get::Request {
        unique_identifier: id(&private),
        key_format_type: Some(KeyFormatType::Pkcs1),
        ..get::Request::default()
    };
    let refused = refusal(material(&clients[0], request).await);
    assert_eq!(refused.0, ResultReason::KeyFormatTypeNotSupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrapping_takes_the_callers_own_keys_and_leaves_what_was_registered_wrapped() {
    let cluster = Cluster::start();
    let (ours, theirs) = (cluster.client(0, "tenant-a"), cluster.client(1, "tenant-b"));
    let (kek, foreign) = (wrapping_key(&ours).await, wrapping_key(&theirs).await);
    let key = registered(&ours, aes(&[1; 16]), Vec::new()).await;
    for mode in [BlockCipherMode::NistKeyWrap, BlockCipherMode::AesKeyWrapPadding, BlockCipherMode::Gcm] {
        let wrapped = material(&ours, get_wrapped(&key, &kek, mode)).await.expect("wrapped");
        assert!(!wrapped.windows(16).any(|window| window == [1; 16]), "{mode:?}");
    }
    let absent = refusal(material(&ours, get_wrapped(&key, &"a".repeat(64), BlockCipherMode::Gcm)).await);
    let named = refusal(material(&ours, get_wrapped(&key, &foreign, BlockCipherMode::Gcm)).await);
    assert_eq!(absent.0, ResultReason::ItemNotFound);
    assert_eq!(named, absent, "another tenant's key is as absent as none");

    let wrapped =
        material(&ours, get_wrapped(&key, &kek, BlockCipherMode::NistKeyWrap)).await.expect("wrapped");
    let specification = wrapped_by(&kek, BlockCipherMode::NistKeyWrap);
    let block = KeyBlock {
        key_value: Some(KeyValue::Wrapped(wrapped.clone().into())),
        key_wrapping_data: Some(kmip::KeyWrappingData {
            wrapping_method: specification.wrapping_method,
            encryption_key: specification.encryption_key,
            mac_signature_key: None,
            mac_signature: None,
            iv_counter_nonce: None,
            encoding_option: specification.encoding_option,
        }),
        ..KeyBlock::from_bytes(KeyFormatType::Raw, Vec::new())
    };
    let kept = registered(&ours, ManagedObject::SymmetricKey(block.into()), Vec::new()).await;
    let plain = get::Request { unique_identifier: id(&kept), ..get::Request::default() };
    let opened = get::Request { key_wrap_type: Some(KeyWrapType::NotWrapped), ..plain.clone() };
    assert_eq!(material(&ours, opened).await.expect("opened"), [1; 16]);
    assert_eq!(material(&ours, plain).await.expect("as it is kept"), wrapped);
}

/// Get wraps under a public key with OAEP; what is registered so opens by the private half, whichever is named.
#[tokio::test(flavor = "multi_thread")]
async fn rsa_pairs_wrap_with_oaep_and_nothing_weaker() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let common = [
        attribute("Cryptographic Algorithm", "Enumeration", "RSA"),
        attribute("Cryptographic Length", "Integer", "2048"),
        attribute("Activation Date", "DateTime", "1970-01-02T00:00:00Z"),
    ];
    let masks = |private: &str, public: &str| {
        let mask = |mask: &str| attribute("Cryptographic Usage Mask", "Integer", mask);
        format!(
            "<CommonTemplateAttribute>{}</CommonTemplateAttribute>\
             <PrivateKeyTemplateAttribute>{}</PrivateKeyTemplateAttribute>\
             <PublicKeyTemplateAttribute>{}</PublicKeyTemplateAttribute>",
            common.concat(),
            mask(private),
            mask(public),
        )
    };
    let made = talk.ask(Operation::CreateKeyPair, &masks("UnwrapKey", "WrapKey")).await;
    let (private, public) = (made.must("PrivateKeyUniqueIdentifier"), made.must("PublicKeyUniqueIdentifier"));
    let plain = "c5".repeat(32);
    let key = talk.registered("SymmetricKey", &[], &aes_key(&plain)).await;
    let information = |kek: &str, parameters: &str| {
        format!(
            r#"<WrappingMethod type="Enumeration" value="Encrypt"/><EncryptionKeyInformation>{}
               <CryptographicParameters>{parameters}</CryptographicParameters></EncryptionKeyInformation>"#,
            about(kek)
        )
    };
    let padding = |word: &str| format!(r#"<PaddingMethod type="Enumeration" value="{word}"/>"#);
    let sha256 = r#"<HashingAlgorithm type="Enumeration" value="SHA_256"/>"#;
    for (parameters, encoding) in [
        (padding("OAEP") + sha256, "NoEncoding"),
        (padding("OAEP"), "TTLVEncoding"),
        (String::new(), "NoEncoding"),
    ] {
        let encoding = format!(r#"<EncodingOption type="Enumeration" value="{encoding}"/>"#);
        let how = information(&public, &parameters) + &encoding;
        let wrap = format!("<KeyWrappingSpecification>{how}</KeyWrappingSpecification>");
        let got = talk.ask(Operation::Get, &(about(&key) + &wrap)).await;
        let wrapped = got.must("KeyValue");
        assert_eq!(wrapped.len(), 512, "as long as the modulus");
        for named in [&public, &private] {
            let object = format!(
                r#"<SymmetricKey><KeyBlock><KeyFormatType type="Enumeration" value="Raw"/>
                   <KeyValue type="ByteString" value="{wrapped}"/>
                   <CryptographicAlgorithm type="Enumeration" value="AES"/>
                   <CryptographicLength type="Integer" value="256"/>
                   <KeyWrappingData>{}{encoding}</KeyWrappingData></KeyBlock></SymmetricKey>"#,
                information(named, &parameters)
            );
            let kept = talk.registered("SymmetricKey", &[], &object).await;
            let open = r#"<KeyWrapType type="Enumeration" value="NotWrapped"/>"#;
            let opened = talk.ask(Operation::Get, &(about(&kept) + open)).await;
            assert_eq!(opened.must("KeyMaterial"), plain, "{parameters} {encoding}");
        }
    }
    for weaker in ["PKCS1v1_5", "None"] {
        let how = information(&public, &padding(weaker));
        let wrap = format!("<KeyWrappingSpecification>{how}</KeyWrappingSpecification>");
        let refused = talk.ask(Operation::Get, &(about(&key) + &wrap)).await;
        assert_eq!(refused.reason, Some(ResultReason::FeatureNotSupported), "{weaker}: {refused:?}");
    }
    let how = information(&private, &padding("OAEP"));
    let wrap = format!("<KeyWrappingSpecification>{how}</KeyWrappingSpecification>");
    assert!(
        !talk.ask(Operation::Get, &(about(&key) + &wrap)).await.succeeded(),
        "a private key wraps nothing"
    );
}

/// A later item of a batch takes what an earlier one gave (2.1, 11.60: Data).
#[tokio::test(flavor = "multi_thread")]
async fn what_rsa_encrypts_is_there_for_the_rest_of_the_batch() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    talk.speak(Version::V2_1);
    let pair = r#"<CommonAttributes><CryptographicAlgorithm type="Enumeration" value="RSA"/>
        <CryptographicLength type="Integer" value="2048"/>
        <ActivationDate type="DateTime" value="1970-01-02T00:00:00Z"/></CommonAttributes>
        <PrivateKeyAttributes><CryptographicUsageMask type="Integer" value="Decrypt"/></PrivateKeyAttributes>
        <PublicKeyAttributes><CryptographicUsageMask type="Integer" value="Encrypt"/></PublicKeyAttributes>"#;
    let made = talk.ask(Operation::CreateKeyPair, pair).await;
    let (private, public) = (made.must("PrivateKeyUniqueIdentifier"), made.must("PublicKeyUniqueIdentifier"));
    let oaep = r#"<CryptographicParameters><PaddingMethod type="Enumeration" value="OAEP"/>
        </CryptographicParameters>"#;
    let sha256 = r#"<CryptographicParameters><HashingAlgorithm type="Enumeration" value="SHA_256"/>
        </CryptographicParameters>"#;
    let encrypt = format!(r#"{}{oaep}<Data type="ByteString" value="0102"/>"#, about(&public));
    let decrypt = format!(r#"{}{oaep}<Data type="Enumeration" value="0x00000002"/>"#, about(&private));
    let hash = format!(r#"{sha256}<Data type="Enumeration" value="0x00000001"/>"#);
    let batch = [(Operation::Encrypt, &*encrypt), (Operation::Decrypt, &*decrypt), (Operation::Hash, &*hash)];
    let told = talk.batch(&batch).await;
    assert_eq!(told[1].must("Data"), "0102");
    let direct = format!(r#"{sha256}<Data type="ByteString" value="0102"/>"#);
    assert_eq!(told[2].must("Data"), talk.ask(Operation::Hash, &direct).await.must("Data"));
}

#[tokio::test(flavor = "multi_thread")]
async fn identifiers_from_elsewhere_are_ones_own_and_nobody_elses() {
    let cluster = Cluster::start();
    let (ours, theirs) = (cluster.client(0, "tenant-a"), cluster.client(1, "tenant-b"));
    let import = |identifier: &str, key: u8, replace: bool| {
        RequestPayload::Import(import::Request {
            unique_identifier: identifier.to_owned().into(),
            object_type: ObjectType::SymmetricKey,
            replace_existing: Some(replace),
            key_wrap_type: None,
            attributes: Vec::new().into(),
            object: Some(Box::new(aes(&[key; 16]))),
        })
    };
    let get =
        |identifier: &str| get::Request { unique_identifier: id(identifier), ..get::Request::default() };
    let done = |_: &ResponseItem<'_>| ();
    ask(&ours, import("key from elsewhere", 1, false), done).await.expect("imported");
    ask(&theirs, import("key from elsewhere", 2, false), done).await.expect("imported beside it");
    assert_eq!(material(&ours, get("key from elsewhere")).await.expect("ours"), [1; 16]);
    assert_eq!(material(&theirs, get("key from elsewhere")).await.expect("theirs"), [2; 16]);

    let unnamed = refusal(ask(&ours, import("", 3, false), done).await);
    assert_eq!(unnamed.0, ResultReason::InvalidField, "{}", unnamed.1);
    let again = refusal(ask(&ours, import("key from elsewhere", 3, false), done).await);
    assert_eq!(again.0, ResultReason::ObjectAlreadyExists);
    ask(&ours, import("key from elsewhere", 3, true), done).await.expect("replaced");
    assert_eq!(
        material(&cluster.client(2, "tenant-a"), get("key from elsewhere")).await.expect("new"),
        [3; 16]
    );

    let foreign = registered(&theirs, aes(&[9; 16]), Vec::new()).await;
    for replace in [false, true] {
        let refused = refusal(ask(&ours, import(&foreign, 4, replace), done).await);
        assert_eq!(refused.0, ResultReason::ItemNotFound);
    }
    assert_eq!(material(&theirs, get(&foreign)).await.expect("untouched"), [9; 16]);
    let request = RequestPayload::Export(export::Request {
        unique_identifier: id(&foreign),
        key_format_type: None,
        key_wrap_type: None,
        key_compression_type: None,
        key_wrapping_specification: None,
    });
    assert_eq!(refusal(ask(&ours, request, done).await).0, ResultReason::ItemNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_from_elsewhere_is_answered_under_the_identifier_it_was_asked_by() {
    const ELSEWHERE: &str = "an identifier from elsewhere";
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let key = aes_key(&"21".repeat(32));
    let object = format!(r#"<ObjectType type="Enumeration" value="SymmetricKey"/>{key}"#);
    let reason = r#"<RevocationReason>
        <RevocationReasonCode type="Enumeration" value="CessationOfOperation"/></RevocationReason>"#;
    for (operation, more) in [
        (Operation::Import, object.as_str()),
        (Operation::Activate, ""),
        (Operation::Get, ""),
        (Operation::Revoke, reason),
        (Operation::Destroy, ""),
    ] {
        let told = talk.ask(operation, &(about(ELSEWHERE) + more)).await;
        assert_eq!(told.must("UniqueIdentifier"), ELSEWHERE, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_from_elsewhere_is_in_the_state_it_was_in() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    talk.speak(Version::V2_1);
    let key = aes_key(&"22".repeat(32));
    let import = |identifier: &str, state: &str, dates: &str| {
        format!(
            r#"{}<ObjectType type="Enumeration" value="SymmetricKey"/>
               <ReplaceExisting type="Boolean" value="true"/>
               <Attributes><CryptographicUsageMask type="Integer" value="Encrypt"/>{dates}
               <State type="Enumeration" value="{state}"/></Attributes>{key}"#,
            about(identifier),
        )
    };
    // By a clock that is ahead of ours.
    let ahead = r#"<ActivationDate type="DateTime" value="2999-01-01T00:00:00Z"/>
        <DeactivationDate type="DateTime" value="2999-01-02T00:00:00Z"/>"#;
    let state = r#"<AttributeReference type="Enumeration" value="State"/>"#;
    for expected in ["PreActive", "Active", "Deactivated", "Compromised"] {
        let identifier = format!("{expected} elsewhere");
        // The second time it takes the place of the first.
        for dates in ["", ahead] {
            let told = talk.ask(Operation::Import, &import(&identifier, expected, dates)).await;
            assert_eq!(told.must("UniqueIdentifier"), identifier);
            let told = talk.ask(Operation::GetAttributes, &(about(&identifier) + state)).await;
            assert_eq!(told.must("State"), expected);
        }
    }
    let gone = talk.ask(Operation::Import, &import("destroyed elsewhere", "Destroyed", "")).await;
    assert_eq!(gone.reason, Some(ResultReason::InvalidField), "{gone:?}");

    let aside = about("PreActive elsewhere");
    assert!(talk.ask(Operation::Archive, &aside).await.succeeded());
    let told = talk.ask(Operation::Import, &import("PreActive elsewhere", "PreActive", "")).await;
    assert_eq!(told.reason, Some(ResultReason::ObjectArchived), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_from_elsewhere_is_as_old_as_it_was() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    talk.speak(Version::V2_1);
    let key = aes_key(&"33".repeat(32));
    let ask = about("old elsewhere")
        + r#"<AttributeReference type="Enumeration" value="InitialDate"/>
             <AttributeReference type="Enumeration" value="LastChangeDate"/>"#;
    let mut dates = async |made: &str, changed: &str| {
        let import = format!(
            r#"{}<ObjectType type="Enumeration" value="SymmetricKey"/>
               <ReplaceExisting type="Boolean" value="true"/>
               <Attributes><CryptographicUsageMask type="Integer" value="Encrypt"/>
               <InitialDate type="DateTime" value="{made}"/>
               <LastChangeDate type="DateTime" value="{changed}"/></Attributes>{key}"#,
            about("old elsewhere"),
        );
        talk.ask(Operation::Import, &import).await.must("UniqueIdentifier");
        let told = talk.ask(Operation::GetAttributes, &ask).await;
        [told.must("InitialDate"), told.must("LastChangeDate")]
    };
    let (made, changed, never) =
        ("2018-12-19T19:24:26+00:00", "2019-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00");
    assert_eq!(dates(made, changed).await, [made, changed]);
    // Nothing was made later than it came here, wherever it was.
    let told = dates(made, never).await;
    assert!(told[0] == made && *told[1] > *changed && *told[1] < *never, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_used_elsewhere_is_not_fresh() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let group = attribute("Object Group", "TextString", "used elsewhere");
    let used = attribute("Fresh", "Boolean", "false");
    let mask = attribute("Cryptographic Usage Mask", "Integer", "Encrypt");
    let key = aes_key(&"23".repeat(32));
    let uid = talk.registered("SymmetricKey", &[&mask, &group, &used], &key).await;
    let fresh = about(&uid) + r#"<AttributeName type="TextString" value="Fresh"/>"#;
    let told = talk.ask(Operation::GetAttributes, &fresh).await;
    let values = told.xml.matches("AttributeValue").count();
    assert_eq!((told.must("AttributeValue").as_str(), values), ("false", 1));
    let locate = |member: &str| format!(r#"<ObjectGroupMember type="Enumeration" value="{member}"/>{group}"#);
    for (member, found) in [("GroupMemberFresh", None), ("GroupMemberDefault", Some(uid.clone()))] {
        let told = talk.ask(Operation::Locate, &locate(member)).await;
        assert_eq!((told.succeeded(), told.value("UniqueIdentifier")), (true, found), "{member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opaque_object_says_its_type() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let object = r#"<OpaqueObject><OpaqueDataType type="Enumeration" value="0x80000007"/>
        <OpaqueDataValue type="ByteString" value="01"/></OpaqueObject>"#;
    let opaque = about(&talk.registered("OpaqueObject", &[], object).await);
    let named = opaque.clone() + r#"<AttributeReference type="Enumeration" value="OpaqueDataType"/>"#;
    talk.speak(Version::V2_1);
    for request in [&opaque, &named] {
        assert_eq!(talk.ask(Operation::GetAttributes, request).await.must("OpaqueDataType"), "0x80000007");
    }
    assert!(!talk.ask(Operation::GetAttributes, &named).await.xml.contains("Digest"), "nobody asked");
    assert!(talk.ask(Operation::GetAttributeList, &opaque).await.xml.contains("OpaqueDataType"));
    talk.speak(Version::V1_4);
    assert!(!talk.ask(Operation::GetAttributes, &opaque).await.xml.contains("Opaque Data Type"));
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_give_their_key_and_too_few_do_not() {
    let cluster = Cluster::start();
    let client = cluster.client(0, "tenant-a");
    let key = registered(&client, aes(b"0123456789abcdef"), Vec::new()).await;
    for method in [
        SplitKeyMethod::PolynomialSharingGf2_8,
        SplitKeyMethod::PolynomialSharingGf2_16,
        SplitKeyMethod::PolynomialSharingPrimeField,
    ] {
        let request = create_split_key::Request {
            object_type: ObjectType::SplitKey,
            unique_identifier: id(&key),
            parts: 5,
            threshold: 3,
            method,
            prime_field_size: None,
            attributes: None,
            protection_storage_masks: None,
        };
        let parts = ask(&client, RequestPayload::CreateSplitKey(request), |item| {
            let made: create_split_key::Response<'_> = item.payload().expect("a payload");
            made.unique_identifiers.iter().map(text).collect::<Vec<_>>()
        });
        let parts = parts.await.expect("parts");
        assert_eq!(parts.len(), 5);
        let join = |which: &[usize]| {
            RequestPayload::JoinSplitKey(join_split_key::Request {
                object_type: ObjectType::SymmetricKey,
                unique_identifiers: which.iter().map(|at| parts[*at].clone().into()).collect(),
                secret_data_type: None,
                attributes: None,
                protection_storage_masks: None,
            })
        };
        let joined = ask(&client, join(&[4, 0, 2]), |item| {
            text(&item.payload::<join_split_key::Response<'_>>().expect("a payload").unique_identifier)
        });
        let joined = joined.await.expect("joined");
        assert_eq!(in_format(&client, &joined, KeyFormatType::Raw).await, b"0123456789abcdef", "{method:?}");
        let few = refusal(ask(&client, join(&[1, 3]), |_| ()).await);
        assert_eq!(few.0, ResultReason::CryptographicFailure);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_chain_to_the_services_own_authority() {
    let cluster = Cluster::start();
    let client = cluster.client(1, "tenant-a");
    let (_, public) = pair(&client, CryptographicAlgorithm::Ec, 256).await;
    let request = certify::Request {
        unique_identifier: id(&public),
        certificate_request_unique_identifier: None,
        certificate_request_type: None,
        certificate_request: None,
        attributes: None,
        protection_storage_masks: None,
    };
    let made = ask(&client, RequestPayload::Certify(request), |item| {
        text(&item.payload::<certify::Response<'_>>().expect("a payload").unique_identifier)
    });
    let certificate = made.await.expect("a certificate");
    let name = Attribute::Name("certificate-authority/mongodb".into());
    let authority = client.locate(vec![name]).await.expect("a search");
    assert_eq!(authority.len(), 1);
    let verdict = |which: Vec<String>| {
        let request = validate::Request {
            certificates: Vec::new(),
            unique_identifiers: which.into_iter().map(Into::into).collect(),
            validity_date: None,
        };
        ask(&client, RequestPayload::Validate(request), |item| {
            item.payload::<validate::Response>().expect("a payload").validity_indicator
        })
    };
    let whole = verdict(vec![certificate.clone(), authority[0].clone()]).await.expect("a verdict");
    assert_eq!(whole, ValidityIndicator::Valid);
    assert_eq!(verdict(vec![certificate]).await.expect("a verdict"), ValidityIndicator::Unknown);
}
