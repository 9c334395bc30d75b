//! Floor 1: headers of RFC 5424 (section 6.2), for records that were written in another way.
//!
//! What comes in another form is converted where it comes in, so that everything behind, a capture too, holds records of
//! one kind.
//!
//! Invariant: whatever the values are, the header is one that [`super::Record::parse`] takes, and has room within the limit
//! for messages.

use crate::limits;
use crate::span::Span;
use crate::time::Timestamp;
use std::io::Write as _;
use std::ops::RangeInclusive;

/// Severity and facility where nothing names them (sd-daemon(3), syslog(3)): info, user.
pub(super) const DEFAULT_PRIORITY: (u32, u32) = (6, 1);

/// Bytes that a header has at most besides its names, with the absent structured data and the blank behind it.
const AROUND_NAMES: usize = "<191>1 9999-12-31T23:59:59.999999Z     - ".len();

/// The times that can be written: of four-digit years (RFC 3339 section 5.6).
const TIMES: RangeInclusive<Timestamp> =
    Timestamp::from_civil(0, 1, 1, 0, 0)..=Timestamp::from_civil(9999, 12, 31, 86_399, 999_999);

/// What a record begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    /// Severity and facility.
    pub(super) priority: (u32, u32),
    pub(super) time: Option<Timestamp>,
    /// The host, the program, its process and the type of message; what is empty is not known.
    pub(super) names: [&'a [u8]; 4],
    /// Bytes that the record may have.
    pub(super) limit: usize,
}

impl Header<'_> {
    /// Appends the header, up to and with the blank before the structured data.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (severity, facility) = self.priority;
        // Writing to memory cannot fail.
        write!(out, "<{}>1 ", facility * 8 + severity).ok();
        match self.time.filter(|time| TIMES.contains(time)) {
            Some(time) => drop(write!(out, "{time}")),
            None => out.push(b'-'),
        }
        let room = self.limit.saturating_sub(AROUND_NAMES);
        let whole: usize =
            self.names.iter().map(|value| value.len().clamp(1, limits::MAX_HEADER_FIELD)).sum();
        // Where they have no room together, each has as much as the others.
        let most = if whole <= room { limits::MAX_HEADER_FIELD } else { room / self.names.len() };
        for value in self.names {
            out.push(b' ');
            name(value.get(..most).unwrap_or(value), out);
        }
        out.push(b' ');
    }
}

/// Writes a value as a name: of printable ASCII without blanks, or `-` (section 6).
fn name(value: &[u8], out: &mut Vec<u8>) {
    let value = value.get(..limits::MAX_HEADER_FIELD).unwrap_or(value);
    if value.is_empty() {
        out.push(b'-');
    }
    out.extend(value.iter().map(|byte| if byte.is_ascii_graphic() { *byte } else { b'_' }));
}

/// The span from one place to another.
pub(super) fn between(start: usize, end: usize) -> Span {
    let [start, end] = [start, end].map(|place| u32::try_from(place).unwrap_or(u32::MAX));
    Span::new(start, end.saturating_sub(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Zone;
    use crate::wire::Record;

    /// A header whose values are as long as can be, with a host of so many bytes, before a record of at most `limit`.
    fn header(time: Timestamp, host: usize, limit: usize) -> String {
        let (host, name) = ("h".repeat(host), "n".repeat(300));
        let names = [host.as_bytes(), name.as_bytes(), name.as_bytes(), name.as_bytes()];
        let mut out = Vec::new();
        Header { priority: (7, 23), time: Some(time), names, limit }.write(&mut out);
        out.extend_from_slice(b"- ");
        Record::parse(&out, Timestamp::EPOCH, &Zone::UTC).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn long_names_leave_the_record_within_the_smallest_limit() {
        let header = |host, limit| header(*TIMES.end(), host, limit);
        assert!(header(300, limits::MIN_MESSAGE_SIZE).len() <= limits::MIN_MESSAGE_SIZE);
        assert!(header(100, limits::MIN_MESSAGE_SIZE).contains(&format!(" {} ", "h".repeat(100))));
        assert!(header(300, limits::MAX_MESSAGE_SIZE).contains(&format!(" {} ", "h".repeat(255))));
    }

    #[test]
    fn times_that_nobody_could_read_are_left_out() {
        let time = |micros| {
            let header = header(Timestamp::from_micros(micros), 1, limits::MAX_MESSAGE_SIZE);
            header.split(' ').nth(1).unwrap().to_owned()
        };
        let [first, last] = [TIMES.start(), TIMES.end()].map(|time| time.as_micros());
        let found = [i64::MIN, first - 1, first, last, last + 1, i64::MAX].map(time);
        let expected = ["-", "-", "0000-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "-", "-"];
        assert_eq!(found, expected);
    }
}
