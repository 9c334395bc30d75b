//! Floor 1: events as JSON objects.

use super::escape;
use super::summary::summary_json;
use super::{addr, count, id_with, seconds, utc};
use crate::event::{Event, Field, Value};

/// Bytes that the longest key takes with its punctuation and a value of one word.
const KEY_ROOM: usize = 31;

/// Keys by the fields' codes, and how many bytes of each count. Copying always the same number of bytes and then
/// taking some back is several times faster than copying a number that only the run tells.
type Keys = [([u8; KEY_ROOM], u8); 256];

/// `,"name":` and what comes after it.
#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated at compile time")]
const fn keys(after: &[u8]) -> Keys {
    let mut keys = [([0; KEY_ROOM], 0); 256];
    let mut index = 0;
    while index < Field::ALL.len() {
        let (room, len) = &mut keys[Field::ALL[index] as usize];
        let key = Field::ALL[index].json_key().as_bytes();
        let mut at = 0;
        while at < key.len() + after.len() {
            room[at] = if at < key.len() { key[at] } else { after[at - key.len()] };
            at += 1;
        }
        *len = at as u8;
        index += 1;
    }
    keys
}

static KEYS: Keys = keys(b"");
static TEXT_KEYS: Keys = keys(b"\"");
static NULLS: Keys = keys(b"null");
static TRUES: Keys = keys(b"true");
static FALSES: Keys = keys(b"false");

#[inline]
#[expect(clippy::indexing_slicing, reason = "a table of 256 entries, indexed by a byte")]
fn key(out: &mut Vec<u8>, field: Field, keys: &Keys) {
    let (room, len) = &keys[usize::from(field as u8)];
    let end = out.len() + usize::from(*len);
    out.extend_from_slice(room);
    out.truncate(end);
}

/// Appends a field with its value.
#[inline]
fn member(out: &mut Vec<u8>, field: Field, value: Value<'_>) {
    match value {
        Value::Null => key(out, field, &NULLS),
        Value::Bool(true) => key(out, field, &TRUES),
        Value::Bool(false) => key(out, field, &FALSES),
        Value::Text(text) => {
            key(out, field, &TEXT_KEYS);
            escape::json(out, text);
            out.push(b'"');
        }
        value => {
            key(out, field, &KEYS);
            json_value(out, value);
        }
    }
}

/// Bytes that nearly all events are shorter than.
const USUAL_LENGTH: usize = 1024;

/// Appends text that a peer sent as a JSON string; what is not UTF-8 becomes `\xNN`, as in [`json`].
pub fn json_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    escape::json(out, text);
    out.push(b'"');
}

/// Appends an event as one JSON object on one line, without a line end.
///
/// Its members are `id`, `time` (UTC, six digits), `kind`, `severity`, `app`, `module`, `summary`, `fields` (all of the
/// kind's schema, null where not known) and `evidence` (the numbers of the inputs that caused it). Durations are
/// seconds; bytes that are not UTF-8 become `\xNN` in the text, and so that this can be undone, a backslash before
/// such a form becomes `\x5c`.
pub fn json(out: &mut Vec<u8>, event: Event<'_>) {
    out.reserve(USUAL_LENGTH);
    let head = event.head();
    let (app, module) = event.module();
    out.extend_from_slice(b"{\"id\":\"");
    id_with(out, event.id(), escape::json);
    out.extend_from_slice(b"\",\"time\":\"");
    utc(out, head.time);
    out.extend_from_slice(b"\",\"kind\":\"");
    out.extend_from_slice(head.kind.spec().name.as_bytes());
    out.extend_from_slice(b"\",\"severity\":\"");
    out.extend_from_slice(head.severity.name().as_bytes());
    out.extend_from_slice(b"\",\"app\":\"");
    escape::json(out, app.as_bytes());
    out.extend_from_slice(b"\",\"module\":\"");
    escape::json(out, module.as_bytes());
    out.extend_from_slice(b"\",\"summary\":\"");
    summary_json(out, event);
    out.extend_from_slice(b"\",\"fields\":");
    let fields = out.len();
    for (field, value) in event.fields() {
        member(out, field, value);
    }
    // Each key begins with a comma; the first of them opens the object.
    match out.get_mut(fields) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.extend_from_slice(b"},\"evidence\":[");
    for (index, number) in event.evidence().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        count(out, *number);
    }
    out.extend_from_slice(b"]}");
}

fn json_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        Value::Count(number) => count(out, number),
        Value::Duration(duration) => seconds(out, duration),
        Value::Time(time) => quoted(out, |out| utc(out, time)),
        Value::Addr(address) => quoted(out, |out| addr(out, address)),
        Value::Text(text) => quoted(out, |out| escape::json(out, text)),
        Value::List(list) => {
            out.push(b'[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json_value(out, item);
            }
            out.push(b']');
        }
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}
