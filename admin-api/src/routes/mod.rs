//! What each route does.

pub mod backups;
pub mod cluster;
pub mod health;
pub mod kmip;
pub mod services;
pub mod tenants;
