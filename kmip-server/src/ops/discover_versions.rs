//! Discover Versions: the versions spoken here, newest first, among those the client names.

use kmip::ops::discover_versions::{Request, Response};
use kmip::{ResponsePayload, Version};

use super::Reply;

pub fn serve(request: &Request) -> Reply {
    let spoken = Version::SUPPORTED.iter().map(|version| version.protocol());
    let versions = spoken.filter(|version| request.versions.is_empty() || request.versions.contains(version));
    Reply::Payload(ResponsePayload::DiscoverVersions(Response { versions: versions.collect() }))
}
