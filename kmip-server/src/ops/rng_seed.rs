//! RNG Seed: taken note of and not used (1.x section 4.36 allows it; the answer says 0 bytes).
//!
//! Randomness is the kernel's, and no client has a say in it: a seed that did anything could only make it
//! worse for somebody else.

use kmip::ResponsePayload;
use kmip::ops::rng_seed::Response;

use super::Reply;

pub fn serve() -> Reply {
    Reply::Payload(ResponsePayload::RngSeed(Response { data_length: 0 }))
}
