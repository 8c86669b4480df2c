//! The one request a load repeats, as bytes prepared once.

use anyhow::{Context as _, bail};
use client::Connector;
use kmip::message::RequestHeader;
use kmip::ttlv::Limits;
use kmip::{
    Attribute, CryptographicAlgorithm, ObjectType, Operation as Kmip, RequestBuilder, ResponseMessage,
    ResultStatus, UsageMask, Version, ops,
};

/// What every request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Operation {
    /// A fresh key and its bytes in one batch; nothing is written
    CreateGet,
    /// A fresh key; nothing is written
    Create,
    /// The bytes of one key, again and again
    Get,
    /// A search by a name that nothing has
    Locate,
    /// A key with a name of its own: one replicated write
    CreateNamed,
}

impl Operation {
    /// As on the command line.
    pub fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self)
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether requests must differ: two objects cannot have one name.
    const fn is_numbered(self) -> bool {
        matches!(self, Self::CreateNamed)
    }
}

/// Digits of the number in a name: 64 bits as hexadecimal.
const NUMBER_DIGITS: usize = 16;
/// Stands where the number goes.
const NUMBER: &str = "################";

/// A request, and what its answer looked like.
#[derive(Clone)]
pub struct Prepared {
    /// The message.
    pub bytes: Vec<u8>,
    /// Bytes of the answer.
    pub answer_bytes: usize,
    number_at: Option<usize>,
}

impl Prepared {
    /// Prepares the request, and tries it once on the node: what cannot work fails here, in one sentence.
    pub fn new(operation: Operation, node: &Connector) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut connection = node.open().await?;
            let mut key = String::new();
            if operation == Operation::Get {
                let answer = connection.exchange(&message(Operation::Create, "")).await?;
                key = created(answer)?;
            }
            let bytes = message(operation, &key);
            let number_at = bytes.windows(NUMBER_DIGITS).position(|window| window == NUMBER.as_bytes());
            debug_assert_eq!(number_at.is_some(), operation.is_numbered());
            let mut prepared = Self { bytes, answer_bytes: 0, number_at };
            prepared.number(first_number()?);
            let answer = connection.exchange(&prepared.bytes).await?;
            check(answer).map_err(anyhow::Error::msg)?;
            prepared.answer_bytes = answer.len();
            Ok(prepared)
        })
    }

    /// Makes this request differ from every other, if it must.
    pub fn number(&mut self, number: u64) {
        if let Some(at) = self.number_at {
            let digits = format!("{number:016x}");
            self.bytes[at..at + NUMBER_DIGITS].copy_from_slice(digits.as_bytes());
        }
    }
}

/// Where the numbers of one connection begin: names of earlier runs are taken.
pub fn first_number() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).context("the kernel gave no random bytes")?;
    Ok(u64::from_be_bytes(bytes))
}

fn message(operation: Operation, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut builder = RequestBuilder::new(&mut bytes, &RequestHeader::new(Version::V1_4));
    match operation {
        Operation::CreateGet => {
            builder.item(Kmip::Create, Some(&[1]), &create(None));
            builder.item(Kmip::Get, Some(&[2]), &ops::get::Request::default());
        }
        Operation::Create => {
            builder.item(Kmip::Create, None, &create(None));
        }
        Operation::CreateNamed => {
            builder.item(Kmip::Create, None, &create(Some(&format!("bench-{NUMBER}"))));
        }
        Operation::Get => {
            let request = ops::get::Request { unique_identifier: Some(key.into()), ..Default::default() };
            builder.item(Kmip::Get, None, &request);
        }
        Operation::Locate => {
            let attributes = vec![Attribute::Name("nothing has this name".into())].into();
            builder.item(Kmip::Locate, None, &ops::locate::Request { attributes, ..Default::default() });
        }
    }
    builder.finish();
    bytes
}

fn create(name: Option<&str>) -> ops::create::Request {
    let mut attributes = vec![
        Attribute::CryptographicAlgorithm(CryptographicAlgorithm::Aes),
        Attribute::CryptographicLength(256),
        Attribute::CryptographicUsageMask(UsageMask::ENCRYPT | UsageMask::DECRYPT),
    ];
    attributes.extend(name.map(|name| Attribute::Name(name.into())));
    ops::create::Request {
        object_type: ObjectType::SymmetricKey,
        attributes: attributes.into(),
        protection_storage_masks: None,
    }
}

fn created(answer: &[u8]) -> anyhow::Result<String> {
    check(answer).map_err(anyhow::Error::msg)?;
    let answer = ResponseMessage::decode(answer, &Limits::DEFAULT)?;
    let Some(item) = answer.items.first() else { bail!("the answer to Create is empty") };
    let created = item.payload::<ops::create::Response<'_>>()?;
    Ok(created.unique_identifier.as_text().unwrap_or_default().to_owned())
}

/// Every item of an answer must be a success.
pub fn check(answer: &[u8]) -> Result<(), String> {
    let answer = ResponseMessage::decode(answer, &Limits::DEFAULT).map_err(|error| error.to_string())?;
    match answer.items.iter().find(|item| item.status != ResultStatus::Success) {
        None => Ok(()),
        Some(item) => Err(item.message.as_deref().unwrap_or("an item failed without a message").to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_numbered() {
        for operation in <Operation as clap::ValueEnum>::value_variants() {
            let bytes = message(*operation, "key");
            let found = bytes.windows(NUMBER_DIGITS).any(|window| window == NUMBER.as_bytes());
            assert_eq!(found, operation.is_numbered(), "{operation:?}");
            kmip::RequestMessage::decode(&bytes, &Limits::DEFAULT).expect("a message our server reads");
        }
    }

    #[test]
    fn numbers_replace_each_other() {
        let bytes = message(Operation::CreateNamed, "");
        let number_at = bytes.windows(NUMBER_DIGITS).position(|window| window == NUMBER.as_bytes());
        let mut prepared = Prepared { bytes, answer_bytes: 0, number_at };
        for (number, expected) in [(7, "bench-0000000000000007"), (u64::MAX, "bench-ffffffffffffffff")] {
            prepared.number(number);
            assert!(prepared.bytes.windows(expected.len()).any(|window| window == expected.as_bytes()));
        }
    }
}
