//! Floor 1: bytes → frames → records. Pure: no I/O, no clock, no allocation per record.
//!
//! [`framing`] tells the messages of a stream apart, [`Record::parse`] reads one of them. A record borrows from its
//! frame and a frame from its batch, so nothing is copied on the way.

mod compose;
mod count;
pub mod framing;
pub mod journald;
pub mod lines;
mod priority;
pub mod proxy;
mod record;
mod reject;
pub mod relp;
mod rfc3164;
mod rfc5424;
mod scan;
pub mod structured_data;
mod timestamp;
mod unfit;

pub use priority::Priority;
pub use record::{Format, Record, as_received};
pub use reject::Reject;
pub use structured_data::StructuredData;
