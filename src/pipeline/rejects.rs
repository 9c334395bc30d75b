//! Floor 6: frames that are no records, kept for the operator to look at.
//!
//! Others may rename, remove or cut the file at any time, as logrotate does: each append first compares what the path names
//! with what is open.
//!
//! Invariant: the file and the one before it are bounded, whatever peers send, and so is what waits to be written; nothing
//! here can fail the pipeline or hold it up, and what is missing in the file is counted.

mod writer;

use self::writer::Writer;
use super::worker::{RejectSink, Rejected};
use crate::batch::Sequenced;
use crate::event::render;
use crate::limits;
use crate::time::{Clock, Timestamp};
use crate::wire::Reject;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Has a JSON object per rejected frame appended to a file: `time`, `number`, `listener`, `peer`, `reason`, `detail` and
/// `bytes`, the beginning of the frame, in which bytes that are not UTF-8 stand as `\xNN`. Instead of those that are left
/// out there is one with `time`, `listener`, `peer`, `reason` and `left_out`, their number; for those that could not be
/// written, or not fast enough, `time` and `left_out`. At [`limits::REJECTED_FILE_SIZE`] the file is renamed to end in `.1`.
#[derive(Debug)]
pub struct RejectFile {
    lines: Sender<Message>,
    /// The other end, for what is left in it when the time to write is over.
    rest: Receiver<Message>,
    told: Arc<Told>,
}

/// What is known of the writing.
#[derive(Debug)]
struct Told {
    path: PathBuf,
    /// Nothing while the file can be written.
    failing: Mutex<Option<Failing>>,
    /// Frames that are missing, and of which the file does not tell yet.
    left_out: AtomicU64,
    /// Whether the log has told lately that lines come too fast.
    is_crowded: AtomicBool,
}

/// What is known while nothing can be written.
#[derive(Clone, Debug)]
struct Failing {
    /// When it was last tried.
    tried: Timestamp,
    /// What the system said then.
    why: String,
}

/// What [`RejectFile::flush`] asked for; nothing if there was no room to ask.
#[derive(Debug)]
pub struct Flush(Option<Receiver<()>>);

#[derive(Debug)]
enum Message {
    Line(Line),
    /// Tells when all before it is written, or has failed.
    Flush(Sender<()>),
}

/// A line that stands for so many frames.
#[derive(Debug, Default)]
struct Line {
    frames: u64,
    text: Vec<u8>,
}

impl RejectFile {
    /// The file in a data directory.
    pub fn path(data: &Path) -> PathBuf {
        data.join("rejected.jsonl")
    }

    /// Opens the file, which is created with mode 0600 if it is missing, and starts the thread that writes it. While it cannot
    /// be opened, as when it cannot be written, frames are left out, which the log and [`Self::trouble`] tell.
    ///
    /// # Errors
    /// When the system refuses the thread.
    pub fn open(path: PathBuf, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (rejects, writer) = Self::with_writer(path, clock);
        thread::Builder::new().name("rejects".to_owned()).spawn(move || writer.run())?;
        Ok(rejects)
    }

    fn with_writer(path: PathBuf, clock: Arc<dyn Clock>) -> (Self, Writer) {
        let (lines, queue) = bounded(limits::REJECTED_QUEUE_LINES);
        let (failing, left_out, is_crowded) = Default::default();
        let told = Arc::new(Told { path, failing, left_out, is_crowded });
        let writer = Writer::new(queue.clone(), Arc::clone(&told), clock);
        (Self { lines, rest: queue, told }, writer)
    }

    /// Tries whether the file can be appended to, if it is there.
    ///
    /// # Errors
    /// What the system says.
    pub fn check(path: &Path) -> io::Result<()> {
        writer::check(path)
    }

    /// What is wrong, while the file cannot be written, or not fast enough. Waits for no disk.
    pub fn trouble(&self) -> Option<String> {
        let path = self.told.path.display();
        let left_out = self.told.left_out.load(Relaxed);
        let missing = match left_out {
            0 => "no rejected frame is left out so far".to_owned(),
            1 => "1 rejected frame is left out".to_owned(),
            _ => format!("{left_out} rejected frames are left out"),
        };
        match self.told.failing().clone() {
            Some(Failing { tried, why }) => {
                Some(format!("{path} could not be written at {tried}, {missing}: {why}"))
            }
            None => (left_out > 0).then(|| format!("{path} is not written fast enough, {missing}")),
        }
    }

    /// Asks for what was handed over to be written.
    pub fn flush(&self) -> Flush {
        let (tell, told) = bounded(1);
        Flush(self.lines.try_send(Message::Flush(tell)).is_ok().then_some(told))
    }

    /// Waits until what was asked for is done, for so long at most, and tells what is left out: for the end of a server.
    pub fn finish(&self, asked: Flush, patience: Duration) {
        let by = Instant::now() + patience;
        let ask_now = || {
            let (tell, told) = bounded(1);
            self.lines.send_deadline(Message::Flush(tell), by).is_ok().then_some(told)
        };
        let is_done = asked.0.or_else(ask_now).is_some_and(|told| told.recv_deadline(by).is_ok());
        if !is_done {
            for message in self.rest.try_iter() {
                if let Message::Line(line) = message {
                    self.told.leave_out(line.frames);
                }
            }
        }
        if let Some(trouble) = self.trouble() {
            tracing::warn!("{trouble}");
        }
    }

    /// Hands a line over. Those that find no room are counted.
    fn keep(&self, line: Line) {
        let frames = line.frames;
        if self.lines.try_send(Message::Line(line)).is_err() {
            self.told.leave_out(frames);
            if !self.told.is_crowded.swap(true, Relaxed) {
                let path = self.told.path.display();
                tracing::warn!(%path, "rejected frames are left out: they come faster than the file is written");
            }
        }
    }
}

impl Told {
    fn failing(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave_out(&self, frames: u64) {
        self.left_out.fetch_add(frames, Relaxed);
    }
}

fn put_texts(line: &mut Vec<u8>, texts: &[(&str, &[u8])]) {
    for (key, text) in texts {
        line.extend_from_slice(format!(r#","{key}":"#).as_bytes());
        render::json_string(line, text);
    }
}

impl RejectSink for RejectFile {
    fn rejected(&self, rejected: &Rejected<'_>) {
        let origin = &rejected.batch.batch.origin;
        let bytes = rejected.bytes.get(..limits::REJECT_SAMPLE_SIZE).unwrap_or(rejected.bytes);
        let mut line =
            format!(r#"{{"time":"{}","number":{}"#, rejected.arrival, rejected.number).into_bytes();
        let detail = rejected.reject.to_string();
        let texts: [(&str, &[u8]); 5] = [
            ("listener", origin.listener.as_bytes()),
            ("peer", origin.peer.as_bytes()),
            ("reason", rejected.reject.name().as_bytes()),
            ("detail", detail.as_bytes()),
            ("bytes", bytes),
        ];
        put_texts(&mut line, &texts);
        line.extend_from_slice(b"}\n");
        self.keep(Line { frames: 1, text: line });
    }

    fn left_out(&self, batch: &Sequenced, reject: Reject, frames: u64) {
        let (origin, last) = (&batch.batch.origin, batch.arrivals.last());
        let mut line = format!(r#"{{"time":"{last}""#).into_bytes();
        let texts: [(&str, &[u8]); 3] = [
            ("listener", origin.listener.as_bytes()),
            ("peer", origin.peer.as_bytes()),
            ("reason", reject.name().as_bytes()),
        ];
        put_texts(&mut line, &texts);
        line.extend_from_slice(format!(",\"left_out\":{frames}}}\n").as_bytes());
        self.keep(Line { frames, text: line });
    }
}

/// Keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl RejectSink for Discard {
    fn rejected(&self, _: &Rejected<'_>) {}

    fn left_out(&self, _: &Sequenced, _: Reject, _: u64) {}
}

#[cfg(test)]
mod tests;
