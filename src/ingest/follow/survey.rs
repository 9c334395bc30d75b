//! Floor 4: what would keep files from being followed now, for whoever wants to know it before.
//!
//! Invariant: files are found and opened as they are to be followed; nothing of them is taken.

use super::open_file::look_into;
use super::pattern::{Found, Pattern, is_absence};
use crate::limits;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What is found of patterns, all of one section.
#[derive(Debug, Default)]
pub struct Survey {
    /// The files that are there, also those that cannot be read.
    pub files: BTreeSet<PathBuf>,
    /// The files that cannot be read and the directories that cannot be looked at, with the reason; as many as are known.
    pub closed: BTreeMap<PathBuf, String>,
    /// Whether there are more of these.
    pub closes_more: bool,
    /// Whether a directory has more entries than are looked at.
    pub cut: bool,
    /// The patterns that name nothing, though nothing of what they could name is closed.
    pub absent: Vec<Absent>,
}

/// A pattern that names nothing.
#[derive(Debug, PartialEq)]
pub struct Absent {
    /// The pattern.
    pub pattern: Pattern,
    /// The directory in which all of its files would be, if that is not there, or is none.
    pub missing: Option<PathBuf>,
}

impl Survey {
    /// Looks what patterns name, and whether it can be read. Blocks for as long as a file system does not answer.
    pub fn new(patterns: &[Pattern]) -> Self {
        let mut survey = Self::default();
        for pattern in patterns {
            survey.add(pattern);
        }
        survey
    }

    fn add(&mut self, pattern: &Pattern) {
        let mut found = Found::default();
        pattern.find(&mut found);
        let mut is_empty = found.closed.is_empty();
        for path in found.paths {
            match look_into(&path) {
                Err(error) if is_absence(&error) => continue,
                Err(error) => self.close(path.clone(), error.to_string()),
                Ok(()) => {}
            }
            self.files.insert(path);
            is_empty = false;
        }
        found.closed.into_iter().for_each(|(path, why)| self.close(path, why));
        self.closes_more |= found.closes_more;
        self.cut |= found.cut;
        if is_empty {
            let missing = Some(pattern.root()).filter(|root| !root.is_dir());
            self.absent.push(Absent { pattern: pattern.clone(), missing });
        }
    }

    fn close(&mut self, path: PathBuf, why: String) {
        if self.closed.len() < limits::MAX_CLOSED || self.closed.contains_key(&path) {
            self.closed.insert(path, why);
        } else {
            self.closes_more = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_cannot_be_followed_is_told_apart_from_what_is_not_there() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        for directory in ["web", "empty", "web/dir.log"] {
            fs::create_dir(home.join(directory)).unwrap();
        }
        fs::write(home.join("web/a.log"), "x\n").unwrap();
        fs::write(home.join("web/b.gz"), b"\x1f\x8b\x08\0").unwrap();
        // Root may read everything, but not through a link to itself.
        symlink("loop", home.join("loop")).unwrap();
        symlink("gone", home.join("web/dangling")).unwrap();
        let (none, there) = (&[][..], Some(None));
        let missing = |directory| Some(Some(home.join(directory)));
        for (pattern, files, closed, absent) in [
            ("web/*.log", &["web/a.log"][..], none, None),
            ("web/*", &["web/a.log", "web/b.gz"], &["web/b.gz"][..], None),
            ("web/dir.log", &["web/dir.log"], &["web/dir.log"], None),
            ("loop", &["loop"], &["loop"], None),
            ("loop/*.log", none, &["loop"], None),
            ("loop/a.log", &["loop/a.log"], &["loop/a.log"], None),
            ("*/a.log", &["web/a.log"], &["loop"], None),
            ("web/c.log", none, none, there.clone()),
            ("web/dangling", none, none, there.clone()),
            ("empty/*/*.log", none, none, there.clone()),
            ("web/*/c.log", none, none, there),
            ("gone/c.log", none, none, missing("gone")),
            ("gone/log/*.log", none, none, missing("gone/log")),
            ("web/a.log/*", none, none, missing("web/a.log")),
        ] {
            let pattern = Pattern::parse(&home.join(pattern).display().to_string()).unwrap();
            let survey = Survey::new(std::slice::from_ref(&pattern));
            let within = |names: &[&str]| names.iter().map(|name| home.join(name)).collect::<Vec<_>>();
            assert_eq!(survey.files.into_iter().collect::<Vec<_>>(), within(files), "{pattern}");
            assert_eq!(survey.closed.into_keys().collect::<Vec<_>>(), within(closed), "{pattern}");
            let absent = absent.map(|missing| Absent { pattern: pattern.clone(), missing });
            assert_eq!(survey.absent, Vec::from_iter(absent), "{pattern}");
        }
    }
}
