//! Floor 1: entries of systemd's journal in its export format (systemd.io/JOURNAL_EXPORT_FORMATS): fields on lines, an
//! empty line behind each entry; a value that may hold anything stands behind its length.
//!
//! Invariant: what stands within a value never begins a field or an entry, however long the value is and however the stream
//! is cut into reads; of a value no more is kept than a record may hold.

use super::entry::Entry;
use crate::batch::FrameSpan;

/// Reads a stream of entries piece by piece.
#[derive(Debug)]
pub struct Exported {
    entry: Entry,
    /// Whether the entry has any field, of use or not.
    is_begun: bool,
    at: At,
    /// Bytes of a value that are kept.
    limit: usize,
}

/// Where the next byte stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    /// At the start of a line.
    Line,
    /// In the rest of a line over the limit.
    LongLine,
    /// In a value of which so many bytes are to come, behind a field's name; a line feed ends it.
    Value(Vec<u8>, u64),
}

/// Bytes that tell the length of a value.
const LENGTH: usize = 8;

impl Exported {
    /// Begins with the first entry. Records are of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { entry: Entry::default(), is_begun: false, at: At::Line, limit }
    }

    /// Reads on in `bytes`, which begins where the last call's consumed bytes ended: appends the records of the entries that
    /// end there to `out`, and their spans in it, up to `most`. Gives how many bytes are done with.
    pub fn advance(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        frames: &mut Vec<FrameSpan>,
        most: usize,
    ) -> usize {
        let mut at = 0;
        while frames.len() < most {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(done) = self.piece(rest, out, frames) else { break };
            at += done;
        }
        at
    }

    /// Appends the record of an entry that the stream ended in.
    pub fn finish(&mut self, out: &mut Vec<u8>, frames: &mut Vec<FrameSpan>) {
        self.entry.is_cut = true;
        self.end_entry(out, frames);
        self.at = At::Line;
    }

    /// Reads a line, or a part of a value; nothing when more has to come first.
    fn piece(&mut self, rest: &[u8], out: &mut Vec<u8>, frames: &mut Vec<FrameSpan>) -> Option<usize> {
        match std::mem::replace(&mut self.at, At::Line) {
            At::Line => self.line(rest, out, frames),
            At::LongLine => {
                let end = memchr::memchr(b'\n', rest);
                if end.is_none() {
                    self.at = At::LongLine;
                }
                end.map(|end| end + 1).or((!rest.is_empty()).then_some(rest.len()))
            }
            At::Value(name, left) => {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                if left > 0 && here == 0 || left == 0 && rest.is_empty() {
                    self.at = At::Value(name, left);
                    return None;
                }
                if left == 0 {
                    // The line feed behind the value.
                    return Some(1);
                }
                self.keep(&name, rest.get(..here).unwrap_or_default());
                self.at = At::Value(name, left - here as u64);
                Some(here)
            }
        }
    }

    fn line(&mut self, rest: &[u8], out: &mut Vec<u8>, frames: &mut Vec<FrameSpan>) -> Option<usize> {
        let Some(end) = memchr::memchr(b'\n', rest) else {
            if rest.len() <= self.limit {
                return None;
            }
            self.text(rest);
            self.at = At::LongLine;
            return Some(rest.len());
        };
        let line = rest.get(..end).unwrap_or_default();
        if line.is_empty() {
            self.end_entry(out, frames);
            return Some(end + 1);
        }
        if memchr::memchr(b'=', line).is_some() || line.len() > self.limit {
            self.text(line);
            return Some(end + 1);
        }
        let length: [u8; LENGTH] = rest.get(end + 1..end + 1 + LENGTH)?.try_into().ok()?;
        self.is_begun = true;
        // It begins here, also where it is empty; a second one of the name is no part of the first.
        let is_new = self.entry.field(line).is_some_and(|field| field.is_none());
        if is_new {
            self.keep(line, b"");
        }
        let name = if is_new { line.to_vec() } else { Vec::new() };
        self.at = At::Value(name, u64::from_le_bytes(length));
        Some(end + 1 + LENGTH)
    }

    /// Takes a line with a field of text, as far as a line is kept.
    fn text(&mut self, line: &[u8]) {
        self.is_begun = true;
        let is_long = line.len() > self.limit;
        let line = line.get(..self.limit).unwrap_or(line);
        let Some(equals) = memchr::memchr(b'=', line) else { return };
        let (name, value) = line.split_at(equals);
        if self.entry.field(name).is_some_and(|field| field.is_none()) {
            self.keep(name, value.get(1..).unwrap_or_default());
            self.entry.is_cut |= is_long;
        }
    }

    /// Appends to a field's value, as far as it is kept.
    fn keep(&mut self, name: &[u8], more: &[u8]) {
        let limit = self.limit;
        let Some(field) = self.entry.field(name) else { return };
        let value = field.get_or_insert_default();
        let room = limit.saturating_sub(value.len());
        value.extend_from_slice(more.get(..room).unwrap_or(more));
        self.entry.is_cut |= more.len() > room;
    }

    fn end_entry(&mut self, out: &mut Vec<u8>, frames: &mut Vec<FrameSpan>) {
        if std::mem::take(&mut self.is_begun) {
            frames.push(self.entry.write(self.limit, out));
        }
        self.entry = Entry::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The records of a stream that comes in pieces of a size.
    fn records(stream: &[u8], piece: usize) -> Vec<(String, bool)> {
        let (mut exported, mut rest, mut found) = (Exported::new(120), Vec::new(), Vec::new());
        let mut note = |out: &[u8], frames: &[FrameSpan]| {
            let text = |frame: &FrameSpan| (frame.span.of(out).escape_ascii().to_string(), frame.truncated);
            found.extend(frames.iter().map(text));
        };
        for piece in stream.chunks(piece) {
            rest.extend_from_slice(piece);
            let (mut out, mut frames) = (Vec::new(), Vec::new());
            let done = exported.advance(&rest, &mut out, &mut frames, usize::MAX);
            rest.drain(..done);
            note(&out, &frames);
        }
        let (mut out, mut frames) = (Vec::new(), Vec::new());
        exported.finish(&mut out, &mut frames);
        note(&out, &frames);
        found
    }

    fn stream() -> Vec<u8> {
        let mut stream = b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1769940000000001\n_HOSTNAME=web\nSYSLOG_IDENTIFIER=sshd\n_PID=7\n\
            PRIORITY=6\nSYSLOG_FACILITY=4\nMESSAGE=a = b\n\n\n"
            .to_vec();
        // A value that looks like the end of an entry and the beginning of another.
        let forged = b"x\n\nMESSAGE=forged\n\n";
        stream.extend_from_slice(b"MESSAGE\n");
        stream.extend_from_slice(&(forged.len() as u64).to_le_bytes());
        stream.extend_from_slice(forged);
        stream.extend_from_slice(b"\n_COMM=su\n\n");
        for (name, size) in [("COREDUMP", 3000_u64), ("MESSAGE", 300), ("MESSAGE", 2)] {
            stream.extend_from_slice(name.as_bytes());
            stream.push(b'\n');
            stream.extend_from_slice(&size.to_le_bytes());
            stream.extend(std::iter::repeat_n(b'\n', usize::try_from(size).unwrap()));
            stream.push(b'\n');
        }
        stream.extend_from_slice(format!("\nMESSAGE={}\n\nMESSAGE=cut", "y".repeat(500)).as_bytes());
        stream
    }

    #[test]
    fn values_may_hold_anything() {
        let expected = [
            ("<38>1 2026-02-01T10:00:00.000001Z web sshd 7 - - a = b".to_owned(), false),
            (r"<14>1 - - su - - - x\n\nMESSAGE=forged\n\n".to_owned(), false),
            (format!("<14>1 - - - - - - {}", r"\n".repeat(102)), true),
            (format!("<14>1 - - - - - - {}", "y".repeat(102)), true),
        ];
        for piece in [1, 2, 3, 7, 64, 1000, 100_000] {
            assert_eq!(records(&stream(), piece), expected, "{piece}");
        }
    }

    #[test]
    fn a_claimed_length_takes_no_memory() {
        let stream = [b"MESSAGE\n".as_slice(), &u64::MAX.to_le_bytes(), b"x\n\nMESSAGE=forged\n\n"].concat();
        assert_eq!(records(&stream, 5), [(r"<14>1 - - - - - - x\n\nMESSAGE=forged\n\n".to_owned(), true)]);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_the_same_records(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'='), Just(b'M'), Just(0), Just(1), any::<u8>()], 0..200),
            piece in 1_usize..50
        ) {
            prop_assert_eq!(records(&bytes, piece), records(&bytes, usize::MAX));
        }
    }
}
