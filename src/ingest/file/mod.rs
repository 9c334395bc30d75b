//! Floor 4: finite inputs, told apart by what is in them: captures, raw streams, log files, compressed or not.
//!
//! A capture is read as it was received. Anything else is a plain file: frames, numbered from 1 in run 0 of the
//! stream that the hash of the content names, so that the same content always gives the same events. Plain files are
//! read, not mapped: others may shorten a log at any moment, and a map of it would end the process. Text that comes through
//! a pipe is read as it comes, since it need not be finite at all.
//!
//! Invariant: what a finite input yields depends on its content alone, and where the content has no years, on the
//! year or the modification time that it is read with.

mod clock;
mod cutter;
pub(super) mod foreign;
pub(super) mod packed;
mod pipe;
mod plain;
mod sniff;
mod source;
mod unpack;

pub use cutter::{Cutter, Reference};
pub use plain::{PlainFile, ReadError};
pub use source::joined;

use crate::capture;
use crate::event::StreamId;
use crate::limits;
use crate::time::Zone;
use crate::wire::framing::Mode;
use crate::wire::lines::LineFormat;
use rkyv::util::AlignedVec;
use sniff::Content;
use source::{Opened, Source};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use unpack::Packing;

/// How plain files are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The year of the first record whose time has none; without it, the latest that is not after the file's
    /// modification time. The records after it follow on, over the turn of a year too.
    pub year: Option<u16>,
    /// Where times without a zone are from.
    pub zone: Zone,
    /// How frames are told apart; without it, the content decides.
    pub framing: Option<Mode>,
    /// The format of lines that are in no form of syslog.
    pub lines: Option<Arc<LineFormat>>,
    /// Bytes of a message that are kept.
    pub max_message_size: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            year: None,
            zone: Zone::UTC,
            framing: None,
            lines: None,
            max_message_size: limits::MAX_MESSAGE_SIZE,
        }
    }
}

/// Why an input cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The capture cannot be opened.
    #[error(transparent)]
    Capture(#[from] capture::OpenError),
    /// A capture that comes through a pipe, where its segments cannot be found.
    #[error("{} is a capture, which must be a file: name it instead of piping it", .0.display())]
    PipedCapture(PathBuf),
    /// A capture whose header is damaged.
    #[error(
        "{} is a capture whose first bytes are damaged; it cannot be read, because its header says how",
        .0.display()
    )]
    DamagedCapture(PathBuf),
    /// Text of two bytes a character.
    #[error("{} is text in UTF-16: convert it first, as in `iconv -f UTF-16 -t UTF-8`", .0.display())]
    Utf16(PathBuf),
    /// Something that is not text.
    #[error("{} is neither a log, nor a stream of records, nor a capture: it has a zero byte at {at}", path.display())]
    Binary {
        /// The file.
        path: PathBuf,
        /// Where.
        at: usize,
    },
    /// A file that is compressed in another way than those that are unpacked here, or twice.
    #[error("{} is compressed ({format}): decompress it first", path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// With what.
        format: String,
    },
    /// A compressed capture, whose places cannot be found.
    #[error("{} is a capture that was compressed ({format}): decompress it first", path.display())]
    PackedCapture {
        /// The file.
        path: PathBuf,
        /// With what.
        format: &'static str,
    },
}

/// One finite input, ready to be read.
#[derive(Debug)]
pub enum Input {
    /// A capture.
    Capture(Box<capture::Reader>),
    /// A log file or a raw stream.
    Plain(Box<PlainFile>),
}

impl Input {
    /// Opens a file, or standard input for `-`, and looks at what is in it. Reads all of a plain file once, for its
    /// hash; of a pipe only what it begins with, unless that has to be unpacked.
    ///
    /// # Errors
    /// When it cannot be read, or is something that would have to be unpacked first.
    pub fn open(path: &Path, options: &Options) -> Result<Self, OpenError> {
        let io_error = |source| OpenError::Io { path: path.to_owned(), source };
        let source = match Opened::open(path, options.lines.is_some()).map_err(io_error)? {
            Opened::Stored(source) => source,
            Opened::Piped(pipe) => match sniff::content(pipe.start()) {
                Content::Packed(_) => Source::spool(pipe).map_err(io_error)?,
                Content::Capture => return Err(OpenError::PipedCapture(path.to_owned())),
                content => {
                    return Self::plain(path, (None, content), options, |mode| {
                        PlainFile::piped(path, pipe, mode, options)
                    });
                }
            },
        };
        let start = source.start().map_err(io_error)?;
        let (packing, content) = match sniff::content(&start) {
            Content::Capture if source.is_spooled() => return Err(OpenError::PipedCapture(path.to_owned())),
            Content::Capture => return Ok(Self::Capture(Box::new(capture::Reader::open(path)?))),
            Content::Packed(packing) => {
                let content = sniff::content(&source.unpacked_start(packing));
                // Damage makes zero bytes of text, too: then that is what is wrong, and other files are read.
                if matches!(content, Content::Binary(_)) {
                    let file = PlainFile::stored(path, &source, (Some(packing), None), options);
                    if let Some(file) = file.damaged() {
                        return Ok(Self::Plain(Box::new(file)));
                    }
                }
                (Some(packing), content)
            }
            content => (None, content),
        };
        Self::plain(path, (packing, content), options, |mode| {
            PlainFile::stored(path, &source, (packing, mode), options)
        })
    }

    /// Opens a plain file, by what is in it once it is unpacked.
    fn plain(
        path: &Path,
        (packing, content): (Option<Packing>, Content),
        options: &Options,
        open: impl FnOnce(Option<Mode>) -> PlainFile,
    ) -> Result<Self, OpenError> {
        let within = packing.map(|packing| format!(" in {}", packing.name())).unwrap_or_default();
        let compressed =
            |format| OpenError::Compressed { path: path.to_owned(), format: format!("{format}{within}") };
        match content {
            Content::DamagedCapture if packing.is_none() => Err(OpenError::DamagedCapture(path.to_owned())),
            Content::Capture | Content::DamagedCapture => {
                let format = packing.map_or("", Packing::name);
                Err(OpenError::PackedCapture { path: path.to_owned(), format })
            }
            Content::Packed(inner) => Err(compressed(inner.name())),
            Content::Compressed(inner) => Err(compressed(inner)),
            Content::Utf16 => Err(OpenError::Utf16(path.to_owned())),
            Content::Binary(at) => Err(OpenError::Binary { path: path.to_owned(), at }),
            Content::Export | Content::Frames(_) => {
                let mode = match content {
                    _ if options.lines.is_some() => Some(Mode::Delimited),
                    Content::Frames(mode) => Some(options.framing.unwrap_or(mode)),
                    _ => None,
                };
                Ok(Self::Plain(Box::new(open(mode))))
            }
        }
    }

    /// The stream of inputs that it is, or is from.
    pub fn stream(&self) -> StreamId {
        match self {
            Self::Capture(reader) => reader.identity().stream,
            Self::Plain(file) => file.stream(),
        }
    }

    /// The run of the server that received it; 0 for plain files.
    pub fn run(&self) -> u32 {
        match self {
            Self::Capture(reader) => reader.identity().run,
            Self::Plain(_) => 0,
        }
    }

    /// What the correlator had saved before the first input of it, where a capture says so.
    ///
    /// # Errors
    /// When that is damaged.
    pub fn beginning(&self) -> Result<Option<AlignedVec>, capture::Damage> {
        match self {
            Self::Capture(reader) => reader.beginning(),
            Self::Plain(_) => Ok(None),
        }
    }

    /// How it ends.
    pub fn end(&self) -> capture::End {
        match self {
            Self::Capture(reader) => reader.end(),
            Self::Plain(_) => capture::End::OfInput,
        }
    }

    /// Its length, in bytes; 0 where nobody knows, because it comes through a pipe.
    pub fn total_bytes(&self) -> u64 {
        match self {
            Self::Capture(reader) => reader.total_bytes(),
            Self::Plain(file) => file.total_bytes(),
        }
    }

    /// How many of these bytes have been read.
    pub fn bytes_done(&self) -> u64 {
        match self {
            Self::Capture(reader) => reader.bytes_done(),
            Self::Plain(file) => file.bytes_done(),
        }
    }
}

/// Something of an input that could not be read. What follows it may still come.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Of a capture.
    #[error(transparent)]
    Capture(#[from] capture::Damage),
    /// Of a plain file; it ends here.
    #[error(transparent)]
    Plain(#[from] ReadError),
}

impl Iterator for Input {
    type Item = Result<crate::batch::Sequenced, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Capture(reader) => reader.next().map(|item| item.map_err(Trouble::from)),
            Self::Plain(file) => file.next().map(|item| item.map_err(Trouble::from)),
        }
    }
}

#[cfg(test)]
mod tests;
