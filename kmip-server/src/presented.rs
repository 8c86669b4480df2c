//! What a request's header says of its sender beside the certificate: credentials and tickets.
//!
//! The certificate alone says which tenant and service asks. A Credential can only narrow that: an object
//! made under one answers no request that shows another, and a ticket ends or restricts what its holder may.
//! Nothing in a header ever widens (K20). Passwords are not checked, and not kept: there is nobody's to
//! check them against, and the handshake has already proved who asks.

use kmip::field::Decode as _;
use kmip::message::RequestHeader;
use kmip::ops::delegated_login::{Right, Rights};
use kmip::ttlv::{Item, Limits};
use kmip::{Credential, ObjectType, Operation, ResultReason, Version};
use model::refusal::Refusal;
use model::ticket::Purpose;
use sha2::{Digest as _, Sha256};

use engine::{Found, Refused, Turn};

use crate::failure::Failure;

/// What a header showed and this server takes into account.
#[derive(Clone, Debug, Default)]
pub struct Presented {
    /// Whose name stood in a Credential, as a hash of fixed length.
    pub label: Option<Label>,
    /// What the ticket allows, in TTLV; `None` without a ticket that restricts.
    rights: Option<Vec<u8>>,
}

/// Stands for the name in a Credential.
pub type Label = [u8; 16];

impl Presented {
    /// Takes a header's credentials; a ticket pays for this request.
    ///
    /// # Errors
    /// A ticket that is not valid, or spent.
    pub async fn of(header: &RequestHeader<'_>, turn: &mut Turn<'_>) -> Result<Self, Failure> {
        let mut presented = Self::default();
        for credential in &header.credentials {
            match credential {
                Credential::Ticket(ticket) => {
                    presented.rights =
                        pay(&ticket.value, turn).await.map_err(|refused| {
                            match Failure::of(&refused, header.version) {
                                failure if matches!(refused, Refused::NotFound { .. }) => {
                                    let message = "the ticket is not valid, or not any more".into();
                                    Failure { reason: ResultReason::InvalidTicket, message, ..failure }
                                }
                                failure => failure,
                            }
                        })?;
                }
                other => presented.label = label(other).or(presented.label),
            }
        }
        Ok(presented)
    }

    /// Whether the ticket, if there is one, allows an operation at all.
    #[must_use]
    pub fn allows(&self, operation: Operation) -> bool {
        self.any_right(|right| allows_operation(right, operation))
    }

    /// Refuses an operation on an object that the ticket or the Credential does not cover.
    ///
    /// # Errors
    /// [`Refused::Denied`].
    pub fn check(&self, operation: Operation, found: &Found) -> Result<(), Refused> {
        if !self.any_right(|right| allows_operation(right, operation) && allows_object(right, found)) {
            return Err(Refused::Denied { reason: "the ticket does not allow that on this object" });
        }
        match (self.label, owner(found)) {
            (Some(label), Some(owner)) if owner != label => {
                Err(Refused::Denied { reason: "the object was made under another Credential" })
            }
            _ => Ok(()),
        }
    }

    fn any_right(&self, fits: impl Fn(&Right<'_>) -> bool) -> bool {
        let Some(bytes) = &self.rights else { return true };
        let read = Item::parse(bytes, &Limits::DEFAULT).and_then(Rights::decode);
        read.is_ok_and(|rights| rights.rights.iter().any(fits))
    }
}

/// Takes one request from a login; returns the rights it restricts its holder to.
async fn pay(value: &[u8], turn: &mut Turn<'_>) -> Result<Option<Vec<u8>>, Refused> {
    let unknown = Refused::NotFound { cause: "no_ticket" };
    let name = std::str::from_utf8(value).map_err(|_| unknown.clone())?;
    let ticket = turn.ticket(name).await?;
    let Purpose::Login { rights, .. } = &ticket.purpose else { return Err(unknown) };
    turn.use_ticket(ticket.uid).await?;
    Ok((!rights.is_empty()).then(|| rights.clone()))
}

fn allows_operation(right: &Right<'_>, operation: Operation) -> bool {
    right
        .operations
        .as_ref()
        .is_none_or(|listed| listed.operations.iter().any(|number| number.0 == operation.value()))
}

fn allows_object(right: &Right<'_>, found: &Found) -> bool {
    let Some(objects) = &right.objects else { return true };
    let own = found.identifier();
    let of_group = |group: &str| {
        found.object.attributes.iter().any(|stored| {
            kmip::Attribute::from_ttlv_bytes(&stored.value)
                .is_ok_and(|attribute| attribute == kmip::Attribute::ObjectGroup(group.to_owned()))
        })
    };
    objects.unique_identifiers.iter().any(|identifier| identifier.as_text() == Some(&own))
        || objects.object_types.iter().any(|kind: &ObjectType| kind.value() == found.object.object_type)
        || objects.object_groups.iter().any(|group| of_group(group))
}

/// The attribute, kept beside a client's own and shown to nobody, that says under which Credential an
/// object was made.
const OWNER: &str = "y-keyraft-credential";

fn owner(found: &Found) -> Option<Label> {
    let stored = found.object.attributes.iter().find(|stored| stored.name == OWNER)?;
    match kmip::Attribute::from_ttlv_bytes(&stored.value).ok()? {
        kmip::Attribute::Custom(custom) => match custom.value {
            kmip::CustomValue::Bytes(bytes) => bytes.0.try_into().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// The attribute that remembers a Credential.
#[must_use]
pub fn owner_attribute(label: Label) -> kmip::Attribute {
    let (vendor, name) = ("y".to_owned(), "keyraft-credential".to_owned());
    let value = kmip::CustomValue::Bytes(label.to_vec().into());
    kmip::Attribute::Custom(kmip::CustomAttribute { vendor, name, value })
}

/// Whether an attribute is that one, which passes on to a replacement.
#[must_use]
pub fn is_owner_note(attribute: &kmip::Attribute) -> bool {
    attribute.name().to_text() == OWNER
}

/// A hash of the name in a Credential; `None` where it names nobody.
fn label(credential: &Credential<'_>) -> Option<Label> {
    let parts: Vec<&str> = match credential {
        Credential::UsernameAndPassword(given) => vec![&given.username],
        Credential::OneTimePassword(given) => vec![&given.username],
        Credential::HashedPassword(given) => vec![&given.username],
        Credential::Device(device) => [
            &device.serial_number,
            &device.device_identifier,
            &device.network_identifier,
            &device.machine_identifier,
            &device.media_identifier,
        ]
        .into_iter()
        .map(|part| part.as_deref().unwrap_or_default())
        .collect(),
        Credential::Attestation(_) | Credential::Ticket(_) => return None,
    };
    let mut hash = Sha256::new();
    hash.update(credential.kind().value().to_be_bytes());
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().copied()
}

/// How a refusal about a ticket is told; `None` for any other.
#[must_use]
pub const fn ticket_reason(refusal: &Refusal, version: Version) -> Option<ResultReason> {
    match refusal {
        Refusal::TicketUnknown if version.is_v2() => Some(ResultReason::InvalidTicket),
        Refusal::TicketSpent if version.is_v2() => Some(ResultReason::UsageLimitExceeded),
        Refusal::TicketUnknown | Refusal::TicketSpent => Some(ResultReason::PermissionDenied),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kmip::credential::{Device, UsernameAndPassword};

    fn user<'a>(name: &'a str, password: &'a str) -> Credential<'a> {
        let password = Some(password.into());
        Credential::UsernameAndPassword(UsernameAndPassword { username: name.into(), password })
    }

    #[test]
    fn a_label_is_of_the_name_and_not_of_the_password() {
        assert_eq!(label(&user("fred", "a")), label(&user("fred", "b")));
        assert_ne!(label(&user("fred", "a")), label(&user("barney", "a")));
    }

    #[test]
    fn a_device_is_told_from_a_user_and_its_parts_from_one_another() {
        let device = |serial: &'static str, machine: &'static str| {
            Credential::Device(Device {
                serial_number: Some(serial.into()),
                password: None,
                device_identifier: None,
                network_identifier: None,
                machine_identifier: Some(machine.into()),
                media_identifier: None,
            })
        };
        assert_ne!(label(&device("ab", "c")), label(&device("a", "bc")));
        assert_ne!(label(&device("fred", "")), label(&user("fred", "")));
    }

    #[test]
    fn without_a_ticket_everything_is_allowed() {
        assert!(Presented::default().allows(Operation::Destroy));
    }
}
