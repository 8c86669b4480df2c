//! What each route does.

pub mod backups;
pub mod barrier;
pub mod certificates;
pub mod cluster;
mod effect;
pub mod events;
pub mod health;
pub mod jobs;
pub mod kmip;
pub mod leases;
pub mod members;
pub mod objects;
pub mod roots;
pub mod services;
pub mod tenants;
pub mod versions;
pub mod workflows;
