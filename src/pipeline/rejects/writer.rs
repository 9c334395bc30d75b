//! Floor 6: the thread that writes the file of rejected frames.
//!
//! Invariant: what is handed over is appended as a whole, or counted; what could not be written is tried again.

use super::{Failing, Line, Message, Told};
use crate::limits;
use crate::time::Clock;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// The end of the lines that waits for the disk.
pub(super) struct Writer {
    pub(super) queue: Receiver<Message>,
    told: Arc<Told>,
    /// What tells when the file could not be written. How long that is ago, no clock tells that somebody may set.
    clock: Arc<dyn Clock>,
    /// Nothing while it cannot be opened.
    open: Option<Open>,
    /// When what failed is tried again.
    pub(super) due: Instant,
}

/// The file, while it is open.
struct Open {
    file: File,
    identity: (u64, u64),
    size: u64,
}

impl Writer {
    pub(super) fn new(queue: Receiver<Message>, told: Arc<Told>, clock: Arc<dyn Clock>) -> Self {
        Self { queue, told, clock, open: None, due: Instant::now() }
    }

    /// Writes until no line can come any more.
    pub(super) fn run(mut self) {
        self.open();
        loop {
            match self.queue.recv_deadline(self.due) {
                Ok(message) => self.take(message, Instant::now()),
                Err(RecvTimeoutError::Timeout) => self.try_again(Instant::now()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Opens the file, for which only this thread waits.
    pub(super) fn open(&mut self) {
        match Open::at(&self.told.path) {
            Ok(open) => self.open = Some(open),
            Err(error) => self.fail(&error, "opened"),
        }
        self.due = Instant::now() + limits::REJECTED_RETRY;
    }

    pub(super) fn take(&mut self, message: Message, now: Instant) {
        match message {
            Message::Line(line) => self.keep(line, now),
            Message::Flush(tell) => {
                self.due = now;
                self.try_again(now);
                // Who asked may have gone.
                tell.send(()).ok();
            }
        }
    }

    /// Tries again what failed, also without a further frame: the disk may have room again.
    pub(super) fn try_again(&mut self, now: Instant) {
        if self.told.failing().is_some() || self.told.left_out.load(Relaxed) > 0 {
            self.keep(Line::default(), now);
        }
        self.told.is_crowded.store(false, Relaxed);
        self.due = now + limits::REJECTED_RETRY;
    }

    /// Appends how many frames are missing, if any are, and a line; while that fails, only from time to time.
    fn keep(&mut self, line: Line, now: Instant) {
        let was_failing = self.told.failing().is_some();
        if was_failing && now < self.due {
            return self.told.leave_out(line.frames);
        }
        let missing = self.told.left_out.load(Relaxed);
        let mut lines = match missing {
            0 => Vec::new(),
            _ => format!("{{\"time\":\"{}\",\"left_out\":{missing}}}\n", self.clock.now()).into_bytes(),
        };
        lines.extend_from_slice(&line.text);
        match self.append(&lines) {
            Ok(()) => {
                self.told.left_out.fetch_sub(missing, Relaxed);
                *self.told.failing() = None;
                if was_failing {
                    let path = self.told.path.display();
                    tracing::info!(%path, left_out = missing, "rejected frames are kept again");
                }
            }
            Err(error) => {
                self.told.leave_out(line.frames);
                self.due = now + limits::REJECTED_RETRY;
                self.fail(&error, "written");
            }
        }
    }

    /// Notes why nothing can be written, and tells it where that is new.
    fn fail(&self, error: &io::Error, what: &str) {
        let failing = Failing { tried: self.clock.now(), why: error.to_string() };
        if self.told.failing().replace(failing).is_none() {
            let path = self.told.path.display();
            tracing::error!(%path, %error, "rejected frames are not kept until the file can be {what}");
        }
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let path = &self.told.path;
        let mut current = match self.open.take().and_then(|open| open.if_named_by(path)) {
            Some(current) => current,
            None => Open::at(path)?,
        };
        if current.size >= limits::REJECTED_FILE_SIZE {
            put_aside(path)?;
            current = Open::at(path)?;
        }
        let written = current.file.write_all(lines);
        match written {
            Ok(()) => self.open = Some(current),
            // No part of a line may stand before the next one.
            Err(_) => current.file.set_len(current.size).unwrap_or_default(),
        }
        written
    }
}

/// Tries whether the file can be appended to, if it is there.
pub(super) fn check(path: &Path) -> io::Result<()> {
    match options().open(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Renames the file, unless somebody else has just done that, or removed it.
pub(super) fn put_aside(path: &Path) -> io::Result<()> {
    let mut earlier = path.to_owned().into_os_string();
    earlier.push(".1");
    match fs::rename(path, earlier) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

/// How the file is opened: to append, and without waiting for somebody to read a pipe.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    options
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let file = options().create(true).open(path)?;
        let found = file.metadata()?;
        Ok(Self { file, identity: (found.dev(), found.ino()), size: found.len() })
    }

    /// The same, as long as it is now, if it is still what the path names.
    fn if_named_by(self, path: &Path) -> Option<Self> {
        let found = path.metadata().ok()?;
        ((found.dev(), found.ino()) == self.identity).then_some(Self { size: found.len(), ..self })
    }
}
