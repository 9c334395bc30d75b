//! Floor 0: the caps of files that are read and followed.

/// Bytes of a compressed file that are read at once.
pub const UNPACK_BUFFER: usize = 64 * 1024;

/// Bytes that a frame of zstd may make its reader remember: as much as `zstd` itself allows unless it is told otherwise.
pub const MAX_ZSTD_WINDOW: u64 = 128 * 1024 * 1024;

/// Files of which it is kept how far they have been read.
pub const MAX_FILE_MARKS: usize = 4096;
