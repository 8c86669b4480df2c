//! RNG Retrieve: random bytes from the kernel (1.x section 4.35).

use kmip::ops::rng_retrieve::{Request, Response};
use kmip::{DataPlaceholder, ResponsePayload};
use zeroize::Zeroizing;

use super::{Context, Error, Reply};
use crate::failure::Failure;

/// Most bytes of one answer: a client that wants more asks again.
const RANDOM_BYTES_MAX: usize = 64 << 10;

pub fn serve(context: &mut Context<'_, '_>, request: &Request) -> Result<Reply, Error> {
    let wanted = usize::try_from(request.data_length).ok().filter(|n| (1..=RANDOM_BYTES_MAX).contains(n));
    let bytes = wanted.ok_or(Failure::invalid_field("the Data Length is not in 1 to 65,536"))?;
    let mut random = Zeroizing::new(vec![0; bytes]);
    context.turn.draw(&mut random);
    let data = random.into();
    context.leave(DataPlaceholder::RngRetrieve, Some(&data));
    Ok(Reply::Payload(ResponsePayload::RngRetrieve(Response { data })))
}
