//! PKCS#11: the functions of a token that need no session objects (2.1, 6.1.37). A client initialises, asks
//! what there is, and finalises; keys are used through KMIP's own operations.

use kmip::ops::pkcs11::{Request, Response};
use kmip::{Pkcs11Function, Pkcs11ReturnCode, RawEnumeration, ResponsePayload, ResultReason};
use model::ticket::Purpose;

use super::{Context, Error, Reply, poll};
use crate::failure::Failure;

/// How long a session lasts without being finalised.
const LASTS_MS: u64 = 60 * 60 * 1_000;
/// Length of the manufacturer and description fields of CK_INFO.
const FIELD: usize = 32;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    let mut answer = Response {
        interface: request.interface.as_ref().map(|interface| interface.clone().into_owned().into()),
        function: request.function,
        correlation_value: None,
        output_parameters: None,
        return_code: RawEnumeration(Pkcs11ReturnCode::Ok.value()),
    };
    match Pkcs11Function::from_value(request.function.0) {
        Some(Pkcs11Function::Initialize) => {
            let uid = context.turn.issue_ticket(LASTS_MS, Purpose::Session).await?;
            answer.correlation_value = Some(uid.to_string().into_bytes().into());
        }
        Some(Pkcs11Function::GetInfo) => {
            session(context, request).await?;
            answer.output_parameters = Some(info().into());
        }
        Some(Pkcs11Function::Finalize) => {
            let uid = session(context, request).await?;
            context.turn.end_ticket(uid).await?;
        }
        _ => {
            let message = "of PKCS#11 this server offers C_Initialize, C_GetInfo and C_Finalize";
            return Err(Failure::new(ResultReason::Pkcs11InvalidFunction, message).into());
        }
    }
    Ok(Reply::Payload(ResponsePayload::Pkcs11(answer)))
}

async fn session(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<model::uid::Uid, Error> {
    let absent = || Failure::new(ResultReason::InvalidCorrelationValue, "no PKCS#11 session has this value");
    let value = request.correlation_value.as_deref().ok_or_else(absent)?;
    match poll::find(context, value).await {
        Ok(ticket) if ticket.purpose == Purpose::Session => Ok(ticket.uid),
        Ok(_) | Err(Error::Failure(_)) => Err(absent().into()),
        Err(refused) => Err(refused),
    }
}

/// CK_INFO: Cryptoki 2.40, manufacturer, flags (none), description, library version.
fn info() -> Vec<u8> {
    let mut info = vec![2, 40];
    padded(&mut info, "keyraft");
    info.extend_from_slice(&0_u64.to_be_bytes());
    padded(&mut info, "keyraft KMIP server");
    let version = |text: &str| text.parse().unwrap_or(0);
    info.extend([version(env!("CARGO_PKG_VERSION_MAJOR")), version(env!("CARGO_PKG_VERSION_MINOR"))]);
    info
}

/// Texts of Cryptoki are padded with blanks and not terminated.
fn padded(out: &mut Vec<u8>, text: &str) {
    let end = out.len() + FIELD;
    out.extend(text.bytes().take(FIELD));
    out.resize(end, b' ');
}

#[cfg(test)]
mod tests {
    #[test]
    fn info_has_the_layout_of_ck_info() {
        let info = super::info();
        assert_eq!(info.len(), 2 + 32 + 8 + 32 + 2);
        assert_eq!(info[..9], *b"\x02\x28keyraft");
        assert_eq!(info[9..34], [b' '; 25]);
    }
}
