//! Floor 1: frames of a byte stream (RFC 6587).
//!
//! A frame is octet-counted or ends at a delimiter. Two things are the same in every mode: empty delimited frames
//! (blank lines, or the LF that some senders put after a counted frame; where only counts are taken, an LF between frames)
//! are passed over, and where the delimiter is LF, one CR before it is not part of the frame.
//!
//! Invariants: however a stream is cut into calls, the frames are the same; no byte is searched twice, but for the
//! ten that may hold a count; a count from the network is at most nine digits before anything is computed from it.

use super::count::Count;
use crate::batch::FrameSpan;
use crate::limits;
use crate::span::Span;
use memchr::memmem;

pub use super::count::{FramingError, FramingErrorKind};

/// How the frames of a stream are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Frame by frame: a count, or else up to the delimiter.
    #[default]
    Auto,
    /// Counts only, and the LF that some senders put behind a counted frame; anything else is an error.
    OctetCounted,
    /// Up to the delimiter only; digits mean nothing.
    Delimited,
}

/// What a framer needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How frames are told apart.
    pub mode: Mode,
    /// What ends a delimited frame: 1 to [`limits::MAX_DELIMITER`] bytes. None at all means LF.
    pub delimiter: Vec<u8>,
    /// Bytes of a message that are kept: 1 to [`limits::MAX_MESSAGE_SIZE_CEILING`], whatever is asked for.
    pub max_message_size: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { mode: Mode::Auto, delimiter: b"\n".to_vec(), max_message_size: limits::MAX_MESSAGE_SIZE }
    }
}

/// Finds the frames of one stream; remembers how far it has looked.
#[derive(Debug)]
pub struct Framer {
    mode: Mode,
    delimiter: Delimiter,
    limit: usize,
    state: State,
    /// Length of the part of the unconsumed bytes in which no delimiter begins.
    looked: usize,
    /// Bytes of the stream that are done with.
    consumed: u64,
}

/// Where in the stream the unconsumed bytes begin.
#[derive(Clone, Copy, Debug)]
enum State {
    /// At the start of a frame.
    Between,
    /// In the rest of a counted frame over the limit, with so many bytes to go.
    Skipping(usize),
    /// In the rest of a delimited frame over the limit.
    Discarding,
    /// At what cannot be framed.
    Failed(FramingError),
}

/// What ends a delimited frame.
#[derive(Debug)]
enum Delimiter {
    Byte(u8),
    Text(Box<memmem::Finder<'static>>),
}

/// A frame that was found, or with length 0 an empty one, to be passed over.
struct Found {
    start: usize,
    len: usize,
    truncated: bool,
    consumed: usize,
}

impl Framer {
    /// Creates a framer at the start of a stream.
    pub fn new(options: Options) -> Self {
        Self {
            mode: options.mode,
            delimiter: Delimiter::new(&options.delimiter),
            limit: options.max_message_size.clamp(1, limits::MAX_MESSAGE_SIZE_CEILING),
            state: State::Between,
            looked: 0,
            consumed: 0,
        }
    }

    /// Finds the complete frames in `bytes`, which begins where the last call's consumed bytes ended, and appends
    /// their spans in `bytes`, up to `most` of them. Returns how many bytes are done with; the caller presents the
    /// others again, followed by what came after them.
    ///
    /// A counted frame over the limit is complete once the part of it that is kept is there.
    ///
    /// # Errors
    /// When the stream breaks the rules of the mode; what was found before stands in `frames`. The stream is lost
    /// then: every later call gives the same error.
    pub fn advance(
        &mut self,
        bytes: &[u8],
        frames: &mut Vec<FrameSpan>,
        most: usize,
    ) -> Result<usize, FramingError> {
        // Spans are of 32 bits; what lies behind comes again in the next call.
        let bytes = bytes.get(..u32::MAX as usize).unwrap_or(bytes);
        let until = frames.len().saturating_add(most);
        let mut at = 0;
        let result = loop {
            at += self.pass_over(bytes.get(at..).unwrap_or_default());
            if let State::Failed(error) = self.state {
                break Err(error);
            }
            if matches!(self.state, State::Between) {
                at += self.whole_counted_frames(bytes, at, frames, until);
            }
            if frames.len() >= until || !matches!(self.state, State::Between) {
                break Ok(at);
            }
            let found = match self.next_frame(bytes.get(at..).unwrap_or_default()) {
                Ok(Some(found)) => found,
                Ok(None) => break Ok(at),
                Err((kind, place)) => {
                    let error = FramingError { kind, offset: self.consumed + (at + place) as u64 };
                    self.state = State::Failed(error);
                    break Err(error);
                }
            };
            if found.len > 0 {
                frames.push(found.span_at(at));
            }
            at += found.consumed;
        };
        self.consumed += at as u64;
        result
    }

    /// Tells the framer that the stream has ended with `rest` unconsumed, and appends the frame that the end
    /// completes: delimited text without its delimiter, or a counted frame cut short, marked truncated. Afterwards
    /// the framer stands at the start of another stream.
    ///
    /// A count of which not one byte follows is no frame.
    pub fn finish(&mut self, rest: &[u8], frames: &mut Vec<FrameSpan>) {
        if let Ok(at) = self.advance(rest, frames, usize::MAX)
            && matches!(self.state, State::Between)
        {
            let tail = rest.get(at..).unwrap_or_default();
            let found = match (self.mode, Count::of(tail)) {
                (Mode::Auto | Mode::OctetCounted, Count::Is { header, .. }) => {
                    Found { start: header, len: tail.len() - header, truncated: true, consumed: tail.len() }
                }
                (Mode::Auto | Mode::Delimited, _) => self.delimited(tail.len(), tail, 0),
                (Mode::OctetCounted, _) => Found { start: 0, len: 0, truncated: false, consumed: 0 },
            };
            if found.len > 0 {
                frames.push(found.span_at(at));
            }
        }
        (self.state, self.looked, self.consumed) = (State::Between, 0, 0);
    }

    /// Whether the stream stands within a frame, when `rest` bytes are unconsumed.
    pub fn is_mid_frame(&self, rest: usize) -> bool {
        match self.state {
            State::Between => rest > 0,
            State::Skipping(_) | State::Discarding => true,
            State::Failed(_) => false,
        }
    }

    /// Passes over the rest of a frame over the limit, and gives the length of what is done with.
    fn pass_over(&mut self, rest: &[u8]) -> usize {
        match self.state {
            State::Between | State::Failed(_) => 0,
            State::Skipping(left) => {
                let skipped = left.min(rest.len());
                self.state = if skipped == left { State::Between } else { State::Skipping(left - skipped) };
                skipped
            }
            State::Discarding => match self.delimiter.find(rest) {
                Some(end) => {
                    self.state = State::Between;
                    end + self.delimiter.len()
                }
                None => rest.len().saturating_sub(self.delimiter.len() - 1),
            },
        }
    }

    /// Appends the run of octet-counted frames from `start` on that are within the limit and all there, and gives
    /// its length: of a busy stream nearly everything, so nothing else is asked in between.
    fn whole_counted_frames(
        &self,
        bytes: &[u8],
        start: usize,
        frames: &mut Vec<FrameSpan>,
        until: usize,
    ) -> usize {
        let mut at = start;
        while self.mode != Mode::Delimited
            && frames.len() < until
            && let Some(rest) = bytes.get(at..)
            && let Count::Is { len, header } = Count::of(rest)
            && len <= self.limit
            && len <= rest.len() - header
        {
            let found = Found { start: header, len, truncated: false, consumed: header + len };
            frames.push(found.span_at(at));
            at += found.consumed;
        }
        at - start
    }

    /// The frame at the start of `rest`, if it is complete; else an error and its place, or nothing.
    fn next_frame(&mut self, rest: &[u8]) -> Result<Option<Found>, (FramingErrorKind, usize)> {
        if self.mode == Mode::Delimited {
            return Ok(self.next_delimited(rest));
        }
        match Count::of(rest) {
            Count::Is { len, header } => Ok(self.next_counted(rest, len, header)),
            Count::IsNot(..) if self.mode == Mode::Auto => Ok(self.next_delimited(rest)),
            Count::IsNot(FramingErrorKind::NoCount(b'\n'), _) => {
                Ok(Some(Found { start: 0, len: 0, truncated: false, consumed: 1 }))
            }
            Count::IsNot(kind, place) => Err((kind, place)),
            Count::Undecided => Ok(None),
        }
    }

    /// The octet-counted frame at the start of `rest`, if all of it that is kept is there.
    fn next_counted(&mut self, rest: &[u8], len: usize, header: usize) -> Option<Found> {
        let kept = len.min(self.limit);
        if rest.len() - header < kept {
            return None;
        }
        if kept < len {
            self.state = State::Skipping(len - kept);
        }
        Some(Found { start: header, len: kept, truncated: kept < len, consumed: header + kept })
    }

    /// The delimited frame at the start of `rest`, if its delimiter is there or cannot come in time any more.
    fn next_delimited(&mut self, rest: &[u8]) -> Option<Found> {
        // The furthest place at which the delimiter may begin, so that nothing need be cut.
        let last_start = self.limit + usize::from(self.delimiter.is_lf());
        let window = last_start + self.delimiter.len();
        let searched = rest.get(..window).unwrap_or(rest);
        if let Some(place) = self.delimiter.find(searched.get(self.looked..).unwrap_or_default()) {
            let end = self.looked + place;
            self.looked = 0;
            return Some(self.delimited(end, rest, self.delimiter.len()));
        }
        if searched.len() < window {
            self.looked = searched.len().saturating_sub(self.delimiter.len() - 1);
            return None;
        }
        self.looked = 0;
        self.state = State::Discarding;
        Some(Found { start: 0, len: self.limit, truncated: true, consumed: last_start + 1 })
    }

    /// The frame of delimited text that ends at `end`.
    fn delimited(&self, end: usize, rest: &[u8], delimiter: usize) -> Found {
        let text = rest.get(..end).unwrap_or_default();
        let text = if self.delimiter.is_lf() { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
        let len = text.len().min(self.limit);
        Found { start: 0, len, truncated: len < text.len(), consumed: end + delimiter }
    }
}

impl Delimiter {
    fn new(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Byte(b'\n'),
            [byte] => Self::Byte(*byte),
            _ => Self::Text(Box::new(memmem::Finder::new(bytes).into_owned())),
        }
    }

    fn find(&self, haystack: &[u8]) -> Option<usize> {
        match self {
            Self::Byte(byte) => memchr::memchr(*byte, haystack),
            Self::Text(finder) => finder.find(haystack),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Text(finder) => finder.needle().len(),
        }
    }

    fn is_lf(&self) -> bool {
        matches!(self, Self::Byte(b'\n'))
    }
}

impl Found {
    /// The span of the frame in the bytes in which it was found at `at`.
    #[inline]
    fn span_at(&self, at: usize) -> FrameSpan {
        let start = u32::try_from(at + self.start).unwrap_or(u32::MAX);
        let len = u32::try_from(self.len).unwrap_or(u32::MAX);
        FrameSpan { span: Span::new(start, len), truncated: self.truncated }
    }
}

#[cfg(test)]
mod tests;
