//! Segments that are sound, damaged, forged and newer, as a reader sees them.

use super::*;
use crate::time::Timestamp;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(Debug, rkyv::Archive, rkyv::Serialize)]
struct Note {
    number: u64,
    text: Vec<u8>,
}

impl Schema for Note {
    const TAG: Tag = Tag(*b"NOT1");
}

#[derive(Debug, rkyv::Archive, rkyv::Serialize)]
struct NewerNote {
    text: Vec<u8>,
    number: u64,
}

impl Schema for NewerNote {
    const TAG: Tag = Tag(*b"NOT2");
}

fn header() -> FileHeader {
    FileHeader {
        format: FileHeader::FIRST_FORMAT,
        kind: FileKind(*b"TEST"),
        stream: 7,
        run: 3,
        part: 2,
        created: Timestamp::from_micros(1_700_000_000_000_000),
        salt: random_salt(),
        program: Program::this(),
    }
}

fn write(texts: &[&[u8]]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = SegmentWriter::begin(&mut file, &header()).unwrap();
    for (number, text) in (1..).zip(texts) {
        writer.append(&Note { number, text: text.to_vec() }, number, Timestamp::EPOCH).unwrap();
    }
    file
}

struct Stored {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

fn store(bytes: &[u8]) -> Stored {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("segment");
    fs::write(&path, bytes).unwrap();
    Stored { path, _directory: directory }
}

/// What a reader makes of a file: the number of each block, or what is wrong there.
fn read(bytes: &[u8]) -> Vec<Result<u64, Fault>> {
    let segment = Segment::open(&store(bytes).path).unwrap();
    let one = |step: &Step| match step {
        Step::Block(entry) => match segment.read::<Note>(entry) {
            Ok(note) => Ok(note.number.to_native()),
            Err(damage) => Err(damage.fault),
        },
        Step::Damage(_, fault) => Err(fault.clone()),
    };
    segment.steps().iter().map(one).collect()
}

/// Where the blocks of a file begin.
fn offsets(bytes: &[u8]) -> Vec<usize> {
    let segment = Segment::open(&store(bytes).path).unwrap();
    let offset = |step: &Step| match step {
        Step::Block(entry) => usize::try_from(entry.offset).unwrap(),
        Step::Damage(..) => panic!("damaged"),
    };
    segment.steps().iter().map(offset).collect()
}

#[test]
fn headers_survive_and_every_changed_byte_of_one_is_noticed() {
    let encoded = header().encode();
    let decoded = FileHeader::decode(&encoded).unwrap();
    assert_eq!((decoded.stream, decoded.run, decoded.part), (7, 3, 2));
    assert_eq!(decoded.program.to_string(), env!("CARGO_PKG_VERSION"));
    for at in 0..FileHeader::SIZE {
        let mut changed = encoded;
        changed[at] ^= 0x40;
        assert!(FileHeader::decode(&changed).is_err(), "byte {at}");
        assert!(FileHeader::decode(&encoded[..at]).is_err(), "length {at}");
    }
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let mut encoded = header().encode();
    encoded[8..10].copy_from_slice(&9_u16.to_le_bytes());
    encoded[10..12].copy_from_slice(&8_u16.to_le_bytes());
    let checksum = crc32fast::hash(&encoded[..92]);
    encoded[92..].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(FileHeader::decode(&encoded), Err(HeaderError::TooNew(9)));
}

#[test]
fn blocks_are_read_as_written_and_indexed() {
    let file = write(&[b"one", b"", b"three"]);
    assert_eq!(read(&file), [Ok(1), Ok(2), Ok(3)]);
    let stored = store(&file);
    let segment = Segment::open(&stored.path).unwrap();
    let Some(Step::Block(third)) = segment.steps().last() else { panic!("no block") };
    assert_eq!(third.first, 3);
    assert_eq!(segment.read::<Note>(third).unwrap().text.as_slice(), b"three");
    assert!(third.offset.is_multiple_of(16));
}

#[test]
fn space_that_was_never_written_is_no_damage() {
    let mut file = write(&[b"one"]);
    file.resize(file.len() + 4096, 0);
    assert_eq!(read(&file), [Ok(1)]);
}

#[test]
fn blocks_after_a_damaged_header_are_still_read() {
    let mut file = write(&[b"one", b"two", b"three"]);
    let offsets = offsets(&file);
    file[offsets[1] + 20] ^= 1;
    let skipped = (offsets[2] - offsets[1]) as u64;
    assert_eq!(read(&file), [Ok(1), Err(Fault::Gap(skipped)), Ok(3)]);
}

#[test]
fn blocks_after_a_damaged_payload_are_still_read() {
    let mut file = write(&[b"one", b"two", b"three"]);
    let payload = offsets(&file)[1] + Entry::SIZE;
    file[payload] ^= 1;
    assert!(matches!(read(&file)[..], [Ok(1), Err(Fault::Checksum(_)), Ok(3)]));
}

#[test]
fn a_message_that_looks_like_a_block_is_never_read_as_one() {
    let victim = write(&[b"x"]);
    let forged = &victim[FileHeader::SIZE..];
    let mut message = vec![0; 160];
    for at in (0..message.len() - forged.len()).step_by(16) {
        message[at..at + forged.len()].copy_from_slice(forged);
    }
    let mut file = write(&[&message, b"two"]);
    file[FileHeader::SIZE] ^= 1;
    assert!(matches!(read(&file)[..], [Err(Fault::Gap(_)), Ok(2)]));

    let block = file[offsets_of_second(&file)..].to_vec();
    file.extend_from_slice(&block);
    assert!(matches!(read(&file)[..], [Err(Fault::Gap(_)), Ok(2), Err(Fault::Torn(_))]), "a copy of a block");
}

fn offsets_of_second(file: &[u8]) -> usize {
    let segment = Segment::open(&store(file).path).unwrap();
    let Some(Step::Block(entry)) = segment.steps().get(1) else { panic!("no block") };
    usize::try_from(entry.offset).unwrap()
}

#[test]
fn another_schema_is_refused() {
    let mut file = Vec::new();
    let mut writer = SegmentWriter::begin(&mut file, &header()).unwrap();
    writer.append(&NewerNote { text: b"new".to_vec(), number: 1 }, 1, Timestamp::EPOCH).unwrap();
    assert_eq!(read(&file), [Err(Fault::UnknownTag(Tag(*b"NOT2")))]);
}

/// Takes so many bytes and then fails.
struct Failing(usize);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_is_written_after_a_write_that_failed() {
    let mut writer = SegmentWriter::begin(Failing(200), &header()).unwrap();
    let long = Note { number: 1, text: vec![0; 500] };
    let short = Note { number: 2, text: Vec::new() };
    assert!(matches!(writer.append(&long, 1, Timestamp::EPOCH), Err(WriteError::Io(_))));
    assert!(matches!(writer.append(&short, 2, Timestamp::EPOCH), Err(WriteError::Finished)));
}
