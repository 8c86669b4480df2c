//! The synchronisation primitives of the cache: the standard ones, or loom's when it explores every
//! interleaving (feature `loom`, tests only).

#[cfg(not(feature = "loom"))]
pub(crate) use std::sync::{
    Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicBool, Ordering},
};

#[cfg(feature = "loom")]
pub(crate) use loom::sync::{
    Arc, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicBool, Ordering},
};
#[cfg(feature = "loom")]
pub(crate) use std::sync::PoisonError;
