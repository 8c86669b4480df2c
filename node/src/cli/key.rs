//! `keyraft key`: a tenant's keys, as one of its services sees them, over KMIP.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use client::{BATCH_MAX, Client, KeyBytes, KeyRequest};
use indicatif::{ProgressBar, ProgressStyle};
use kmip::{Attribute, CryptographicAlgorithm, RevocationReasonCode, UsageMask};
use serde_json::{Value, json};

use super::kmip::{KmipArgs, explain};
use super::{Format, output};

/// Most keys of one command: ephemeral keys cost nothing, a list of more helps nobody.
const KEYS_MAX: u64 = 1_000_000;

/// See the module.
#[derive(Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    kmip: KmipArgs,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table, global = true)]
    output: Format,
}

#[derive(Subcommand)]
enum Command {
    /// Makes keys and prints their identifiers
    Create {
        /// Cryptographic Algorithm
        #[arg(long, value_enum, default_value_t = Algorithm::Aes)]
        algorithm: Algorithm,
        /// Cryptographic Length in bits
        #[arg(long, default_value_t = 256)]
        bits: u16,
        /// What the key is for
        #[arg(long, value_enum, value_delimiter = ',', default_value = "encrypt,decrypt")]
        usage: Vec<Usage>,
        /// A name, unique in the tenant: the key is then recorded
        #[arg(long, conflicts_with = "batch")]
        name: Option<String>,
        /// How many keys
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=KEYS_MAX))]
        batch: u64,
    },
    /// Prints a key
    Get {
        /// Its identifier
        identifier: String,
        /// How to write the key
        #[arg(long, value_enum, default_value_t = Encoding::Hex)]
        encoding: Encoding,
    },
    /// Finds keys by name; without a name, every recorded one
    Locate {
        /// The name
        #[arg(long)]
        name: Option<String>,
    },
    /// Prints the attributes of a key
    Attributes {
        /// Its identifier
        identifier: String,
    },
    /// From Pre-Active to Active
    Activate {
        /// Its identifier
        identifier: String,
    },
    /// Ends the use of a key; old data may still be read with it
    Revoke {
        /// Its identifier
        identifier: String,
        /// Why: a compromise makes it Compromised, anything else Deactivated
        #[arg(long, value_enum, default_value_t = Reason::CessationOfOperation)]
        reason: Reason,
    },
    /// Ends a key for ever, on every node, before the command returns
    Destroy {
        /// Its identifier
        identifier: String,
        /// Must repeat the identifier
        #[arg(long)]
        confirm: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    Aes,
    #[value(name = "3des")]
    TripleDes,
    HmacSha1,
    HmacSha256,
    HmacSha384,
    HmacSha512,
    Chacha20,
}

impl Algorithm {
    const fn kmip(self) -> CryptographicAlgorithm {
        match self {
            Self::Aes => CryptographicAlgorithm::Aes,
            Self::TripleDes => CryptographicAlgorithm::TripleDes,
            Self::HmacSha1 => CryptographicAlgorithm::HmacSha1,
            Self::HmacSha256 => CryptographicAlgorithm::HmacSha256,
            Self::HmacSha384 => CryptographicAlgorithm::HmacSha384,
            Self::HmacSha512 => CryptographicAlgorithm::HmacSha512,
            Self::Chacha20 => CryptographicAlgorithm::ChaCha20,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Usage {
    Encrypt,
    Decrypt,
    WrapKey,
    UnwrapKey,
    MacGenerate,
    MacVerify,
    DeriveKey,
}

impl Usage {
    const fn bit(self) -> u32 {
        match self {
            Self::Encrypt => UsageMask::ENCRYPT.0,
            Self::Decrypt => UsageMask::DECRYPT.0,
            Self::WrapKey => UsageMask::WRAP_KEY.0,
            Self::UnwrapKey => UsageMask::UNWRAP_KEY.0,
            Self::MacGenerate => UsageMask::MAC_GENERATE.0,
            Self::MacVerify => UsageMask::MAC_VERIFY.0,
            Self::DeriveKey => UsageMask::DERIVE_KEY.0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Encoding {
    Hex,
    Base64,
    /// The bytes themselves, to a file or a pipe only
    Raw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reason {
    Unspecified,
    KeyCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

impl Reason {
    const fn kmip(self) -> RevocationReasonCode {
        match self {
            Self::Unspecified => RevocationReasonCode::Unspecified,
            Self::KeyCompromise => RevocationReasonCode::KeyCompromise,
            Self::AffiliationChanged => RevocationReasonCode::AffiliationChanged,
            Self::Superseded => RevocationReasonCode::Superseded,
            Self::CessationOfOperation => RevocationReasonCode::CessationOfOperation,
            Self::PrivilegeWithdrawn => RevocationReasonCode::PrivilegeWithdrawn,
        }
    }
}

const IDENTIFIER: &[output::Column] = &[("IDENTIFIER", "/identifier")];
const ATTRIBUTE: &[output::Column] = &[("ATTRIBUTE", "/name"), ("VALUE", "/value")];

/// Acts as the service that the certificate names.
pub fn run(args: &KeyArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.kmip.settings()?).map_err(|error| explain(error.into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(act(args, &client))?;
    Ok(ExitCode::SUCCESS)
}

async fn act(args: &KeyArgs, client: &Client) -> anyhow::Result<()> {
    match &args.command {
        Command::Create { algorithm, bits, usage, name, batch } => {
            let mask = UsageMask(usage.iter().fold(0, |mask, usage| mask | usage.bit()));
            let (algorithm, bits) = (algorithm.kmip(), i32::from(*bits));
            let mut key = KeyRequest { algorithm, bits, mask, more: Vec::new() };
            if let Some(name) = name {
                key = key.named(name);
            }
            print_identifiers(args.output, &create(client, &key, *batch).await?);
        }
        Command::Get { identifier, encoding } => {
            if *encoding == Encoding::Raw && std::io::stdout().is_terminal() {
                bail!(
                    "a key in raw bytes would garble the terminal: redirect it, or choose another --encoding"
                );
            }
            let key = client.get(identifier).await.map_err(explain)?;
            print_key(args.output, identifier, &key, *encoding)?;
        }
        Command::Locate { name } => {
            let wanted = name.iter().map(|name| Attribute::Name(name.as_str().into())).collect();
            print_identifiers(args.output, &client.locate(wanted).await.map_err(explain)?);
        }
        Command::Attributes { identifier } => {
            let found = client.attributes(identifier, &[]).await.map_err(explain)?;
            let row = |attribute: &Attribute| json!({ "name": attribute.name().to_text(), "value": value(attribute) });
            output::print(args.output, &found.iter().map(row).collect(), ATTRIBUTE);
        }
        Command::Activate { identifier } => {
            client.activate(identifier).await.map_err(explain)?;
            print_identifiers(args.output, std::slice::from_ref(identifier));
        }
        Command::Revoke { identifier, reason } => {
            client.revoke(identifier, reason.kmip()).await.map_err(explain)?;
            print_identifiers(args.output, std::slice::from_ref(identifier));
        }
        Command::Destroy { identifier, confirm } => {
            if confirm != identifier {
                bail!("--confirm must repeat the identifier: a destroyed key never comes back");
            }
            client.destroy(identifier).await.map_err(explain)?;
            print_identifiers(args.output, std::slice::from_ref(identifier));
        }
    }
    Ok(())
}

/// An attribute's value with the names that KMIP's JSON encoding gives it.
fn value(attribute: &Attribute) -> Value {
    let attribute = attribute.to_ttlv_bytes();
    // The encoding is one of structures: a structure with this attribute alone.
    let mut structure = kmip::Tag::ATTRIBUTES.0.to_be_bytes()[1..].to_vec();
    structure.push(0x01);
    structure.extend(u32::try_from(attribute.len()).unwrap_or(u32::MAX).to_be_bytes());
    structure.extend(attribute);
    let encoded = kmip::text::from_ttlv(kmip::text::Encoding::Json, &structure);
    let parsed = encoded.ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    parsed.as_ref().and_then(|parsed| parsed.pointer("/value/0/value")).map_or(Value::Null, plain)
}

/// `{tag, type, value}` said plainly: a value, or values by the names of their fields.
fn plain(value: &Value) -> Value {
    let Value::Array(fields) = value else { return value.clone() };
    let field = |field: &Value| Some((field["tag"].as_str()?.to_owned(), plain(&field["value"])));
    Value::Object(fields.iter().filter_map(field).collect())
}

/// Makes keys, a message of many at a time; a terminal sees how far it is.
async fn create(client: &Client, key: &KeyRequest, count: u64) -> anyhow::Result<Vec<String>> {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} keys  {eta} left")?;
    let bar = if count > 1 { ProgressBar::new(count).with_style(style) } else { ProgressBar::hidden() };
    let mut identifiers = Vec::with_capacity(usize::try_from(count)?);
    while (identifiers.len() as u64) < count {
        let left = usize::try_from(count)? - identifiers.len();
        let made = client.create_many(key, left.min(BATCH_MAX)).await.map_err(|error| {
            bar.finish_and_clear();
            match count {
                1 => explain(error),
                _ => explain(error).context(format!("{} of {count} keys were made", identifiers.len())),
            }
        })?;
        bar.inc(made.len() as u64);
        identifiers.extend(made);
    }
    bar.finish_and_clear();
    Ok(identifiers)
}

fn print_identifiers(format: Format, identifiers: &[String]) {
    let rows: Value = identifiers.iter().map(|identifier| json!({ "identifier": identifier })).collect();
    output::print(format, &rows, IDENTIFIER);
}

/// The key itself and nothing else, so that a script can use it; with its identifier in JSON and YAML.
fn print_key(format: Format, identifier: &str, key: &KeyBytes, encoding: Encoding) -> anyhow::Result<()> {
    let text = zeroize::Zeroizing::new(match encoding {
        Encoding::Hex => data_encoding::HEXLOWER.encode(key.expose()),
        Encoding::Base64 => data_encoding::BASE64.encode(key.expose()),
        Encoding::Raw => {
            let mut out = std::io::stdout().lock();
            out.write_all(key.expose())?;
            return Ok(out.flush()?);
        }
    });
    match format {
        Format::Table => writeln!(std::io::stdout(), "{}", *text)?,
        Format::Json | Format::Yaml => {
            output::print(format, &json!({ "identifier": identifier, "key": *text }), &[]);
        }
    }
    Ok(())
}
