//! Floor 0: the caps of the journal, and of what makes things durable in it.

use std::time::Duration;

/// For how long a journal is kept by default.
pub const JOURNAL_RETENTION_AGE: Duration = Duration::from_secs(30 * 86_400);

/// Bytes that a journal may take by default.
pub const JOURNAL_RETENTION_SIZE: u64 = 10 * 1024 * 1024 * 1024;

/// Smallest size that the option for the size of a journal may take, in bytes.
pub const MIN_JOURNAL_SIZE: u64 = 256 * 1024 * 1024;

/// Length of a segment of inputs, in bytes.
pub const INPUTS_SEGMENT_SIZE: u64 = 64 * 1024 * 1024;

/// Inputs that are folded between two snapshots, at least: so many times the size of the state. A crash makes a start
/// longer by as many inputs.
pub const SNAPSHOT_SPACING: u64 = 4;

/// Length of a segment of events, in bytes; as much again is held in reserve for when the disk is full.
pub const EVENTS_SEGMENT_SIZE: u64 = 16 * 1024 * 1024;

/// Smallest length that the option for segments of a journal may take, in bytes.
pub const MIN_JOURNAL_SEGMENT_SIZE: u64 = 64 * 1024;

/// Largest length that the option for segments of a journal may take, in bytes.
pub const MAX_JOURNAL_SEGMENT_SIZE: u64 = 1024 * 1024 * 1024;

/// Time after which a snapshot of the correlator's state is due.
pub const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(300);

/// Messages that wait for the journal's thread.
pub const JOURNAL_QUEUE: usize = 8;

/// Bytes of inputs and events that are made durable together, at most.
pub const COMMIT_BYTES: usize = 1024 * 1024;

/// Bytes of events up to which the small blocks of one commit are made one: some hundred events.
pub const JOINED_EVENTS_SIZE: usize = 64 * 1024;

/// Time between the beginnings of two commits, at least.
pub const COMMIT_INTERVAL: Duration = Duration::from_millis(1);

/// Time that reports of deliveries wait for a commit of events to go with, at most.
pub const SETTLE_INTERVAL: Duration = Duration::from_millis(50);

/// Time for which no snapshot is tried again after there was no room for one.
pub const SNAPSHOT_REST: Duration = Duration::from_secs(60);

/// Time after which a full disk is tried again.
pub const FULL_DISK_PAUSE: Duration = Duration::from_secs(1);

/// Segments of each stream of the journal that there should be room for at least, before that is worth an event.
pub const DISK_LOW_SEGMENTS: u64 = 16;

/// Time between two looks at the room on the disk; also the longest time between two beats of the journal's pulse.
pub const DISK_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two looks at what of the journal may go, and at whether the books add up.
pub const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(60);
