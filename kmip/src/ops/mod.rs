//! The payloads, one file per operation; each has a `Request` and a `Response`.
//!
//! They are data: what a field may be asked for in which version is decided here, what it does is
//! the server's affair. `None` for a Unique Identifier means the ID placeholder of the batch.

pub mod activate;
pub mod add_attribute;
pub mod create;
pub mod decrypt;
pub mod delete_attribute;
pub mod derive_key;
pub mod destroy;
pub mod discover_versions;
pub mod encrypt;
pub mod get;
pub mod get_attribute_list;
pub mod get_attributes;
pub mod locate;
pub mod modify_attribute;
pub mod query;
pub mod register;
pub mod revoke;
