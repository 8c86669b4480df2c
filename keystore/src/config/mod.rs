//! What it takes to open a root: three parts with three owners.
//!
//! - [`RootConfig`]: which key, where. Its owner says so, by API; it holds no secret and no path, so it
//!   may be stored, shown and compared.
//! - [`Credentials`]: how we prove ourselves there. Written once, never read back.
//! - [`Site`]: what this node allows and offers: endpoints, HSM modules, its own identity. Its operator
//!   says so, in the node's configuration file; nothing in it can be set by API.

mod credentials;
mod key_id;
mod providers;
mod secret_text;
mod site;

pub use credentials::{BadCredentials, Credentials};
pub use key_id::{BadKeyId, KeyId};
pub use providers::{
    AwsKmsConfig, AzureConfig, GcpKmsConfig, KmipConfig, Pkcs11Config, RootConfig, SoftwareConfig,
    TransitAuth, TransitConfig,
};
pub use secret_text::SecretText;
pub use site::{Hsm, Site, WorkloadIdentity};
