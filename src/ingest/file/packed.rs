//! Floor 4: compressed logs, unpacked into files without a name, so that they are read at any place as others are.
//!
//! Invariant: what is unpacked is bounded, and what stands before a damaged place is there.

use super::sniff::{self, Content as Kind};
use super::source::nameless;
use super::unpack::{Content, Packing};
use crate::limits;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A compressed log.
#[derive(Debug)]
pub(in crate::ingest) struct Packed {
    content: Content,
    /// How many bytes have been unpacked.
    at: u64,
}

impl Packed {
    /// Looks at a file; nothing if it is not compressed in a way that can be unpacked.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(in crate::ingest) fn open(file: &File) -> io::Result<Option<Self>> {
        let Some(packing) = packing(file)? else { return Ok(None) };
        let (file, length) = (Arc::new(file.try_clone()?), file.metadata()?.len());
        Ok(Some(Self { content: Content::new(file, length, Some(packing)), at: 0 }))
    }

    /// The first bytes of the content. Where they cannot be unpacked there are none.
    pub(in crate::ingest) fn start(mut self) -> Vec<u8> {
        let mut start = Vec::new();
        while start.len() < limits::FILE_SAMPLE
            && self.content.read(limits::FILE_SAMPLE - start.len(), &mut start).is_ok_and(|count| count > 0)
        {
        }
        start
    }

    /// Passes over what stands before a place, and gives the last `most` bytes of it; nothing if it ends before.
    ///
    /// # Errors
    /// When it cannot be read or unpacked.
    pub(in crate::ingest) fn pass_to(&mut self, place: u64, most: usize) -> io::Result<Option<Vec<u8>>> {
        let mut last = Vec::new();
        while self.at < place {
            let left = usize::try_from(place - self.at).unwrap_or(usize::MAX);
            let count = self.content.read(left.min(limits::READ_SIZE), &mut last)?;
            if count == 0 {
                return Ok(None);
            }
            self.at += count as u64;
            last.drain(..last.len().saturating_sub(most));
        }
        Ok(Some(last))
    }

    /// Unpacks the rest behind those last bytes into a file in this directory, `most` bytes and what is read at once with
    /// the last of them. What stands before is a hole, and nobody needs it. Tells also what is wrong with what comes behind.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(in crate::ingest) fn rest(
        mut self,
        last: &[u8],
        directory: &Path,
        most: u64,
    ) -> io::Result<(File, Option<io::Error>)> {
        let file = nameless(directory)?;
        file.write_all_at(last, self.at - last.len() as u64)?;
        let (mut part, begin) = (Vec::with_capacity(limits::READ_SIZE), self.at);
        loop {
            part.clear();
            match self.content.read(limits::READ_SIZE, &mut part) {
                Ok(0) => return Ok((file, None)),
                Ok(_) if self.at - begin >= most => {
                    let error =
                        io::Error::other(format!("it holds more than {most} bytes that are not read"));
                    return Ok((file, Some(error)));
                }
                Ok(count) => {
                    file.write_all_at(&part, self.at)?;
                    self.at += count as u64;
                }
                Err(error) => return Ok((file, Some(error))),
            }
        }
    }
}

fn packing(file: &File) -> io::Result<Option<Packing>> {
    let mut start = [0; 8];
    let count = file.read_at(&mut start, 0)?;
    Ok(match sniff::content(start.get(..count).unwrap_or_default()) {
        Kind::Packed(packing) => Some(packing),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::{Read, Seek, SeekFrom, Write};

    fn packed(content: &[u8]) -> Packed {
        let mut encoder = GzEncoder::new(tempfile::tempfile().unwrap(), Compression::fast());
        encoder.write_all(content).unwrap();
        Packed::open(&encoder.finish().unwrap()).unwrap().unwrap()
    }

    #[test]
    fn a_packed_log_is_gone_on_with_at_a_place() {
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut log = packed(&content);
        let last = log.pass_to(700_001, 1024).unwrap().unwrap();
        assert_eq!(last, &content[700_001 - 1024..700_001]);
        let (mut file, trouble) = log.rest(&last, &std::env::temp_dir(), u64::MAX).unwrap();
        assert!(trouble.is_none());
        assert_eq!(file.metadata().unwrap().len(), content.len() as u64);
        let mut rest = Vec::new();
        file.seek(SeekFrom::Start(700_001 - 1024)).unwrap();
        file.read_to_end(&mut rest).unwrap();
        assert!(rest == content[700_001 - 1024..]);
        assert!(packed(b"short").pass_to(6, 1024).unwrap().is_none());
        assert_eq!(packed(&content).start(), &content[..limits::FILE_SAMPLE]);
    }

    #[test]
    fn no_more_is_unpacked_than_there_may_be() {
        let whole = 4 * limits::READ_SIZE as u64;
        let content = vec![b'x'; usize::try_from(whole).unwrap()];
        for (most, length) in [(whole, whole), (whole - 1, whole), (1, limits::READ_SIZE as u64)] {
            let (file, trouble) = packed(&content).rest(b"", &std::env::temp_dir(), most).unwrap();
            assert_eq!(file.metadata().unwrap().len(), length, "{most}");
            assert_eq!(trouble.is_some(), length < whole, "{most}");
        }
        let trouble = packed(&content).rest(b"", &std::env::temp_dir(), 1).unwrap().1.unwrap();
        assert_eq!(trouble.to_string(), "it holds more than 1 bytes that are not read");
    }

    #[test]
    fn what_is_not_packed_is_not_unpacked() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"Feb  1 00:00:00 h a: m\n").unwrap();
        assert!(Packed::open(&file).unwrap().is_none());
    }
}
