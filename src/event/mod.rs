//! Floor 1: what happened, as typed values: kinds, their fields, severities, identities, and blocks of events.
//!
//! Invariant: an event's fields stand in the order of its kind's schema, each of the type that the schema names or
//! null; [`EventWriter`] is the only way to make one.

mod archive;
mod block;
mod catalogue;
mod field;
mod id;
mod join;
mod packed;
pub mod render;
mod sample;
mod severity;
mod value;

pub use archive::{ArchivedEventTable, ArchivedUnpackedTable, EventTable, Table, ThawError, UnpackedTable};
pub use block::{Event, EventBlock, EventWriter, Head, ModuleName, Stamp};
pub use catalogue::{Kind, KindSpec};
pub use field::{Field, FieldSpec, FieldType};
pub use id::{EventId, StreamId};
pub use sample::{sample, sample_of};
pub use severity::Severity;
pub use value::{Cell, Value};
