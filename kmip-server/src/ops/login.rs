//! Login and Delegated Login: a ticket for so many requests, so long, and (delegated) for these operations on
//! these objects (2.1, 6.1.12 and 6.1.30). It is good beside the caller's own certificate and nowhere else.

use kmip::credential::Ticket;
use kmip::field::Encode as _;
use kmip::ops::delegated_login::Rights;
use kmip::ops::{delegated_login, login, logout};
use kmip::ttlv::Writer;
use kmip::{Interval, ResponsePayload, ResultReason, Tag, TicketTime, TicketType, Version};
use model::ticket::Purpose;

use super::{Context, Error, Reply};
use crate::failure::Failure;

/// How long a ticket lasts whose request names no time, or none above zero.
const LASTS_MS: u64 = 60 * 60 * 1_000;

pub async fn serve(context: &mut Context<'_, '_>, request: &login::Request) -> Result<Reply, Error> {
    let ticket = issue(context, request.lease_time, request.request_count, Vec::new()).await?;
    Ok(Reply::Payload(ResponsePayload::Login(login::Response { ticket })))
}

pub async fn delegated(
    context: &mut Context<'_, '_>,
    request: &delegated_login::Request<'_>,
) -> Result<Reply, Error> {
    let rights = encode(&request.rights);
    let ticket = issue(context, request.lease_time, request.request_count, rights).await?;
    Ok(Reply::Payload(ResponsePayload::DelegatedLogin(delegated_login::Response { ticket })))
}

pub async fn logout(context: &mut Context<'_, '_>, request: &logout::Request<'_>) -> Result<Reply, Error> {
    let invalid = Failure::new(ResultReason::InvalidTicket, "the ticket is not valid, or not any more");
    let name = std::str::from_utf8(&request.ticket.value).map_err(|_| invalid.clone())?;
    let ticket = context.turn.ticket(name).await.map_err(|refused| match refused {
        engine::Refused::NotFound { .. } => Error::Failure(invalid.clone()),
        other => other.into(),
    })?;
    if !matches!(ticket.purpose, Purpose::Login { .. }) {
        return Err(invalid.into());
    }
    context.turn.end_ticket(ticket.uid).await?;
    Ok(Reply::Payload(ResponsePayload::Logout(logout::Response::default())))
}

async fn issue(
    context: &mut Context<'_, '_>,
    lease_time: Option<TicketTime>,
    request_count: Option<i32>,
    rights: Vec<u8>,
) -> Result<Ticket<'static>, Error> {
    let lasts_ms = lasts_ms(lease_time, context.turn.now().as_secs())?;
    let requests_left = match request_count {
        None | Some(0) => None,
        Some(count) => {
            Some(u32::try_from(count).map_err(|_| Failure::invalid_field("the Request Count is negative"))?)
        }
    };
    let purpose = Purpose::Login { requests_left, rights };
    let lasts_ms = lasts_ms.min(model::ticket::TICKET_MS_MAX);
    let uid = context.turn.issue_ticket(lasts_ms, purpose).await?;
    Ok(Ticket { kind: TicketType::Login, value: uid.to_string().into_bytes().into() })
}

fn lasts_ms(lease_time: Option<TicketTime>, now: u64) -> Result<u64, Failure> {
    let seconds = match lease_time {
        None | Some(TicketTime::For(Interval(0))) => return Ok(LASTS_MS),
        Some(TicketTime::For(Interval(seconds))) => u64::from(seconds),
        Some(TicketTime::Until(date)) => {
            let left = u64::try_from(date.0).unwrap_or(0).saturating_sub(now);
            if left == 0 {
                return Err(Failure::invalid_field("the Lease Time is over"));
            }
            left
        }
    };
    Ok(seconds.saturating_mul(1_000))
}

fn encode(rights: &Rights<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    rights.encode(&mut Writer::new(&mut bytes, Version::V2_1), Tag::RIGHTS);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use kmip::DateTime;

    #[test]
    fn a_ticket_lasts_so_long_or_until_a_date() {
        let check = |lease_time: Option<TicketTime>, expected: Option<u64>| {
            assert_eq!(lasts_ms(lease_time, 1_000).ok(), expected, "{lease_time:?}");
        };
        check(None, Some(LASTS_MS));
        check(Some(TicketTime::For(Interval(0))), Some(LASTS_MS));
        check(Some(TicketTime::For(Interval(7))), Some(7_000));
        check(Some(TicketTime::Until(DateTime(1_007))), Some(7_000));
        check(Some(TicketTime::Until(DateTime(1_000))), None);
        check(Some(TicketTime::Until(DateTime(-1))), None);
    }
}
