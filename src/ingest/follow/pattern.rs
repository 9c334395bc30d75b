//! Floor 4: which files a path with wildcards names.
//!
//! Invariant: what is looked at is bounded: only the directories that the pattern names are listed, and none deeper.

use crate::limits;
use globset::{Glob, GlobMatcher};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// An absolute path, of which any part may hold `*`, `?`, `[a-z]` or `{a,b}`.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Name(OsString),
    Wild { matcher: GlobMatcher, hidden: bool },
}

/// What a pattern names now.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The files; where the pattern has no wildcards, its path, whether or not it exists.
    pub(super) paths: BTreeSet<PathBuf>,
    /// The directories in which more may appear.
    pub(super) directories: BTreeSet<PathBuf>,
    /// What those of them name that are links.
    pub(super) targets: BTreeMap<PathBuf, PathBuf>,
    /// Whether there was more than is looked at.
    pub(super) cut: bool,
    /// The directories that cannot be listed or looked into, and the links and files that cannot be looked at, with the
    /// reason; as many as are known.
    pub(super) closed: BTreeMap<PathBuf, String>,
    /// Whether there were more of these.
    pub(super) closes_more: bool,
    /// What was closed before.
    pub(super) doubtful: BTreeSet<PathBuf>,
    /// What of that has been looked at.
    pub(super) listed: BTreeSet<PathBuf>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(inner) = text.strip_prefix('/').filter(|_| !text.contains('\0')) else {
            return Err(format!("`{}` is no absolute path", text.escape_debug()));
        };
        let mut parts = Vec::new();
        for part in inner.split('/').filter(|part| !matches!(*part, "" | ".")) {
            if part == ".." || part.contains("**") {
                return Err(format!("`{part}` cannot be part of a path that is followed"));
            }
            parts.push(if part.contains(['*', '?', '[', '{']) {
                let glob = Glob::new(part).map_err(|error| error.kind().to_string())?;
                Part::Wild { matcher: glob.compile_matcher(), hidden: part.starts_with('.') }
            } else {
                Part::Name(part.into())
            });
        }
        if parts.is_empty() || text.ends_with('/') {
            return Err(format!("`{}` is no path of a file", text.escape_debug()));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Whether the pattern names this path, whether or not it exists.
    pub(super) fn matches(&self, path: &Path) -> bool {
        let Ok(path) = path.strip_prefix("/") else { return false };
        let mut names = path.iter();
        self.parts.iter().all(|part| names.next().is_some_and(|name| part.fits(name)))
            && names.next().is_none()
    }

    /// Whether what the pattern names can be below a path, or be that itself.
    pub(super) fn reaches(&self, path: &Path) -> bool {
        let Ok(path) = path.strip_prefix("/") else { return false };
        let mut parts = self.parts.iter();
        path.iter().all(|name| parts.next().is_some_and(|part| part.fits(name)))
    }

    /// The directory that all files are in or below that the pattern can name.
    pub(super) fn root(&self) -> PathBuf {
        let directories = self.parts.split_last().map_or(&[][..], |(_, directories)| directories);
        let names = directories.iter().map_while(|part| match part {
            Part::Name(name) => Some(name),
            Part::Wild { .. } => None,
        });
        Path::new("/").join(names.collect::<PathBuf>())
    }

    /// Adds what the pattern names now.
    pub(super) fn find(&self, found: &mut Found) {
        let is_wild = self.parts.iter().any(|part| matches!(part, Part::Wild { .. }));
        let mut reached = vec![PathBuf::from("/")];
        for (index, part) in self.parts.iter().enumerate() {
            let is_last = index + 1 == self.parts.len();
            let mut next = Vec::new();
            for directory in reached {
                if is_last || !directory.is_dir() || matches!(part, Part::Wild { .. }) {
                    found.directories.insert(directory.clone());
                }
                match part {
                    Part::Name(name) => next.push(directory.join(name)),
                    Part::Wild { .. } => {
                        let names = found.names(&directory).into_iter();
                        next.extend(names.filter(|name| part.fits(name)).map(|name| directory.join(name)));
                    }
                }
            }
            // A directory on the way that is not there yet appears in the one above it.
            if let Some(parent) =
                next.iter().find(|path| !is_last && !path.exists()).and_then(|path| path.parent())
            {
                found.directories.insert(parent.to_owned());
            }
            reached = next;
        }
        for path in reached {
            if !is_wild || found.has_file(&path) {
                found.resolve(&path);
                found.paths.insert(path);
            }
        }
    }
}

impl Found {
    /// The names in a directory, as many as are looked at; none where there is no directory, or it cannot be listed.
    fn names(&mut self, directory: &Path) -> Vec<OsString> {
        match entries(directory) {
            Ok((entries, is_cut)) => {
                self.cut |= is_cut;
                if !entries.is_empty() {
                    self.list(directory);
                }
                entries.iter().map(DirEntry::file_name).collect()
            }
            Err(error) => {
                if !is_absence(&error) {
                    self.close(directory, format!("it cannot be listed: {error}"));
                }
                Vec::new()
            }
        }
    }

    /// Whether a path names a file.
    fn has_file(&mut self, path: &Path) -> bool {
        let directory = path.parent().filter(|directory| self.doubtful.contains(*directory));
        let is_filled = |directory: &&Path| {
            fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some_and(|entry| entry.is_ok()))
        };
        match fs::metadata(path) {
            Ok(metadata) => {
                [directory, Some(path)].into_iter().flatten().for_each(|path| self.list(path));
                metadata.is_file()
            }
            // A link to itself names nothing; where a directory is one, it cannot be said what is there.
            Err(error) if is_absence(&error) || is_loop(&error) && path.is_symlink() => {
                directory.filter(is_filled).into_iter().for_each(|directory| self.list(directory));
                false
            }
            // What may not be searched is the directory: told once, however many files it has.
            Err(error)
                if is_loop(&error)
                    || error.kind() == io::ErrorKind::PermissionDenied && !path.is_symlink() =>
            {
                let why = format!("what is in it cannot be looked at: {error}");
                path.parent().into_iter().for_each(|above| self.close(above, why.clone()));
                false
            }
            Err(error) => {
                self.close(path, error.to_string());
                false
            }
        }
    }

    /// Notes what cannot be looked at.
    fn close(&mut self, path: &Path, why: String) {
        if self.closed.len() < limits::MAX_CLOSED || self.closed.contains_key(path) {
            self.closed.insert(path.to_owned(), why);
        } else {
            self.closes_more = true;
        }
    }

    /// Notes what has been looked at, if that could not be before. Not an empty directory: it may be what is left where a
    /// file system is not mounted, and what was hidden before comes to light later.
    fn list(&mut self, path: &Path) {
        if self.doubtful.contains(path) {
            self.listed.insert(path.to_owned());
        }
    }

    /// Adds what a path names that is a link: it changes in a directory of its own.
    fn resolve(&mut self, path: &Path) {
        if path.is_symlink()
            && let Ok(target) = path.canonicalize()
            && let Some(directory) = target.parent()
        {
            self.directories.insert(directory.to_owned());
            self.targets.insert(path.to_owned(), target);
        }
    }
}

impl Part {
    /// Whether it is this name, or one such.
    fn fits(&self, name: &OsStr) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Wild { matcher, hidden } => {
                (*hidden || !name.as_bytes().starts_with(b".")) && matcher.is_match(name)
            }
        }
    }
}

/// Whether the system says that nothing is there, or no directory.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether the system says that a link leads to itself.
fn is_loop(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::LOOP)
}

/// The entries of a directory, as many as are looked at, and whether there are more.
///
/// # Errors
/// When it cannot be listed, or not to its end.
pub(super) fn entries(directory: &Path) -> io::Result<(Vec<DirEntry>, bool)> {
    at_most(limits::MAX_LISTED_FILES, fs::read_dir(directory)?)
}

/// So many of all, and whether there are more.
///
/// # Errors
/// The first that comes among them.
fn at_most<T>(most: usize, all: impl Iterator<Item = io::Result<T>>) -> io::Result<(Vec<T>, bool)> {
    let mut some: Vec<_> = all.take(most + 1).collect::<io::Result<_>>()?;
    let is_cut = some.len() > most;
    some.truncate(most);
    Ok((some, is_cut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn found(home: &Path, pattern: &str) -> (Vec<String>, Vec<String>) {
        let mut found = Found::default();
        Pattern::parse(&format!("{}/{pattern}", home.display())).unwrap().find(&mut found);
        let within = |paths: BTreeSet<PathBuf>| {
            let paths = paths.iter().filter_map(|path| path.strip_prefix(home).ok());
            paths.map(|path| path.to_str().unwrap().to_owned()).collect()
        };
        (within(found.paths), within(found.directories))
    }

    #[test]
    fn wildcards_name_what_is_there_and_paths_also_what_is_not() {
        let home = tempfile::tempdir().unwrap();
        for (directory, file) in
            [("web", "auth.log"), ("web", "auth.log.1"), ("db", "auth.log"), ("db", ".hidden.log")]
        {
            fs::create_dir_all(home.path().join(directory)).unwrap();
            fs::write(home.path().join(directory).join(file), "").unwrap();
        }
        fs::create_dir(home.path().join("db/dir.log")).unwrap();
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("web/auth.log", &["web/auth.log"], &["web"]),
            ("mail/auth.log", &["mail/auth.log"], &["", "mail"]),
            ("*/auth.log", &["db/auth.log", "web/auth.log"], &["", "db", "web"]),
            ("web/auth.log*", &["web/auth.log", "web/auth.log.1"], &["web"]),
            ("{web,db}/*.log", &["db/auth.log", "web/auth.log"], &["", "db", "web"]),
            ("db/.*.log", &["db/.hidden.log"], &["db"]),
            ("none*/x", &[], &[""]),
        ];
        for (pattern, paths, directories) in cases {
            let (found_paths, found_directories) = found(home.path(), pattern);
            assert_eq!(found_paths, *paths, "{pattern}");
            assert_eq!(found_directories, *directories, "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_told_and_what_is_not_there_is_not() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("web")).unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        // Root may look at everything, but not through a link to itself.
        symlink("loop", home.path().join("loop")).unwrap();
        symlink("gone", home.path().join("dangling")).unwrap();
        for (pattern, expected) in [
            ("loop/*.log", &[("loop", "it cannot be listed: Too many levels of symbolic links")][..]),
            ("*/*.log", &[("loop", "it cannot be listed: Too many levels of symbolic links")]),
            (
                "*/auth.log",
                &[("loop", "what is in it cannot be looked at: Too many levels of symbolic links")],
            ),
            ("*/log/auth.log", &[("loop/log", "what is in it cannot be looked at: Too many levels")]),
            ("{web,file,dangling}/*/auth.log", &[]),
            ("none/*.log", &[]),
            ("file/*.log", &[]),
            ("{loop,dangling,file}", &[]),
        ] {
            let mut found = Found::default();
            Pattern::parse(&format!("{}/{pattern}", home.path().display())).unwrap().find(&mut found);
            let closed: Vec<_> = found.closed.iter().collect();
            assert_eq!(closed.len(), expected.len(), "{pattern}: {closed:?}");
            for ((path, why), (name, says)) in closed.iter().zip(expected) {
                assert!(path.ends_with(name) && why.starts_with(says), "{pattern}: {closed:?}");
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_looked_at_closes_nothing_beside_it() {
        let home = tempfile::tempdir().unwrap();
        let mut directory = home.path().join("short");
        while directory.as_os_str().len() < 3900 {
            directory.push("d".repeat(100));
        }
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("a.log"), "").unwrap();
        fs::write(directory.join("b".repeat(80)), "").unwrap();
        // A path that is too long for the system, though the file is there.
        let top = home.path().join("s".repeat(100));
        fs::rename(home.path().join("short"), &top).unwrap();
        let directory = top.join(directory.strip_prefix(home.path().join("short")).unwrap());
        let mut found = Found::default();
        Pattern::parse(&format!("{}/*", directory.display())).unwrap().find(&mut found);
        let closed: Vec<_> = found.closed.keys().collect();
        assert_eq!(closed, [&directory.join("b".repeat(80))], "{:?}", found.closed.values());
        assert_eq!(found.paths, BTreeSet::from([directory.join("a.log")]));
    }

    #[test]
    fn of_what_is_closed_so_much_is_known_and_whether_there_is_more() {
        let mut found = Found::default();
        let path = |number: usize| PathBuf::from(format!("/{number}"));
        for (number, has_more) in (0..limits::MAX_CLOSED).map(|number| (number, false)).chain([
            (0, false),
            (limits::MAX_CLOSED, true),
            (0, true),
        ]) {
            found.close(&path(number), "why".to_owned());
            assert_eq!(found.closes_more, has_more, "{number}");
        }
        assert_eq!(found.closed.len(), limits::MAX_CLOSED);
        assert!(!found.closed.contains_key(&path(limits::MAX_CLOSED)));
    }

    #[test]
    fn a_directory_in_doubt_has_been_looked_at_once_there_was_something_in_it() {
        let home = tempfile::tempdir().unwrap();
        let within =
            |names: &[&str]| names.iter().map(|name| home.path().join(name)).collect::<BTreeSet<_>>();
        for directory in ["empty", "other", "log"] {
            fs::create_dir(home.path().join(directory)).unwrap();
        }
        fs::write(home.path().join("other/file"), "").unwrap();
        fs::write(home.path().join("log/a.log"), "").unwrap();
        for pattern in ["{empty,other,log,gone}/*.log", "*/a.log"] {
            let doubtful = within(&["empty", "other", "log", "gone"]);
            let mut found = Found { doubtful, ..Found::default() };
            Pattern::parse(&format!("{}/{pattern}", home.path().display())).unwrap().find(&mut found);
            assert_eq!(found.listed, within(&["other", "log"]), "{pattern}");
        }
    }

    #[test]
    fn what_is_not_looked_at_of_a_directory_is_known_to_be_there() {
        for (all, is_cut) in [(0, false), (3, false), (4, true), (5, true)] {
            assert_eq!(at_most(3, (0..all).map(Ok)).unwrap(), ((0..all.min(3)).collect(), is_cut), "{all}");
        }
        let broken = [Ok(1), Err(io::ErrorKind::TimedOut.into()), Ok(2)];
        assert_eq!(at_most(3, broken.into_iter()).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for (text, says) in [
            ("var/log", "is no absolute path"),
            ("/var/log/", "is no path of a file"),
            ("/", "is no path of a file"),
            ("/var/**/x", "`**` cannot be part"),
            ("/var/../x", "`..` cannot be part"),
            ("/var/[a", "unclosed character class"),
        ] {
            let error = Pattern::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
