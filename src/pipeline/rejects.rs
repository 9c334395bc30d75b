//! Floor 6: frames that are no records, kept for the operator to look at.
//!
//! Invariant: the file and the one before it are bounded, whatever peers send; nothing here can fail the pipeline.

use super::worker::{RejectSink, Rejected};
use crate::batch::Sequenced;
use crate::event::render;
use crate::limits;
use crate::time::Timestamp;
use crate::wire::Reject;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Appends a JSON object per rejected frame to a file: `time`, `number`, `listener`, `peer`, `reason`, `detail` and
/// `bytes`, the beginning of the frame, in which bytes that are not UTF-8 stand as `\xNN`. Instead of those that are left
/// out there is one with `time`, `listener`, `peer`, `reason` and `left_out`, their number; for those that could not be
/// written, `time` and `left_out`. At [`limits::REJECTED_FILE_SIZE`] the file is renamed to end in `.1`.
#[derive(Debug)]
pub struct RejectFile {
    path: PathBuf,
    state: Mutex<State>,
    /// Beside the state, which is held while something is written: whoever asks what is wrong waits for no disk.
    failing: Mutex<Option<Failing>>,
}

#[derive(Debug)]
struct State {
    file: File,
    size: u64,
}

/// What is known while nothing can be written.
#[derive(Clone, Debug)]
struct Failing {
    /// When it was last tried.
    tried: Timestamp,
    /// Frames that are missing since it fails.
    left_out: u64,
    /// What the system said the last time.
    why: String,
}

impl RejectFile {
    /// Opens the file, which is created with mode 0600 if it is missing.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let (file, size) = open(&path)?;
        Ok(Self { path, state: Mutex::new(State { file, size }), failing: Mutex::default() })
    }

    /// What is wrong, while the file cannot be written.
    pub fn trouble(&self) -> Option<String> {
        let Failing { tried, left_out, why } = self.failing().clone()?;
        let frames = if left_out == 1 { "frame is" } else { "frames are" };
        let path = self.path.display();
        Some(format!("{path} could not be written at {tried}, {left_out} rejected {frames} left out: {why}"))
    }

    fn failing(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a line that stands for so many frames. While that fails it is tried again after a while, as the disk may
    /// have room again.
    fn keep(&self, now: Timestamp, frames: u64, line: &[u8]) {
        let path = self.path.display();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.failing().clone();
        let Some(mut failing) = known else {
            if let Err(error) = self.append(&mut state, line) {
                tracing::error!(%path, %error, "rejected frames are not kept until the file can be written");
                *self.failing() = Some(Failing { tried: now, left_out: frames, why: error.to_string() });
            }
            return;
        };
        if now >= failing.tried.plus(limits::REJECTED_RETRY) {
            failing.tried = now;
            match self.resume(&mut state, &failing, line) {
                Ok(()) => {
                    tracing::info!(%path, left_out = failing.left_out, "rejected frames are kept again");
                    *self.failing() = None;
                    return;
                }
                Err(error) => failing.why = error.to_string(),
            }
        }
        failing.left_out = failing.left_out.saturating_add(frames);
        *self.failing() = Some(failing);
    }

    /// Opens the file again, and appends how many frames are missing, and a line.
    fn resume(&self, state: &mut State, failing: &Failing, line: &[u8]) -> io::Result<()> {
        (state.file, state.size) = open(&self.path)?;
        let Failing { tried, left_out, .. } = failing;
        let mut lines = format!("{{\"time\":\"{tried}\",\"left_out\":{left_out}}}\n").into_bytes();
        lines.extend_from_slice(line);
        self.append(state, &lines)
    }

    fn append(&self, state: &mut State, line: &[u8]) -> io::Result<()> {
        if state.size >= limits::REJECTED_FILE_SIZE {
            let mut earlier = self.path.clone().into_os_string();
            earlier.push(".1");
            fs::rename(&self.path, earlier)?;
            (state.file, state.size) = open(&self.path)?;
        }
        let written = state.file.write_all(line);
        match written {
            Ok(()) => state.size += line.len() as u64,
            // No part of a line may stand before the next one.
            Err(_) => state.file.set_len(state.size).unwrap_or_default(),
        }
        written
    }
}

/// Opens the file, and tells its size.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
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
        self.keep(rejected.arrival, 1, &line);
    }

    fn left_out(&self, batch: &Sequenced, reject: Reject, frames: u64) {
        let (origin, now) = (&batch.batch.origin, batch.arrivals.last());
        let mut line = format!(r#"{{"time":"{now}""#).into_bytes();
        let texts: [(&str, &[u8]); 3] = [
            ("listener", origin.listener.as_bytes()),
            ("peer", origin.peer.as_bytes()),
            ("reason", reject.name().as_bytes()),
        ];
        put_texts(&mut line, &texts);
        line.extend_from_slice(format!(",\"left_out\":{frames}}}\n").as_bytes());
        self.keep(now, frames, &line);
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
mod tests {
    use super::*;
    use crate::batch::{Arrivals, Batch, FrameSpan, Origin};
    use crate::detect::senders::Rules;
    use crate::detect::{Detector, Interest, Observations};
    use crate::pipeline::worker::{Counts, Shared, observe};
    use crate::span::Span;
    use crate::time::Zone;
    use bytes::Bytes;
    use std::os::unix::fs::symlink;
    use std::sync::Arc;
    use std::time::Duration;

    const BEGIN: Timestamp = Timestamp::from_micros(1_750_000_000_000_000);

    fn junk(first: u64, now: Timestamp, lines: u32) -> Sequenced {
        let text: String = (0..lines).map(|line| format!("<bad{line}")).collect();
        let frames = (0..lines).map(|line| FrameSpan { span: Span::new(line * 5, 5), truncated: false });
        let origin = Arc::new(Origin { listener: "lan".into(), peer: "192.0.2.1".into() });
        let batch = Batch { origin, frames: frames.collect(), bytes: Bytes::from(text) };
        Sequenced { slot: 0, first, arrivals: Arrivals::One(now), batch }
    }

    /// What a file has once these batches were looked at.
    fn take(rejects: &Arc<RejectFile>, batches: &[Sequenced]) {
        let detector = Arc::new(Detector::new(Interest::default()));
        let rejects = Arc::clone(rejects) as Arc<dyn RejectSink>;
        let mut scratch = detector.scratch();
        let (zones, other_zone, rules) = (Vec::new(), Zone::UTC, Arc::new(Rules::default()));
        let shared = Shared { detector, zones, other_zone, rules, rejects };
        for batch in batches {
            let (mut observations, mut counts) = (Observations::default(), Counts::default());
            observe(&shared, &mut scratch, batch, &mut observations, &mut counts);
        }
    }

    #[test]
    fn frames_that_are_not_kept_are_counted_in_the_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("rejected.jsonl");
        let rejects = Arc::new(RejectFile::open(path.clone()).unwrap());
        take(&rejects, &[junk(1, BEGIN, 4), junk(5, BEGIN, 8)]);
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let numbers: Vec<bool> = lines.iter().map(|line| line.contains(r#""number":"#)).collect();
        assert_eq!(numbers, [true, true, true, true, true, true, true, true, false], "{text}");
        let last = lines.last().unwrap();
        assert!(last.contains(r#""listener":"lan","peer":"192.0.2.1","reason":""#), "{text}");
        assert!(last.ends_with(r#","left_out":4}"#), "{text}");
    }

    #[test]
    fn a_file_that_could_not_be_written_goes_on_once_there_is_room() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("rejected.jsonl");
        symlink("/dev/full", &path).unwrap();
        let rejects = Arc::new(RejectFile::open(path.clone()).unwrap());
        let later = |seconds| BEGIN.plus(limits::REJECTED_RETRY * seconds);
        assert_eq!(rejects.trouble(), None);
        take(&rejects, &[junk(1, BEGIN, 1), junk(2, later(1), 2)]);
        let trouble = rejects.trouble().unwrap();
        let told =
            format!("could not be written at {}, 3 rejected frames are left out: No space left", later(1));
        assert!(trouble.contains(&told), "{trouble}");
        fs::remove_file(&path).unwrap();
        take(&rejects, &[junk(4, later(1).plus(Duration::from_secs(1)), 8)]);
        assert!(!path.exists(), "it was tried again too soon");
        take(&rejects, &[junk(12, later(2), 1), junk(13, later(2), 1)]);
        assert_eq!(rejects.trouble(), None, "it is over");
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0], format!(r#"{{"time":"{}","left_out":11}}"#, later(2)));
        assert!(lines[1].contains(r#""number":12,"#) && lines[2].contains(r#""number":13,"#), "{text}");
    }
}
