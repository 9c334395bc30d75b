//! Floor 4: what the run before knew of files: how far they had been read, and which patterns were followed.
//!
//! A pattern is noted in the journal as the place of a file is, by a path that no file has, once a place is noted in each
//! file that it named at first. So what it names later is new, also where that came while no server ran.
//!
//! What could not be looked at when a pattern was noted is noted with it, as what is in doubt: below it nothing is new.
//!
//! Invariant: where nothing is known of a run before, nothing is new.

use super::backlogs;
use super::closed::First;
use super::pattern::Pattern;
use crate::journal::{FileId, Mark, Place};
use crate::limits;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What the path begins with by which a pattern is noted.
const NOTED: &str = "followed:";

/// What the path begins with by which it is noted that it is in doubt what a pattern names below a directory: then come the
/// pattern, a zero byte, and the directory.
const DOUBTED: &str = "closed:";

/// What the run before knew of files.
#[derive(Debug, Default)]
pub struct Past {
    marks: Vec<Mark>,
    /// When a mark of each path was last written.
    told: BTreeMap<PathBuf, Timestamp>,
    /// What was followed.
    patterns: Vec<Pattern>,
    /// Below which directories it is in doubt what patterns named when they began to be followed.
    doubts: Vec<(Pattern, PathBuf)>,
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
        let doubts = marks.iter().filter_map(doubt_of).collect();
        Self { marks, told, patterns, doubts }
    }

    /// Whether this path was followed, or would have been, had there been a file.
    pub(super) fn covers(&self, path: &Path) -> bool {
        let is_doubtful = |pattern| {
            self.doubts.iter().any(|(doubted, below)| doubted == pattern && path.starts_with(below))
        };
        self.patterns.iter().any(|pattern| pattern.matches(path) && !is_doubtful(pattern))
    }

    /// Below which directories it is in doubt what these patterns named.
    pub(super) fn doubts(&self, patterns: &[Pattern]) -> BTreeSet<PathBuf> {
        let doubts = self.doubts.iter().filter(|(pattern, _)| patterns.contains(pattern));
        doubts.map(|(_, below)| below.clone()).collect()
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

    /// Those of these patterns that are not noted yet, to be noted, with what was closed when they were first looked for;
    /// and what is not in doubt any more, since it has been looked at, to be forgotten, in place of which what is closed
    /// below it is in doubt. A pattern of which too much was closed is not noted, which is told, and nothing of it is
    /// forgotten.
    pub(super) fn news(&self, patterns: &[Pattern], first: &First) -> Vec<Mark> {
        let mut marks = Vec::new();
        for pattern in patterns {
            let is_noted = self.patterns.contains(pattern);
            let doubts = self.doubts.iter().filter(|(doubted, _)| doubted == pattern).map(|(_, below)| below);
            let (over, kept): (BTreeSet<_>, BTreeSet<_>) =
                doubts.partition(|below| first.opened.contains(*below));
            let is_new = |path: &&PathBuf| {
                pattern.reaches(path)
                    && !kept.contains(path)
                    && (!is_noted || over.iter().any(|over| path.starts_with(over)))
            };
            let room = limits::MAX_DOUBTS.saturating_sub(kept.len());
            let closed: Vec<_> = first.closed.iter().filter(is_new).collect();
            if closed.len() > room {
                tracing::warn!(
                    %pattern,
                    rest = closed.len() - room,
                    most = limits::MAX_DOUBTS,
                    "so many more directories cannot be looked at than are remembered of a pattern; what a file of it holds \
                     that appears while no server runs is not taken to be new"
                );
                continue;
            }
            // Before the pattern: where there is no room for all of it, that is not noted either. And before what is
            // forgotten, so that nothing is new in between.
            marks.extend(closed.into_iter().map(|below| doubt(pattern, below)));
            if !is_noted {
                marks.push(note(pattern));
            }
            marks.extend(over.into_iter().map(|below| forget(doubt(pattern, below))));
        }
        marks
    }

    /// What is noted of patterns that are none of these, to be forgotten.
    pub(super) fn gone(&self, patterns: &[Pattern]) -> Vec<Mark> {
        let is_gone = |pattern: &Pattern| !patterns.contains(pattern);
        let gone = self.patterns.iter().filter(|pattern| is_gone(pattern)).map(note);
        let doubts = self.doubts.iter().filter(|(pattern, _)| is_gone(pattern));
        // The pattern first: without its doubts it would cover too much.
        gone.chain(doubts.map(|(pattern, below)| doubt(pattern, below))).map(forget).collect()
    }
}

fn note(pattern: &Pattern) -> Mark {
    mark(format!("{NOTED}{pattern}").into())
}

fn doubt(pattern: &Pattern, below: &Path) -> Mark {
    let mut path = OsString::from(format!("{DOUBTED}{pattern}\0"));
    path.push(below);
    mark(path.into())
}

/// What is in doubt by a mark.
fn doubt_of(mark: &Mark) -> Option<(Pattern, PathBuf)> {
    let noted = mark.path.as_os_str().as_bytes().strip_prefix(DOUBTED.as_bytes())?;
    let end = noted.iter().position(|byte| *byte == 0)?;
    let (pattern, below) = noted.split_at_checked(end)?;
    let pattern = Pattern::parse(std::str::from_utf8(pattern).ok()?).ok()?;
    Some((pattern, OsStr::from_bytes(below.get(1..)?).into()))
}

fn mark(path: PathBuf) -> Mark {
    Mark { path, id: FileId::NONE, place: Some(Place::default()) }
}

fn forget(mark: Mark) -> Mark {
    Mark { place: None, ..mark }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_was_followed_covers_what_it_would_have_named() {
        let patterns =
            |texts: &[&str]| -> Vec<_> { texts.iter().map(|text| Pattern::parse(text).unwrap()).collect() };
        let followed = patterns(&["/var/log/*.log", "/srv/x"]);
        let none = First::default();
        let noted = Past::default().news(&followed, &none);
        let past = Past::new(noted, BTreeMap::new());
        for (path, is_covered) in
            [("/var/log/new.log", true), ("/srv/x", true), ("/var/log/a/new.log", false), ("/srv/y", false)]
        {
            assert_eq!(past.covers(Path::new(path)), is_covered, "{path}");
        }
        assert_eq!(past.news(&followed, &none), []);
        let fewer = patterns(&["/srv/x", "/srv/y"]);
        assert_eq!(past.news(&fewer, &none).len(), 1);
        let [gone] = &past.gone(&fewer)[..] else { panic!("one is not followed any more") };
        assert_eq!((gone.path.as_path(), gone.place), (Path::new("followed:/var/log/*.log"), None));
    }

    #[test]
    fn what_was_closed_is_in_doubt_and_nothing_else() {
        let patterns = ["/var/log/*/*.log", "/srv/x"].map(|text| Pattern::parse(text).unwrap());
        let strange = OsStr::from_bytes(b"/var/log/odd:\xFF");
        let closed = BTreeSet::from(["/var/log/private".into(), strange.into()]);
        let first = First { closed: closed.clone(), ..First::default() };
        let noted = Past::default().news(&patterns, &first);
        assert_eq!(noted.len(), 4);
        let past = Past::new(noted.clone(), BTreeMap::new());
        assert_eq!(past.doubts(&patterns), closed);
        let covers = |past: &Past, path: &str| past.covers(Path::new(path));
        assert!(covers(&past, "/var/log/web/a.log") && covers(&past, "/var/log/private2/a.log"));
        assert!(!covers(&past, "/var/log/private/a.log") && !past.covers(&Path::new(strange).join("a.log")));
        assert!(covers(&past, "/srv/x"));
        assert_eq!(past.news(&patterns, &first), [], "it is noted");
        let first = First { opened: BTreeSet::from([strange.into()]), ..First::default() };
        let [over] = &past.news(&patterns, &first)[..] else { panic!("one was looked at") };
        let over = Mark { place: Some(Place::default()), ..over.clone() };
        let rest = noted.iter().filter(|mark| **mark != over).cloned().collect();
        let past = Past::new(rest, BTreeMap::new());
        assert!(!covers(&past, "/var/log/private/a.log") && past.covers(&Path::new(strange).join("a.log")));
        assert_eq!(past.gone(&[]).len(), 3, "nothing of it is left");

        let many = (0..=limits::MAX_DOUBTS).map(|number| format!("/var/log/{number}").into()).collect();
        let first = First { closed: many, ..First::default() };
        let [mark] = &Past::default().news(&patterns, &first)[..] else { panic!("the other pattern") };
        assert_eq!(mark.path, Path::new("followed:/srv/x"));
    }

    #[test]
    fn what_is_closed_below_what_was_opened_takes_its_place() {
        let patterns = ["/srv/*/*/*.log"].map(|text| Pattern::parse(text).unwrap());
        let [old, other] = ["/srv/web", "/srv/mail"].map(PathBuf::from);
        let first = First { closed: BTreeSet::from([old.clone(), other.clone()]), ..First::default() };
        let past = Past::new(Past::default().news(&patterns, &first), BTreeMap::new());
        let after = |count: usize| {
            let within = (0..count).map(|number| old.join(number.to_string()));
            let elsewhere = ["/srv/mail", "/srv/db", "/srv/web/a/b/c"].map(PathBuf::from);
            let (closed, opened) = (within.chain(elsewhere).collect(), BTreeSet::from([old.clone()]));
            past.news(&patterns, &First { closed, opened })
        };
        let of = |mark: &Mark| (doubt_of(mark).unwrap().1, mark.place.is_some());
        let inner = |name| (old.join(name), true);
        assert_eq!(
            after(2).iter().map(of).collect::<Vec<_>>(),
            [inner("0"), inner("1"), (old.clone(), false)]
        );
        assert_eq!(after(limits::MAX_DOUBTS - 1).len(), limits::MAX_DOUBTS, "one is left of before");
        assert_eq!(after(limits::MAX_DOUBTS), [], "there would be too much");
    }
}
