//! Floor 4: the bytes of a finite input, wherever they come from, as a file that can be read at any place.
//!
//! Invariant: a source is as long as its file was when it was opened; what is appended later is not part of it.

use super::pipe::Pipe;
use super::unpack::{Content, Packing};
use crate::event::StreamId;
use crate::limits;
use crate::segment;
use crate::time::Timestamp;
use std::fs::{self, File, OpenOptions};
use std::hash::Hasher;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use twox_hash::XxHash3_64;

/// One finite input.
#[derive(Debug)]
pub(super) struct Source {
    file: Arc<File>,
    length: u64,
    modified: Timestamp,
    spooled: bool,
}

/// What can be opened.
#[derive(Debug)]
pub(super) enum Opened {
    /// A file.
    Stored(Source),
    /// What can be read only once; whoever opens a pipe has seen its beginning.
    Piped(Pipe),
}

impl Opened {
    /// Opens a file, or standard input for `-`; `is_described` says whether its lines are in a format that an operator
    /// describes.
    pub(super) fn open(path: &Path, is_described: bool) -> io::Result<Self> {
        let file = if path == Path::new("-") {
            File::from(io::stdin().as_fd().try_clone_to_owned()?)
        } else {
            File::open(path)?
        };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
        }
        if metadata.is_file() {
            let modified = metadata.modified()?.into();
            return Ok(Self::Stored(Source {
                file: Arc::new(file),
                length: metadata.len(),
                modified,
                spooled: path == Path::new("-"),
            }));
        }
        Pipe::open(file, is_described).map(Self::Piped)
    }
}

impl Source {
    /// Writes what comes through a pipe to a temporary file that has no name.
    pub(super) fn spool(pipe: Pipe) -> io::Result<Self> {
        let mut file = nameless(&std::env::temp_dir())?;
        let length = pipe.copy_to(&mut file)?;
        Ok(Self { file: Arc::new(file), length, modified: SystemTime::now().into(), spooled: true })
    }

    /// Whether the file has no path by which it could be opened again.
    pub(super) fn is_spooled(&self) -> bool {
        self.spooled
    }

    /// Length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// When the content was last written.
    pub(super) fn modified(&self) -> Timestamp {
        self.modified
    }

    /// The first bytes, as they are.
    pub(super) fn start(&self) -> io::Result<Vec<u8>> {
        self.sample(None)
    }

    /// The first bytes of the content. Where they cannot be unpacked there are none: reading tells why.
    pub(super) fn unpacked_start(&self, packing: Packing) -> Vec<u8> {
        self.sample(Some(packing)).unwrap_or_default()
    }

    fn sample(&self, packing: Option<Packing>) -> io::Result<Vec<u8>> {
        let mut sample = Vec::new();
        self.content(packing).read(limits::FILE_SAMPLE, &mut sample)?;
        Ok(sample)
    }

    /// Reads the content from its start.
    pub(super) fn content(&self, packing: Option<Packing>) -> Content {
        Content::new(Arc::clone(&self.file), self.length, packing)
    }

    /// The hash of the content, which names the stream: XXH3 with 64 bits, the same for ever and everywhere, and
    /// whether the content is compressed or not. Of what cannot be read to its end, it is the hash of what can.
    pub(super) fn hash(&self, packing: Option<Packing>) -> StreamId {
        let mut hasher = XxHash3_64::new();
        let mut part = Vec::with_capacity(limits::READ_SIZE);
        let mut content = self.content(packing);
        while content.read(limits::READ_SIZE, &mut part).is_ok_and(|count| count > 0) {
            hasher.write(&part);
            part.clear();
        }
        StreamId(hasher.finish())
    }
}

/// Creates a temporary file in a directory that has no name, and goes with whoever reads it.
pub(super) fn nameless(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!("correlator-{:016x}", segment::random_salt()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Names the stream of several plain files, one after the other: by the hash of their hashes. One alone keeps its own.
pub fn joined(streams: &[StreamId]) -> StreamId {
    if let [one] = streams {
        return *one;
    }
    let mut hasher = XxHash3_64::new();
    streams.iter().for_each(|stream| hasher.write(&stream.0.to_le_bytes()));
    StreamId(hasher.finish())
}
