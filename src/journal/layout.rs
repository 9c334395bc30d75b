//! Floor 3: where the parts of a journal lie in a data directory.

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
pub fn exists(data: &Path) -> bool {
    let [_, events, _] = rooms(data);
    events.is_dir()
}
