//! Floor 4: events as rows of CSV (RFC 4180).
//!
//! Times are RFC 3339 in the server's zone with six digits, durations seconds, lists joined by `;`, and what is not
//! known is empty. Bytes that are not UTF-8 and control characters other than the tab become `\xNN`, and so does a `;`
//! within the item of a list, or before what would begin a formula; a backslash that already stands before such a form becomes
//! `\x5c`.
//!
//! Text that a spreadsheet would take for a formula, because it begins with `=`, `+`, `-`, `@`, a tab or a carriage
//! return, gets a leading `'`. So does text that begins with such a mark already: taking away one `'` before any of
//! these characters gives back what came in.

use crate::event::render::{self, Fraction, LocalTime};
use crate::event::{Event, Kind, Value};
use crate::time::Zone;
use ::csv::{ByteRecord, IntoInnerError, Writer, WriterBuilder};
use std::io;

/// Columns that stand before the fields.
const FIRST_COLUMNS: [&str; 3] = ["id", "time", "severity"];

/// Writes rows, and keeps the memory for the next ones.
///
/// Nearly all rows need no quotes anywhere: those are written straight into the output. Any other row is made a record
/// of the csv crate's, which is also the oracle for the straight way.
pub(super) struct Cells {
    times: LocalTime,
    rows: Vec<u8>,
}

impl Cells {
    pub(super) fn new(zone: &Zone) -> Self {
        Self { times: LocalTime::new(zone.clone()), rows: Vec::new() }
    }

    /// The rows of events, in order.
    pub(super) fn rows<'e>(&mut self, events: impl Iterator<Item = Event<'e>>) -> io::Result<&[u8]> {
        self.rows.clear();
        for event in events {
            let start = self.rows.len();
            self.row(event, |rows| rows.push(b','));
            let columns = FIRST_COLUMNS.len() + event.kind().spec().fields.len();
            if self.rows.get(start..).is_some_and(|row| is_plain(row, columns)) {
                self.rows.push(b'\n');
            } else {
                self.rows.truncate(start);
                let quoted = self.quoted(event)?;
                self.rows.extend_from_slice(&quoted);
            }
        }
        Ok(&self.rows)
    }

    /// Appends the cells of a row; between two of them `next` has its turn.
    fn row(&mut self, event: Event<'_>, mut next: impl FnMut(&mut Vec<u8>)) {
        let head = event.head();
        render::id(&mut self.rows, event.id());
        next(&mut self.rows);
        self.times.write(&mut self.rows, head.time, Fraction::Micros);
        next(&mut self.rows);
        self.rows.extend_from_slice(head.severity.name().as_bytes());
        for (_, value) in event.fields() {
            next(&mut self.rows);
            self.value(value);
        }
    }

    /// A row by the csv crate.
    fn quoted(&mut self, event: Event<'_>) -> io::Result<Vec<u8>> {
        let start = self.rows.len();
        let mut ends = Vec::new();
        self.row(event, |rows| ends.push(rows.len()));
        ends.push(self.rows.len());
        let mut record = ByteRecord::new();
        let mut at = start;
        for end in ends {
            record.push_field(self.rows.get(at..end).unwrap_or_default());
            at = end;
        }
        self.rows.truncate(start);
        let mut writer = writer();
        writer.write_byte_record(&record)?;
        writer.into_inner().map_err(IntoInnerError::into_error)
    }

    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Text(text) => {
                self.neutralise(text);
                // Where the comma is for decimals, a `;` ends a cell, and a formula could stand behind it.
                let splits = memchr::memchr_iter(b';', text)
                    .any(|at| text.get(at + 1).is_some_and(|next| begins_formula(*next)));
                render::flat(&mut self.rows, text, splits.then_some(';'));
            }
            Value::List(list) => {
                for (index, item) in list.iter().enumerate() {
                    if index > 0 {
                        self.rows.push(b';');
                    }
                    match item {
                        Value::Text(text) => {
                            if index == 0 {
                                self.neutralise(text);
                            }
                            render::flat(&mut self.rows, text, Some(';'));
                        }
                        item => self.value(item),
                    }
                }
            }
            Value::Null => {}
            Value::Bool(flag) => self.rows.extend_from_slice(if flag { b"true" } else { b"false" }),
            Value::Count(number) => render::count(&mut self.rows, number),
            Value::Time(time) => self.times.write(&mut self.rows, time, Fraction::Micros),
            Value::Duration(duration) => render::seconds(&mut self.rows, duration),
            Value::Addr(addr) => render::addr(&mut self.rows, addr),
        }
    }

    fn neutralise(&mut self, text: &[u8]) {
        let first = text.iter().find(|byte| **byte != b'\'');
        if first.is_some_and(|byte| begins_formula(*byte)) {
            self.rows.push(b'\'');
        }
    }
}

/// Whether a spreadsheet takes what begins like this for a formula.
fn begins_formula(byte: u8) -> bool {
    matches!(byte, b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r')
}

/// Whether cells with commas between them are the row as it must stand: no cell needs quotes.
fn is_plain(row: &[u8], columns: usize) -> bool {
    memchr::memchr_iter(b',', row).count() + 1 == columns
        && memchr::memchr3(b'"', b'\n', b'\r', row).is_none()
}

/// The row that names the columns of a kind's file.
pub(super) fn header(kind: Kind) -> Vec<u8> {
    let mut writer = writer();
    let fields = kind.spec().fields.iter().map(|field| field.spec().name);
    let written = writer.write_record(FIRST_COLUMNS.into_iter().chain(fields));
    written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default()
}

fn writer() -> Writer<Vec<u8>> {
    WriterBuilder::new().from_writer(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventBlock, Field, FieldType, Head, ModuleName, Severity, Stamp, StreamId};
    use crate::time::Timestamp;
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        #[test]
        fn the_straight_way_writes_what_the_csv_crate_would(
            texts in proptest::collection::vec("[ab,\"\r\n;'=\\\\é]{0,4}", 0..6),
            module in "[a,\"\n]{0,3}",
        ) {
            let modules = vec![ModuleName { app: "app".into(), module }];
            let stamp = Stamp { stream: StreamId(1), run: 1, modules };
            let mut block = EventBlock::new(Arc::new(stamp));
            let (kind, severity, time) = (Kind::SSHDUserEnumeration, Severity::Info, Timestamp::EPOCH);
            let mut writer = block.push(Head { number: 7, ordinal: 0, module: 0, kind, severity, time });
            let texts: Vec<_> = texts.iter().map(String::as_bytes).collect();
            for (field, text) in kind.spec().fields.iter().zip(&texts) {
                if field.spec().ty == FieldType::Text {
                    writer.text(*field, text);
                }
            }
            writer.texts(Field::Users, texts);

            let mut cells = Cells::new(&Zone::UTC);
            let event = block.get(0).unwrap();
            let expected = cells.quoted(event).unwrap();
            let rows = cells.rows(block.iter().chain(block.iter())).unwrap();
            prop_assert_eq!(rows, [&expected[..], &expected[..]].concat());
        }
    }
}
