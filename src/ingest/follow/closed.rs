//! Floor 4: what patterns name and cannot be looked at: directories that cannot be listed, for want of permission above all.
//!
//! Invariant: what was closed at the first look is known for as long as the section is followed, since what comes to light in
//! it may have been there before.

use super::board::Board;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What cannot be looked at, in one section.
#[derive(Debug, Default)]
pub(super) struct Closed {
    /// Since the last look, with the reason.
    now: BTreeMap<PathBuf, String>,
    /// Since the first look, and what came to light below such.
    since_first: BTreeSet<PathBuf>,
    /// What was closed since the first look and has been opened by now, for the look that finds that.
    opened: BTreeSet<PathBuf>,
}

impl Closed {
    /// Takes what a look found, and tells what is new of it.
    pub(super) fn set(
        &mut self,
        closed: BTreeMap<PathBuf, String>,
        is_first: bool,
        section: &str,
        board: &Board,
    ) {
        let opened: Vec<_> = self.now.keys().filter(|path| !closed.contains_key(*path)).cloned().collect();
        self.opened.clear();
        for path in opened {
            tracing::info!(path = %path.display(), "nothing keeps this from being looked at any more");
            board.remove(&path);
            if self.since_first.remove(&path) {
                self.opened.insert(path);
            }
        }
        for (path, trouble) in &closed {
            if self.now.get(path) != Some(trouble) {
                tracing::warn!(path = %path.display(), "cannot look at what a pattern names: {trouble}; it is tried again");
                board.write(path, |row| {
                    section.clone_into(&mut row.section);
                    row.trouble = Some(trouble.clone());
                });
            }
            if is_first || self.has_hidden(path) {
                self.since_first.insert(path.clone());
            }
        }
        self.now = closed;
    }

    /// Whether a file may have been there at the first look, unseen.
    pub(super) fn has_hidden(&self, path: &Path) -> bool {
        path.ancestors().any(|above| self.opened.contains(above))
    }
}
