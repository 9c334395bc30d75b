//! Floor 4: the files that rotation has put beside the one that a path names.
//!
//! A file is found by its identity, or by what stood before a place in it, compressed or not. A generation that nobody knows
//! of is one by its name: the path's, and a number or a date behind it.
//!
//! Invariant: what nobody knows of was written since the run before, and comes in the order in which it was written.

use super::held::{Claim, Held};
use super::open_file::{id, is_known, known, open_listed};
use super::pattern;
use crate::ingest::file::packed::Packed;
use crate::journal::{FileId, Place};
use crate::limits;
use crate::time::Timestamp;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What the names of compressed files end with.
const PACKED: [&str; 8] = [".gz", ".zst", ".xz", ".bz2", ".lz4", ".lzma", ".zip", ".Z"];

/// Digits of a number that counts generations; a longer one is a date, or a time.
const MAX_COUNT_DIGITS: usize = 4;

/// When a file was written, and where two were at once, what their names say of it, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    modified: Timestamp,
    rank: Option<i64>,
}

/// A file that was found, and where to go on in it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) claim: Claim,
    pub(super) place: Place,
    pub(super) age: Age,
    /// Whether it is compressed, so that the place is one in what can be unpacked from it.
    pub(super) is_packed: bool,
}

/// What came of a search.
#[derive(Debug)]
pub(super) enum Sought {
    Found(Found),
    /// Somebody reads it already.
    Elsewhere,
    Nowhere,
}

/// Looks beside a path.
#[derive(Debug)]
pub(super) struct Beside<'a> {
    pub(super) path: &'a Path,
    pub(super) held: &'a Held,
    /// When the run before last told of the path; nothing where this run has.
    pub(super) since: Option<Timestamp>,
}

/// A file beside the path.
#[derive(Debug)]
struct Entry {
    path: PathBuf,
    id: FileId,
    length: u64,
    age: Age,
    /// Whether its name begins with the path's, and goes on.
    is_longer: bool,
    /// Whether rotation gives such names.
    is_generation: bool,
    is_packed: bool,
}

impl Beside<'_> {
    /// Finds the file that is known by a place in it: the one with this identity, or else a copy, which has a longer name.
    /// `original` itself is no copy.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(super) fn find(&self, place: Place, wanted: Option<FileId>, original: FileId) -> io::Result<Sought> {
        let mut entries = self.entries()?;
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        for same in entries.iter().filter(|entry| Some(entry.id) == wanted) {
            match self.open_at(same, place, true) {
                Ok(Sought::Nowhere) | Err(_) => {}
                Ok(sought) => return Ok(sought),
            }
        }
        if place.known == 0 {
            return Ok(Sought::Nowhere);
        }
        let is_copy = |entry: &&Entry| entry.is_longer && entry.id != original;
        let packed = self.packed(&entries);
        // What is unpacked for that is unpacked once.
        let is_twice = |entry: &&Entry| packed.iter().any(|packed| packed.path == entry.path);
        let others = entries.iter().filter(|entry| is_copy(entry) && !is_twice(entry));
        let others = others.filter(|entry| entry.length >= place.offset);
        let (mut more, others): (Vec<_>, Vec<_>) = others.partition(|entry| entry.is_packed);
        more.sort_by_key(|entry| std::cmp::Reverse(entry.age));
        more.truncate(limits::MAX_UNPACKED_TRIALS.saturating_sub(packed.len()));
        for copy in others.into_iter().chain(more).chain(packed.iter().copied()) {
            match self.open_at(copy, place, false) {
                Ok(Sought::Found(found)) => return Ok(Sought::Found(found)),
                Err(error) if copy.is_packed => {
                    tracing::warn!(path = %self.path.display(), file = %copy.path.display(), %error,
                        "cannot look into a compressed file for what was not read of it");
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(Sought::Nowhere)
    }

    /// The compressed files that may have been made since the run before of a file that it read: those that were written
    /// since, and the one before them.
    fn packed<'a>(&self, entries: &'a [Entry]) -> Vec<&'a Entry> {
        let Some(since) = self.since else { return Vec::new() };
        let mut packed: Vec<_> =
            entries.iter().filter(|entry| entry.is_generation && entry.is_packed).collect();
        packed.sort_by_key(|entry| std::cmp::Reverse(entry.age));
        let later = packed.partition_point(|entry| entry.is_since(since));
        packed.truncate((later + 1).min(limits::MAX_UNPACKED_TRIALS));
        packed
    }

    /// The generations that were written behind the last that is known, or where none is, since the run before; the oldest
    /// first. What begins as one of these files does is a copy.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(super) fn missed(&self, known: &[Found], live: Option<&File>) -> io::Result<Vec<Found>> {
        let Some(since) = self.since else { return Ok(Vec::new()) };
        let mut entries = self.entries()?;
        // What is being compressed is there twice.
        let names: Vec<_> = entries.iter().map(|entry| entry.path.clone()).collect();
        entries.retain(|entry| !entry.is_packed || !names.contains(&entry.path.with_extension("")));
        let last = known.iter().map(|found| found.age).max();
        entries.retain(|entry| {
            // A file is compared with a file where that can be: the clock of the run before is another one.
            let is_later = last.map_or_else(|| entry.is_since(since), |last| entry.age >= last);
            entry.is_generation && entry.length > 0 && is_later
        });
        entries.sort_by_key(|entry| entry.age);
        let surplus = entries.len().saturating_sub(limits::MAX_MISSED_FILES);
        for entry in entries.drain(..surplus) {
            tracing::warn!(path = %self.path.display(), file = %entry.path.display(),
                "too many files were put aside while nobody looked; this one is passed over");
        }
        let mut starts: Vec<_> = known.iter().map(|found| &found.file).chain(live).map(start).collect();
        let mut missed = Vec::new();
        for entry in entries {
            match self.open_at(&entry, Place::default(), true) {
                Ok(Sought::Found(found)) if self.is_new(&found, &mut starts) => missed.push(found),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), file = %entry.path.display(), %error,
                        "cannot read what was put aside while nobody looked; it is passed over");
                }
            }
        }
        Ok(missed)
    }

    /// Whether nothing is known of a file, nor another one begins as it does.
    fn is_new(&self, found: &Found, starts: &mut Vec<Vec<u8>>) -> bool {
        let before = found.claim.place;
        if before.is_some_and(|place| place.known == 0 || holds(&found.file, &place).unwrap_or(true)) {
            return false;
        }
        let start = start(&found.file);
        // What is empty, or cannot be unpacked, is no copy of anything.
        let is_copy = !start.is_empty() && starts.iter().any(|known| known.starts_with(&start));
        if is_copy {
            tracing::warn!(path = %self.path.display(), file = %found.path.display(),
                "a file begins as another one does, and is taken for a copy of that; it is passed over");
        }
        starts.push(start);
        !is_copy
    }

    /// Opens a file that may be the one of a place; where it bears the identity, and nothing more is known of it, it is.
    fn open_at(&self, entry: &Entry, place: Place, is_same: bool) -> io::Result<Sought> {
        let Some((file, _)) = open_listed(&entry.path, entry.id)? else { return Ok(Sought::Nowhere) };
        let Some(claim) = self.held.claim(entry.id) else { return Ok(Sought::Elsewhere) };
        let is_packed = Packed::open(&file)?.is_some();
        if !(is_same && place.known == 0 || holds(&file, &place)?) {
            return Ok(Sought::Nowhere);
        }
        Ok(Sought::Found(Found { path: entry.path.clone(), file, claim, place, age: entry.age, is_packed }))
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let own = self.path.file_name().unwrap_or_default();
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let (listed, is_cut) = pattern::entries(directory)?;
        if is_cut && self.held.says_cut() {
            tracing::warn!(directory = %directory.display(), most = limits::MAX_LISTED_FILES,
                "a directory has more entries than are looked at; what rotation has put aside may not be found");
        }
        let entry = |entry: fs::DirEntry| {
            let metadata = entry.metadata().ok().filter(Metadata::is_file)?;
            let name = entry.file_name();
            let suffix = name.as_bytes().strip_prefix(own.as_bytes()).filter(|suffix| !suffix.is_empty());
            let bare = suffix.map(without_packing);
            let rank = bare.and_then(rank);
            Some(Entry {
                path: entry.path(),
                id: id(&metadata),
                length: metadata.len(),
                age: Age { modified: metadata.modified().ok()?.into(), rank },
                is_longer: suffix.is_some(),
                is_generation: rank.is_some(),
                is_packed: bare != suffix,
            })
        };
        Ok(listed.into_iter().filter_map(entry).collect())
    }
}

impl Entry {
    fn is_since(&self, since: Timestamp) -> bool {
        self.age.modified >= since.minus(limits::FILE_CLOCK_SLACK)
    }
}

impl Found {
    /// Unpacks what a compressed file holds behind the place into a file in this directory; nothing where it cannot be read
    /// up to there. Of what is damaged, a warning tells.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(super) fn unpack(&self, directory: &Path) -> io::Result<Option<File>> {
        let passed = Packed::open(&self.file).and_then(|packed| {
            let Some(mut packed) = packed else { return Ok(None) };
            Ok(packed.pass_to(self.place.offset, limits::KNOWN_FILE_BYTES)?.map(|last| (packed, last)))
        });
        let (file, trouble) = match passed {
            Ok(Some((packed, last))) => {
                let (file, trouble) = packed.rest(&last, directory, limits::MAX_UNPACKED_LOG)?;
                (Some(file), trouble)
            }
            Ok(None) => (None, Some(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => (None, Some(error)),
        };
        if let Some(error) = trouble {
            tracing::warn!(file = %self.path.display(), %error,
                "a compressed file cannot be read to its end; what is behind is passed over");
        }
        Ok(file)
    }
}

/// Whether a file, or what is compressed in it, is what it was when a place in it was noted.
fn holds(file: &File, place: &Place) -> io::Result<bool> {
    let Some(mut packed) = Packed::open(file)? else { return is_known(file, place) };
    let last = packed.pass_to(place.offset, limits::KNOWN_FILE_BYTES.min(place.known as usize))?;
    Ok(last.is_some_and(|last| known(&last) == (place.known, place.hash)))
}

/// What a file, or what is compressed in it, begins with, by which a copy is known.
fn start(file: &File) -> Vec<u8> {
    if let Ok(Some(packed)) = Packed::open(file) {
        return packed.start();
    }
    let mut start = vec![0; limits::FILE_SAMPLE];
    let count = file.read_at(&mut start, 0).unwrap_or_default();
    start.truncate(count);
    start
}

fn without_packing(suffix: &[u8]) -> &[u8] {
    PACKED.iter().find_map(|packed| suffix.strip_suffix(packed.as_bytes())).unwrap_or(suffix)
}

/// What the end of a name says of when a file was put aside, if rotation gives such ends: `.1` comes after `.2`, and
/// `-20260202` after `-20260201`.
fn rank(suffix: &[u8]) -> Option<i64> {
    let suffix = OsStr::from_bytes(suffix).to_str()?.strip_prefix(['.', '-', '_'])?;
    let is_part = |char: char| char.is_ascii_digit() || ".-_:+TZ".contains(char);
    let digits: String = suffix.chars().filter(char::is_ascii_digit).collect();
    let number: i64 = digits.parse().ok().filter(|_| suffix.chars().all(is_part))?;
    Some(if digits.len() <= MAX_COUNT_DIGITS { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_name_that_has_come_to_lead_elsewhere_is_not_opened() {
        let home = tempfile::tempdir().unwrap();
        let [own, other, link] = ["own", "other", "link"].map(|name| home.path().join(name));
        fs::write(&own, "").unwrap();
        fs::write(&other, "").unwrap();
        let listed = id(&fs::metadata(&own).unwrap());
        assert!(open_listed(&own, listed).unwrap().is_some());
        assert!(open_listed(&other, listed).unwrap().is_none());
        std::os::unix::fs::symlink(&own, &link).unwrap();
        open_listed(&link, listed).unwrap_err();
    }

    /// A directory with a log, and what is told of it.
    struct Scene {
        home: tempfile::TempDir,
        path: PathBuf,
        held: Held,
    }

    impl Scene {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("auth.log");
            Self { home, path, held: Held::default() }
        }

        /// A generation that was written so many seconds after the run before.
        fn write(&self, name: &str, content: &[u8], seconds: u64) {
            let mut file = File::create(self.home.path().join(name)).unwrap();
            file.write_all(content).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + seconds)).unwrap();
        }

        fn beside(&self) -> Beside<'_> {
            Beside { path: &self.path, held: &self.held, since: Some(Timestamp::from_micros(1_000_000_000)) }
        }

        /// The names of the generations that were written since.
        fn missed(&self) -> Vec<String> {
            let live = File::open(&self.path).ok();
            let missed = self.beside().missed(&[], live.as_ref()).unwrap();
            missed.iter().map(|found| found.path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        }
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_has_nothing_in_it_is_no_copy() {
        let scene = Scene::new();
        scene.write("auth.log", b"1\n", 10);
        scene.write("auth.log.1.gz", &gzip(b""), 5);
        // Only who unpacks it finds that it is damaged, and says so.
        scene.write("auth.log.2.gz", b"\x1f\x8b\x08damaged", 4);
        scene.write("auth.log.3.gz", &gzip(b"1\n"), 3);
        assert_eq!(scene.missed(), ["auth.log.2.gz", "auth.log.1.gz"]);
    }

    #[test]
    fn of_too_many_generations_the_oldest_are_left_out() {
        let scene = Scene::new();
        for number in 0..limits::MAX_MISSED_FILES as u64 + 2 {
            scene.write(&format!("auth.log.{number}"), format!("{number}\n").as_bytes(), 1000 - number);
        }
        let missed = scene.missed();
        assert_eq!(missed.len(), limits::MAX_MISSED_FILES);
        let oldest = format!("auth.log.{}", limits::MAX_MISSED_FILES - 1);
        assert_eq!([&missed[0], &missed[missed.len() - 1]], [&oldest, "auth.log.0"]);
    }

    #[test]
    fn a_place_is_looked_for_in_so_many_compressed_files_and_no_more() {
        let scene = Scene::new();
        let trials = limits::MAX_UNPACKED_TRIALS as u64;
        let content = |length: usize, number: u64| format!("{}{number} was read\n", "x".repeat(length));
        // What is shorter packed than the place, and what could be as long.
        for length in [2000, 0] {
            for number in 1..trials + 2 {
                let packed = gzip(content(length, number).as_bytes());
                scene.write(&format!("auth.log.{number}.gz"), &packed, 1000 - number);
            }
            let find = |since, number| {
                let content = content(length, number);
                let (known, hash) = known(content.as_bytes());
                let place = Place { offset: content.len() as u64, known, hash, mid_line: false };
                let original = FileId { device: 0, inode: 0 };
                let beside = Beside { since, ..scene.beside() };
                matches!(beside.find(place, None, original), Ok(Sought::Found(_)))
            };
            let found = |since| [1, trials, trials + 1].map(|number| find(since, number));
            assert_eq!(found(scene.beside().since), [true, true, false], "{length}");
            // In this run nothing was missed, and only what is as long as the place is looked into.
            assert_eq!(found(None), [length == 0, length == 0, false], "{length}");
        }
    }

    #[test]
    fn that_a_directory_is_not_looked_at_as_a_whole_is_said_once() {
        let held = Held::default();
        assert_eq!([held.says_cut(), held.clone().says_cut()], [true, false]);
    }

    #[test]
    fn names_tell_what_rotation_made_and_in_which_order() {
        let of = |suffix: &str| rank(without_packing(suffix.as_bytes()));
        for older_and_newer in [
            [".2", ".1"],
            [".10.gz", ".9"],
            ["-20260131", "-20260201.zst"],
            [".2026-01-31T23", ".2026-02-01T00"],
            ["-1769940000", "-1769943600"],
        ] {
            let [older, newer] = older_and_newer.map(|suffix| of(suffix).unwrap());
            assert!(older < newer, "{older_and_newer:?}");
        }
        for other in ["", ".gz", ".old", "1", ".1~", "-copy", ".swp", ".1.bak", "-99999999999999999999"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
