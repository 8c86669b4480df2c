//! RNG Seed: the first bytes of a client's seed are mixed into the kernel's generator, which they can make no worse
//! (1.x section 4.36). A service that has not drawn since its last seed is told that none of it was used.

use kmip::ResponsePayload;
use kmip::ops::rng_seed::{Request, Response};

use super::{Context, Reply};

pub fn serve(context: &Context<'_, '_>, request: &Request<'_>) -> Reply {
    let used = context.turn.seed(&request.data);
    let data_length = i32::try_from(used).expect("a seed is used up to a few bytes");
    Reply::Payload(ResponsePayload::RngSeed(Response { data_length }))
}
