//! Floor 4: how far the files are that are followed, for whoever wants to look.
//!
//! Invariant: there is a row for each path that is followed, and it tells of the file that the path names; whoever reads
//! that file writes the row, once for each look.

use crate::journal::FileId;
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How far the followed files are.
#[derive(Debug, Default)]
pub struct Board {
    rows: Mutex<BTreeMap<PathBuf, Row>>,
    /// How many files of each section are not followed, for want of room.
    left_out: Mutex<BTreeMap<String, usize>>,
    /// How many directories of each section cannot be looked at and have no row, since so many have.
    closed: Mutex<BTreeMap<String, usize>>,
    /// Held by whoever looks at the files.
    look: Mutex<()>,
}

/// How far one is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The section of the configuration.
    pub section: String,
    /// The file and how far it has been read; nothing while it is not there.
    pub position: Option<(FileId, u64)>,
    /// The file, where it is read by another name.
    pub same: Option<FileId>,
    /// Bytes that are left of what the path named before.
    pub left_of_old: u64,
    /// When the last record was read.
    pub last_record: Option<Timestamp>,
    /// Why it cannot be read.
    pub trouble: Option<String>,
}

impl Board {
    /// Changes the row of a path.
    pub(super) fn write(&self, path: &Path, change: impl FnOnce(&mut Row)) {
        let mut rows = self.lock();
        match rows.get_mut(path) {
            Some(row) => change(row),
            None => change(rows.entry(path.to_owned()).or_default()),
        }
    }

    /// Takes the row of a path away.
    pub(super) fn remove(&self, path: &Path) {
        self.lock().remove(path);
    }

    /// All rows, in the order of their paths. Of a file with several names, each tells how far it has been read.
    pub fn rows(&self) -> Vec<(PathBuf, Row)> {
        let mut rows: Vec<_> = self.lock().iter().map(|(path, row)| (path.clone(), row.clone())).collect();
        let read: HashMap<_, _> =
            rows.iter().filter_map(|(_, row)| Some((row.position?.0, row.clone()))).collect();
        for (_, row) in &mut rows {
            if let Some(other) = row.same.and_then(|same| read.get(&same)) {
                (row.position, row.last_record) = (other.position, other.last_record);
            }
        }
        rows
    }

    /// Says how many files of a section are left out, because so many are followed.
    pub(super) fn leave_out(&self, section: &str, count: usize) {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).insert(section.to_owned(), count);
    }

    /// How many files of each section are left out, where there are any.
    pub fn left_out(&self) -> Vec<(String, usize)> {
        counts(&self.left_out)
    }

    /// Says how many directories of a section cannot be looked at beside those that have a row.
    pub(super) fn close(&self, section: &str, count: usize) {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).insert(section.to_owned(), count);
    }

    /// How many directories of each section cannot be looked at beside those that have a row, where there are any.
    pub fn closed(&self) -> Vec<(String, usize)> {
        counts(&self.closed)
    }

    /// Bytes that are left of each of these files. Blocks for as long as a file system does not answer; whoever comes
    /// meanwhile gets nothing, so that no more than one thread hangs there.
    pub fn lags(&self, rows: &[(PathBuf, Row)]) -> Vec<Option<u64>> {
        match self.look.try_lock() {
            Ok(_look) => rows.iter().map(|(path, row)| row.lag(path)).collect(),
            Err(_) => Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counts(of: &Mutex<BTreeMap<String, usize>>) -> Vec<(String, usize)> {
    let all = of.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().filter(|(_, count)| **count > 0).map(|(name, count)| (name.clone(), *count)).collect()
}

impl Row {
    /// How many bytes there are that have not been read; nothing where the file cannot be looked at. Asks the file system,
    /// which may take its time.
    pub fn lag(&self, path: &Path) -> Option<u64> {
        let (id, offset) = self.position?;
        let metadata = fs::metadata(path).ok()?;
        // In another one than that nothing has been read.
        let read = if super::open_file::id(&metadata) == id { offset } else { 0 };
        Some(metadata.len().saturating_sub(read).saturating_add(self.left_of_old))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn what_is_left_is_told_through_a_rotation() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("auth.log");
        fs::write(&path, "0123456789").unwrap();
        let metadata = fs::metadata(&path).unwrap();
        let id = FileId { device: metadata.dev(), inode: metadata.ino() };
        let board = Board::default();
        board.write(&path, |row| row.position = Some((id, 4)));
        let lag = || board.rows()[0].1.lag(&path);
        assert_eq!(lag(), Some(6));
        fs::rename(&path, home.path().join("auth.log.1")).unwrap();
        assert_eq!(lag(), None);
        fs::write(&path, "01").unwrap();
        board.write(&path, |row| row.left_of_old = 3);
        assert_eq!(lag(), Some(5));
        board.remove(&path);
        assert_eq!(board.rows(), []);
    }
}
