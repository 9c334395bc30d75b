//! Floor 1: one line per event for people.

use super::names::Names;
use super::sheet::{Piece, Sheet};
use super::{Fraction, LocalTime, summary};
use crate::event::{Event, Kind, Severity};

/// Whether a line is coloured, for a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// Text alone.
    #[default]
    Plain,
    /// The severity in its colour.
    Coloured,
}

/// What stands before summaries, by the codes of kinds.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
static KINDS: [Piece; 256] = {
    let mut kinds = [Piece::EMPTY; 256];
    let mut index = 0;
    while index < Kind::ALL.len() {
        let kind = Kind::ALL[index];
        kinds[kind as usize] = Piece::whole(&[kind.spec().name.as_bytes(), b": "]);
        index += 1;
    }
    kinds
};

/// Appends an event as one line, without a line end: time, severity, application and module, kind, summary.
pub fn line(out: &mut Vec<u8>, event: Event<'_>, times: &mut LocalTime, paint: Paint) {
    let head = event.head();
    times.write(out, head.time, Fraction::Millis);
    out.push(b' ');
    severity(out, head.severity, paint);
    Sheet::append(out, |sheet| {
        let mut unknown = None;
        let names = event.names().unwrap_or_else(|| unknown.insert(Names::unknown(event.stamp())));
        sheet.put_all(&names.line);
        if let Some(kind) = KINDS.get(usize::from(head.kind as u8)) {
            sheet.put(kind);
        }
        summary::write::<false>(sheet, event);
    });
}

/// Appends a severity, padded to the width of the longest.
fn severity(out: &mut Vec<u8>, severity: Severity, paint: Paint) {
    const WIDTH: usize = Severity::Critical.name().len();
    let name = severity.name();
    if paint == Paint::Coloured {
        out.extend_from_slice(colour(severity));
    }
    out.extend_from_slice(name.as_bytes());
    if paint == Paint::Coloured {
        out.extend_from_slice(b"\x1b[0m");
    }
    out.resize(out.len() + WIDTH.saturating_sub(name.len()), b' ');
}

/// The escape sequence (ECMA-48, SGR) that begins a severity's colour.
const fn colour(severity: Severity) -> &'static [u8] {
    match severity {
        Severity::Info => b"\x1b[32m",
        Severity::Notice => b"\x1b[36m",
        Severity::Warning => b"\x1b[33m",
        Severity::Error => b"\x1b[31m",
        Severity::Critical => b"\x1b[1;37;41m",
    }
}
