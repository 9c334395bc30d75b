//! Floor 0: the caps of files that are read and followed.

use std::time::Duration;

/// Bytes of a compressed file that are read at once.
pub const UNPACK_BUFFER: usize = 64 * 1024;

/// Bytes that a frame of zstd may make its reader remember: as much as `zstd` itself allows unless it is told otherwise.
pub const MAX_ZSTD_WINDOW: u64 = 128 * 1024 * 1024;

/// Files of which it is kept how far they have been read.
pub const MAX_FILE_MARKS: usize = 4096;

/// What is kept beside that: patterns that are followed, and directories below which it is in doubt what they named. So many
/// are [`MAX_DOUBTS`] of a thousand patterns.
pub const MAX_FILE_NOTES: usize = 64 * 1024;

/// Marks in files that wait for inputs to be durable with; with more, they are made durable by themselves.
pub const WAITING_MARKS: usize = 64;

/// Time after which a mark in a file is made durable, whether or not anything came of the lines before it.
pub const MARK_INTERVAL: Duration = Duration::from_secs(1);

/// Entries of one directory that are looked at for files to follow.
pub const MAX_LISTED_FILES: usize = 64 * 1024;

/// Directories that cannot be looked at of which each section of the configuration tells one by one.
pub const MAX_TOLD_CLOSED: usize = 64;

/// Directories that could not be looked at below which alone it is in doubt, for each pattern, what is new after a restart.
pub const MAX_DOUBTS: usize = 64;

/// Directories that cannot be looked at and are known, of one section.
pub const MAX_CLOSED: usize = 4096;

/// Files that are followed at once.
pub const MAX_FOLLOWED_FILES: usize = 1024;

/// Files of one section of the configuration that are read from at the same moment; each holds a permit meanwhile.
pub const FILE_READS: usize = 4;

/// Time between two looks at a followed file, where nothing tells of changes.
pub const FILE_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Time after which the last line of a file is taken though nothing ends it.
pub const QUIET_LINE_TIME: Duration = Duration::from_secs(5);

/// Time for which a file is read on that has lost its name: whoever writes to it may not have noticed yet.
pub const ROTATED_FILE_TIME: Duration = Duration::from_secs(60);

/// Bytes before a place in a file by which it is known again.
pub const KNOWN_FILE_BYTES: usize = 1024;

/// Files that rotation has put beside a followed one while nobody looked, and that are read for it.
pub const MAX_MISSED_FILES: usize = 256;

/// Bytes that are unpacked of one of those.
pub const MAX_UNPACKED_LOG: u64 = 4 * 1024 * 1024 * 1024;

/// Time after which it is tried again to unpack one for which there was no room.
pub const UNPACK_RETRY_TIME: Duration = Duration::from_secs(60);

/// Compressed files that are unpacked to find a place in one of them.
pub const MAX_UNPACKED_TRIALS: usize = 32;

/// How much earlier than it was a file may claim to have been written: clocks of file systems are coarse, and those of
/// networks are others.
pub const FILE_CLOCK_SLACK: Duration = Duration::from_secs(2);

/// Bytes of a file that tell what is in it.
pub const FILE_SAMPLE: usize = 4096;

/// Time after which the last record that came through a pipe is taken for what it is, because no other one comes that could
/// be compared.
pub const PIPE_PATIENCE: Duration = Duration::from_millis(100);

/// Ranges of inputs that are remembered to be of a backlog; each is as long as no other input comes in between.
pub const MAX_BACKLOG_RANGES: usize = 64 * 1024;

/// Lines that make one record where records are of several; further ones are none.
pub const MAX_RECORD_LINES: usize = 1024;

/// Time after which a record of several lines is taken though no other one begins.
pub const QUIET_RECORD_TIME: Duration = Duration::from_secs(1);

/// Bytes of a pattern that says how lines are read.
pub const MAX_LINE_PATTERN: usize = 4096;

/// Bytes that such a pattern may take compiled.
pub const MAX_LINE_PATTERN_SIZE: usize = 1024 * 1024;

/// Groups with names in such a pattern.
pub const MAX_LINE_GROUPS: usize = 32;
