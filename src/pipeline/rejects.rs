//! Floor 6: frames that are no records, kept for the operator to look at.
//!
//! Others may rename, remove or cut the file at any time, as logrotate does: each append first compares what the path names
//! with what is open.
//!
//! Invariant: the file and the one before it are bounded, whatever peers send; nothing here can fail the pipeline.

use super::worker::{RejectSink, Rejected};
use crate::batch::Sequenced;
use crate::event::render;
use crate::limits;
use crate::time::Timestamp;
use crate::wire::Reject;
use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Appends a JSON object per rejected frame to a file: `time`, `number`, `listener`, `peer`, `reason`, `detail` and
/// `bytes`, the beginning of the frame, in which bytes that are not UTF-8 stand as `\xNN`. Instead of those that are left
/// out there is one with `time`, `listener`, `peer`, `reason` and `left_out`, their number; for those that could not be
/// written, `time` and `left_out`. At [`limits::REJECTED_FILE_SIZE`] the file is renamed to end in `.1`.
#[derive(Debug)]
pub struct RejectFile {
    path: PathBuf,
    /// Nothing while it cannot be opened.
    open: Mutex<Option<Open>>,
    /// Beside what is open, which is held while something is written: whoever asks what is wrong waits for no disk.
    failing: Mutex<Option<Failing>>,
}

/// The file, while it is open.
#[derive(Debug)]
struct Open {
    file: File,
    identity: (u64, u64),
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
    /// The file in a data directory.
    pub fn path(data: &Path) -> PathBuf {
        data.join("rejected.jsonl")
    }

    /// Opens the file, which is created with mode 0600 if it is missing. While it cannot be opened, as when it cannot be
    /// written, frames are left out, which the log and [`Self::trouble`] tell.
    pub fn open(path: PathBuf, now: Timestamp) -> Self {
        let opened = Open::at(&path);
        let failing = opened.as_ref().err().map(|error| {
            let path = path.display();
            tracing::error!(%path, %error, "rejected frames are not kept until the file can be opened");
            Failing { tried: now, left_out: 0, why: error.to_string() }
        });
        Self { path, open: Mutex::new(opened.ok()), failing: Mutex::new(failing) }
    }

    /// Tries whether the file can be appended to, if it is there.
    ///
    /// # Errors
    /// What the system says.
    pub fn check(path: &Path) -> io::Result<()> {
        match options().open(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What is wrong, while the file cannot be written.
    pub fn trouble(&self) -> Option<String> {
        let Failing { tried, left_out, why } = self.failing().clone()?;
        let path = self.path.display();
        let missing = match left_out {
            0 => "no rejected frame is left out so far".to_owned(),
            1 => "1 rejected frame is left out".to_owned(),
            _ => format!("{left_out} rejected frames are left out"),
        };
        Some(format!("{path} could not be written at {tried}, {missing}: {why}"))
    }

    /// Tries again to write the file, if it could not be written for a while.
    pub fn try_again(&self, now: Timestamp) {
        if self.failing().is_some() {
            self.keep(now, 0, b"");
        }
    }

    fn failing(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a line that stands for so many frames. While that fails it is tried again after a while, as the disk may
    /// have room again.
    fn keep(&self, now: Timestamp, frames: u64, line: &[u8]) {
        let path = self.path.display();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.failing().clone();
        let Some(mut failing) = known else {
            if let Err(error) = self.append(&mut open, line) {
                tracing::error!(%path, %error, "rejected frames are not kept until the file can be written");
                *self.failing() = Some(Failing { tried: now, left_out: frames, why: error.to_string() });
            }
            return;
        };
        if now >= failing.tried.plus(limits::REJECTED_RETRY) {
            failing.tried = now;
            match self.resume(&mut open, &failing, line) {
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
    fn resume(&self, open: &mut Option<Open>, failing: &Failing, line: &[u8]) -> io::Result<()> {
        *open = None;
        let Failing { tried, left_out, .. } = failing;
        let mut lines = match left_out {
            0 => Vec::new(),
            _ => format!("{{\"time\":\"{tried}\",\"left_out\":{left_out}}}\n").into_bytes(),
        };
        lines.extend_from_slice(line);
        self.append(open, &lines)
    }

    fn append(&self, open: &mut Option<Open>, line: &[u8]) -> io::Result<()> {
        let mut current = match open.take().and_then(|open| open.if_named_by(&self.path)) {
            Some(current) => current,
            None => Open::at(&self.path)?,
        };
        if current.size >= limits::REJECTED_FILE_SIZE {
            let mut earlier = self.path.clone().into_os_string();
            earlier.push(".1");
            fs::rename(&self.path, earlier)?;
            current = Open::at(&self.path)?;
        }
        let written = current.file.write_all(line);
        match written {
            Ok(()) => *open = Some(current),
            // No part of a line may stand before the next one.
            Err(_) => current.file.set_len(current.size).unwrap_or_default(),
        }
        written
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
        let rejects = Arc::new(RejectFile::open(path.clone(), BEGIN));
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
        let rejects = Arc::new(RejectFile::open(path.clone(), BEGIN));
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

    #[test]
    fn a_file_that_cannot_be_opened_at_first_is_opened_later() {
        let home = tempfile::tempdir().unwrap();
        let path = RejectFile::path(home.path());
        fs::create_dir(&path).unwrap();
        assert!(RejectFile::check(&path).unwrap_err().to_string().starts_with("Is a directory"));
        let rejects = Arc::new(RejectFile::open(path.clone(), BEGIN));
        let trouble = rejects.trouble().unwrap();
        let told = format!(
            "{} could not be written at {BEGIN}, no rejected frame is left out so far: Is a directory",
            path.display()
        );
        assert!(trouble.starts_with(&told), "{trouble}");
        take(&rejects, &[junk(1, BEGIN, 3)]);
        assert!(rejects.trouble().unwrap().contains(", 3 rejected frames are left out: "));
        fs::remove_dir(&path).unwrap();
        assert!(RejectFile::check(&path).is_ok() && !path.exists(), "it is only looked at");
        rejects.try_again(BEGIN);
        assert!(!path.exists(), "it was tried again too soon");
        let later = BEGIN.plus(limits::REJECTED_RETRY);
        rejects.try_again(later);
        assert_eq!(rejects.trouble(), None, "no further frame is needed");
        take(&rejects, &[junk(4, later, 1)]);
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!(r#"{{"time":"{later}","left_out":3}}"#));
        assert!(lines.len() == 2 && lines[1].contains(r#""number":4,"#), "{text}");
    }

    #[test]
    fn a_file_that_others_take_away_or_cut_is_begun_anew() {
        let home = tempfile::tempdir().unwrap();
        let path = RejectFile::path(home.path());
        let rejects = Arc::new(RejectFile::open(path.clone(), BEGIN));
        let numbers = |path: &Path| -> Vec<bool> {
            let text = fs::read_to_string(path).unwrap();
            text.lines().map(|line| line.starts_with('{') && line.contains(r#""number":"#)).collect()
        };
        take(&rejects, &[junk(1, BEGIN, 2)]);
        let aside = home.path().join("rejected.jsonl-20260201");
        fs::rename(&path, &aside).unwrap();
        take(&rejects, &[junk(3, BEGIN, 1)]);
        assert_eq!((numbers(&aside), numbers(&path)), (vec![true, true], vec![true]));
        // With the file made anew by whoever has renamed it.
        fs::rename(&path, &aside).unwrap();
        fs::write(&path, "").unwrap();
        take(&rejects, &[junk(4, BEGIN, 2)]);
        assert_eq!((numbers(&aside), numbers(&path)), (vec![true], vec![true, true]));
        fs::remove_file(&path).unwrap();
        take(&rejects, &[junk(4, BEGIN, 3)]);
        assert_eq!(numbers(&path), [true, true, true]);
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        take(&rejects, &[junk(7, BEGIN, 1)]);
        assert_eq!(numbers(&path), [true]);
        assert_eq!(rejects.trouble(), None);
    }

    #[test]
    fn a_pipe_that_nobody_reads_holds_nothing_up() {
        let home = tempfile::tempdir().unwrap();
        let path = RejectFile::path(home.path());
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        let rejects = RejectFile::open(path, BEGIN);
        assert!(rejects.trouble().unwrap().contains("No such device or address"));
    }
}
