//! Floor 1: entries of systemd's journal as JSON, one on each line (`journalctl -o json`).
//!
//! Invariant: a line that is no such entry stays what it is.

use super::entry::Entry;
use crate::batch::FrameSpan;
use crate::wire::compose::between;
use serde_json::{Map, Value};

/// Whether a line could be an entry.
fn resembles(line: &[u8]) -> bool {
    line.starts_with(b"{\"") || line.starts_with(b"{ \"")
}

/// Converts the frames among these that are entries; gives the bytes that all frames then stand in, if there was one.
pub fn convert(bytes: &[u8], frames: &mut [FrameSpan], limit: usize) -> Option<Vec<u8>> {
    if !frames.iter().any(|frame| resembles(frame.span.of(bytes))) {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len());
    for frame in frames {
        let line = frame.span.of(bytes);
        *frame = match parse(line) {
            Some(entry) => entry.write(limit, &mut out),
            None => {
                let start = out.len();
                out.extend_from_slice(line);
                FrameSpan { span: between(start, out.len()), truncated: frame.truncated }
            }
        };
    }
    Some(out)
}

/// The record of a line that is an entry, of at most `limit` bytes, and whether something of it was left out.
pub fn entry(line: &[u8], limit: usize) -> Option<(Vec<u8>, bool)> {
    let mut out = Vec::new();
    let frame = parse(line)?.write(limit, &mut out);
    Some((out, frame.truncated))
}

/// Reads an entry: an object with a time of journald's.
fn parse(line: &[u8]) -> Option<Entry> {
    let fields: Map<String, Value> = resembles(line).then(|| serde_json::from_slice(line).ok())??;
    fields.get("__REALTIME_TIMESTAMP")?;
    let mut entry = Entry::default();
    let mut is_cut = false;
    for (name, value) in fields {
        if let Some(field) = entry.field(name.as_bytes()) {
            // journalctl writes null for a value that it finds too long.
            is_cut |= value.is_null() && name == "MESSAGE";
            *field = text(value);
        }
    }
    entry.is_cut = is_cut;
    Some(entry)
}

/// The bytes of a value: a string, its bytes as numbers where it is not UTF-8, or several of these, of which the first
/// counts.
fn text(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.into_bytes()),
        Value::Number(number) => Some(number.to_string().into_bytes()),
        Value::Array(items) => match items.first()? {
            Value::Number(_) => items.iter().map(|item| u8::try_from(item.as_u64()?).ok()).collect(),
            // An array within an array is one of bytes.
            first => text(first.clone()),
        },
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(lines: &[&str]) -> Vec<(String, bool)> {
        let bytes = lines.concat();
        let mut start = 0;
        let span = |line: &&str| {
            let span = super::between(start, start + line.len());
            start += line.len();
            FrameSpan { span, truncated: false }
        };
        let mut frames: Vec<_> = lines.iter().map(span).collect();
        let out = convert(bytes.as_bytes(), &mut frames, 200).unwrap_or(bytes.into_bytes());
        let text = |frame: &FrameSpan| String::from_utf8_lossy(frame.span.of(&out)).into_owned();
        frames.iter().map(|frame| (text(frame), frame.truncated)).collect()
    }

    const TIME: &str = r#""__REALTIME_TIMESTAMP":"1769940000000001""#;

    #[test]
    fn entries_become_records_and_other_lines_stay() {
        let cases: &[(&str, &str, bool)] = &[
            (
                r#"{"_HOSTNAME":"web","SYSLOG_IDENTIFIER":"sshd","_COMM":"sshd-session","_PID":"7","SYSLOG_PID":"8","PRIORITY":"6","SYSLOG_FACILITY":"4","MESSAGE":"Accepted",@}"#,
                "<38>1 2026-02-01T10:00:00.000001Z web sshd 7 - - Accepted",
                false,
            ),
            (
                r#"{"_COMM":"a b","SYSLOG_PID":"8","MESSAGE":"two\nlines",@}"#,
                "<14>1 2026-02-01T10:00:00.000001Z - a_b 8 - - two\nlines",
                false,
            ),
            (
                r#"{"MESSAGE":[104,105,255],@}"#,
                "<14>1 2026-02-01T10:00:00.000001Z - - - - - hi\u{FFFD}",
                false,
            ),
            (r#"{"MESSAGE":["one","two"],@}"#, "<14>1 2026-02-01T10:00:00.000001Z - - - - - one", false),
            (r#"{"MESSAGE":[[104,105],"two"],@}"#, "<14>1 2026-02-01T10:00:00.000001Z - - - - - hi", false),
            (r#"{"MESSAGE":null,@}"#, "<14>1 2026-02-01T10:00:00.000001Z - - - - - ", true),
            (r#"{"MESSAGE":[300],"PRIORITY":"9",@}"#, "<14>1 2026-02-01T10:00:00.000001Z - - - - - ", false),
            (r#"{"__REALTIME_TIMESTAMP":"never","MESSAGE":"x"}"#, "<14>1 - - - - - - x", false),
            (r#"{"MESSAGE":"no time"}"#, r#"{"MESSAGE":"no time"}"#, false),
            (r#"{"half"#, r#"{"half"#, false),
            ("<13>Feb  1 00:00:00 h a: {}", "<13>Feb  1 00:00:00 h a: {}", false),
        ];
        let lines: Vec<_> = cases.iter().map(|case| case.0.replace('@', TIME)).collect();
        let found = converted(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        for ((line, text, truncated), found) in cases.iter().zip(found) {
            assert_eq!(found, ((*text).to_owned(), *truncated), "{line}");
        }
    }

    #[test]
    fn a_record_is_within_the_limit() {
        let line = format!(r#"{{"_HOSTNAME":"{}","MESSAGE":"{}",{TIME}}}"#, "h".repeat(20), "m".repeat(1000));
        let [(text, truncated)] = &converted(&[&line])[..] else { panic!() };
        assert_eq!((text.len(), *truncated), (200, true));
    }
}
