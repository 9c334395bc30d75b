//! Floor 4: events as rows of CSV (RFC 4180).
//!
//! Times are RFC 3339 in the server's zone with six digits, durations seconds, lists joined by `;`, and what is not
//! known is empty. Bytes that are not UTF-8 and control characters other than the tab become `\xNN`, and so does a `;`
//! within the item of a list; a backslash that already stands before such a form becomes `\x5c`.
//!
//! Text that a spreadsheet would take for a formula, because it begins with `=`, `+`, `-`, `@`, a tab or a carriage
//! return, gets a leading `'`. So does text that begins with such a mark already: taking away one `'` before any of
//! these characters gives back what came in.

use crate::event::render::{self, Fraction, LocalTime};
use crate::event::{Event, Kind, Value};
use crate::time::Zone;
use ::csv::{ByteRecord, Writer, WriterBuilder};
use std::io;

/// Columns that stand before the fields.
const FIRST_COLUMNS: [&str; 3] = ["id", "time", "severity"];

/// Writes rows, and keeps the memory for the next ones.
pub(super) struct Cells {
    times: LocalTime,
    record: ByteRecord,
    cell: Vec<u8>,
    rows: Vec<u8>,
}

impl Cells {
    pub(super) fn new(zone: &Zone) -> Self {
        let times = LocalTime::new(zone.clone());
        Self { times, record: ByteRecord::new(), cell: Vec::new(), rows: Vec::new() }
    }

    /// The rows of events, in order.
    pub(super) fn rows<'e>(&mut self, events: impl Iterator<Item = Event<'e>>) -> io::Result<&[u8]> {
        let mut rows = std::mem::take(&mut self.rows);
        rows.clear();
        let mut writer = writer(rows);
        for event in events {
            self.fill(event);
            writer.write_byte_record(&self.record)?;
        }
        self.rows = writer.into_inner().map_err(|error| error.into_error())?;
        Ok(&self.rows)
    }

    fn fill(&mut self, event: Event<'_>) {
        let head = event.head();
        self.record.clear();
        self.cell.clear();
        render::id(&mut self.cell, event.id());
        self.take_cell();
        self.times.write(&mut self.cell, head.time, Fraction::Micros);
        self.take_cell();
        self.record.push_field(head.severity.name().as_bytes());
        for (_, value) in event.fields() {
            self.value(value);
            self.take_cell();
        }
    }

    fn take_cell(&mut self) {
        self.record.push_field(&self.cell);
        self.cell.clear();
    }

    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Text(text) => {
                self.neutralise(text);
                render::flat(&mut self.cell, text, None);
            }
            Value::List(list) => {
                for (index, item) in list.iter().enumerate() {
                    if index > 0 {
                        self.cell.push(b';');
                    }
                    match item {
                        Value::Text(text) => {
                            if index == 0 {
                                self.neutralise(text);
                            }
                            render::flat(&mut self.cell, text, Some(';'));
                        }
                        item => self.value(item),
                    }
                }
            }
            Value::Null => {}
            Value::Bool(flag) => self.cell.extend_from_slice(if flag { b"true" } else { b"false" }),
            Value::Count(number) => render::count(&mut self.cell, number),
            Value::Time(time) => self.times.write(&mut self.cell, time, Fraction::Micros),
            Value::Duration(duration) => render::seconds(&mut self.cell, duration),
            Value::Addr(addr) => render::addr(&mut self.cell, addr),
        }
    }

    fn neutralise(&mut self, text: &[u8]) {
        let first = text.iter().find(|byte| **byte != b'\'');
        if first.is_some_and(|byte| matches!(byte, b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r')) {
            self.cell.push(b'\'');
        }
    }
}

/// The row that names the columns of a kind's file.
pub(super) fn header(kind: Kind) -> Vec<u8> {
    let mut writer = writer(Vec::new());
    let fields = kind.spec().fields.iter().map(|field| field.spec().name);
    let written = writer.write_record(FIRST_COLUMNS.into_iter().chain(fields));
    written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default()
}

fn writer(rows: Vec<u8>) -> Writer<Vec<u8>> {
    WriterBuilder::new().from_writer(rows)
}
