//! Floor 4: digests as text: lines for people, an object for programs.

use super::{Digest, Gathered, Group};
use crate::event::render::{self, Fraction, LocalTime};

/// Appends a digest as one line, without a line end: when, how many, and how many of each kind.
pub fn line(out: &mut Vec<u8>, digest: &Digest, times: &mut LocalTime) {
    if let Some((first, last)) = digest.span() {
        times.write(out, first, Fraction::Millis);
        out.extend_from_slice(b" to ");
        times.write(out, last, Fraction::Millis);
        out.push(b' ');
    }
    out.extend_from_slice(b"DIGEST ");
    counted(out, digest.count(), " event");
    if digest.late() > 0 {
        out.extend_from_slice(b", ");
        render::count(out, digest.late());
        out.extend_from_slice(b" late");
    }
    for (index, group) in digest.groups().iter().enumerate() {
        out.extend_from_slice(if index == 0 { b": " } else { b", " });
        render::count(out, group.count);
        out.push(b' ');
        out.extend_from_slice(group.severity.name().as_bytes());
        out.push(b' ');
        out.extend_from_slice(group.kind.spec().name.as_bytes());
    }
}

/// One line that says what a digest holds: `17 events: 12 SSHDLoginFailed (NOTICE), ...`.
pub fn summary(digest: &Digest) -> String {
    let group = |group: &Group| format!("{} {} ({})", group.count, group.kind.spec().name, group.severity);
    let groups: Vec<_> = digest.groups().iter().map(group).collect();
    let (count, late) = (digest.count(), digest.late());
    let events = if count == 1 { "event" } else { "events" };
    let late = if late > 0 { format!(", {late} of them late") } else { String::new() };
    format!("{count} {events}{late}: {}", groups.join(", "))
}

fn counted(out: &mut Vec<u8>, count: u64, noun: &str) {
    render::count(out, count);
    out.extend_from_slice(noun.as_bytes());
    if count != 1 {
        out.push(b's');
    }
}

/// Appends a digest as one JSON object on one line, without a line end.
///
/// Its member `digest` has `count`, `late`, `first` and `last` (UTC, six digits), and `groups`, each with `kind`,
/// `severity` and `count`; `events` are the gravest of them, as [`render::json`] has them.
pub fn json(out: &mut Vec<u8>, gathered: &Gathered) {
    let digest = &gathered.digest;
    out.extend_from_slice(b"{\"digest\":{\"count\":");
    render::count(out, digest.count());
    out.extend_from_slice(b",\"late\":");
    render::count(out, digest.late());
    if let Some((first, last)) = digest.span() {
        for (name, time) in [("first", first), ("last", last)] {
            out.extend_from_slice(format!(",\"{name}\":\"").as_bytes());
            render::utc(out, time);
            out.push(b'"');
        }
    }
    out.extend_from_slice(b",\"groups\":[");
    for (index, group) in digest.groups().iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"" } else { b"," });
        let (kind, severity) = (group.kind.spec().name, group.severity.name());
        out.extend_from_slice(
            format!("{{\"kind\":\"{kind}\",\"severity\":\"{severity}\",\"count\":").as_bytes(),
        );
        render::count(out, group.count);
        out.push(b'}');
    }
    out.extend_from_slice(b"]},\"events\":[");
    for (index, event) in gathered.events().enumerate() {
        out.extend_from_slice(if index == 0 { b"" } else { b"," });
        render::json(out, event);
    }
    out.extend_from_slice(b"]}");
}
