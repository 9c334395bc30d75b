//! Floor 8: one event of a listing, with what became of it.

use crate::event::Event;
use crate::event::render::{self, LocalTime, Paint};
use crate::journal::{Fate, State};
use std::io::Write;

/// The name of a state; what deliveries that cannot be read would tell is unknown.
pub(super) fn state_name(fate: &Fate<'_>) -> &'static str {
    fate.state.map_or("unknown", State::name)
}

/// Whether there is something to say: an application that does not name the handler is none of its business.
pub(super) fn is_shown(fate: &Fate<'_>) -> bool {
    fate.state != Some(State::Skipped)
}

/// Whether it ended as it should.
fn is_well(fate: &Fate<'_>) -> bool {
    matches!(fate.state, Some(State::Delivered | State::Filtered | State::Suppressed | State::Digested))
}

/// Appends an event for people: its line, and below it its identity with what became of it in each handler.
pub(super) fn text<'a>(
    out: &mut Vec<u8>,
    event: Event<'_>,
    fates: impl Iterator<Item = (&'a str, Fate<'a>)>,
    times: &mut LocalTime,
    paint: Paint,
) {
    render::line(out, event, times, paint);
    out.extend_from_slice(b"\n    ");
    render::readable(out, event.id().to_string().as_bytes());
    for (handler, fate) in fates.filter(|(_, fate)| is_shown(fate)) {
        out.extend_from_slice(b"  ");
        render::readable(out, handler.as_bytes());
        out.extend_from_slice(if fate.orphan { b" (orphan) " } else { b" " });
        out.extend_from_slice(state_name(&fate).as_bytes());
        if fate.attempts > 1 || fate.error.is_some() {
            let attempts = if fate.attempts == 1 { "attempt" } else { "attempts" };
            // Writing to a vector cannot fail.
            write!(out, " after {} {attempts}", fate.attempts).unwrap_or_default();
        }
        // How it failed before it went well is for `events show`.
        if let Some(error) = fate.error.filter(|_| !is_well(&fate)) {
            out.extend_from_slice(b" (");
            render::readable(out, error.as_bytes());
            out.push(b')');
        }
    }
    out.push(b'\n');
}

/// Appends an event for programs: the object of a replay, with `deliveries`, on one line.
pub(super) fn json<'a>(
    out: &mut Vec<u8>,
    event: Event<'_>,
    fates: impl Iterator<Item = (&'a str, Fate<'a>)>,
) {
    render::json(out, event);
    // The object is opened again for one more member.
    out.pop();
    out.extend_from_slice(b",\"deliveries\":{");
    let mut comma = "";
    for (handler, fate) in fates.filter(|(_, fate)| is_shown(fate)) {
        out.extend_from_slice(comma.as_bytes());
        comma = ",";
        render::json_string(out, handler.as_bytes());
        // Writing to a vector cannot fail.
        write!(out, ":{{\"state\":\"{}\",\"attempts\":{},\"last_error\":", state_name(&fate), fate.attempts)
            .unwrap_or_default();
        string_or_null(out, fate.error);
        out.extend_from_slice(if fate.orphan { b",\"orphan\":true}" } else { b"}" });
    }
    out.extend_from_slice(b"}}\n");
}

/// Appends a JSON string, or null.
pub(super) fn string_or_null(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => render::json_string(out, text.as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}
