//! Floor 1: events as text: JSON objects, lines and tables for people, and the cells of CSV files.
//!
//! Everything is appended to a `Vec<u8>` of the caller's, without intermediate strings.
//!
//! Invariant: whatever bytes a peer sent, JSON is valid JSON, and a line is one line that no control or bidirectional
//! character can rearrange.

mod csv;
mod escape;
mod json;
mod line;
mod local;
mod names;
mod number;
mod sheet;
mod summary;
mod table;

#[cfg(test)]
mod tests;

pub use csv::{csv_header, csv_rows};
pub use escape::{flat, readable};
pub use json::{json, json_string};
pub use line::{Paint, line};
pub use local::{Fraction, LocalTime};
pub(super) use names::Names;
pub use number::{addr, count, human_duration, seconds, utc};
pub use summary::summary;
pub use table::{TableRow, table, write_table};

use super::{EventId, Value};

/// Appends an identity as [`EventId`] displays it.
pub fn id(out: &mut Vec<u8>, id: EventId<'_>) {
    out.extend_from_slice(&id.stream.text());
    for number in [u64::from(id.run), id.number] {
        out.push(b'.');
        count(out, number);
    }
    for part in [id.app, id.module] {
        out.push(b'.');
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'.');
    count(out, u64::from(id.ordinal));
}

/// Appends a value as people read it: times in their zone, durations in words, text with its traps made visible.
pub fn value(out: &mut Vec<u8>, value: Value<'_>, times: &mut LocalTime) {
    match value {
        Value::Null => {}
        Value::Bool(flag) => out.extend_from_slice(if flag { b"yes" } else { b"no" }),
        Value::Count(number) => count(out, number),
        Value::Time(time) => times.write(out, time, Fraction::Millis),
        Value::Duration(duration) => human_duration(out, duration),
        Value::Addr(address) => addr(out, address),
        Value::Text(text) => readable(out, text),
        Value::List(list) => {
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                self::value(out, item, times);
            }
        }
    }
}
