//! Floor 3: what survives a restart.
//!
//! Invariant: a run number is durable before anything bears it, and one data directory serves one process.

mod identity;

pub use identity::{Identity, IdentityError};
