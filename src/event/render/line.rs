//! Floor 1: one line per event for people.

use super::{Fraction, LocalTime, readable, summary};
use crate::event::{Event, Severity};

/// Whether a line is coloured, for a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// Text alone.
    #[default]
    Plain,
    /// The severity in its colour.
    Coloured,
}

/// Appends an event as one line, without a line end: time, severity, application and module, kind, summary.
pub fn line(out: &mut Vec<u8>, event: Event<'_>, times: &mut LocalTime, paint: Paint) {
    let head = event.head();
    let (app, module) = event.module();
    times.write(out, head.time, Fraction::Millis);
    out.push(b' ');
    severity(out, head.severity, paint);
    out.push(b' ');
    readable(out, app.as_bytes());
    out.push(b'/');
    readable(out, module.as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.kind.spec().name.as_bytes());
    out.extend_from_slice(b": ");
    summary(out, event);
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
