//! Interop: marks the beginning and end of a test case, and does nothing (2.1, 6.1.26). Reset would destroy
//! every object of the caller: only for a tenant that an administrator labelled for that.

use kmip::ops::interop::{Request, Response};
use kmip::{InteropFunction, ResponsePayload, ResultReason};
use model::object::{KeyState, Revocation};

use super::{Context, Error, Reply};
use crate::failure::Failure;

/// The label, and the value it must have, of a tenant whose services may reset themselves.
const LABEL: (&str, &str) = ("interop", "true");
/// KMIP Revocation Reason Code: Cessation of Operation.
const CESSATION: u32 = 6;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    match request.interop_function {
        InteropFunction::Begin | InteropFunction::End => {}
        InteropFunction::Reset => reset(context).await?,
    }
    Ok(Reply::Payload(ResponsePayload::Interop(Response::default())))
}

async fn reset(context: &mut Context<'_, '_>) -> Result<(), Error> {
    if context.turn.tenant().labels.get(LABEL.0).map(String::as_str) != Some(LABEL.1) {
        let message = "only tenants labelled interop=true are reset";
        return Err(Failure::new(ResultReason::PermissionDenied, message).into());
    }
    for object in context.turn.objects().await? {
        let found = engine::Found { object, has_row: true };
        let state = context.turn.state_of(&found);
        if state.is_destroyed() {
            continue;
        }
        if state == KeyState::Active {
            let reason = Revocation { code: CESSATION, message: None };
            context.turn.revoke(&found, reason, None).await?;
        }
        context.turn.destroy(&found).await?;
    }
    Ok(())
}
