//! Floor 8: how a line was understood, in words, with the fields marked under the message.
//!
//! Invariant: what the line brings is shown with its control and bidirectional characters escaped, and the marks stand
//! under what is shown.

use super::Understood;
use crate::detect::{ExplainedField, Explanation, Flags, Kind};
use crate::event::render;
use crate::wire::{Format, Record, as_received};
use std::fmt::Write;

/// Appends the explanation of a line, and an empty line after it.
pub(super) fn write(out: &mut Vec<u8>, understood: &Understood<'_>) {
    match &understood.record {
        Ok(record) => write_record(out, understood, record),
        Err(reject) => {
            show(out, as_received(understood.line));
            out.extend_from_slice(format!("\n    no record: {reject}\n\n").as_bytes());
        }
    }
}

fn write_record(out: &mut Vec<u8>, understood: &Understood<'_>, record: &Record<'_>) {
    let explanation = understood.explainer.detector.explain(record);
    show(out, record.msg);
    out.push(b'\n');
    if let Some(explanation) = &explanation {
        for row in marks(record.msg, &explanation.fields) {
            out.extend_from_slice(row.as_bytes());
            out.push(b'\n');
        }
    }
    let mut text = String::new();
    line(&mut text, "read as", &header(understood, record));
    match &explanation {
        Some(explanation) => {
            if let (Some(pattern), Some(example)) = (explanation.pattern, explanation.example) {
                line(&mut text, "matches", &format!("`{pattern}`, as in: {example}"));
            }
            line(&mut text, "means", &meaning(explanation));
        }
        None => line(&mut text, "means", &unknown(record)),
    }
    text.push('\n');
    out.extend_from_slice(text.as_bytes());
}

/// Appends a line of the answer: what it is about, and what is to be said.
fn line(text: &mut String, about: &str, said: &str) {
    // Writing to a string does not fail.
    writeln!(text, "    {about:<8} {said}").ok();
}

/// How the header was read.
fn header(understood: &Understood<'_>, record: &Record<'_>) -> String {
    let format = match (understood.written, record.format) {
        (Some(name), _) => name,
        (None, Format::Rfc5424) => "RFC 5424",
        (None, Format::Rfc3164) => "RFC 3164",
        (None, Format::Iso) => "ISO timestamp and BSD header",
    };
    let mut said = match record.timestamp {
        Some(timestamp) => format!("{format}, {timestamp}"),
        None => format!("{format}, no time"),
    };
    if record.format == Format::Rfc3164 && record.timestamp.is_some() {
        write!(said, " ({} assumed)", understood.explainer.zone.name).ok();
    }
    for (what, value) in [("host", record.hostname), ("program", record.app_name), ("process", record.procid)]
    {
        match value {
            Some(value) => write!(said, ", {what} {}", shown(value)).ok(),
            None => write!(said, ", no {what}").ok(),
        };
    }
    said
}

/// What the message means.
fn meaning(explanation: &Explanation) -> String {
    let mut said = match explanation.kind {
        Kind::Noise => "a message of sshd that says nothing of logins".to_owned(),
        Kind::Unrecognized => "a message of sshd that no pattern matches".to_owned(),
        kind => format!("sshd: {}", spaced(kind.name())),
    };
    for (flag, words) in [
        (Flags::INVALID_USER, "the user does not exist or may not log in"),
        (Flags::PREAUTH, "before authentication"),
        (Flags::CUT, "as long as sshd cuts messages, so that its end proves nothing"),
        (Flags::SUSPICIOUS, "a name looks as if it meant to mislead"),
    ] {
        if explanation.flags.has(flag) {
            write!(said, "; {words}").ok();
        }
    }
    if explanation.repeat > 1 {
        write!(said, "; stands for {} messages", explanation.repeat).ok();
    }
    said
}

/// Why a message is not looked at.
fn unknown(record: &Record<'_>) -> String {
    match record.app_name {
        Some(program) => format!("nothing: messages of {} are not looked at", shown(program)),
        None => "nothing: the record names no program".to_owned(),
    }
}

/// `ConnectionClosed` as `connection closed`.
fn spaced(name: &str) -> String {
    let mut spaced = String::new();
    for (index, c) in name.char_indices() {
        if index > 0 && c.is_ascii_uppercase() {
            spaced.push(' ');
        }
        spaced.push(c.to_ascii_lowercase());
    }
    spaced
}

/// The fields' names under the message, in as many rows as they need beside each other.
fn marks(msg: &[u8], fields: &[ExplainedField]) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for field in fields {
        let start = field.span.start as usize;
        let column =
            msg.get(..start).filter(|before| !before.is_empty()).map_or(0, |text| width(&shown(text)));
        let label = match field.note {
            "" => field.name.clone(),
            note => format!("{} ({note})", field.name),
        };
        let has_room = |row: &&mut String| row.is_empty() || width(row) < column;
        let row = match rows.iter_mut().find(has_room) {
            Some(row) => row,
            None => rows.push_mut(String::new()),
        };
        let gap = column - width(row);
        row.extend(std::iter::repeat_n(' ', gap));
        row.push_str(&label);
    }
    rows
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn show(out: &mut Vec<u8>, text: &[u8]) {
    render::readable(out, text);
}

/// Text of a line for people.
fn shown(text: &[u8]) -> String {
    let mut out = Vec::new();
    show(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}
