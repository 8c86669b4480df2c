//! Anything may come as a client's certificate: it names one tenant and one service, or nobody.
#![no_main]

#[path = "../../kmip-server/src/identity.rs"]
mod identity;

use libfuzzer_sys::fuzz_target;
use model::id::{ServiceName, TenantName};

fuzz_target!(|bytes: &[u8]| {
    let Ok(identity) = identity::identify(bytes, [bytes], "keyraft.local") else { return };
    assert_eq!(TenantName::parse(identity.tenant.as_str()).as_ref(), Ok(&identity.tenant));
    assert_eq!(ServiceName::parse(identity.service.as_str()).as_ref(), Ok(&identity.service));
    let (_, not_after_s) = identity::validity(bytes).expect("what names somebody can be read");
    assert_eq!(not_after_s, identity.not_after_s);
});
