//! Floor 3: who a data directory is: its stream id and the number of its runs.
//!
//! Invariant: a new run number is written aside, synced and renamed, and the directory synced, before it is used; so
//! no number is ever given twice, and ids never repeat.

use super::error::ReadError;
use super::{layout, recovery};
use crate::event::StreamId;
use crate::segment::{Disk, Storage};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// First line of the file; a later format has another.
const MAGIC: &str = "correlator identity 1";
/// Its name.
const FILE: &str = "identity";
/// The name of the file that the process which has claimed the directory keeps locked.
const LOCK: &str = "lock";

/// The claim of one process on a data directory, for one run.
#[derive(Debug)]
pub struct Identity {
    /// The stream's id, random at its creation.
    pub stream: StreamId,
    /// The number of this run, from 1.
    pub run: u32,
    /// Keeps other processes out.
    _lock: Lock,
}

/// A file that is locked for as long as this lives. Closing the file would not do: a child that was forked and has not
/// come to its own program yet holds a copy, and with it the lock.
#[derive(Debug)]
struct Lock(File);

impl Lock {
    /// Locks a file, or says why not: [`Errno::WOULDBLOCK`] where another process has.
    fn take(file: File, operation: FlockOperation) -> Result<Self, Errno> {
        flock(&file, operation)?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file does the rest.
        flock(&self.0, FlockOperation::Unlock).ok();
    }
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
    /// Nobody knows what of the directory is durable.
    #[error("data directory: cannot sync {}", path.display())]
    Lost {
        /// What was not synced.
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
    /// The file is gone, and a journal is there that it belongs to; it stays untouched.
    #[error(
        "data directory: {} is missing, without which nothing of the journal beside it can be used: put it back from a \
         copy, or move the journal away to begin anew, without its sessions, counts and undelivered events", .0.display()
    )]
    Missing(PathBuf),
    /// A newer version wrote the journal, or it cannot be read; it stays untouched.
    #[error("data directory: its journal cannot be used, and stays untouched")]
    Journal(#[source] ReadError),
}

impl Identity {
    /// Claims a data directory, which is created with mode 0700 if it is missing, and takes its next run number.
    ///
    /// # Errors
    /// When another process holds it, it cannot be read or written, or it is from a newer version; then nothing in it
    /// was changed.
    pub fn claim(directory: &Path) -> Result<Self, IdentityError> {
        Self::claim_on(directory, &Disk)
    }

    /// The same on a disk.
    pub(crate) fn claim_on(directory: &Path, storage: &dyn Storage) -> Result<Self, IdentityError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::Io { action, path, source }
        };
        create(directory, storage)?;
        let lock_path = directory.join(LOCK);
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
        let lock = lock.map_err(io("open", &lock_path))?;
        let lock = match Lock::take(lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(lock) => lock,
            Err(Errno::WOULDBLOCK) => return Err(IdentityError::InUse(directory.to_owned())),
            Err(errno) => return Err(io("lock", &lock_path)(errno.into())),
        };

        let path = directory.join(FILE);
        let (stream, last) = match read(directory)? {
            Some(known) => known,
            None => match missing(directory) {
                Some(error) => return Err(error),
                None => (random(), 0),
            },
        };
        let rooms = layout::rooms(directory);
        rooms.iter().try_for_each(|room| recovery::refuse_newer(room)).map_err(IdentityError::Journal)?;
        let run = last
            .checked_add(1)
            .ok_or(IdentityError::Unreadable { path: path.clone(), reason: "the run numbers are used up" })?;
        write(directory, &path, (stream, run), storage)?;
        Ok(Self { stream, run, _lock: lock })
    }
}

/// Whether a process holds a data directory.
///
/// To find out, the lock is taken for a moment, shared: so this is for when there is no better way to know.
///
/// # Errors
/// When the system does not let us see.
pub fn is_claimed(directory: &Path) -> io::Result<bool> {
    let lock = match File::open(directory.join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        lock => lock?,
    };
    match Lock::take(lock, FlockOperation::NonBlockingLockShared) {
        Ok(_) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

/// A stream id out of the randomness that seeds the standard library's hash maps, which the system supplies.
fn random() -> StreamId {
    use std::hash::{BuildHasher, RandomState};
    StreamId(RandomState::new().hash_one(std::process::id()))
}

/// What the file says, with a checksum, so that no number is ever taken for another.
fn render(stream: StreamId, run: u32) -> String {
    let text = format!("{MAGIC}\nstream {:016x}\nrun {run}\n", stream.0);
    format!("{text}check {:08x}\n", crc32fast::hash(text.as_bytes()))
}

fn parse(text: &str) -> Result<(StreamId, u32), &'static str> {
    let mut lines = text.lines();
    if lines.next() != Some(MAGIC) {
        return Err("its first line is another");
    }
    let mut field = |name| lines.next().and_then(|line| line.strip_prefix(name)).map(str::trim);
    let stream = field("stream ").and_then(|hex| u64::from_str_radix(hex, 16).ok()).ok_or("no stream id")?;
    let run = field("run ").and_then(|run| run.parse().ok()).ok_or("no run number")?;
    let stream = StreamId(stream);
    if render(stream, run) == text { Ok((stream, run)) } else { Err("its checksum does not match") }
}

/// Reads who a data directory is: its stream, and the number of its last run; nothing where it has none yet.
///
/// # Errors
/// When the file cannot be read, or is not as it was written.
pub(super) fn read(directory: &Path) -> Result<Option<(StreamId, u32)>, IdentityError> {
    let path = directory.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            let parsed = std::str::from_utf8(&bytes).map_err(|_| "it is no text").and_then(parse);
            parsed.map(Some).map_err(|reason| IdentityError::Unreadable { path, reason })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IdentityError::Io { action: "read", path, source }),
    }
}

/// A sync that failed.
fn lost(path: &Path) -> impl FnOnce(io::Error) -> IdentityError {
    move |source| IdentityError::Lost { path: path.to_owned(), source }
}

/// What is wrong with a data directory that does not say who it is: there is a journal, which is somebody's.
pub(super) fn missing(directory: &Path) -> Option<IdentityError> {
    let holds_files = |room: &PathBuf| fs::read_dir(room).is_ok_and(|mut files| files.next().is_some());
    let is_missing = layout::rooms(directory).iter().any(holds_files);
    is_missing.then(|| IdentityError::Missing(directory.join(FILE)))
}

/// Creates a directory, and makes durable that it is there, and each that had to be created above it.
fn create(directory: &Path, storage: &dyn Storage) -> Result<(), IdentityError> {
    let missing: Vec<_> = directory.ancestors().take_while(|path| !path.exists()).collect();
    let failed = |source| IdentityError::Io { action: "create", path: directory.to_owned(), source };
    storage.create_directory(directory).map_err(failed)?;
    let above = missing.iter().filter_map(|path| path.parent());
    let named = |path: &Path| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() };
    above.map(named).try_for_each(|path| storage.sync_directory(&path).map_err(lost(&path)))
}

fn write(
    directory: &Path,
    path: &Path,
    (stream, run): (StreamId, u32),
    storage: &dyn Storage,
) -> Result<(), IdentityError> {
    let failed = |source| IdentityError::Io { action: "write", path: path.to_owned(), source };
    let aside = path.with_extension("new");
    let text = render(stream, run);
    let mut file = storage.create(&aside, text.len() as u64).map_err(failed)?;
    file.write_at(text.as_bytes(), 0).map_err(failed)?;
    file.sync().map_err(lost(&aside))?;
    storage.rename(&aside, path).map_err(failed)?;
    storage.sync_directory(directory).map_err(lost(directory))
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
        let run_2 = render(StreamId(7), 1).replace("run 1", "run 2");
        let newer = "correlator identity 2\nfuture";
        for text in [newer, "", "correlator identity 1\nstream xyz\nrun 1\n", &run_2] {
            fs::write(&path, text).unwrap();
            let error = Identity::claim(home.path()).unwrap_err().to_string();
            assert!(error.contains("identity") && error.contains("newer version"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_file_that_is_gone_from_beside_a_journal_is_not_made_anew() {
        let home = tempfile::tempdir().unwrap();
        drop(Identity::claim(home.path()).unwrap());
        let events = home.path().join("journal/events");
        fs::create_dir_all(&events).unwrap();
        fs::remove_file(home.path().join(FILE)).unwrap();
        drop(Identity::claim(home.path()).unwrap());
        fs::write(events.join("00000000.segment"), "").unwrap();
        fs::remove_file(home.path().join(FILE)).unwrap();
        let error = Identity::claim(home.path()).unwrap_err().to_string();
        assert!(error.contains("identity is missing") && error.contains("move the journal away"), "{error}");
        assert!(!home.path().join(FILE).exists());
    }

    #[test]
    fn a_claim_is_seen_from_outside() {
        let home = tempfile::tempdir().unwrap();
        assert!(!is_claimed(home.path()).unwrap());
        let claim = Identity::claim(home.path()).unwrap();
        assert!(is_claimed(home.path()).unwrap());
        drop(claim);
        assert!(!is_claimed(home.path()).unwrap());
    }

    #[test]
    fn a_claim_ends_with_its_value_whoever_holds_a_copy_of_the_file() {
        let home = tempfile::tempdir().unwrap();
        let claim = Identity::claim(home.path()).unwrap();
        let copy = claim._lock.0.try_clone().unwrap();
        drop(claim);
        assert!(!is_claimed(home.path()).unwrap());
        drop(copy);
    }
}
