//! Floor 4: the ways in: what reads bytes, frames them, and hands batches to the pipeline.
//!
//! Invariant: bytes are read only while a permit is held, so that what is full slows the sender and nothing else.

mod connection;
pub mod file;
pub mod intake;
mod notices;
mod pool;
pub mod tcp;

pub use intake::{Intake, Permit, Sink};
pub use notices::{Notices, Refusal};
pub use pool::Pool;
