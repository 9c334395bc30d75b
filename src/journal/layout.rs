//! Floor 3: where the parts of a journal lie in a data directory.

use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The journal of a data directory.
pub(super) fn journal(data: &Path) -> PathBuf {
    data.join("journal")
}

/// Its inputs, its events, and its snapshots.
pub(super) fn rooms(data: &Path) -> [PathBuf; 3] {
    ["inputs", "events", "snapshots"].map(|room| journal(data).join(room))
}

/// Whether a data directory has a journal.
///
/// # Errors
/// When the system does not let us see.
pub fn exists(data: &Path) -> io::Result<bool> {
    let [_, events, _] = rooms(data);
    match events.read_dir() {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Bytes that the journal of a data directory takes on the disk; what cannot be looked at is not counted.
pub fn disk_use(data: &Path) -> u64 {
    /// Bytes of the unit that the system counts in (stat(3)).
    const BLOCK: u64 = 512;
    let files = rooms(data).into_iter().filter_map(|room| room.read_dir().ok()).flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.blocks() * BLOCK).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_looked_at_is_not_taken_for_absent() {
        let home = tempfile::tempdir().unwrap();
        assert!(!exists(home.path()).unwrap());
        std::fs::create_dir_all(home.path().join("journal/events")).unwrap();
        assert!(exists(home.path()).unwrap());
        assert!(exists(&home.path().join("x".repeat(5000))).is_err());
    }
}
