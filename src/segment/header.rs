//! Floor 1: what stands at the head of a segment.
//!
//! Invariant: a header that decodes was written whole, by a program whose format this one can read.

use super::field;
use crate::time::Timestamp;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

/// First bytes of every segment; the high bit and the line ends show what a text-mode transfer has spoilt.
const MAGIC: [u8; 8] = *b"\x89CRLSEG\n";

/// The newest format that this program reads.
const NEWEST_READABLE: u16 = 2;

/// The oldest format that this program still reads.
const OLDEST_READABLE: u16 = 1;

/// What a segment holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FileKind(pub [u8; 4]);

impl fmt::Debug for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// The version of the program that wrote a segment: up to 24 bytes of text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Program([u8; 24]);

impl Program {
    /// The version of this program.
    pub fn this() -> Self {
        let mut text = [0; 24];
        for (slot, byte) in text.iter_mut().zip(env!("CARGO_PKG_VERSION").bytes()) {
            *slot = byte;
        }
        Self(text)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}",
            self.0.trim_ascii_end().split(|&byte| byte == 0).next().unwrap_or_default().escape_ascii()
        )
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The identity of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// The format of its blocks: a program that reads only older ones refuses it. Kinds share the numbers: what is new in
    /// any of them takes the next.
    pub format: u16,
    /// What it holds.
    pub kind: FileKind,
    /// The stream of inputs it belongs to.
    pub stream: u64,
    /// The run of the server that received them; 0 for plain files.
    pub run: u32,
    /// Its place among the segments of its series, from 0.
    pub part: u32,
    /// When it was created.
    pub created: Timestamp,
    /// A secret that all segments of one series share, and that each of their blocks repeats.
    pub salt: u64,
    /// What wrote it.
    pub program: Program,
}

/// Why the head of a file is not that of a readable segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Another kind of file, or not even as long as a header.
    #[error("not a file of this program")]
    NotASegment,
    /// A header that has changed since it was written.
    #[error("the file header is damaged: its checksum does not match")]
    Damaged,
    /// Written by a program that is newer than this one.
    #[error("written in format {0}, which is newer than this program reads ({NEWEST_READABLE})")]
    TooNew(u16),
    /// Written by a program that is older than this one can read.
    #[error("written in format {0}, which is older than this program reads ({OLDEST_READABLE})")]
    TooOld(u16),
}

impl FileHeader {
    /// Length of a header in the file.
    pub const SIZE: usize = 96;

    /// The format of files whose blocks are what they were from the beginning.
    pub const FIRST_FORMAT: u16 = 1;

    /// Whether a file that begins with these bytes is a segment, sound or not.
    pub fn recognises(start: &[u8]) -> bool {
        start.starts_with(&MAGIC)
    }

    /// Whether a file that begins with these bytes is a segment whose first bytes are damaged, two of them at most.
    pub fn resembles(start: &[u8]) -> bool {
        let same = start.iter().zip(MAGIC).filter(|(found, expected)| *found == expected).count();
        start.len() >= MAGIC.len() && (MAGIC.len() - 2..MAGIC.len()).contains(&same)
    }

    /// Lays the header out as it stands in the file.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut out = Vec::with_capacity(Self::SIZE);
        out.extend_from_slice(&MAGIC);
        // The second is that of the oldest reader.
        out.extend_from_slice(&self.format.to_le_bytes());
        out.extend_from_slice(&self.format.to_le_bytes());
        out.extend_from_slice(&self.kind.0);
        out.extend_from_slice(&self.stream.to_le_bytes());
        out.extend_from_slice(&self.run.to_le_bytes());
        out.extend_from_slice(&self.part.to_le_bytes());
        out.extend_from_slice(&self.created.as_micros().to_le_bytes());
        out.extend_from_slice(&self.salt.to_le_bytes());
        out.extend_from_slice(&self.program.0);
        out.resize(Self::SIZE - 4, 0);
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        field(&out, 0)
    }

    /// Reads the header at the start of a file.
    ///
    /// # Errors
    /// When the bytes are not a segment's, are damaged, or are of a format that this program does not read.
    pub fn decode(start: &[u8]) -> Result<Self, HeaderError> {
        if !Self::recognises(start) {
            return Err(HeaderError::NotASegment);
        }
        let (covered, checksum) =
            start.get(..Self::SIZE).and_then(<[u8]>::split_last_chunk::<4>).ok_or(HeaderError::Damaged)?;
        if crc32fast::hash(covered) != u32::from_le_bytes(*checksum) {
            return Err(HeaderError::Damaged);
        }
        let format = u16::from_le_bytes(field(covered, 8));
        let oldest_reader = u16::from_le_bytes(field(covered, 10));
        if oldest_reader > NEWEST_READABLE {
            return Err(HeaderError::TooNew(format));
        }
        if format < OLDEST_READABLE {
            return Err(HeaderError::TooOld(format));
        }
        Ok(Self {
            format,
            kind: FileKind(field(covered, 12)),
            stream: u64::from_le_bytes(field(covered, 16)),
            run: u32::from_le_bytes(field(covered, 24)),
            part: u32::from_le_bytes(field(covered, 28)),
            created: Timestamp::from_micros(i64::from_le_bytes(field(covered, 32))),
            salt: u64::from_le_bytes(field(covered, 40)),
            program: Program(field(covered, 48)),
        })
    }
}

/// Draws a salt that nobody can foresee: what a hasher with random keys makes of nothing.
pub fn random_salt() -> u64 {
    RandomState::new().build_hasher().finish()
}
