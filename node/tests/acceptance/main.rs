//! Whole clusters of the built binary, as a user starts them: `keyraft dev`, real processes, real disks,
//! mutual TLS. Nothing here knows the inside of a node.
//!
//! `ACCEPTANCE_ROUNDS` sets how often the races between nodes are run (200; a release runs 10,000).
//! `ACCEPTANCE_MIGRATIONS=all` moves tenants to roots of every provider, and kills nodes at every step of that.
//! `ACCEPTANCE_OWNER=all` disables a root, forbids its use and has it fall silent, at the pace of default probes.

mod administration;
mod backup;
mod backup_store;
mod bad_input;
mod barrier;
mod beginning;
mod certificates;
mod clients;
mod command_line;
mod contract;
mod credentials;
mod cryptography;
mod example;
mod failover;
mod first_key;
mod full_disk;
mod https;
mod identity;
mod identity_provider;
mod key_pairs;
mod keys;
mod kmip_protocol;
mod lifecycle;
mod load;
mod matrix;
mod members;
mod migrations;
mod misuse;
mod outages;
mod owner;
mod peers;
mod published;
mod refusals;
mod renewals;
mod replays;
mod rest;
mod revocation;
mod rolling;
mod root_descriptions;
mod roots;
mod semantics;
mod services;
mod stream;
mod support;
mod talk;
mod tokens;
mod transport;
mod wire;
mod withdrawals;
mod workflows;
