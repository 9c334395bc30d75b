//! Floor 1: headers of RFC 5424 (section 6.2), for records that were written in another way.
//!
//! What comes in another form is converted where it comes in, so that everything behind, a capture too, holds records of
//! one kind.
//!
//! Invariant: whatever the values are, the header is one that [`super::Record::parse`] takes.

use crate::limits;
use crate::span::Span;
use crate::time::Timestamp;
use std::io::Write as _;

/// Severity and facility where nothing names them (sd-daemon(3), syslog(3)): info, user.
pub(super) const DEFAULT_PRIORITY: (u32, u32) = (6, 1);

/// What a record begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    /// Severity and facility.
    pub(super) priority: (u32, u32),
    pub(super) time: Option<Timestamp>,
    /// The host, the program, its process and the type of message; what is empty is not known.
    pub(super) names: [&'a [u8]; 4],
}

impl Header<'_> {
    /// Appends the header, up to and with the blank before the structured data.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (severity, facility) = self.priority;
        // Writing to memory cannot fail.
        write!(out, "<{}>1 ", facility * 8 + severity).ok();
        match self.time {
            Some(time) => drop(write!(out, "{time}")),
            None => out.push(b'-'),
        }
        for value in self.names {
            out.push(b' ');
            name(value, out);
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
