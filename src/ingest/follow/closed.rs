//! Floor 4: what patterns name and cannot be looked at: directories that cannot be listed, for want of permission above all.
//!
//! Invariant: what was closed at the first look is known until a look has found it open, since what comes to light in it then
//! may have been there before; also while it is not there, or empty.

use super::board::Board;
use super::pattern::Found;
use crate::limits;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What cannot be looked at, in one section.
#[derive(Debug, Default)]
pub(super) struct Closed {
    /// At the last look, with the reason.
    now: BTreeMap<PathBuf, String>,
    /// Whether there was more at the last look than is known.
    has_more: bool,
    /// Those of them that are told one by one.
    told: BTreeSet<PathBuf>,
    /// How many are not.
    rest: usize,
    /// Since the first look or a run before, and what came to light below such.
    since_first: BTreeSet<PathBuf>,
    /// Whether there was more of that than is known.
    has_lost: bool,
    /// What was closed since the first look and has been opened by now, for the look that finds that.
    opened: BTreeSet<PathBuf>,
    first: First,
}

/// What the first look found.
#[derive(Debug, Default)]
pub(super) struct First {
    /// What was closed.
    pub(super) closed: BTreeSet<PathBuf>,
    /// What was open that was closed in a run before.
    pub(super) opened: BTreeSet<PathBuf>,
}

impl Closed {
    /// What is known before the first look: what was closed in a run before.
    pub(super) fn new(before: BTreeSet<PathBuf>) -> Self {
        Self { since_first: before, ..Self::default() }
    }

    /// What a look has to find out about: whether it is open now.
    pub(super) fn doubtful(&self) -> BTreeSet<PathBuf> {
        self.since_first.iter().chain(&self.told).cloned().collect()
    }

    /// Takes what a look found, and tells what is new of it.
    pub(super) fn set(&mut self, found: &Found, is_first: bool, section: &str, board: &Board) {
        let is_open = |path: &PathBuf| found.listed.contains(path) && !found.closed.contains_key(path);
        let over: Vec<_> =
            self.told.iter().filter(|path| !found.closed.contains_key(*path)).cloned().collect();
        for path in over {
            let how = if is_open(&path) {
                "nothing keeps this from being looked at any more"
            } else {
                "what could not be looked at is not there, or empty"
            };
            tracing::info!(path = %path.display(), "{how}");
            board.remove(&path);
            self.told.remove(&path);
        }
        self.opened = self.since_first.extract_if(.., |path| is_open(path)).collect();
        let mut loses = found.closes_more && (is_first || !self.opened.is_empty());
        let mut rest = 0;
        for (path, trouble) in &found.closed {
            if (is_first || self.is_below_opened(path)) && !self.since_first.contains(path) {
                if self.since_first.len() < limits::MAX_CLOSED {
                    self.since_first.insert(path.clone());
                } else {
                    loses = true;
                }
            }
            if !self.told.contains(path) && self.told.len() >= limits::MAX_TOLD_CLOSED {
                rest += 1;
                continue;
            }
            if !self.told.contains(path) || self.now.get(path) != Some(trouble) {
                tracing::warn!(path = %path.display(), "cannot look at what a pattern names: {trouble}; it is tried again");
                board.write(path, |row| {
                    section.clone_into(&mut row.section);
                    row.trouble = Some(trouble.clone());
                });
                self.told.insert(path.clone());
            }
        }
        if rest > self.rest {
            tracing::warn!(files = section, rest, "so many further directories cannot be looked at");
        }
        if loses && !self.has_lost {
            tracing::warn!(
                files = section,
                most = limits::MAX_CLOSED,
                "more cannot be looked at than is remembered; from now on what a file holds when it appears is not taken to be new"
            );
        }
        self.has_lost |= loses;
        board.close(section, rest);
        self.rest = rest;
        if is_first {
            self.first =
                First { closed: found.closed.keys().cloned().collect(), opened: self.opened.clone() };
        }
        self.has_more = found.closes_more;
        self.now.clone_from(&found.closed);
    }

    /// Whether a file that is found may have been there at the first look, or in a run before, unseen.
    pub(super) fn has_hidden(&self, path: &Path, is_first: bool) -> bool {
        self.has_lost && !is_first || self.is_below_opened(path)
    }

    fn is_below_opened(&self, path: &Path) -> bool {
        path.ancestors().any(|above| self.opened.contains(above))
    }

    /// Whether a file may be there now, unseen.
    pub(super) fn hides(&self, path: &Path) -> bool {
        self.has_more || path.ancestors().any(|above| self.now.contains_key(above))
    }

    /// What the first look found.
    pub(super) fn first(&self) -> &First {
        &self.first
    }
}
