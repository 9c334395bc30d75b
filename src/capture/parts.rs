//! Floor 2: the names of a capture's segments.

use crate::limits;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The path of a segment: the capture's own for the first, then with the part's number after it.
pub(super) fn path_of(capture: &Path, part: u32) -> PathBuf {
    if part == 0 {
        return capture.to_owned();
    }
    let mut name = OsString::from(capture);
    name.push(format!(".{part:04}"));
    PathBuf::from(name)
}

/// The later segments that stand beside the first, by ascending part.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn later(capture: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let directory = match capture.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut parts = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some(part) = part_in(capture, name.as_encoded_bytes()) {
            parts.push((part, path_of(capture, part)));
        }
    }
    parts.sort_unstable();
    Ok(parts)
}

/// The part that a file's name says it is, when it is the name of a later segment of this capture.
fn part_in(capture: &Path, name: &[u8]) -> Option<u32> {
    let digits = name.strip_prefix(capture.file_name()?.as_encoded_bytes())?.strip_prefix(b".")?;
    if digits.len() != 4 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let part: u32 = str::from_utf8(digits).ok()?.parse().ok()?;
    (1..limits::CAPTURE_SEGMENTS).contains(&part).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_finds_later_segments_only() {
        let capture = Path::new("/tmp/day.cap");
        assert_eq!(path_of(capture, 0), capture);
        assert_eq!(path_of(capture, 12), Path::new("/tmp/day.cap.0012"));
        assert_eq!(part_in(capture, b"day.cap.0012"), Some(12));
        for other in
            ["day.cap", "day.cap.12", "day.cap.0000", "day.cap.0001.bak", "other.cap.0001", "day.cap.+001"]
        {
            assert_eq!(part_in(capture, other.as_bytes()), None, "{other}");
        }
    }
}
