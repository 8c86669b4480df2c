//! Batches and cryptographic requests that must not half succeed: what follows a failed item, IVs of two sources, tags
//! that are short or wrong, wrapped keys in use.

use kmip::{Operation, ResultReason, ResultStatus, Version};

use crate::support::Cluster;
use crate::talk::{Talk, Told, about, aes, attribute, template};

fn gcm(tag_bytes: usize) -> String {
    format!(
        r#"<CryptographicParameters><BlockCipherMode type="Enumeration" value="GCM"/>
           <TagLength type="Integer" value="{tag_bytes}"/></CryptographicParameters>"#
    )
}

fn bytes(name: &str, hex: &str) -> String {
    format!(r#"<{name} type="ByteString" value="{hex}"/>"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn k15_what_follows_a_failed_item_is_as_the_client_said() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let key = template(&[
        &attribute("Cryptographic Algorithm", "Enumeration", "AES"),
        &attribute("Cryptographic Length", "Integer", "256"),
        &attribute("Cryptographic Usage Mask", "Integer", "Encrypt"),
    ]);
    let create = format!(r#"<ObjectType type="Enumeration" value="SymmetricKey"/>{key}"#);
    let absent = about("nothing of this name");
    // Get without an identifier is about the last one: a failed item leaves that as it was.
    let batch = [
        (Operation::Create, &*create),
        (Operation::Get, ""),
        (Operation::Get, &*absent),
        (Operation::Get, ""),
    ];
    let option = |word: &str| format!(r#"<BatchErrorContinuationOption type="Enumeration" value="{word}"/>"#);
    let (done, failed) = (ResultStatus::Success, ResultStatus::OperationFailed);
    let undone = ResultStatus::OperationUndone;
    let expected = [
        (String::new(), vec![done, done, failed]),
        (option("Stop"), vec![done, done, failed]),
        (option("Continue"), vec![done, done, failed, done]),
        (option("Undo"), vec![undone, undone, failed]),
    ];
    for (option, statuses) in expected {
        talk.head(&option);
        let told = talk.batch(&batch).await;
        assert_eq!(told.iter().map(|item| item.status).collect::<Vec<_>>(), statuses, "{option}");
        assert_eq!(told[2].reason, Some(ResultReason::ItemNotFound), "{option}");
        let made = told[0].value("UniqueIdentifier").expect("the identifier, of an undone Create too");
        if let Some(last) = told.get(3) {
            assert_eq!(last.must("UniqueIdentifier"), made);
            assert_eq!(last.must("KeyMaterial"), told[1].must("KeyMaterial"));
        }
        if statuses[0] == undone {
            assert_eq!(told[1].value("KeyMaterial"), None, "an undone Get keeps its key");
        }
    }
    talk.head(&option("Undo"));
    let named = create.replace(
        "</TemplateAttribute>",
        r#"<Attribute><AttributeName type="TextString" value="Name"/><AttributeValue>
           <NameValue type="TextString" value="k15"/>
           <NameType type="Enumeration" value="UninterpretedTextString"/></AttributeValue></Attribute>
           </TemplateAttribute>"#,
    );
    let told = talk.batch(&[(Operation::Create, &named), (Operation::Get, &absent)]).await;
    assert_eq!(told[0].status, undone);
    talk.head("");
    let told = talk.ask(Operation::Create, &named).await;
    assert!(told.succeeded(), "the name was never taken: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_search_is_about_the_one_object_it_found_or_about_none() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let group = attribute("Object Group", "TextString", "what follows a search");
    let key = template(&[
        &attribute("Cryptographic Algorithm", "Enumeration", "AES"),
        &attribute("Cryptographic Length", "Integer", "256"),
        &attribute("Cryptographic Usage Mask", "Integer", "Encrypt"),
        &group,
    ]);
    let create = format!(r#"<ObjectType type="Enumeration" value="SymmetricKey"/>{key}"#);
    let nothing = attribute("Object Group", "TextString", "a group without members");
    let first = format!(r#"<MaximumItems type="Integer" value="1"/>{group}"#);
    // Before each search an item of the same batch brings an object that is not to be destroyed by mistake.
    for (found, search) in [(1, &group), (2, &group), (0, &nothing), (1, &first)] {
        let batch = [(Operation::Create, &*create), (Operation::Locate, search), (Operation::Destroy, "")];
        let told = talk.batch(&batch).await;
        let made = told[0].must("UniqueIdentifier");
        assert_eq!(told[1].xml.matches("<UniqueIdentifier ").count(), found, "{told:?}");
        assert_eq!(told[2].succeeded(), found == 1, "{told:?}");
        if found == 1 {
            assert_eq!(told[2].must("UniqueIdentifier"), told[1].must("UniqueIdentifier"));
        } else {
            assert_eq!(told[2].reason, Some(ResultReason::InvalidMessage), "{told:?}");
            assert!(talk.ask(Operation::GetAttributes, &about(&made)).await.succeeded());
        }
        // One member is left for the second round, which makes it two.
        if found != 1 {
            assert!(talk.ask(Operation::Destroy, &about(&made)).await.succeeded());
        } else {
            assert!(talk.ask(Operation::Create, &create).await.succeeded());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_check_is_about_a_key_that_passed_it() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let key = about(&talk.created("Encrypt", false).await);
    talk.head(r#"<BatchErrorContinuationOption type="Enumeration" value="Continue"/>"#);
    for (mask, passed) in [("Encrypt", true), ("Encrypt Decrypt", false)] {
        let check = format!(r#"{key}<CryptographicUsageMask type="Integer" value="{mask}"/>"#);
        let told = talk.batch(&[(Operation::Check, &check), (Operation::Get, "")]).await;
        assert_eq!(told.iter().map(Told::succeeded).collect::<Vec<_>>(), [passed, passed], "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_half_of_a_pair_is_referred_to_by_what_follows_it() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    talk.speak(Version::V2_1);
    let pair = r#"<CommonAttributes><CryptographicAlgorithm type="Enumeration" value="EC"/>
        <CryptographicLength type="Integer" value="256"/></CommonAttributes>
        <PrivateKeyAttributes><CryptographicUsageMask type="Integer" value="Sign"/></PrivateKeyAttributes>
        <PublicKeyAttributes><CryptographicUsageMask type="Integer" value="Verify"/></PublicKeyAttributes>"#;
    let type_of = |kind: u32| {
        format!(
            r#"<UniqueIdentifier type="Enumeration" value="0x{kind:08x}"/>
               <AttributeReference type="Enumeration" value="ObjectType"/>"#
        )
    };
    let [private, public, next_private, next_public] = [5, 6, 16, 17].map(type_of);
    let old = r#"<PrivateKeyUniqueIdentifier type="Enumeration" value="0x00000005"/>"#;
    let told = talk
        .batch(&[
            (Operation::CreateKeyPair, pair),
            (Operation::GetAttributes, &private),
            (Operation::GetAttributes, &public),
            (Operation::ReKeyKeyPair, old),
            (Operation::GetAttributes, &next_private),
            (Operation::GetAttributes, &next_public),
        ])
        .await;
    for (made, private, public) in [(0, 1, 2), (3, 4, 5)] {
        for (half, at) in [("Private", private), ("Public", public)] {
            let identifier = told[made].must(&format!("{half}KeyUniqueIdentifier"));
            assert_eq!(told[at].must("UniqueIdentifier"), identifier);
            assert_eq!(told[at].must("ObjectType"), format!("{half}Key"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_names_the_fields_of_a_structure_that_matter_to_it() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let structure = |name: &str, fields: &str| {
        format!(
            r#"<Attribute><AttributeName type="TextString" value="{name}"/>
               <AttributeValue>{fields}</AttributeValue></Attribute>"#
        )
    };
    let leads_to = |to: &str| format!(r#"<LinkedObjectIdentifier type="TextString" value="{to}"/>"#);
    let limit = |total: u32| {
        let fields = format!(
            r#"<UsageLimitsTotal type="LongInteger" value="{total}"/>
               <UsageLimitsUnit type="Enumeration" value="Byte"/>"#
        );
        structure("Usage Limits", &fields)
    };
    let parent = r#"<LinkType type="Enumeration" value="ParentLink"/>"#;
    let key = template(&[
        &attribute("Cryptographic Algorithm", "Enumeration", "AES"),
        &attribute("Cryptographic Length", "Integer", "256"),
        &attribute("Cryptographic Usage Mask", "Integer", "Encrypt"),
        &structure("Link", &format!("{parent}{}", leads_to("what is searched for"))),
        &limit(100),
    ]);
    let create = format!(r#"<ObjectType type="Enumeration" value="SymmetricKey"/>{key}"#);
    let made = talk.ask(Operation::Create, &create).await.must("UniqueIdentifier");
    let linked = structure("Link", &leads_to("what is searched for"));
    for (search, found) in [
        (linked.clone(), true),
        (structure("Link", &leads_to("something else")), false),
        (format!("{linked}{}", limit(100)), true),
        (format!("{linked}{}", limit(50)), true),
        (format!("{linked}{}", limit(101)), false),
    ] {
        let told = talk.ask(Operation::Locate, &search).await;
        assert!(told.succeeded(), "{told:?}");
        assert_eq!(told.xml.contains(&made), found, "{search}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn k16_ivs_come_from_one_source_and_tags_are_whole() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let (data, iv) = (bytes("Data", "00112233"), bytes("IVCounterNonce", &"07".repeat(12)));
    let derived = about(&talk.created("Encrypt Decrypt", true).await);
    let refused = talk.ask(Operation::Encrypt, &[&*derived, &gcm(16), &data, &iv].concat()).await;
    assert_eq!(refused.reason, Some(ResultReason::PermissionDenied), "{refused:?}");

    let mut theirs = vec![
        attribute("Cryptographic Algorithm", "Enumeration", "AES"),
        attribute("Cryptographic Length", "Integer", "256"),
        attribute("Cryptographic Usage Mask", "Integer", "Encrypt Decrypt"),
        attribute("Activation Date", "DateTime", "1970-01-02T00:00:00Z"),
    ];
    theirs.push(
        r#"<Attribute><AttributeName type="TextString" value="Cryptographic Parameters"/><AttributeValue>
           <RandomIV type="Boolean" value="false"/></AttributeValue></Attribute>"#
            .to_owned(),
    );
    let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
    let create = format!(r#"<ObjectType type="Enumeration" value="SymmetricKey"/>{}"#, template(&theirs));
    let told = talk.ask(Operation::Create, &create).await;
    let own = about(&told.must("UniqueIdentifier"));
    let told = talk.ask(Operation::Encrypt, &[&*own, &gcm(16), &data, &iv].concat()).await;
    assert!(told.succeeded(), "made with Random IV = false, it takes its owner's: {told:?}");
    let told = talk.ask(Operation::Encrypt, &[&*own, &gcm(16), &data].concat()).await;
    assert!(!told.succeeded(), "and never the server's");

    for short in [0, 1, 4, 8, 11, 17] {
        let refused = talk.ask(Operation::Encrypt, &[&*derived, &gcm(short), &data].concat()).await;
        assert_eq!(refused.reason, Some(ResultReason::GeneralFailure), "{short}: {refused:?}");
        assert_eq!(refused.value("Data"), None);
    }
    let sealed = talk.ask(Operation::Encrypt, &[&*derived, &gcm(16), &data].concat()).await;
    let empty = bytes("AuthenticatedEncryptionAdditionalData", "");
    for more in ["", &empty] {
        let opened = talk.ask(Operation::Decrypt, &opening(&derived, &sealed, None, more)).await;
        assert_eq!(opened.must("Data"), "00112233", "no additional data and empty data are one");
    }

    // In parts: nothing leaves before the tag was seen, and nothing ever under a wrong one.
    for good in [true, false] {
        let first = opening(&derived, &sealed, None, r#"<InitIndicator type="Boolean" value="true"/>"#);
        let tag = sealed.must("AuthenticatedEncryptionTag");
        let first = first.replace(&bytes("AuthenticatedEncryptionTag", &tag), "");
        let told = talk.ask(Operation::Decrypt, &first).await;
        assert!(told.succeeded() && told.value("Data").is_none(), "{told:?}");
        let tag = if good { tag } else { "00".repeat(16) };
        let last = [
            &*derived,
            &bytes("CorrelationValue", &told.must("CorrelationValue")),
            r#"<FinalIndicator type="Boolean" value="true"/>"#,
            &bytes("AuthenticatedEncryptionTag", &tag),
        ]
        .concat();
        let told = talk.ask(Operation::Decrypt, &last).await;
        match good {
            true => assert_eq!(told.must("Data"), "00112233"),
            false => assert_eq!(
                (told.reason, told.value("Data")),
                (Some(ResultReason::CryptographicFailure), None)
            ),
        }
    }
}

/// Decrypt of what an Encrypt answered; `tag` in the place of its own.
fn opening(key: &str, sealed: &Told, tag: Option<&str>, more: &str) -> String {
    let own = sealed.must("AuthenticatedEncryptionTag");
    [
        key,
        &gcm(16),
        &bytes("Data", &sealed.must("Data")),
        &bytes("IVCounterNonce", &sealed.must("IVCounterNonce")),
        more,
        &bytes("AuthenticatedEncryptionTag", tag.unwrap_or(&own)),
    ]
    .concat()
}

/// A message in parts is signed, and a signature verified, with the parameters of its first part.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_in_parts_is_made_as_its_first_part_said() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let mask = |mask: &str| attribute("Cryptographic Usage Mask", "Integer", mask);
    let pair = format!(
        "<CommonTemplateAttribute>{}{}{}</CommonTemplateAttribute>\
         <PrivateKeyTemplateAttribute>{}</PrivateKeyTemplateAttribute>\
         <PublicKeyTemplateAttribute>{}</PublicKeyTemplateAttribute>",
        attribute("Cryptographic Algorithm", "Enumeration", "RSA"),
        attribute("Cryptographic Length", "Integer", "2048"),
        attribute("Activation Date", "DateTime", "1970-01-02T00:00:00Z"),
        mask("Sign"),
        mask("Verify"),
    );
    let made = talk.ask(Operation::CreateKeyPair, &pair).await;
    let private = about(&made.must("PrivateKeyUniqueIdentifier"));
    let public = about(&made.must("PublicKeyUniqueIdentifier"));
    let pss = r#"<CryptographicParameters><PaddingMethod type="Enumeration" value="PSS"/>
        <HashingAlgorithm type="Enumeration" value="SHA_384"/></CryptographicParameters>"#;
    let first = r#"<InitIndicator type="Boolean" value="true"/>"#;
    let last = r#"<FinalIndicator type="Boolean" value="true"/>"#;
    let (one, two, three) = (bytes("Data", "0102"), bytes("Data", "03"), bytes("Data", "04"));

    let begun = talk.ask(Operation::Sign, &format!("{private}{pss}{one}{first}")).await;
    let value = bytes("CorrelationValue", &begun.must("CorrelationValue"));
    let next = talk.ask(Operation::Sign, &format!("{private}{two}{value}")).await;
    let value = bytes("CorrelationValue", &next.must("CorrelationValue"));
    let signed = talk.ask(Operation::Sign, &format!("{private}{three}{value}{last}")).await;
    let signature = bytes("SignatureData", &signed.must("SignatureData"));

    let whole = bytes("Data", "01020304");
    let told = talk.ask(Operation::SignatureVerify, &format!("{public}{pss}{whole}{signature}")).await;
    assert_eq!(told.must("ValidityIndicator"), "Valid", "of the whole message");
    let begun = talk.ask(Operation::SignatureVerify, &format!("{public}{pss}{one}{signature}{first}")).await;
    let value = bytes("CorrelationValue", &begun.must("CorrelationValue"));
    let rest = bytes("Data", "0304");
    let told = talk.ask(Operation::SignatureVerify, &format!("{public}{rest}{value}{last}")).await;
    assert_eq!(told.must("ValidityIndicator"), "Valid", "in parts, its signature with the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn k17_whatever_was_changed_does_not_open_and_is_told_alike() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let mut theirs = Talk::with(&cluster, 0, "tenant-b", "mongodb").await;
    let key = about(&talk.created("Encrypt Decrypt", true).await);
    let other = about(&talk.created("Encrypt Decrypt", true).await);
    let aad = |hex: &str| bytes("AuthenticatedEncryptionAdditionalData", hex);
    let data = bytes("Data", &"5a".repeat(40));
    let sealed = talk.ask(Operation::Encrypt, &[&*key, &gcm(16), &data, &aad("0102")].concat()).await;
    let opened = talk.ask(Operation::Decrypt, &opening(&key, &sealed, None, &aad("0102"))).await;
    assert_eq!(opened.must("Data"), "5a".repeat(40));

    let mut refused = vec![
        talk.ask(Operation::Decrypt, &opening(&key, &sealed, None, &aad("0103"))).await,
        talk.ask(Operation::Decrypt, &opening(&key, &sealed, None, "")).await,
        talk.ask(Operation::Decrypt, &opening(&other, &sealed, None, &aad("0102"))).await,
    ];
    let tag = sealed.must("AuthenticatedEncryptionTag");
    for bit in 0..128 {
        let byte = u8::from_str_radix(&tag[bit / 8 * 2..][..2], 16).expect("hex") ^ 1 << (bit % 8);
        let flipped = format!("{}{byte:02x}{}", &tag[..bit / 8 * 2], &tag[bit / 8 * 2 + 2..]);
        let request = opening(&key, &sealed, Some(&flipped), &aad("0102"));
        refused.push(talk.ask(Operation::Decrypt, &request).await);
    }
    for told in &refused {
        assert_eq!(told.reason, Some(ResultReason::CryptographicFailure), "{told:?}");
        assert_eq!(
            (&told.message, told.value("Data")),
            (&refused[0].message, None),
            "one is told from another"
        );
    }
    let told = theirs.ask(Operation::Decrypt, &opening(&key, &sealed, None, &aad("0102"))).await;
    assert_eq!(told.reason, Some(ResultReason::ItemNotFound), "another tenant has no such key");
}

#[tokio::test(flavor = "multi_thread")]
async fn k24_a_wrapped_key_in_use_is_still_kept_wrapped() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let kek = talk.created("WrapKey UnwrapKey", true).await;
    let plain = "24".repeat(16);
    let key = talk.registered("SymmetricKey", &[], &aes(&plain)).await;
    let information = format!(
        r#"<WrappingMethod type="Enumeration" value="Encrypt"/><EncryptionKeyInformation>{}
           <CryptographicParameters><BlockCipherMode type="Enumeration" value="NISTKeyWrap"/>
           </CryptographicParameters></EncryptionKeyInformation>"#,
        about(&kek)
    );
    // In 2.1 the wrapped bytes are the Key Value of every key.
    let no_encoding = r#"<EncodingOption type="Enumeration" value="NoEncoding"/>"#;
    let wrap = format!("<KeyWrappingSpecification>{information}{no_encoding}</KeyWrappingSpecification>");
    let wrapped = talk.ask(Operation::Get, &(about(&key) + &wrap)).await.must("KeyValue");
    assert_ne!(wrapped, plain);
    let limits = r#"<Attribute><AttributeName type="TextString" value="Usage Limits"/><AttributeValue>
        <UsageLimitsTotal type="LongInteger" value="64"/><UsageLimitsUnit type="Enumeration" value="Byte"/>
        </AttributeValue></Attribute>"#;
    let object = format!(
        r#"<SymmetricKey><KeyBlock><KeyFormatType type="Enumeration" value="Raw"/>
           <KeyValue type="ByteString" value="{wrapped}"/><CryptographicAlgorithm type="Enumeration" value="AES"/>
           <CryptographicLength type="Integer" value="128"/><KeyWrappingData>{information}{no_encoding}
           </KeyWrappingData></KeyBlock></SymmetricKey>"#
    );
    let mask = attribute("Cryptographic Usage Mask", "Integer", "Encrypt");
    let active = attribute("Activation Date", "DateTime", "1970-01-02T00:00:00Z");
    let kept = talk.registered("SymmetricKey", &[&mask, &active, limits], &object).await;
    let ecb = r#"<CryptographicParameters><BlockCipherMode type="Enumeration" value="ECB"/></CryptographicParameters>"#;
    let block = bytes("Data", &"00".repeat(16));
    for used in 0..6 {
        let told = talk.ask(Operation::Encrypt, &[&*about(&kept), ecb, &block].concat()).await;
        let expected = (used >= 4).then_some(ResultReason::PermissionDenied);
        assert_eq!(told.reason, expected, "use {used} of a limit of four: {told:?}");
    }
    for node in 0..3 {
        let mut talk = Talk::with(&cluster, node, "tenant-a", "mongodb").await;
        for version in [Version::V1_4, Version::V2_1] {
            talk.speak(version);
            let told = talk.ask(Operation::Get, &about(&kept)).await;
            assert_eq!(told.must("KeyValue"), wrapped, "node {node}");
            assert!(told.xml.contains("KeyWrappingData") && !told.xml.contains(&plain), "node {node}");
        }
    }
}
