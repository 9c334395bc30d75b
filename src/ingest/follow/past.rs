//! Floor 4: what the run before knew of files: how far they had been read, and which patterns were followed.
//!
//! A pattern is noted in the journal as the place of a file is, by a path that no file has, once a place is noted in each
//! file that it named at first. So what it names later is new, also where that came while no server ran.
//!
//! Invariant: where nothing is known of a run before, nothing is new.

use super::backlogs;
use super::pattern::Pattern;
use crate::journal::{FileId, Mark, Place};
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What the path begins with by which a pattern is noted.
const NOTED: &str = "followed:";

/// What the run before knew of files.
#[derive(Debug, Default)]
pub struct Past {
    marks: Vec<Mark>,
    /// When a mark of each path was last written.
    told: BTreeMap<PathBuf, Timestamp>,
    /// What was followed.
    patterns: Vec<Pattern>,
}

/// What the run before knew of one path.
#[derive(Clone, Debug, Default)]
pub(super) struct PathPast {
    pub(super) marks: Vec<Mark>,
    /// When it last told of the path; rotation may have made files since.
    pub(super) told: Option<Timestamp>,
    /// Whether its files were looked for while the path named nothing, as far as that could be.
    pub(super) is_sought: bool,
    /// Since when its directory cannot be listed, while nothing of it has been read in this run.
    pub(super) blind: Option<Instant>,
}

impl Past {
    /// What a journal tells: the marks, and when one of each path was last written.
    pub fn new(marks: Vec<Mark>, told: BTreeMap<PathBuf, Timestamp>) -> Self {
        let patterns = marks.iter().filter_map(|mark| mark.path.to_str()?.strip_prefix(NOTED));
        let patterns = patterns.filter_map(|text| Pattern::parse(text).ok()).collect();
        Self { marks, told, patterns }
    }

    /// Whether this path was followed, or would have been, had there been a file.
    pub(super) fn covers(&self, path: &Path) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(path))
    }

    /// What is known of a path.
    pub(super) fn of(&self, path: &Path) -> PathPast {
        let backlog = backlogs::noted_by(path);
        let marks = self.marks.iter().filter(|mark| mark.path == path || mark.path == backlog);
        PathPast {
            marks: marks.cloned().collect(),
            told: self.told.get(path).copied(),
            ..PathPast::default()
        }
    }

    /// How far files had been read that these patterns name or have named, by whatever name each has now.
    pub(super) fn places(&self, patterns: &[Pattern]) -> HashMap<FileId, Place> {
        let mut places = HashMap::new();
        for Mark { path, id, place } in &self.marks {
            // A number alone does not tell a file that was there from one that has come to have it.
            let Some(place) = place.filter(|place| place.known > 0) else { continue };
            if patterns.iter().any(|pattern| pattern.matches(path)) {
                let known = places.entry(*id).or_insert(place);
                *known = if known.offset < place.offset { place } else { *known };
            }
        }
        places
    }

    /// Those of these patterns that are not noted yet, to be noted.
    pub(super) fn news(&self, patterns: &[Pattern]) -> Vec<Mark> {
        patterns.iter().filter(|pattern| !self.patterns.contains(pattern)).map(note).collect()
    }

    /// What is noted of patterns that are none of these, to be forgotten.
    pub(super) fn gone(&self, patterns: &[Pattern]) -> Vec<Mark> {
        let gone = self.patterns.iter().filter(|pattern| !patterns.contains(pattern));
        gone.map(|pattern| Mark { place: None, ..note(pattern) }).collect()
    }
}

fn note(pattern: &Pattern) -> Mark {
    let path = format!("{NOTED}{pattern}").into();
    Mark { path, id: FileId { device: 0, inode: 0 }, place: Some(Place::default()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_was_followed_covers_what_it_would_have_named() {
        let patterns =
            |texts: &[&str]| -> Vec<_> { texts.iter().map(|text| Pattern::parse(text).unwrap()).collect() };
        let followed = patterns(&["/var/log/*.log", "/srv/x"]);
        let noted = Past::default().news(&followed);
        let past = Past::new(noted, BTreeMap::new());
        for (path, is_covered) in
            [("/var/log/new.log", true), ("/srv/x", true), ("/var/log/a/new.log", false), ("/srv/y", false)]
        {
            assert_eq!(past.covers(Path::new(path)), is_covered, "{path}");
        }
        assert_eq!(past.news(&followed), []);
        let fewer = patterns(&["/srv/x", "/srv/y"]);
        assert_eq!(past.news(&fewer).len(), 1);
        let [gone] = &past.gone(&fewer)[..] else { panic!("one is not followed any more") };
        assert_eq!((gone.path.as_path(), gone.place), (Path::new("followed:/var/log/*.log"), None));
    }
}
