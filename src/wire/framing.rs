//! Floor 1: frames of a byte stream (RFC 6587).

use crate::batch::FrameSpan;
use crate::limits;

/// How the frames of a stream are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Frame by frame: a count, or else up to the delimiter.
    #[default]
    Auto,
    /// Counts only; anything else is an error.
    OctetCounted,
    /// Up to the delimiter only; digits mean nothing.
    Delimited,
}

/// What a framer needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How frames are told apart.
    pub mode: Mode,
    /// What ends a delimited frame: 1 to [`limits::MAX_DELIMITER`] bytes.
    pub delimiter: Vec<u8>,
    /// Bytes of a message that are kept.
    pub max_message_size: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { mode: Mode::Auto, delimiter: b"\n".to_vec(), max_message_size: limits::MAX_MESSAGE_SIZE }
    }
}

/// A stream that cannot be framed any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an octet count")]
pub struct FramingError;

/// Finds the frames of one stream; remembers how far it has looked.
#[derive(Debug)]
pub struct Framer {}

impl Framer {
    /// Creates a framer at the start of a stream.
    pub fn new(_options: Options) -> Self {
        Self {}
    }

    /// Finds the complete frames in `bytes`, which begins where the last call's consumed bytes ended, and appends
    /// their spans in `bytes`, up to `most` of them. Returns how many bytes are done with; the caller presents the
    /// others again, followed by what came after them.
    ///
    /// # Errors
    /// When the stream breaks the rules of the mode; what was found before stands in `frames`.
    pub fn advance(
        &mut self,
        _bytes: &[u8],
        _frames: &mut Vec<FrameSpan>,
        _most: usize,
    ) -> Result<usize, FramingError> {
        Ok(0)
    }

    /// Tells the framer that the stream has ended with `rest` unconsumed, and appends the frame that the end
    /// completes: delimited text without its delimiter, or a counted frame cut short, marked truncated.
    pub fn finish(&mut self, _rest: &[u8], _frames: &mut Vec<FrameSpan>) {}

    /// Whether the stream stands within a frame, when `rest` bytes are unconsumed.
    pub fn is_mid_frame(&self, _rest: usize) -> bool {
        false
    }
}
