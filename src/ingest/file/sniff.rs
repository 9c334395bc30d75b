//! Floor 4: what a file holds, by its first bytes.

use super::unpack::Packing;
use crate::capture;
use crate::limits;
use crate::time::{Timestamp, Zone};
use crate::wire::Record;
use crate::wire::framing::Mode;
use crate::wire::journald;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A capture.
    Capture,
    /// Something compressed that is unpacked as it is read.
    Packed(Packing),
    /// Something else that is compressed, by the name of the format.
    Compressed(&'static str),
    /// Text of two bytes a character.
    Utf16,
    /// A capture whose first bytes are damaged.
    DamagedCapture,
    /// Something that is neither text nor a stream of records: it has a zero byte here.
    Binary(usize),
    /// Entries of systemd's journal, in its export format.
    Export,
    /// Frames: of a raw stream, where counts count, or lines of a log file, where digits mean nothing.
    Frames(Mode),
}

/// What some editors begin a file of UTF-8 with.
pub(in crate::ingest) const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

const COMPRESSED: &[(&[u8], &str)] = &[(b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2"), (b"PK\x03\x04", "zip")];

/// What a gzip member begins with (RFC 1952, section 2.3.1).
const GZIP: &[u8] = b"\x1f\x8b";
/// What a zstd frame begins with (RFC 8878, section 3.1.1).
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// What a frame begins with that holds no content of zstd's (RFC 8878, section 3.1.2), as those of parallel compressors.
fn is_skippable(start: &[u8]) -> bool {
    matches!(start, [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..])
}

/// Tells what a file that begins with these bytes holds.
///
/// In a raw stream frames begin with PRI, after a count or without one; lines of log files begin with a timestamp. The
/// first line that is either decides, so that a stream is recognised even where its first frame is spoilt, and no line
/// that somebody smuggles into a log file makes counts of its digits.
pub(super) fn content(start: &[u8]) -> Content {
    if capture::recognises(start) {
        return Content::Capture;
    }
    if start.starts_with(GZIP) {
        return Content::Packed(Packing::Gzip);
    }
    if start.starts_with(ZSTD) || is_skippable(start) {
        return Content::Packed(Packing::Zstd);
    }
    if let Some((_, name)) = COMPRESSED.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Content::Compressed(name);
    }
    if start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF") {
        return Content::Utf16;
    }
    if capture::resembles(start) {
        return Content::DamagedCapture;
    }
    if journald::is_export(start) {
        return Content::Export;
    }
    let text = text(start);
    match (text.split(|&byte| byte == b'\n').find_map(mode), memchr::memchr(0, text)) {
        (Some(mode), _) => Content::Frames(mode),
        (None, Some(at)) => Content::Binary(at),
        (None, _) => Content::Frames(Mode::Delimited),
    }
}

/// How the frames of a stream are told apart that begins with these bytes, if that is clear whatever follows.
pub(super) fn decided(start: &[u8]) -> Option<Mode> {
    match content(start) {
        Content::Frames(_) => text(start).split(|&byte| byte == b'\n').find_map(|line| {
            // Most likely an entry of a journal.
            mode(line).or(line.starts_with(b"{\"").then_some(Mode::Delimited))
        }),
        Content::Export => Some(Mode::Delimited),
        _ => None,
    }
}

/// What a line says of the lines and frames around it.
fn mode(line: &[u8]) -> Option<Mode> {
    if begins_with_priority(without_count(line)) {
        return Some(Mode::Auto);
    }
    Record::parse(line, Timestamp::MAX, &Zone::UTC).is_ok().then_some(Mode::Delimited)
}

/// The first bytes without what logrotate leaves where it cuts a log that is being written, or a crash in a file: that is
/// no part of a line.
fn text(start: &[u8]) -> &[u8] {
    let start = start.strip_prefix(UTF8_BOM).unwrap_or(start);
    start.iter().position(|byte| *byte != 0).and_then(|at| start.get(at..)).unwrap_or_default()
}

/// What stands behind an octet count and a blank; the line itself where it begins with none.
fn without_count(line: &[u8]) -> &[u8] {
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match line.get(digits..) {
        Some([b' ', rest @ ..])
            if (1..=limits::MAX_COUNT_DIGITS).contains(&digits) && !line.starts_with(b"0") =>
        {
            rest
        }
        _ => line,
    }
}

fn begins_with_priority(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"<") else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=3).contains(&digits) && rest.get(digits) == Some(&b'>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        let cases: &[(&[u8], Content)] = &[
            (b"", Content::Frames(Mode::Delimited)),
            (b"\x89CRLSEG\n\x01", Content::Capture),
            (b"\x1f\x8b\x08", Content::Packed(Packing::Gzip)),
            (b"\x28\xb5\x2f\xfd\x04", Content::Packed(Packing::Zstd)),
            (b"\x50\x2a\x4d\x18\x04\0\0\0", Content::Packed(Packing::Zstd)),
            (b"BZh91AY", Content::Compressed("bzip2")),
            (b"<38>1 - - - - - - a", Content::Frames(Mode::Auto)),
            (b"19 <38>1 - - - - - - a", Content::Frames(Mode::Auto)),
            (b"\n\r\n<38>Feb  1 00:00:00 h a: m", Content::Frames(Mode::Auto)),
            (b"spoilt\n19 <38>1 - - - - - - a", Content::Frames(Mode::Auto)),
            (b"Feb  1 00:00:00 h a: 19 <38> in a message", Content::Frames(Mode::Delimited)),
            (b"2026-02-01T00:00:00Z h a: m\n12 months\n", Content::Frames(Mode::Delimited)),
            (b"2026-02-01T00:00:00Z h a: m\n<13>smuggled\n", Content::Frames(Mode::Delimited)),
            (b"Feb  1 00:00:00 h a: m\n99 <13>smuggled\n", Content::Frames(Mode::Delimited)),
            (b"019 <38>1 - - - - - - a", Content::Frames(Mode::Delimited)),
            (b"1234567890 <38>1 - - - - - - a", Content::Frames(Mode::Delimited)),
            (b"\xFF\xFEF\0e\0b\0", Content::Utf16),
            (b"\x89CRLSEX\n\x01", Content::DamagedCapture),
            (b"\x7FELF\x02\x01\x01\0\0\0", Content::Binary(7)),
            (b"\0\0\0\0Feb  1 00:00:00 h a: m\n", Content::Frames(Mode::Delimited)),
            (b"\xEF\xBB\xBF<38>1 - - - - - - a", Content::Frames(Mode::Auto)),
            (
                b"\n__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1\nMESSAGE\n\x01\0\0\0\0\0\0\0a\n\n",
                Content::Export,
            ),
            (b"{\"MESSAGE\":\"<38>1 - - - - - - a\"}", Content::Frames(Mode::Delimited)),
            (b"<html>\n<1234>", Content::Frames(Mode::Delimited)),
        ];
        for (start, expected) in cases {
            assert_eq!(content(start), *expected, "{}", start.escape_ascii());
        }
    }
}
