//! Floor 3: a disk that is not written to any more once nobody can know what is durable on it.
//!
//! Invariant: after a sync that failed, or anything else that failed for another reason than want of room, every
//! operation fails. Trying again would be no help: a system that could not write a page takes it for written from then on.

use crate::segment::{Storage, StorageFile};
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// A disk, and whether something failed on it.
#[derive(Clone, Debug)]
pub(super) struct Strict {
    disk: Arc<dyn Storage>,
    failed: Arc<Failure>,
}

/// What failed first, in words.
type Failure = OnceLock<String>;

impl Strict {
    pub(super) fn new(disk: Arc<dyn Storage>) -> Self {
        Self { disk, failed: Arc::default() }
    }

    fn watch<T>(
        &self,
        what: &'static str,
        action: impl FnOnce(&dyn Storage) -> io::Result<T>,
    ) -> io::Result<T> {
        watched(&self.failed, what, is_full, || action(&*self.disk))
    }
}

/// Whether room on the disk would help.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Does something, unless something failed before; `may_fail` says of an error whether one may go on after it. Segments are
/// made ready beside the writer, which may be the first to tell of what failed there: so it says what that was.
fn watched<T>(
    failed: &Failure,
    what: &'static str,
    may_fail: impl FnOnce(&io::Error) -> bool,
    action: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    if let Some(earlier) = failed.get() {
        return Err(io::Error::other(format!(
            "nothing is written any more after an earlier failure: {earlier}"
        )));
    }
    action().inspect_err(|error| {
        if !may_fail(error) {
            failed.get_or_init(|| format!("cannot {what}: {error}"));
        }
    })
}

impl Storage for Strict {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.watch("create a directory", |disk| disk.create_directory(path))
    }

    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn StorageFile>> {
        let file = self.watch("create a file", |disk| disk.create(path, size))?;
        Ok(Box::new(StrictFile { file, failed: Arc::clone(&self.failed) }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = self.watch("open a file", |disk| disk.open(path))?;
        Ok(Box::new(StrictFile { file, failed: Arc::clone(&self.failed) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.watch("rename a file", |disk| disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.watch("remove a file", |disk| disk.remove(path))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        watched(&self.failed, "sync a directory", |_| false, || self.disk.sync_directory(path))
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        // It changes nothing, and so it spoils nothing.
        self.disk.free(path)
    }
}

#[derive(Debug)]
struct StrictFile {
    file: Box<dyn StorageFile>,
    failed: Arc<Failure>,
}

impl StorageFile for StrictFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        watched(&self.failed, "write a file", is_full, || self.file.write_at(bytes, offset))
    }

    fn sync(&mut self) -> io::Result<()> {
        watched(&self.failed, "sync a file", |_| false, || self.file.sync())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_after_a_failure_says_what_it_was() {
        let failed = Failure::new();
        let full = watched::<()>(&failed, "write a file", is_full, || Err(io::ErrorKind::StorageFull.into()));
        assert!(is_full(&full.unwrap_err()));
        watched(&failed, "write a file", is_full, || Ok(())).unwrap();

        let bad = || Err(io::Error::other("a bad sector"));
        let first = watched::<()>(&failed, "sync a file", |_| false, bad).unwrap_err();
        assert_eq!(first.to_string(), "a bad sector");
        let later = watched(&failed, "write a file", is_full, || Ok(())).unwrap_err();
        assert!(later.to_string().ends_with("cannot sync a file: a bad sector"), "{later}");
    }
}
