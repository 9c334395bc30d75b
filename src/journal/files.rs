//! Floor 3: the names of a journal's files.
//!
//! Invariant: a name that ends in `.segment` or `.snapshot` has a whole header; what is being made ends in `.new`.

use super::ReadError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How a segment's name ends.
const SEGMENT: &str = "segment";
/// How a snapshot's name ends.
const SNAPSHOT: &str = "snapshot";

/// The path of a segment.
pub(super) fn segment(directory: &Path, part: u32) -> PathBuf {
    directory.join(format!("{part:010}.{SEGMENT}"))
}

/// The path of a snapshot.
pub(super) fn snapshot(directory: &Path, position: u64) -> PathBuf {
    directory.join(format!("{position:020}.{SNAPSHOT}"))
}

/// The segments of a directory, in order.
pub(super) fn segments(directory: &Path) -> Result<Vec<(u32, PathBuf)>, ReadError> {
    list(directory, SEGMENT)
}

/// The snapshots of a directory, in order.
pub(super) fn snapshots(directory: &Path) -> Result<Vec<(u64, PathBuf)>, ReadError> {
    list(directory, SNAPSHOT)
}

/// What a crash left half made.
pub(super) fn half_made(directory: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let ends = |path: &Path| path.extension().is_some_and(|found| found == "new");
    Ok(entries(directory)?.into_iter().filter(|path| ends(path)).collect())
}

fn list<N: std::str::FromStr + Ord>(
    directory: &Path,
    extension: &str,
) -> Result<Vec<(N, PathBuf)>, ReadError> {
    let number = |path: &Path| {
        let named = path.extension().is_some_and(|found| found == extension);
        path.file_stem().filter(|_| named).and_then(|stem| stem.to_str()?.parse().ok())
    };
    let mut found: Vec<_> =
        entries(directory)?.into_iter().filter_map(|path| Some((number(&path)?, path))).collect();
    found.sort();
    Ok(found)
}

/// What is in a directory; nothing where there is none.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let fail = |source| ReadError::List { path: directory.to_owned(), source };
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(fail)?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(fail(error)),
    }
}
