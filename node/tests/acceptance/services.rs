//! Keys that never leave: what is encrypted on one node opens on another, a key has one source of IVs, a
//! message in parts belongs to one service, goes on at any node and ends with its key, a limit is exact, and a context always gives
//! the same key.

use client::{Client, Error, Repeat};
use kmip::message::ResponseItem;
use kmip::ops::{
    create, decrypt, delete_attribute, derive_key, encrypt, get, get_attributes, hash, modify_attribute,
    register, revoke,
};
use kmip::{
    Attribute, AttributeKind, AttributeName, BlockCipherMode, Bytes, CryptographicAlgorithm,
    CryptographicParameters, Data, DateTime, DerivationMethod, HashingAlgorithm, IndexedAttribute, KeyBlock,
    KeyFormatType, ManagedObject, ObjectType, RequestPayload, ResultReason, RevocationReason,
    RevocationReasonCode, UniqueIdentifier, UsageLimits, UsageLimitsUnit, UsageMask,
};

use crate::support::{Cluster, PATIENCE};

async fn ask<T>(
    client: &Client,
    request: RequestPayload<'static>,
    read: impl Fn(&ResponseItem<'_>) -> T,
) -> Result<T, Error> {
    client.call(&[request], Repeat::Never, |answer| Ok(read(&answer.items[0]))).await
}

fn reason<T>(answer: Result<T, Error>) -> ResultReason {
    match answer {
        Err(Error::Refused { reason, .. }) => reason,
        Err(other) => panic!("no refusal: {other}"),
        Ok(_) => panic!("answered"),
    }
}

fn named(identifier: &str) -> Option<UniqueIdentifier<'static>> {
    Some(identifier.to_owned().into())
}

fn in_mode(mode: BlockCipherMode) -> Option<CryptographicParameters> {
    Some(CryptographicParameters { block_cipher_mode: Some(mode), ..CryptographicParameters::default() })
}

fn attributes(more: Vec<Attribute>) -> Vec<Attribute> {
    let mask = UsageMask::ENCRYPT | UsageMask::DECRYPT | UsageMask::DERIVE_KEY;
    let mut all = vec![Attribute::CryptographicUsageMask(mask), Attribute::ActivationDate(DateTime(1))];
    all.extend(more);
    all
}

async fn created(client: &Client) -> String {
    let facts = vec![
        Attribute::CryptographicAlgorithm(CryptographicAlgorithm::Aes),
        Attribute::CryptographicLength(256),
    ];
    let request = create::Request {
        object_type: ObjectType::SymmetricKey,
        attributes: attributes(facts).into(),
        protection_storage_masks: None,
    };
    let made = ask(client, RequestPayload::Create(request), |item| {
        let made: create::Response<'_> = item.payload().expect("a payload");
        made.unique_identifier.as_text().expect("text").to_owned()
    });
    made.await.expect("created")
}

async fn registered(client: &Client, key: &[u8], more: Vec<Attribute>) -> String {
    let block = KeyBlock {
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        cryptographic_length: i32::try_from(key.len() * 8).ok(),
        ..KeyBlock::from_bytes(KeyFormatType::Raw, key.to_vec())
    };
    let request = register::Request {
        object_type: ObjectType::SymmetricKey,
        attributes: Some(attributes(more).into()),
        object: Some(Box::new(ManagedObject::SymmetricKey(block.into()))),
        protection_storage_masks: None,
    };
    let made = ask(client, RequestPayload::Register(request), |item| {
        let made: register::Response<'_> = item.payload().expect("a payload");
        made.unique_identifier.as_text().expect("text").to_owned()
    });
    made.await.expect("registered")
}

fn encryption(identifier: &str, mode: BlockCipherMode, data: &[u8]) -> encrypt::Request<'static> {
    encrypt::Request {
        unique_identifier: named(identifier),
        cryptographic_parameters: in_mode(mode),
        data: Some(Data::Bytes(data.to_vec().into())),
        ..encrypt::Request::default()
    }
}

/// Ciphertext, IV, tag and correlation value, empty where there is none.
#[derive(Debug, PartialEq)]
struct Encrypted {
    data: Vec<u8>,
    iv: Vec<u8>,
    tag: Vec<u8>,
    correlation: Vec<u8>,
}

async fn encrypted(client: &Client, request: encrypt::Request<'static>) -> Result<Encrypted, Error> {
    let bytes = |field: &Option<Bytes<'_>>| field.as_ref().map(|bytes| bytes.to_vec()).unwrap_or_default();
    ask(client, RequestPayload::Encrypt(request), |item| {
        let answer: encrypt::Response<'_> = item.payload().expect("a payload");
        Encrypted {
            data: bytes(&answer.data),
            iv: bytes(&answer.iv_counter_nonce),
            tag: bytes(&answer.tag),
            correlation: bytes(&answer.correlation_value),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_encrypts_another_opens_and_a_key_has_one_source_of_ivs() {
    let cluster = Cluster::shared();
    let clients = cluster.clients("tenant-a");
    let key = created(&clients[0]).await;
    let gcm = BlockCipherMode::Gcm;
    let first = encrypted(&clients[0], encryption(&key, gcm, b"secret")).await.expect("encrypted");
    let second = encrypted(&clients[1], encryption(&key, gcm, b"secret")).await.expect("encrypted");
    assert_eq!((first.iv.len(), first.tag.len()), (12, 16));
    assert_ne!(first.iv, second.iv, "two nodes never meet in an IV");
    let opening = |tag: Vec<u8>| decrypt::Request {
        unique_identifier: named(&key),
        cryptographic_parameters: in_mode(gcm),
        data: Some(Data::Bytes(first.data.clone().into())),
        iv_counter_nonce: Some(first.iv.clone().into()),
        tag: Some(tag.into()),
        ..decrypt::Request::default()
    };
    let open = |client: &Client, request| {
        let client = client.clone();
        async move {
            ask(&client, RequestPayload::Decrypt(request), |item| {
                let answer: decrypt::Response<'_> = item.payload().expect("a payload");
                answer.data.expect("data").to_vec()
            })
            .await
        }
    };
    assert_eq!(open(&clients[2], opening(first.tag.clone())).await.expect("opened"), b"secret");
    for bit in 0..first.tag.len() * 8 {
        let mut tag = first.tag.clone();
        tag[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(reason(open(&clients[1], opening(tag)).await), ResultReason::CryptographicFailure);
    }

    let own = Some(Bytes::from(vec![1; 12]));
    let request = encrypt::Request { iv_counter_nonce: own.clone(), ..encryption(&key, gcm, b"x") };
    assert_eq!(reason(encrypted(&clients[0], request).await), ResultReason::PermissionDenied);

    let registered = registered(&clients[0], &[7; 32], Vec::new()).await;
    let request = encrypt::Request { iv_counter_nonce: own, ..encryption(&registered, gcm, b"x") };
    encrypted(&clients[1], request).await.expect("a registered key takes its owner's IV");
    let random = in_mode(gcm).map(|mode| CryptographicParameters { random_iv: Some(true), ..mode });
    let request = encrypt::Request { cryptographic_parameters: random, ..encryption(&registered, gcm, b"x") };
    assert_eq!(reason(encrypted(&clients[2], request).await), ResultReason::PermissionDenied);
}

/// One part of a message to be hashed: gives its correlation value, or the hash after the last part.
async fn hashed(
    client: &Client,
    data: &[u8],
    correlation: Option<&Vec<u8>>,
    last: bool,
) -> Result<Vec<u8>, Error> {
    let request = hash::Request {
        // Said with the first part alone.
        cryptographic_parameters: correlation.is_none().then(|| CryptographicParameters {
            hashing_algorithm: Some(HashingAlgorithm::Sha256),
            ..CryptographicParameters::default()
        }),
        data: Some(Data::Bytes(data.to_vec().into())),
        init_indicator: correlation.is_none().then_some(true),
        correlation_value: correlation.cloned().map(Into::into),
        final_indicator: last.then_some(true),
    };
    ask(client, RequestPayload::Hash(request), |item| {
        let answer: hash::Response<'_> = item.payload().expect("a payload");
        answer.data.or(answer.correlation_value).expect("a hash or a value").to_vec()
    })
    .await
}

/// FIPS 180-4: SHA-256 of abc begins so.
const OF_ABC: [u8; 4] = [0xba, 0x78, 0x16, 0xbf];

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_parts_is_its_services_own_and_ends_with_its_key() {
    let cluster = Cluster::shared();
    let ours = cluster.client(0, "tenant-a");
    let value = hashed(&ours, b"a", None, false).await.expect("begun");
    for node in 0..3 {
        let theirs = cluster.client(node, "tenant-b");
        let refused = hashed(&theirs, b"b", Some(&value), true).await;
        assert_eq!(reason(refused), ResultReason::InvalidField, "another tenant's is as good as none");
    }
    let next = hashed(&ours, b"b", Some(&value), false).await.expect("continued");
    for node in 0..3 {
        let again = hashed(&cluster.client(node, "tenant-a"), b"b", Some(&value), false).await;
        assert_eq!(reason(again), ResultReason::InvalidField, "a part is worked on once");
    }
    let digest = hashed(&ours, b"c", Some(&next), true).await.expect("ended");
    assert_eq!(digest[..4], OF_ABC);
    for node in 0..3 {
        let again = hashed(&cluster.client(node, "tenant-a"), b"c", Some(&next), true).await;
        assert_eq!(reason(again), ResultReason::InvalidField);
    }

    let key = created(&ours).await;
    let begin =
        encrypt::Request { init_indicator: Some(true), ..encryption(&key, BlockCipherMode::Ecb, b"half") };
    let begun = encrypted(&ours, begin).await.expect("begun");
    let request = revoke::Request {
        unique_identifier: named(&key),
        reason: RevocationReason { code: RevocationReasonCode::KeyCompromise, message: None },
        compromise_occurrence_date: None,
    };
    ask(&cluster.client(2, "tenant-a"), RequestPayload::Revoke(request), |_| ()).await.expect("revoked");
    for node in 0..3 {
        let rest = encrypt::Request {
            correlation_value: Some(begun.correlation.clone().into()),
            ..encryption(&key, BlockCipherMode::Ecb, b"half")
        };
        let refused = encrypted(&cluster.client(node, "tenant-a"), rest).await;
        assert_eq!(reason(refused), ResultReason::PermissionDenied, "at node {node}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_parts_goes_on_at_any_node() {
    let cluster = Cluster::shared();
    let clients = cluster.clients("tenant-a");
    for begins in 0..3 {
        let [first, second, third] = [0, 1, 2].map(|n| &clients[(begins + n) % 3]);
        let value = hashed(first, b"a", None, false).await.expect("begun");
        let value = hashed(second, b"b", Some(&value), false).await.expect("continued");
        assert_eq!(hashed(third, b"c", Some(&value), true).await.expect("ended")[..4], OF_ABC);
    }

    let key = registered(&clients[0], &[7; 32], Vec::new()).await;
    let message: Vec<u8> = (0..80).collect();
    let part = |data: &[u8], correlation: &[u8], last: bool| encrypt::Request {
        init_indicator: correlation.is_empty().then_some(true),
        correlation_value: (!correlation.is_empty()).then(|| correlation.to_vec().into()),
        final_indicator: last.then_some(true),
        ..encryption(&key, BlockCipherMode::Ecb, data)
    };
    let whole = encrypted(&clients[0], encryption(&key, BlockCipherMode::Ecb, &message)).await;
    let (mut together, mut correlation) = (Vec::new(), Vec::new());
    for (n, piece) in message.chunks(20).enumerate() {
        let request = part(piece, &correlation, n == 3);
        let answer = encrypted(&clients[n % 3], request).await.expect("a part");
        together.extend(answer.data);
        correlation = answer.correlation;
    }
    assert_eq!(together, whole.expect("encrypted").data);
    assert!(correlation.is_empty(), "the last part names no message");
}

/// Authenticated plaintext is held back to the end, and all of it then comes through the node that was asked last.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_message_is_opened_in_parts_by_several_nodes() {
    let cluster = Cluster::shared();
    let clients = cluster.clients("tenant-a");
    let key = created(&clients[0]).await;
    let gcm = BlockCipherMode::Gcm;
    let plaintext: Vec<u8> = (0..5 << 19).map(|n: u32| n.to_le_bytes()[1]).collect();
    let (mut sealed, mut iv, mut correlation) = (Vec::new(), Vec::new(), Vec::new());
    let pieces = plaintext.chunks(900_000);
    let last = pieces.len() - 1;
    for (n, piece) in pieces.enumerate() {
        let request = encrypt::Request {
            init_indicator: (n == 0).then_some(true),
            correlation_value: (n > 0).then(|| correlation.clone().into()),
            final_indicator: (n == last).then_some(true),
            ..encryption(&key, gcm, piece)
        };
        let part = encrypted(&clients[n % 3], request).await.expect("a part");
        sealed.extend(part.data);
        sealed.extend(part.tag);
        iv.extend(part.iv);
        correlation = part.correlation;
    }
    let tag = sealed.split_off(plaintext.len());
    let (mut opened, mut correlation) = (Vec::new(), Vec::new());
    for (n, piece) in sealed.chunks(900_000).enumerate() {
        let request = decrypt::Request {
            unique_identifier: named(&key),
            cryptographic_parameters: in_mode(gcm),
            data: Some(Data::Bytes(piece.to_vec().into())),
            iv_counter_nonce: (n == 0).then(|| iv.clone().into()),
            tag: (n == last).then(|| tag.clone().into()),
            init_indicator: (n == 0).then_some(true),
            correlation_value: (n > 0).then(|| correlation.clone().into()),
            final_indicator: (n == last).then_some(true),
            ..decrypt::Request::default()
        };
        let part = ask(&clients[n % 3], RequestPayload::Decrypt(request), |item| {
            let answer: decrypt::Response<'_> = item.payload().expect("a payload");
            let bytes = |field: Option<Bytes<'_>>| field.map(|field| field.to_vec()).unwrap_or_default();
            (bytes(answer.data), bytes(answer.correlation_value))
        });
        let (data, next) = part.await.expect("a part");
        opened.extend(data);
        correlation = next;
    }
    assert!(opened == plaintext, "{} bytes of {}", opened.len(), plaintext.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_parts_ends_with_the_process_that_began_it() {
    let mut cluster = Cluster::start();
    let clients = cluster.clients("tenant-a");
    let value = hashed(&clients[0], b"a", None, false).await.expect("begun");
    let value = hashed(&clients[1], b"b", Some(&value), false).await.expect("continued");
    let audited = cluster.audited();
    for detail in ["passed_to=", "passed_by="] {
        assert!(audited.lines().any(|line| line.contains("\"Hash\"") && line.contains(detail)), "{detail}");
    }
    let refused = async |client: &Client| {
        hashed(client, b"c", Some(&value), true).await.expect_err("what began it is gone").to_string()
    };
    cluster.kill(0);
    let told = refused(&clients[1]).await;
    assert!(told.contains("where the message was begun, does not go on with it; begin it again"), "{told}");
    cluster.run(0);
    cluster.caught_up(0);
    let told = refused(&cluster.client(0, "tenant-a")).await;
    assert!(told.contains("begun before this node restarted; begin it again"), "{told}");
    let value = hashed(&clients[2], b"a", None, false).await.expect("begun again");
    hashed(&clients[1], b"bc", Some(&value), true).await.expect("ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_usage_limit_is_exact_over_all_nodes() {
    let cluster = Cluster::shared();
    let clients = cluster.clients("tenant-a");
    let limit = UsageLimits { total: 64, count: None, unit: UsageLimitsUnit::Byte };
    let key = registered(&clients[0], &[9; 16], vec![Attribute::UsageLimits(limit)]).await;
    let blocks = (0..12).map(|n| {
        let (client, key) = (clients[n % clients.len()].clone(), key.clone());
        tokio::spawn(async move {
            encrypted(&client, encryption(&key, BlockCipherMode::Ecb, &[0; 16])).await.is_ok()
        })
    });
    let mut paid = 0;
    for block in blocks.collect::<Vec<_>>() {
        paid += usize::from(block.await.expect("a task that ends"));
    }
    assert_eq!(paid, 4, "64 bytes pay for four blocks, whoever asks where");
}

/// What is left of a key's limit, as a node tells it.
async fn left(client: &Client, key: &str) -> i64 {
    let names = vec![AttributeName::Standard(AttributeKind::UsageLimits)];
    let request = get_attributes::Request { unique_identifier: named(key), names };
    let request = [RequestPayload::GetAttributes(request)];
    let told = client.call(&request, Repeat::Safe, |answer| {
        let answer: get_attributes::Response<'_> = answer.items[0].payload().expect("a payload");
        Ok(answer.attributes.iter().find_map(|attribute| match attribute {
            Attribute::UsageLimits(limits) => limits.count,
            _ => None,
        }))
    });
    told.await.expect("told").expect("a limit")
}

/// Uses a key for one block of so many bytes, and says whether it was allowed.
async fn uses(client: &Client, key: &str, bytes: usize) -> bool {
    match encrypted(client, encryption(key, BlockCipherMode::Ecb, &vec![0; bytes])).await {
        Ok(_) => true,
        Err(refused) => {
            assert_eq!(reason::<()>(Err(refused)), ResultReason::PermissionDenied);
            false
        }
    }
}

/// A large limit is counted in blocks that nodes lease: few entries in the log, nothing used twice, and what one node
/// does not use another may in the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_usage_limit_costs_few_writes_and_is_exact_in_the_end() {
    const TOTAL: i64 = 1 << 20;
    const SMALL: usize = 16;
    const USES: i64 = 200;
    let cluster = Cluster::start();
    let clients = cluster.clients("tenant-a");
    let limit = UsageLimits { total: TOTAL, count: None, unit: UsageLimitsUnit::Byte };
    let key = registered(&clients[0], &[9; 16], vec![Attribute::UsageLimits(limit)]).await;
    let applied = || cluster.status(0).expect("a status")["nodes"][0]["applied"].as_u64().expect("an index");

    let before = applied();
    for _ in 0..USES {
        assert!(uses(&clients[0], &key, SMALL).await);
    }
    let entries = applied() - before;
    assert!(entries < 20, "{USES} uses of one node made {entries} entries in the log");
    let spent = USES * i64::try_from(SMALL).expect("small");
    assert_eq!(left(&clients[0], &key).await, TOTAL - spent, "the node knows what it holds");
    assert!(left(&clients[1], &key).await <= TOTAL - spent, "no node tells of more than is left");

    // What lies idle comes back, and every node then tells the same.
    for client in &clients {
        let deadline = std::time::Instant::now() + PATIENCE;
        while left(client, &key).await != TOTAL - spent {
            assert!(std::time::Instant::now() < deadline, "a block was not given back");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }

    // The rest in large uses on all nodes at once: as many as it pays for, and not one more.
    let large = usize::try_from((TOTAL - spent) / 8).expect("positive") & !15;
    let rest = (0..24).map(|n| {
        let (client, key) = (clients[n % clients.len()].clone(), key.clone());
        tokio::spawn(async move { uses(&client, &key, large).await })
    });
    let mut paid = 0;
    for one in rest.collect::<Vec<_>>() {
        paid += usize::from(one.await.expect("a task that ends"));
    }
    assert!((7..=8).contains(&paid), "{paid} uses of an eighth each; blocks in flight may cost one");
    let over = TOTAL - spent - i64::try_from(paid * large).expect("small");
    assert!(left(&clients[0], &key).await <= over);

    // Nobody tops up or takes away a limit that is in use.
    let new = UsageLimits { total: 32, count: None, unit: UsageLimitsUnit::Byte };
    let request = modify_attribute::Request {
        unique_identifier: named(&key),
        attribute: IndexedAttribute { attribute: Attribute::UsageLimits(new), index: None },
        current: None,
    };
    let modified = ask(&clients[1], RequestPayload::ModifyAttribute(request), |_| ()).await;
    assert!(matches!(modified, Err(Error::Refused { .. })), "a limit that is in use: {modified:?}");
    let request = delete_attribute::Request {
        unique_identifier: named(&key),
        current: None,
        name: Some(AttributeName::Standard(AttributeKind::UsageLimits)),
        index: None,
    };
    let deleted = ask(&clients[2], RequestPayload::DeleteAttribute(request), |_| ()).await;
    assert!(matches!(deleted, Err(Error::Refused { .. })), "a limit that is in use: {deleted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_gives_one_key_on_every_node_and_writes_nothing() {
    let cluster = Cluster::shared();
    // The service registers itself on first contact.
    created(&cluster.client(0, "tenant-a")).await;
    let listed = cluster.keyraft(&["service", "list", "tenant-a", "-o", "json"]);
    let services: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let own = services
        .as_array()
        .expect("a list")
        .iter()
        .find(|service| service["name"] == "mongodb")
        .expect("the service");
    let root = own["context_root"].as_str().expect("its root").to_owned();
    let derive = |client: &Client, info: &'static [u8]| {
        let facts = vec![
            Attribute::CryptographicAlgorithm(CryptographicAlgorithm::Aes),
            Attribute::CryptographicLength(256),
            Attribute::CryptographicUsageMask(UsageMask::ENCRYPT),
        ];
        let request = derive_key::Request {
            object_type: ObjectType::SymmetricKey,
            unique_identifiers: vec![root.clone().into()],
            derivation_method: DerivationMethod::Hkdf,
            derivation_parameters: derive_key::DerivationParameters {
                derivation_data: Some(info.into()),
                ..derive_key::DerivationParameters::default()
            },
            attributes: facts.into(),
        };
        let client = client.clone();
        async move {
            ask(&client, RequestPayload::DeriveKey(request), |item| {
                let made: derive_key::Response<'_> = item.payload().expect("a payload");
                made.unique_identifier.as_text().expect("text").to_owned()
            })
            .await
        }
    };
    let clients = cluster.clients("tenant-a");
    let key = derive(&clients[0], b"orders/2026").await.expect("derived");
    for client in &clients[1..] {
        assert_eq!(derive(client, b"orders/2026").await.expect("derived"), key);
    }
    assert_ne!(derive(&clients[0], b"orders/2027").await.expect("derived"), key);
    let get = |identifier: &str| {
        RequestPayload::Get(get::Request { unique_identifier: named(identifier), ..get::Request::default() })
    };
    assert_eq!(reason(ask(&clients[1], get(&root), |_| ()).await), ResultReason::PermissionDenied);
    ask(&clients[2], get(&key), |_| ()).await.expect("a context key is a key");
    // Another tenant's root is as absent as none.
    let foreign = derive(&cluster.client(0, "tenant-b"), b"orders/2026").await;
    assert!(matches!(reason(foreign), ResultReason::ObjectNotFound | ResultReason::ItemNotFound));
}
