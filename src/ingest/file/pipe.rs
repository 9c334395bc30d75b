//! Floor 4: what comes through a pipe, as it comes: nobody knows whether it ends.
//!
//! A stream is named by its first frame alone, since its content is only known at its end. One that begins like another
//! is taken for the same, as it is when a log is followed once more from its beginning.
//!
//! Invariant: nothing is waited for but the first frame, and then only what is not there yet.

use super::sniff;
use crate::event::StreamId;
use crate::limits;
use crate::wire::framing::{Framer, Mode, Options};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::hash::Hasher;
use std::io::{self, Read, Write};
use std::time::Duration;
use twox_hash::XxHash3_64;

/// A pipe, or something else that can be read only once.
#[derive(Debug)]
pub(super) struct Pipe {
    file: File,
    /// What was read to see what it holds; taken out by the first read.
    start: Vec<u8>,
    stream: StreamId,
    offset: u64,
}

impl Pipe {
    /// Reads the beginning: until it is clear what it holds and its first frame is there, or it ends, or is as long as a
    /// sample of a file.
    pub(super) fn open(file: File, is_described: bool) -> io::Result<Self> {
        let mut pipe = Self { file, start: Vec::new(), stream: StreamId(0), offset: 0 };
        loop {
            let mut start = std::mem::take(&mut pipe.start);
            let is_over = pipe.read_more(limits::FILE_SAMPLE, &mut start)? == 0;
            let sample = start.get(..limits::FILE_SAMPLE).unwrap_or(&start);
            let mode = if is_described { Some(Mode::Delimited) } else { sniff::decided(sample) };
            let first = first_frame(sample, mode.unwrap_or(Mode::Delimited), is_over);
            let is_known = mode.is_some() && first.is_some();
            let mut hasher = XxHash3_64::new();
            hasher.write(first.unwrap_or(sample));
            let is_enough = is_known || is_over || start.len() >= limits::FILE_SAMPLE;
            (pipe.stream, pipe.start) = (StreamId(hasher.finish()), start);
            if is_enough {
                return Ok(pipe);
            }
        }
    }

    /// The first bytes.
    pub(super) fn start(&self) -> &[u8] {
        self.start.get(..limits::FILE_SAMPLE).unwrap_or(&self.start)
    }

    /// The hash of the first frame.
    pub(super) fn stream(&self) -> StreamId {
        self.stream
    }

    /// How many bytes have been read.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends what there is, at most so many bytes, and tells how many; waits for the first of them. None at the end.
    pub(super) fn read(&mut self, most: usize, out: &mut Vec<u8>) -> io::Result<usize> {
        let count = match std::mem::take(&mut self.start) {
            start if start.is_empty() => self.read_more(most, out)?,
            start => {
                out.extend_from_slice(&start);
                start.len()
            }
        };
        self.offset += count as u64;
        Ok(count)
    }

    fn read_more(&mut self, most: usize, out: &mut Vec<u8>) -> io::Result<usize> {
        let begin = out.len();
        out.resize(begin + most, 0);
        let read = loop {
            match self.file.read(out.get_mut(begin..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody else has made standard input such that nobody waits for it.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => drop(self.is_idle(limits::AGES)),
                read => break read,
            }
        };
        out.truncate(begin + read.as_ref().map_or(0, |count| *count));
        read
    }

    /// Whether nothing comes for so long, not even the end.
    pub(super) fn is_idle(&self, patience: Duration) -> bool {
        let timeout = Timespec::try_from(patience).ok();
        let mut end = [PollFd::new(&self.file, PollFlags::IN)];
        self.start.is_empty() && poll(&mut end, timeout.as_ref()).is_ok_and(|ready| ready == 0)
    }

    /// Copies all of it, to its end; tells how much that is.
    pub(super) fn copy_to(mut self, to: &mut File) -> io::Result<u64> {
        to.write_all(&self.start)?;
        Ok(self.start.len() as u64 + io::copy(&mut self.file, to)?)
    }
}

/// The first frame, or as much of it as a sample holds.
fn first_frame(sample: &[u8], mode: Mode, is_over: bool) -> Option<&[u8]> {
    let mut framer =
        Framer::new(Options { mode, max_message_size: limits::FILE_SAMPLE, ..Options::default() });
    let mut frames = Vec::new();
    let done = framer.advance(sample, &mut frames, 1).unwrap_or_default();
    if is_over {
        framer.finish(sample.get(done..).unwrap_or_default(), &mut frames);
    }
    frames.first().map(|frame| frame.span.of(sample))
}
