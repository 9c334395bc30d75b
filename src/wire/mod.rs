//! Floor 1: bytes → frames → records. Pure: no I/O, no clock, no allocation per record.

pub mod framing;
mod record;

pub use record::{Format, Priority, Record, Reject};
