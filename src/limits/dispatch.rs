//! Floor 0: the caps of what is remembered of a handler's events, and of the end of a server.

use std::time::Duration;

/// Cool-downs that one handler keeps.
pub const MAX_COOLDOWNS: usize = 64 * 1024;

/// Bytes of what one handler knows the events in their cool-downs by.
pub const MAX_COOLDOWN_BYTES: usize = 16 * 1024 * 1024;

/// Events that a digest shows one by one; its counts are of all.
pub const MAX_DIGEST_EVENTS: usize = 100;

/// Pieces in which what a handler has gathered may lie in the journal; with more, the digest goes early.
pub const MAX_GATHERED_RANGES: usize = 16 * 1024;

/// Pieces in which the dead letters of a handler may lie in the journal; with more, the oldest are dropped.
pub const MAX_DEAD_RANGES: usize = 16 * 1024;

/// Pieces of dead letters that are left when some of them are dropped.
pub const KEPT_DEAD_RANGES: usize = MAX_DEAD_RANGES / 16 * 15;

/// Runs of events that operators drop for a handler before it has come to them.
pub const MAX_UNWANTED_RANGES: usize = 64;

/// Events before a handler's cursor among which a start looks for cool-downs that last.
pub const COOLDOWN_RECALL_EVENTS: u64 = 16 * 1024;

/// Time for which late events are gathered where the handler has no time for digests.
pub const LATE_GATHER_TIME: Duration = Duration::from_secs(60);

/// Time after which a server that was told to stop has ended, whatever it still waits for.
pub const STOP_TIME: Duration = Duration::from_secs(20);

/// The end of [`STOP_TIME`], in which a server that does not get to its end says what is lost; before, it waits, unless a second
/// signal comes. Within it the journal's thread must have told where it stands, and what waits for `rejected.jsonl` been
/// written.
pub const LAST_WORD_TIME: Duration = Duration::from_secs(2);

/// Time between two notes of where things stand, for when the journal's thread does not answer.
pub const WORD_INTERVAL: Duration = Duration::from_secs(1);
