//! Floor 1: the memory map of a segment; the only file of the program with unsafe code.
//!
//! Invariant: what is mapped is a regular file, and the map is as long as the file was when it was made.

#![expect(
    unsafe_code,
    reason = "a memory map of a file is unsafe by nature; here, and nowhere else, it is made"
)]

use bytes::Bytes;
use memmap2::{Advice, Mmap};
use std::fs::File;
use std::io;

/// Maps a whole file for reading, as bytes that keep the map alive for as long as any part of them is held.
///
/// # Errors
/// When the file is not a regular one, or the system does not map it.
pub(super) fn map(file: &File) -> io::Result<Bytes> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if metadata.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: `Mmap::map` asks that, while the map lives, the file is neither made shorter (touching a page past its
    // end raises SIGBUS) nor changed where a reference reads.
    // * Not shorter: this program never shortens a segment, neither the writer nor recovery, and it creates segments
    //   with mode 0600 in files of their own, so that no other user can.
    // * Not changed: writers only append. Bytes that were written stay as they are; bytes that were allocated but not
    //   yet written, which a reader of a growing file may see change, are looked at only for the header of a block,
    //   copied out before its checksum is compared. No block is handed out unless both of its checksums match, and
    //   a block whose checksums match is complete, and never written again.
    // * The length is the file's own, asked for by `Mmap::map` itself, so no page outside the file is mapped.
    // A user who overwrites their own capture while this program reads it breaks these terms, as with any program
    // that maps files; that is the one case that is not defended against.
    let map = unsafe { Mmap::map(file)? };
    // Reading ahead is advice: a kernel that does not take it costs time only.
    drop(map.advise(Advice::Sequential));
    Ok(Bytes::from_owner(map))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn maps_what_was_written_and_outlives_the_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mapped");
        File::create(&path).unwrap().write_all(b"a segment").unwrap();
        let bytes = map(&File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(bytes.slice(2..), b"segment"[..]);
    }

    #[test]
    fn maps_nothing_of_an_empty_file_and_no_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("empty");
        drop(File::create(&path).unwrap());
        assert!(map(&File::open(&path).unwrap()).unwrap().is_empty());
        assert!(map(&File::open(directory.path()).unwrap()).is_err());
    }
}
