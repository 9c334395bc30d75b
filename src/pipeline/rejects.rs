//! Floor 6: frames that are no records, kept for the operator to look at.
//!
//! Invariant: the file and the one before it are bounded, whatever peers send; nothing here can fail the pipeline.

use super::worker::{RejectSink, Rejected};
use crate::event::render;
use crate::limits;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Appends a JSON object per rejected frame to a file: `time`, `number`, `listener`, `peer`, `reason`, `detail` and
/// `bytes`, the beginning of the frame, in which bytes that are not UTF-8 stand as `\xNN`. At [`limits::REJECTED_FILE_SIZE`] the file is renamed to end in `.1`.
#[derive(Debug)]
pub struct RejectFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    size: u64,
    failed: bool,
}

impl RejectFile {
    /// Opens the file, which is created with mode 0600 if it is missing.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let file = open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, state: Mutex::new(State { file, size, failed: false }) })
    }

    fn append(&self, state: &mut State, line: &[u8]) -> io::Result<()> {
        if state.size >= limits::REJECTED_FILE_SIZE {
            let mut earlier = self.path.clone().into_os_string();
            earlier.push(".1");
            fs::rename(&self.path, earlier)?;
            state.file = open(&self.path)?;
            state.size = 0;
        }
        state.file.write_all(line)?;
        state.size += line.len() as u64;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
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
        for (key, text) in texts {
            line.extend_from_slice(format!(r#","{key}":"#).as_bytes());
            render::json_string(&mut line, text);
        }
        line.extend_from_slice(b"}\n");
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.failed {
            return;
        }
        if let Err(error) = self.append(&mut state, &line) {
            state.failed = true;
            tracing::error!(path = %self.path.display(), %error, "rejected frames are no longer kept");
        }
    }
}

/// Keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl RejectSink for Discard {
    fn rejected(&self, _: &Rejected<'_>) {}
}
