//! Requests that reach for what is not theirs: another tenant's objects, more than a ticket allows, a key past its
//! life, a service that was erased, another tenant's wrapping key, more than a quota.

use std::process::Command;

use kmip::{Operation, ResultReason, ResultStatus, Version};

use crate::support::{Cluster, KEYRAFT, text, until};
use crate::talk::{Talk, Told, about, aes, attribute, template};

const REVOKE: &str =
    r#"<RevocationReason><RevocationReasonCode type="Enumeration" value="{reason}"/></RevocationReason>"#;

/// What a client can tell two refusals apart by.
fn learnt(told: &Told) -> (ResultStatus, Option<ResultReason>, Option<String>) {
    (told.status, told.reason, told.message.clone())
}

async fn revoke(talk: &mut Talk, uid: &str, reason: &str) -> Told {
    talk.ask(Operation::Revoke, &(about(uid) + &REVOKE.replace("{reason}", reason))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn k04_what_is_another_tenants_is_neither_replaced_nor_built_upon() {
    let cluster = Cluster::shared();
    let mut ours = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let mut theirs = Talk::with(&cluster, 0, "tenant-b", "mongodb").await;
    let registered = theirs.registered("SymmetricKey", &[], &aes(&"04".repeat(32))).await;
    let created = theirs.created("Encrypt DeriveKey", true).await;
    // One that could have been given out here, and was not.
    let (rest, last) = created.split_at(created.len() - 1);
    let unknown = rest.to_owned() + if last == "a" { "b" } else { "a" };
    let derivation = format!(
        r#"<DerivationMethod type="Enumeration" value="HASH"/><DerivationParameters><CryptographicParameters>
           <HashingAlgorithm type="Enumeration" value="SHA_256"/></CryptographicParameters></DerivationParameters>{}"#,
        template(&[
            &attribute("Cryptographic Length", "Integer", "128"),
            &attribute("Cryptographic Algorithm", "Enumeration", "AES"),
        ])
    );
    let symmetric = r#"<ObjectType type="Enumeration" value="SymmetricKey"/>"#;
    let replace = r#"<ReplaceExisting type="Boolean" value="true"/>"#;
    let requests = |uid: &str| {
        [
            (Operation::ReKey, about(uid)),
            (Operation::DeriveKey, format!("{symmetric}{}{derivation}", about(uid))),
            (Operation::Import, format!("{}{symmetric}{replace}{}", about(uid), aes(&"ff".repeat(32)))),
        ]
    };
    for foreign in [&registered, &created] {
        let before = theirs.ask(Operation::Get, &about(foreign)).await.must("KeyMaterial");
        for ((operation, named), (_, absent)) in requests(foreign).into_iter().zip(requests(&unknown)) {
            let refused = ours.ask(operation, &named).await;
            assert_eq!(refused.reason, Some(ResultReason::ItemNotFound), "{operation}: {refused:?}");
            assert_eq!(learnt(&refused), learnt(&ours.ask(operation, &absent).await), "{operation}");
        }
        assert_eq!(theirs.ask(Operation::Get, &about(foreign)).await.must("KeyMaterial"), before);
        let attributes = theirs.ask(Operation::GetAttributes, &about(foreign)).await;
        assert!(
            !attributes.xml.contains("ReplacementObjectLink") && !attributes.xml.contains("DerivedKeyLink")
        );
        let log = cluster.node(0).join("data/audit");
        until("the audit log tells the true cause of three refusals", || {
            let told = Command::new(KEYRAFT).args(["audit", "export"]).arg(&log).output();
            let told = text(&told.expect("keyraft audit").stdout);
            told.lines().filter(|line| line.contains(foreign) && line.contains("foreign_tenant")).count() == 3
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn k05_a_grant_to_encrypt_allows_nothing_else() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let active = talk.created("Encrypt", true).await;
    let early = talk.created("Encrypt", false).await;
    let contact = attribute("Contact Information", "TextString", "the owner");
    assert!(talk.ask(Operation::AddAttribute, &(about(&early) + &contact)).await.succeeded());
    talk.speak(Version::V2_1);
    let rights = r#"<Rights><Right><Operations><Operation type="Enumeration" value="Encrypt"/></Operations></Right></Rights>"#;
    let ticket = talk.ask(Operation::DelegatedLogin, rights).await.must("TicketValue");
    talk.head(&format!(
        r#"<Authentication><Credential><CredentialType type="Enumeration" value="Ticket"/><CredentialValue><Ticket>
           <TicketType type="Enumeration" value="Login"/><TicketValue type="ByteString" value="{ticket}"/>
           </Ticket></CredentialValue></Credential></Authentication>"#
    ));
    let encrypt = r#"<CryptographicParameters><BlockCipherMode type="Enumeration" value="CBC"/>
        <PaddingMethod type="Enumeration" value="PKCS5"/></CryptographicParameters><Data type="ByteString" value="00"/>"#;
    assert!(talk.ask(Operation::Encrypt, &(about(&active) + encrypt)).await.succeeded());
    let other = |what: &str| {
        format!(r#"<{what}><ContactInformation type="TextString" value="a stranger"/></{what}>"#)
    };
    let changes = [
        (Operation::Activate, String::new()),
        (Operation::AddAttribute, other("NewAttribute")),
        (Operation::ModifyAttribute, other("NewAttribute")),
        (Operation::SetAttribute, other("NewAttribute")),
        (Operation::DeleteAttribute, other("CurrentAttribute").replace("a stranger", "the owner")),
        (Operation::Get, String::new()),
    ];
    for (operation, change) in changes {
        let refused = talk.ask(operation, &(about(&early) + &change)).await;
        assert_eq!(refused.reason, Some(ResultReason::PermissionDenied), "{operation}: {refused:?}");
    }
    talk.head("");
    let attributes = talk.ask(Operation::GetAttributes, &about(&early)).await;
    assert_eq!(attributes.must("State"), "PreActive");
    assert_eq!(attributes.must("ContactInformation"), "the owner");
}

#[tokio::test(flavor = "multi_thread")]
async fn k07_get_in_every_state_is_as_the_services_policy_says() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-b", "redis").await;
    let [early, ended, leaked, gone] = {
        let mut keys = Vec::new();
        for active in [false, true, true, false] {
            keys.push(talk.created("Encrypt", active).await);
        }
        <[String; 4]>::try_from(keys).expect("four")
    };
    assert!(revoke(&mut talk, &ended, "CessationOfOperation").await.succeeded());
    assert!(revoke(&mut talk, &leaked, "KeyCompromise").await.succeeded());
    assert!(talk.ask(Operation::Destroy, &about(&gone)).await.succeeded());
    let policy = ["service", "policy", "tenant-b", "redis"];
    for denied in [false, true] {
        let flag: &[&str] = if denied { &["--deny-get-after-revoke"] } else { &[] };
        cluster.json(&[&policy[..], flag].concat());
        for node in 0..3 {
            let mut talk = Talk::with(&cluster, node, "tenant-b", "redis").await;
            assert!(talk.ask(Operation::Get, &about(&early)).await.succeeded(), "Pre-Active");
            for (state, key) in [("Deactivated", &ended), ("Compromised", &leaked)] {
                let told = talk.ask(Operation::Get, &about(key)).await;
                let expected = denied.then_some(ResultReason::PermissionDenied);
                assert_eq!(told.reason, expected, "{state}, node {node}");
                assert_eq!(told.value("KeyMaterial").is_some(), !denied, "{state}, node {node}");
            }
            for (version, reason) in
                [(Version::V1_4, ResultReason::ItemNotFound), (Version::V2_1, ResultReason::ObjectDestroyed)]
            {
                talk.speak(version);
                let told = talk.ask(Operation::Get, &about(&gone)).await;
                assert_eq!((told.reason, told.value("KeyMaterial")), (Some(reason), None), "node {node}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn k12_a_key_of_an_erased_service_is_not_found_under_the_service_that_follows_it() {
    let cluster = Cluster::shared();
    let mut talk = Talk::with(&cluster, 0, "tenant-b", "postgresql").await;
    let old = talk.created("Encrypt", false).await;
    let service = ["tenant-b", "postgresql"];
    cluster.json(&[&["service", "shred"][..], &service, &["--confirm", "postgresql"]].concat());
    cluster.json(&[&["service", "register"][..], &service].concat());
    for node in 0..3 {
        let mut talk = Talk::with(&cluster, node, "tenant-b", "postgresql").await;
        let new = talk.created("Encrypt", false).await;
        assert!(talk.ask(Operation::Get, &about(&new)).await.succeeded(), "node {node}");
        let told = talk.ask(Operation::Get, &about(&old)).await;
        assert_eq!(told.reason, Some(ResultReason::ItemNotFound), "node {node}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn k20_a_credential_in_the_header_narrows_and_never_widens() {
    let cluster = Cluster::shared();
    let mut ours = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let mut theirs = Talk::with(&cluster, 0, "tenant-b", "mongodb").await;
    let user = |name: &str| {
        format!(
            r#"<Authentication><Credential><CredentialType type="Enumeration" value="UsernameAndPassword"/>
               <CredentialValue><Username type="TextString" value="{name}"/>
               <Password type="TextString" value="secret"/></CredentialValue></Credential></Authentication>"#
        )
    };
    let foreign = theirs.created("Encrypt", false).await;
    let absent = ours.ask(Operation::Get, &about(&foreign)).await;
    assert_eq!(absent.reason, Some(ResultReason::ItemNotFound));
    for name in ["tenant-b", "tenant-b/mongodb", "mongodb", "root"] {
        ours.head(&user(name));
        assert_eq!(learnt(&ours.ask(Operation::Get, &about(&foreign)).await), learnt(&absent), "{name}");
        let made = ours.created("Encrypt", false).await;
        let told = theirs.ask(Operation::Get, &about(&made)).await;
        assert_eq!(told.reason, Some(ResultReason::ItemNotFound), "made for {name}, and yet tenant-a's");
        ours.head(&user("somebody else"));
        let told = ours.ask(Operation::Get, &about(&made)).await;
        assert_eq!(told.reason, Some(ResultReason::PermissionDenied), "{name}'s key");
    }
    theirs.speak(Version::V2_1);
    let ticket = theirs.ask(Operation::Login, "").await.must("TicketValue");
    ours.speak(Version::V2_1);
    ours.head(&format!(
        r#"<Authentication><Credential><CredentialType type="Enumeration" value="Ticket"/><CredentialValue><Ticket>
           <TicketType type="Enumeration" value="Login"/><TicketValue type="ByteString" value="{ticket}"/>
           </Ticket></CredentialValue></Credential></Authentication>"#
    ));
    let told = ours.ask(Operation::Get, &about(&foreign)).await;
    assert_eq!(told.reason, Some(ResultReason::InvalidTicket), "a ticket is its own service's: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn k21_another_tenants_wrapping_key_is_as_absent_as_none() {
    let cluster = Cluster::shared();
    let mut ours = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let mut theirs = Talk::with(&cluster, 0, "tenant-b", "mongodb").await;
    let foreign = theirs.created("WrapKey UnwrapKey", true).await;
    let unknown: String = foreign.chars().rev().collect();
    let key = ours.created("Encrypt", false).await;
    let information = |kek: &str| {
        format!(
            r#"<WrappingMethod type="Enumeration" value="Encrypt"/><EncryptionKeyInformation>{}
               <CryptographicParameters><BlockCipherMode type="Enumeration" value="NISTKeyWrap"/>
               </CryptographicParameters></EncryptionKeyInformation>"#,
            about(kek)
        )
    };
    let mut learnt_of = Vec::new();
    for kek in [&foreign, &unknown] {
        let wrap = format!("<KeyWrappingSpecification>{}</KeyWrappingSpecification>", information(kek));
        let got = ours.ask(Operation::Get, &(about(&key) + &wrap)).await;
        assert_eq!(got.reason, Some(ResultReason::ItemNotFound), "{got:?}");
        let wrapped = format!(
            r#"<SymmetricKey><KeyBlock><KeyFormatType type="Enumeration" value="Raw"/>
               <KeyValue type="ByteString" value="{}"/><CryptographicAlgorithm type="Enumeration" value="AES"/>
               <CryptographicLength type="Integer" value="128"/><KeyWrappingData>{}
               <EncodingOption type="Enumeration" value="NoEncoding"/></KeyWrappingData></KeyBlock></SymmetricKey>"#,
            "00".repeat(24),
            information(kek)
        );
        let kept = ours.registered("SymmetricKey", &[], &wrapped).await;
        let open = r#"<KeyWrapType type="Enumeration" value="NotWrapped"/>"#;
        let opened = ours.ask(Operation::Get, &(about(&kept) + open)).await;
        assert_eq!(opened.reason, Some(ResultReason::ItemNotFound), "{opened:?}");
        learnt_of.push((learnt(&got), learnt(&opened)));
    }
    assert_eq!(learnt_of[0], learnt_of[1], "foreign and unknown are told apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn k22_a_tenant_over_its_quota_is_told_when_to_come_back_and_others_notice_nothing() {
    const ITEMS_PER_S: usize = 50;
    let cluster = Cluster::start_with(&format!("[kmip]\ntenant_items_per_s = {ITEMS_PER_S}\n"));
    let mut noisy = Talk::with(&cluster, 0, "tenant-a", "mongodb").await;
    let mut quiet = Talk::with(&cluster, 0, "tenant-b", "mongodb").await;
    let mut refused = Vec::new();
    let ping = r#"<QueryFunction type="Enumeration" value="QueryObjects"/>"#;
    for round in 0..10 * ITEMS_PER_S {
        let told = noisy.ask(Operation::Query, ping).await;
        if !told.succeeded() {
            refused.push(told);
        }
        if round % (2 * ITEMS_PER_S) == 0 {
            assert!(quiet.ask(Operation::Query, ping).await.succeeded(), "another tenant pays for the noise");
        }
    }
    let told = refused.first().expect("ten times the quota at once is refused");
    assert_eq!(told.reason, Some(ResultReason::GeneralFailure), "{told:?}");
    assert!(told.message.as_ref().is_some_and(|message| message.contains("try again in")), "{told:?}");
    noisy.speak(Version::V2_1);
    let told = loop {
        let told = noisy.ask(Operation::Query, ping).await;
        if !told.succeeded() {
            break told;
        }
    };
    assert_eq!(told.reason, Some(ResultReason::ServerLimitExceeded), "{told:?}");
    until("the quota comes back", || {
        tokio::task::block_in_place(|| {
            let asked = noisy.ask(Operation::Query, ping);
            tokio::runtime::Handle::current().block_on(asked).succeeded()
        })
    });
}
