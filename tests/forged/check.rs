//! What must hold of every file that is opened as a capture, whatever is in it; shared with the fuzz target.
//!
//! Each file is read as it is, and once more with its checksums made to match, as only a forger who knows the salt
//! could: what lies behind the checksums must hold by itself.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code: it fails by panicking"
)]

use correlator::capture::Reader;
use correlator::limits;
use std::path::Path;

const FILE_HEADER: usize = 96;
const BLOCK_HEADER: usize = 48;

/// Reads a file as it is, and once more sealed.
pub(crate) fn check(path: &Path, data: &[u8]) {
    read(path, data);
    read(path, &sealed(data));
}

fn read(path: &Path, file: &[u8]) {
    std::fs::write(path, file).unwrap();
    let Ok(mut reader) = Reader::open(path) else { return };
    let mut next = 0;
    for batch in reader.by_ref().flatten() {
        assert!(batch.first >= next, "numbers go back");
        next = batch.first + batch.inputs();
        assert!(batch.batch.frames.len() <= limits::MAX_BATCH_FRAMES);
        for frame in &batch.batch.frames {
            assert_eq!(frame.span.of(&batch.batch.bytes).len(), frame.span.len as usize);
        }
        let runs: Vec<_> = batch.arrivals.runs().collect();
        assert_eq!(runs[0].0, 0);
        assert!(runs.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
    }
    assert_eq!(reader.bytes_done(), reader.total_bytes());
    reader.seek(next / 2);
    reader.next();
}

/// The same bytes with magic, salts, offsets and checksums put right.
fn sealed(data: &[u8]) -> Vec<u8> {
    let mut file = data.to_vec();
    file.resize(file.len().max(FILE_HEADER).next_multiple_of(16), 0);
    file[..16].copy_from_slice(b"\x89CRLSEG\n\x01\0\x01\0CAPT");
    file[28..32].fill(0);
    let checksum = crc32fast::hash(&file[..92]);
    file[92..96].copy_from_slice(&checksum.to_le_bytes());
    let salt: [u8; 8] = file[40..48].try_into().unwrap();
    let mut at = FILE_HEADER;
    while at + BLOCK_HEADER <= file.len() {
        let room = file.len() - at - BLOCK_HEADER;
        let wanted = u32::from_le_bytes(file[at + 20..at + 24].try_into().unwrap()) as usize;
        let length = wanted.min(room);
        let padded = length.next_multiple_of(16);
        file[at..at + 8].copy_from_slice(&salt);
        file[at + 8..at + 16].copy_from_slice(&(at as u64).to_le_bytes());
        file[at + 20..at + 24].copy_from_slice(&(length as u32).to_le_bytes());
        let payload = at + BLOCK_HEADER..at + BLOCK_HEADER + padded;
        let checksum = crc32fast::hash(&file[payload]);
        file[at + 40..at + 44].copy_from_slice(&checksum.to_le_bytes());
        let checksum = crc32fast::hash(&file[at..at + 44]);
        file[at + 44..at + 48].copy_from_slice(&checksum.to_le_bytes());
        at += BLOCK_HEADER + padded;
    }
    file
}
