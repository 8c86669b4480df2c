//! Obtain Lease: how long a client may go on with a key before it asks again (1.4, 4.17). For a key whose
//! time is over there is none.

use engine::Refused;
use kmip::ops::obtain_lease::{Request, Response};
use kmip::{Interval, ResponsePayload};
use model::object::KeyState;

use super::{Context, Error, Reply};
use crate::attributes::date;
use crate::attributes::read::LEASE_TIME_S;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    context.turn.refresh().await?;
    let found = context.find(request.unique_identifier.as_ref()).await?;
    found.on_line()?;
    match context.turn.state_of(&found) {
        KeyState::PreActive | KeyState::Active => {}
        state @ (KeyState::Deactivated | KeyState::Compromised) => {
            return Err(Refused::WrongState { state }.into());
        }
        KeyState::Destroyed | KeyState::DestroyedCompromised => return Err(Refused::Destroyed.into()),
    }
    Ok(Reply::Payload(ResponsePayload::ObtainLease(Response {
        unique_identifier: found.identifier().into(),
        lease_time: Interval(LEASE_TIME_S),
        last_change_date: date(found.object.lifecycle.last_change_date),
    })))
}
