//! Floor 4: the content of a file from its first byte to its last, unpacked where it is compressed.
//!
//! Invariant: what is held is bounded, whatever lengths a file claims; and what was unpacked before a damaged place is
//! yielded before the damage is told.

use crate::limits;
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, FrameHeaderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// RFC 1952, of one member or several.
    Gzip,
    /// RFC 8878, of one frame or several.
    Zstd,
}

impl Packing {
    /// The name of the format.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Reads the content of a file.
#[derive(Debug)]
pub(super) struct Content {
    decoder: Decoder,
    /// What went wrong behind the last bytes that were given.
    failure: Option<io::Error>,
}

/// A buffer is between the file and each decoder.
enum Decoder {
    Plain(Bytes),
    Gzip(Box<MultiGzDecoder<BufReader<Bytes>>>),
    Zstd(Box<Zstd<BufReader<Bytes>>>),
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().fmt(f)
    }
}

impl Decoder {
    /// The file's own bytes.
    fn bytes(&self) -> &Bytes {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Gzip(gzip) => gzip.get_ref().get_ref(),
            Self::Zstd(zstd) => zstd.packed.get_ref(),
        }
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(bytes) => bytes.read(room),
            Self::Gzip(gzip) => gzip.read(room).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => ends_early(),
                _ => error,
            }),
            Self::Zstd(zstd) => zstd.read(room),
        }
    }
}

impl Content {
    /// Begins with the first of so many bytes of a file.
    pub(super) fn new(file: Arc<File>, length: u64, packing: Option<Packing>) -> Self {
        let bytes = Bytes { file, offset: 0, length };
        let buffered = |bytes| BufReader::with_capacity(limits::UNPACK_BUFFER, bytes);
        let decoder = match packing {
            None => Decoder::Plain(bytes),
            Some(Packing::Gzip) => Decoder::Gzip(Box::new(MultiGzDecoder::new(buffered(bytes)))),
            Some(Packing::Zstd) => Decoder::Zstd(Box::new(Zstd::new(buffered(bytes)))),
        };
        Self { decoder, failure: None }
    }

    /// How many bytes of the file, packed as they are, have been read.
    pub(super) fn offset(&self) -> u64 {
        self.decoder.bytes().offset
    }

    /// Appends `most` bytes, and tells how many: fewer only before the end or a damaged place, none at the end.
    ///
    /// # Errors
    /// When the file cannot be read on or unpacked; also when it has become shorter. There is nothing behind an error.
    pub(super) fn read(&mut self, most: usize, out: &mut Vec<u8>) -> io::Result<usize> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let begin = out.len();
        out.resize(begin + most, 0);
        let mut end = begin;
        while let Some(room) = out.get_mut(end..).filter(|room| !room.is_empty()) {
            match self.decoder.read(room) {
                Ok(0) => break,
                Ok(count) => end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
        }
        out.truncate(end);
        match self.failure.take() {
            Some(failure) if end == begin => Err(failure),
            failure => {
                self.failure = failure;
                Ok(end - begin)
            }
        }
    }
}

/// The bytes of a file, as many as it had when it was opened.
#[derive(Debug)]
struct Bytes {
    file: Arc<File>,
    offset: u64,
    length: u64,
}

impl Read for Bytes {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let most = left.min(room.len());
        let count = self.file.read_at(room.get_mut(..most).unwrap_or_default(), self.offset)?;
        if count == 0 && most > 0 {
            return Err(io::Error::other("the file became shorter while it was read"));
        }
        self.offset += count as u64;
        Ok(count)
    }
}

fn ends_early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it ends before the compressed data do")
}

/// An empty last block (RFC 8878, section 3.1.1.2), with room for a checksum, which nobody compares.
const LAST_BLOCK: &[u8] = &[1, 0, 0, 0, 0, 0, 0];

/// Unpacks zstd, frame after frame.
struct Zstd<R> {
    packed: R,
    /// The frame that is being unpacked.
    frame: Option<FrameDecoder>,
    /// What is wrong with the frame, told when what was unpacked of it has been read.
    failure: Option<io::Error>,
}

impl<R: BufRead> Zstd<R> {
    fn new(packed: R) -> Self {
        Self { packed, frame: None, failure: None }
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(frame) = &mut self.frame else {
                if self.failure.is_some() || !self.begin_frame()? {
                    return self.failure.take().map_or(Ok(0), Err);
                }
                continue;
            };
            let count = frame.read(room)?;
            if count > 0 {
                return Ok(count);
            }
            if frame.is_finished() {
                let differ = frame
                    .get_checksum_from_data()
                    .is_some_and(|_| frame.get_checksum_from_data() != frame.get_calculated_checksum());
                self.frame = None;
                if differ && self.failure.is_none() {
                    return Err(invalid("the checksum of a frame does not match its content"));
                }
                continue;
            }
            // A decoder keeps back what later blocks may refer to, and gives that away at the end of a frame.
            if let Err(error) = frame.decode_blocks(&mut self.packed, BlockDecodingStrategy::UptoBlocks(1)) {
                self.failure = Some(explain(error));
                if frame.decode_blocks(LAST_BLOCK, BlockDecodingStrategy::All).is_err() {
                    self.frame = None;
                }
            }
        }
    }

    /// Reads the header of the next frame that has content; there is none at the end.
    fn begin_frame(&mut self) -> io::Result<bool> {
        while !self.packed.fill_buf()?.is_empty() {
            let mut frame = FrameDecoder::new();
            frame.set_max_window_size(limits::MAX_ZSTD_WINDOW);
            match frame.init(&mut self.packed) {
                Ok(()) => {
                    self.frame = Some(frame);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.packed.by_ref().take(length), &mut io::sink())? < length {
                        return Err(ends_early());
                    }
                }
                Err(error) => return Err(explain(error)),
            }
        }
        Ok(false)
    }
}

fn invalid(what: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Says what is wrong with a frame.
fn explain(error: FrameDecoderError) -> io::Error {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof => ends_early(),
                kind => io::Error::new(kind, error.to_string()),
            };
        }
        cause = error.source();
    }
    invalid(match error {
        FrameDecoderError::WindowSizeTooBig { requested: window, .. }
        | FrameDecoderError::FrameHeaderError(FrameHeaderError::WindowTooBig { got: window }) => format!(
            "it takes {window} bytes of memory to unpack, and {} are the most: decompress it first",
            limits::MAX_ZSTD_WINDOW
        ),
        FrameDecoderError::DictNotProvided { .. } => {
            "it was compressed with a dictionary: decompress it first".to_owned()
        }
        FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::BadMagicNumber(_)) => {
            "what follows is no frame of zstd".to_owned()
        }
        other => format!("the compressed data are damaged ({other})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Write;

    /// Lines that compress about as well as those of a log.
    fn lines(count: usize) -> Vec<u8> {
        let line = |n: usize| {
            format!("2026-02-01T00:00:00Z h sshd[{n}]: Failed for {:x}\n", n.wrapping_mul(0x9E37_79B9))
        };
        (0..count).map(line).collect::<String>().into_bytes()
    }

    fn pack(packing: Packing, content: &[u8]) -> Vec<u8> {
        match packing {
            Packing::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Zstd => compress_to_vec(content, CompressionLevel::Fastest),
        }
    }

    /// What is read of a packed file, in parts of a size, and the error at its end.
    fn unpack(packing: Packing, packed: &[u8], part: usize) -> (Vec<u8>, Option<String>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(packed).unwrap();
        let mut content = Content::new(Arc::new(file), packed.len() as u64, Some(packing));
        let mut all = Vec::new();
        loop {
            match content.read(part, &mut all) {
                Ok(0) => {
                    assert_eq!(content.offset(), packed.len() as u64);
                    return (all, None);
                }
                Ok(count) => assert!(count <= part),
                Err(error) => {
                    assert!(
                        matches!(content.read(part, &mut all), Ok(0) | Err(_)),
                        "nothing follows an error"
                    );
                    return (all, Some(error.to_string()));
                }
            }
        }
    }

    const BOTH: [Packing; 2] = [Packing::Gzip, Packing::Zstd];

    #[test]
    fn parts_of_a_file_are_one_content() {
        let (one, two) = (lines(20_000), lines(3));
        let both = [one.as_slice(), &two].concat();
        for packing in BOTH {
            let packed = [pack(packing, &one), pack(packing, &two)].concat();
            for part in [limits::READ_SIZE, 1_000_000, 977] {
                assert_eq!(unpack(packing, &packed, part), (both.clone(), None), "{packing:?} {part}");
            }
            assert_eq!(unpack(packing, &pack(packing, b""), 10), (Vec::new(), None));
        }
    }

    #[test]
    fn frames_that_hold_no_content_are_passed_over() {
        let skipped = b"\x5e\x2a\x4d\x18\x03\0\0\0abc";
        let packed = [skipped.as_slice(), &pack(Packing::Zstd, b"content"), skipped].concat();
        assert_eq!(unpack(Packing::Zstd, &packed, 100), (b"content".to_vec(), None));
        let (content, error) = unpack(Packing::Zstd, &packed[..packed.len() - 1], 100);
        assert_eq!(
            (content.as_slice(), error.as_deref()),
            (&b"content"[..], Some("it ends before the compressed data do"))
        );
    }

    #[test]
    fn what_stands_before_a_cut_is_read() {
        let content = lines(20_000);
        for packing in BOTH {
            let packed = pack(packing, &content);
            let (read, error) = unpack(packing, &packed[..packed.len() * 3 / 4], limits::READ_SIZE);
            assert_eq!(error.as_deref(), Some("it ends before the compressed data do"), "{packing:?}");
            assert!(read.len() > content.len() / 2, "{packing:?}: {}", read.len());
            assert!(content.starts_with(&read), "{packing:?}");
        }
    }

    #[test]
    fn damage_is_told_behind_the_sound_part_before_it() {
        let sound = lines(500);
        for packing in BOTH {
            let first = pack(packing, &sound);
            for damaged in [b"trailing rubbish".to_vec(), first[..first.len() / 2].to_vec()] {
                let (read, error) =
                    unpack(packing, &[first.as_slice(), &damaged].concat(), limits::READ_SIZE);
                assert!(read.starts_with(&sound) && error.is_some(), "{packing:?} {error:?}");
            }
        }
    }

    #[test]
    fn a_checksum_that_does_not_match_is_told() {
        let content = lines(10);
        for packing in BOTH {
            let mut packed = pack(packing, &content);
            // Of gzip the last four bytes are the length, and the checksum stands before it.
            let at = packed.len() - if packing == Packing::Gzip { 5 } else { 1 };
            packed[at] ^= 0xFF;
            let (read, error) = unpack(packing, &packed, limits::READ_SIZE);
            assert_eq!(read, content);
            assert!(error.as_ref().is_some_and(|error| error.contains("checksum")), "{packing:?} {error:?}");
        }
    }

    #[test]
    fn a_claimed_size_takes_no_memory() {
        // A window of 3.75 TiB, and a content of as many bytes as eight can say (RFC 8878, section 3.1.1.1).
        let claims = [&b"\x28\xb5\x2f\xfd\xc0\xff"[..], &[0xFF; 8], LAST_BLOCK].concat();
        let (_, error) = unpack(Packing::Zstd, &claims, 100);
        assert!(error.as_ref().is_some_and(|error| error.ends_with("decompress it first")), "{error:?}");
        // A frame that is one segment has a window as large as its content.
        let segment = [&b"\x28\xb5\x2f\xfd\xe0"[..], &[0xFF; 8], LAST_BLOCK].concat();
        assert!(unpack(Packing::Zstd, &segment, 100).1.is_some());
        let skips = b"\x50\x2a\x4d\x18\xff\xff\xff\xffabc";
        assert_eq!(
            unpack(Packing::Zstd, skips, 100),
            (Vec::new(), Some("it ends before the compressed data do".into()))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_damage_is_an_error_or_harmless(at in 0_usize..100_000, byte in any::<u8>(), cut in any::<bool>()) {
            let content = lines(200);
            for packing in BOTH {
                let mut packed = pack(packing, &content);
                let at = at % packed.len();
                if cut { packed.truncate(at) } else { packed[at] ^= byte }
                let (read, error) = unpack(packing, &packed, 4096);
                prop_assert!(error.is_some() || read == content || packed.is_empty(), "{:?}", packing);
            }
        }
    }
}
