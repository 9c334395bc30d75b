//! Makes the checksums of a segment match, as only a forger who knows its salt could.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code: it fails by panicking"
)]

const FILE_HEADER: usize = 96;
const BLOCK_HEADER: usize = 48;

/// The same bytes with magic, salts, offsets and checksums put right, as a segment of a kind.
pub(crate) fn sealed(data: &[u8], kind: [u8; 4]) -> Vec<u8> {
    let mut file = data.to_vec();
    file.resize(file.len().max(FILE_HEADER).next_multiple_of(16), 0);
    file[..12].copy_from_slice(b"\x89CRLSEG\n\x01\0\x01\0");
    file[12..16].copy_from_slice(&kind);
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
