//! Floor 3: who a data directory is: its stream id and the number of its runs.
//!
//! Invariant: a new run number is written aside, synced and renamed, and the directory synced, before it is used; so
//! no number is ever given twice, and ids never repeat.

use crate::event::StreamId;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// First line of the file; a later format has another.
const MAGIC: &str = "correlator identity 1";

/// The claim of one process on a data directory, for one run.
#[derive(Debug)]
pub struct Identity {
    /// The stream's id, random at its creation.
    pub stream: StreamId,
    /// The number of this run, from 1.
    pub run: u32,
    /// Keeps other processes out as long as it is open.
    _lock: File,
}

/// A data directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("data directory: cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error("data directory {} is in use by another correlator", .0.display())]
    InUse(PathBuf),
    /// The file is not as it was written, or a newer version wrote it; it stays untouched.
    #[error("data directory: {} is damaged or of a newer version: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Identity {
    /// Claims a data directory, which is created with mode 0700 if it is missing, and takes its next run number.
    ///
    /// # Errors
    /// When another process holds it, it cannot be read or written, or it is from a newer version.
    pub fn claim(directory: &Path) -> Result<Self, IdentityError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::Io { action, path, source }
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(io("create", directory))?;
        let lock_path = directory.join("lock");
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
        let lock = lock.map_err(io("open", &lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(IdentityError::InUse(directory.to_owned())),
            Err(errno) => return Err(io("lock", &lock_path)(errno.into())),
        }

        let path = directory.join("identity");
        let (stream, last) = match fs::read_to_string(&path) {
            Ok(text) => {
                parse(&text).map_err(|reason| IdentityError::Unreadable { path: path.clone(), reason })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (random(), 0),
            Err(error) => return Err(io("read", &path)(error)),
        };
        let run = last
            .checked_add(1)
            .ok_or(IdentityError::Unreadable { path: path.clone(), reason: "the run numbers are used up" })?;
        write(directory, &path, stream, run).map_err(io("write", &path))?;
        Ok(Self { stream, run, _lock: lock })
    }
}

/// A stream id out of the randomness that seeds the standard library's hash maps, which the system supplies.
fn random() -> StreamId {
    use std::hash::{BuildHasher, RandomState};
    StreamId(RandomState::new().hash_one(std::process::id()))
}

fn parse(text: &str) -> Result<(StreamId, u32), &'static str> {
    let mut lines = text.lines();
    if lines.next() != Some(MAGIC) {
        return Err("its first line is another");
    }
    let mut field = |name| lines.next().and_then(|line| line.strip_prefix(name)).map(str::trim);
    let stream = field("stream ").and_then(|hex| u64::from_str_radix(hex, 16).ok()).ok_or("no stream id")?;
    let run = field("run ").and_then(|run| run.parse().ok()).ok_or("no run number")?;
    Ok((StreamId(stream), run))
}

fn write(directory: &Path, path: &Path, stream: StreamId, run: u32) -> io::Result<()> {
    let aside = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&aside)?;
    write!(file, "{MAGIC}\nstream {:016x}\nrun {run}\n", stream.0)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_count_up_and_the_stream_stays() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        let first = Identity::claim(&directory).unwrap();
        assert_eq!(first.run, 1);
        assert!(matches!(Identity::claim(&directory), Err(IdentityError::InUse(_))));
        let stream = first.stream;
        drop(first);
        let second = Identity::claim(&directory).unwrap();
        assert_eq!((second.run, second.stream), (2, stream));
    }

    #[test]
    fn a_damaged_or_newer_file_is_refused_untouched() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("identity");
        for text in ["correlator identity 2\nfuture", "", "correlator identity 1\nstream xyz\nrun 1\n"] {
            fs::write(&path, text).unwrap();
            let error = Identity::claim(home.path()).unwrap_err().to_string();
            assert!(error.contains("identity") && error.contains("newer version"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
