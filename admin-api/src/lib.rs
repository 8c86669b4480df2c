//! REST for those who run tenants and nodes, described by OpenAPI generated from this code.
//!
//! Every answer that is not a success is a problem document (RFC 9457) that says what happened and what to
//! do. Every change leaves an audit record before its answer. Nothing here sees a key.
#![forbid(unsafe_code)]

mod access;
mod app;
mod auth;
mod backups;
mod gate;
mod guest;
mod idempotency;
mod identity;
mod json;
mod limits;
mod outbound;
mod page;
mod problem;
mod router;
mod routes;
mod server;
mod wish;

pub use access::{Access, Grants, Role, Rule, Verdict};
pub use app::{App, Scrape, Who};
pub use auth::DevelopmentToken;
pub use backups::{BackupError, BackupView, Backups, Making};
pub use guest::{Answer, Answering, Guest, Unwelcome, Visit};
pub use identity::{BadProvider, Pin, Provider, Providers, Settings as IdentityProvider};
pub use router::{RULES, openapi};
pub use server::{Door, serve};
