//! Who makes the IV of a message.
//!
//! In authenticated modes one repeated IV gives away the key of the authentication itself, so a key has one
//! source of IVs for ever: a derived key takes the server's, unless it was made with Random IV = false; a
//! registered key takes the client's, unless Random IV is set. Where the identifier does not say it, the
//! first use in such a mode writes it down, in an attribute that no client sees or sets.
//!
//! In the other modes a repeated IV tells the equality of messages or the sum of two, and the key stays what
//! it was: a client that brings an IV is served with any key.

use crypto::services::{CipherSpec, Mode};
use engine::Refused;
use kmip::{Attribute, CryptographicParameters, CustomAttribute, CustomValue, ResultReason};
use model::refusal::Refusal;

use crate::failure::Failure;
use crate::objects::Edit;
use crate::ops::{Context, Error};
use crate::services::key::ServiceKey;
use crate::services::params::counter_block;

/// The attribute that keeps a key's source of IVs: a server's own (`y`), never shown.
const NAME: &str = "iv-source";

/// How often the note is tried while others change the object.
const SETTLE_TRIES: usize = 4;

/// A message's IV.
pub struct Iv {
    /// The bytes; empty where the mode has none, or where one is missing.
    pub bytes: Vec<u8>,
    /// Whether the server made them, and so has to say which.
    pub made: bool,
}

/// Where a key's IVs come from in authenticated modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Client,
    Server,
}

impl Source {
    const fn text(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// The IV a message is encrypted with; `given` is the request's.
pub async fn choose(
    context: &mut Context<'_, '_>,
    key: &ServiceKey,
    parameters: &CryptographicParameters,
    spec: &CipherSpec<'_>,
    given: Option<&[u8]>,
) -> Result<Iv, Error> {
    let wanted = spec.iv_bytes();
    let theirs = |bytes: Vec<u8>| Ok(Iv { bytes, made: false });
    if wanted == 0 {
        return theirs(Vec::new());
    }
    if spec.is_authenticated() {
        return match (source(key, parameters), given) {
            (Source::Server, Some(_)) => {
                let message =
                    "this key takes the server's IV in authenticated modes; leave IV/Counter/Nonce out";
                Err(Failure::new(ResultReason::PermissionDenied, message).into())
            }
            (Source::Server, None) => {
                settle(context, key, Source::Server).await?;
                Ok(Iv { bytes: context.turn.server_iv(&key.found)?.to_vec(), made: true })
            }
            (Source::Client, given) => {
                settle(context, key, Source::Client).await?;
                theirs(given.unwrap_or_default().to_vec())
            }
        };
    }
    match given {
        Some(nonce) if spec.mode == Some(Mode::Ctr) => {
            theirs(counter_block(parameters, nonce, spec.block_bytes())?)
        }
        Some(iv) => theirs(iv.to_vec()),
        // A tweak is the data's place on a disk: nobody can make one up.
        None if spec.mode == Some(Mode::Xts) => theirs(Vec::new()),
        None => {
            let mut bytes = vec![0; wanted];
            crypto::random::fill(&mut bytes);
            Ok(Iv { bytes, made: true })
        }
    }
}

fn source(key: &ServiceKey, parameters: &CryptographicParameters) -> Source {
    if key.is_derived() {
        return if key.made_with_random_iv() == Some(false) { Source::Client } else { Source::Server };
    }
    if parameters.random_iv == Some(true) { Source::Server } else { Source::Client }
}

/// Holds a key to the source it has, and writes it down at its first use. A derived key that takes the
/// server's IVs has nothing to write: that is what its identifier says.
async fn settle(context: &mut Context<'_, '_>, key: &ServiceKey, source: Source) -> Result<(), Error> {
    if key.is_derived() && source == Source::Server {
        return Ok(());
    }
    let note = Attribute::Custom(CustomAttribute {
        vendor: "y".to_owned(),
        name: NAME.to_owned(),
        value: CustomValue::Text(source.text().to_owned()),
    });
    let mut found = key.found.clone();
    for _ in 0..SETTLE_TRIES {
        let mut edit = Edit::of(&found, context.turn.now(), context.version)?;
        match edit.attributes.iter().find(|known| known.name() == note.name()) {
            Some(known) if *known == note => return Ok(()),
            Some(_) => {
                let message =
                    "this key's IVs come from another source in authenticated modes; they are not mixed";
                return Err(Failure::new(ResultReason::PermissionDenied, message).into());
            }
            None => edit.attributes.push(note.clone()),
        }
        match context.turn.change_attributes(&found, edit.change()).await {
            Err(Refused::Refused(Refusal::RevisionConflict { .. })) => {
                // Somebody else changed the object a moment ago, perhaps with the same note.
                context.turn.refresh().await?;
                found = context.turn.find(&context.identifier).await?;
            }
            settled => return Ok(settled?),
        }
    }
    Err(Refused::NotNow { reason: "the object changes too often to be noted about".to_owned() }.into())
}
