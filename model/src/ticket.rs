//! Tickets: what a service was given to come back with, bound to it and to a moment it ends at.
//!
//! A ticket is named by an identifier like an object's, made and checked by the engine; every node knows it.

use serde::{Deserialize, Serialize};

use crate::id::ServiceHandle;
use crate::time::ClusterTime;
use crate::uid::Uid;

/// Tickets one service may have at a time: each is held in memory by every node.
pub const TICKETS_PER_SERVICE_MAX: usize = 256;
/// Longest a ticket lasts: a working day and its night.
pub const TICKET_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Largest answer or list of rights kept in a ticket, in bytes.
pub const TICKET_BYTES_MAX: usize = 64 * 1_024;

/// A ticket's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Names it.
    pub uid: Uid,
    /// From then on it is worth nothing.
    pub expires: ClusterTime,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a ticket is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// An answer that waits to be asked for (KMIP Poll), wrapped like registered material.
    Answer {
        /// KMIP number of the operation it answers.
        operation: u32,
        /// Enters the derivation of the root that wraps it.
        salt: [u8; 32],
        /// The `KRW1` record.
        record: Vec<u8>,
        /// Whether the operation only read: then nothing of it remains once the answer is given up.
        read_only: bool,
    },
    /// A number of requests (KMIP Login, Delegated Login).
    Login {
        /// How many it is still good for; `None` means any number.
        requests_left: Option<u32>,
        /// What it allows, in the form that `kmip` writes; empty means whatever its service may.
        rights: Vec<u8>,
    },
    /// A PKCS#11 session.
    Session,
}

impl Purpose {
    /// Bytes it keeps beside its fixed parts.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        match self {
            Self::Answer { record, .. } => record.len(),
            Self::Login { rights, .. } => rights.len(),
            Self::Session => 0,
        }
    }
}

impl Ticket {
    /// The service it is bound to.
    #[must_use]
    pub fn service(&self) -> ServiceHandle {
        self.uid.header.fields().service
    }

    /// Whether it is still worth something.
    #[must_use]
    pub fn lasts_at(&self, now: ClusterTime) -> bool {
        now < self.expires
    }
}
