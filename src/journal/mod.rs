//! Floor 3: what survives a restart: the durable streams of inputs and events, snapshots, and who a data directory is.
//!
//! Two streams of segments stand in the directory `journal`. *inputs* holds what the correlator folded, *events* what it
//! raised, what became of that in each handler, and, at the head of each segment, a checkpoint: where every handler
//! stood. A snapshot of the correlator's state and the inputs after it give the state again.
//!
//! Invariants: a run number is durable before anything bears it, and one data directory serves one process. Inputs are
//! durable before the events that they raised, and events before anybody acts on them. One input's events stand in one
//! block. A byte, once written, is not changed, and no file is made shorter; where a crash has left half a block, an end
//! mark is written over it, and the stream goes on in its next segment.

mod audit;
mod deliveries;
mod error;
mod events;
mod evidence;
mod fates;
mod files;
mod follow;
mod group;
mod identity;
mod inputs;
mod layout;
mod marks;
mod ranges;
mod reader;
mod recovery;
mod retention;
mod schema;
mod snapshots;
mod standing;
mod stream;
mod strict;
mod tail;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use audit::{Audit, Chapter};
pub use error::{Flaw, JournalError, ReadError, StartError};
pub use events::{EventReader, InputReader, Page, committed_with, first_kept};
pub use evidence::{EvidenceRecord, evidence, write_records};
pub use fates::Fate;
pub use follow::{FollowError, Follower};
pub use group::Group;
pub use identity::{Identity, IdentityError, is_claimed};
pub use inputs::{KeptInputs, Recovered, RecoveredBlock};
pub use layout::{disk_use, exists};
pub use marks::{FileId, Mark, Place};
pub use ranges::Ranges;
pub use snapshots::Snapshot;
pub use standing::{Retry, Settled, Standing, Standings, State};
pub use verify::{Report, verify};
pub use writer::{Journal, Options, Recovery};
