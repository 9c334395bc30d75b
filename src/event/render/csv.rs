//! Floor 1: events as rows of CSV (RFC 4180).
//!
//! Times are RFC 3339 in a zone with six digits, durations seconds, lists joined by `;`, and what is not known is
//! empty. Bytes that are not UTF-8 and control characters other than the tab become `\xNN`, and so does a `;`
//! within the item of a list, or before what would begin a formula; a backslash that already stands before such a form becomes
//! `\x5c`.
//!
//! Text, of a list each item, that a spreadsheet would take for a formula, because it begins with `=`, `+`, `-`, `@`, in
//! their full-width forms too, a tab or a carriage return, gets a leading `'`. So does text that begins with such a mark
//! already: taking away one `'` before any of these characters, once the escapes are undone, gives back what came in.
//!
//! Nearly no cell needs quotes: those that do are made by the csv crate, as is the row that names the columns.
//!
//! Invariant: a row is one line, and the csv crate would write the same.

use super::escape::flat;
use super::names::{Names, severity};
use super::sheet::{Piece, Sheet};
use super::{LocalTime, addr};
use crate::event::value::List;
use crate::event::{Cell, Event, Kind};
use crate::span::Span;
use ::csv::WriterBuilder;

/// Columns that stand before the fields.
const FIRST_COLUMNS: [&str; 3] = ["id", "time", "severity"];

/// The row that names the columns of a kind's file.
pub fn csv_header(kind: Kind) -> Vec<u8> {
    let fields = kind.spec().fields.iter().map(|field| field.spec().name);
    record(FIRST_COLUMNS.into_iter().chain(fields))
}

/// A row of these cells, as the csv crate writes it.
fn record(cells: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    // Writing to a vector cannot fail.
    let written = writer.write_record(cells);
    written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default()
}

/// Appends the rows of events, in order.
pub fn csv_rows<'e>(out: &mut Vec<u8>, events: impl Iterator<Item = Event<'e>>, times: &mut LocalTime) {
    Sheet::append(out, |sheet| events.for_each(|event| row(sheet, event, times)));
}

fn row(sheet: &mut Sheet, event: Event<'_>, times: &mut LocalTime) {
    let head = event.head();
    let mut unknown = None;
    let names = event.names().unwrap_or_else(|| unknown.insert(Names::unknown(event.stamp())));
    sheet.id(&names.csv_id, event);
    sheet.local(times, head.time);
    sheet.push(b',');
    sheet.put(severity(head.severity));
    let columns = &event.columns();
    for (_, cell) in event.cells() {
        sheet.push(b',');
        value(sheet, cell, columns, times);
    }
    sheet.push(b'\n');
}

#[inline]
fn value(sheet: &mut Sheet, cell: &Cell, columns: &List<'_>, times: &mut LocalTime) {
    const TRUE: Piece = Piece::whole(&[b"true"]);
    const FALSE: Piece = Piece::whole(&[b"false"]);
    match *cell {
        Cell::Null => {}
        Cell::Bool(flag) => sheet.put(if flag { &TRUE } else { &FALSE }),
        Cell::Count(number) => sheet.count(number),
        Cell::Time(time) => sheet.local(times, time),
        Cell::Duration(micros) => sheet.seconds(micros),
        Cell::Addr(address) => sheet.addr(address),
        Cell::Text(span) => text(sheet, columns.text, span),
        Cell::List(span) => list(sheet, columns.part(span), columns.text),
    }
}

/// Appends text; what nearly all text is needs neither quotes nor marks.
#[inline]
fn text(sheet: &mut Sheet, column: &[u8], span: Span) {
    let start = sheet.len();
    if !plain(sheet, column, span) {
        sheet.truncate(start);
        quoted(sheet, |out| {
            let text = span.of(column);
            // Where the comma is for decimals, a `;` ends a cell, and a formula could stand behind it.
            let splits = memchr::memchr_iter(b';', text).any(|at| text.get(at + 1..).is_some_and(is_formula));
            neutralise(out, text);
            flat(out, text, splits.then_some(b';'));
        });
    }
}

/// Appends the items of a list with a `;` between them; they, too, need nothing else as a rule.
fn list(sheet: &mut Sheet, items: &[Cell], column: &[u8]) {
    let start = sheet.len();
    let is_plain = items.iter().enumerate().all(|(index, item)| {
        if index > 0 {
            sheet.push(b';');
        }
        match *item {
            Cell::Text(span) => plain(sheet, column, span),
            Cell::Addr(address) => {
                sheet.addr(address);
                true
            }
            // Lists are of texts or of addresses.
            _ => true,
        }
    });
    if !is_plain {
        sheet.truncate(start);
        quoted(sheet, |out| marked_list(out, items, column));
    }
}

/// Lays down text as far as it needs neither marks nor quotes; whether that is all of it. A formula of full-width forms is
/// no plain text.
#[inline]
fn plain(sheet: &mut Sheet, column: &[u8], span: Span) -> bool {
    let first = column.get(span.start as usize);
    let may_be_marked = first.is_some_and(|first| *first == b'\'' || begins_formula(*first));
    !may_be_marked && sheet.plain(column, span, [b',', b';']).is_empty()
}

/// Appends the items of a list with the marks that they need.
fn marked_list(out: &mut Vec<u8>, items: &[Cell], column: &[u8]) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b';');
        }
        match *item {
            Cell::Text(span) => {
                let text = span.of(column);
                neutralise(out, text);
                flat(out, text, Some(b';'));
            }
            Cell::Addr(address) => addr(out, address),
            // Lists are of texts or of addresses.
            _ => {}
        }
    }
}

fn neutralise(out: &mut Vec<u8>, text: &[u8]) {
    let marks = text.iter().take_while(|byte| **byte == b'\'').count();
    if text.get(marks..).is_some_and(is_formula) {
        out.push(b'\'');
    }
}

/// Whether a spreadsheet takes text for a formula: some do so for the full-width forms, too.
fn is_formula(text: &[u8]) -> bool {
    let wide = ["\u{ff1d}", "\u{ff0b}", "\u{ff0d}", "\u{ff20}"];
    text.first().is_some_and(|first| begins_formula(*first))
        || wide.iter().any(|form| text.starts_with(form.as_bytes()))
}

/// Whether a spreadsheet takes what begins like this for a formula.
#[inline]
fn begins_formula(byte: u8) -> bool {
    matches!(byte, b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r')
}

/// Appends a cell that may need quotes.
#[cold]
fn quoted(sheet: &mut Sheet, write: impl FnOnce(&mut Vec<u8>)) {
    sheet.apart(|out| {
        let start = out.len();
        write(out);
        if let Some(quoted) = out.get(start..).and_then(in_quotes) {
            out.truncate(start);
            out.extend_from_slice(&quoted);
        }
    });
}

/// A cell in quotes, if it must stand in them (RFC 4180 section 2).
pub(super) fn in_quotes(cell: &[u8]) -> Option<Vec<u8>> {
    let must = cell.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'));
    must.then(|| {
        let mut row = record([cell]);
        row.pop();
        row
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::render::{self, Fraction, escape};
    use crate::event::{EventBlock, Field, FieldType, Head, ModuleName, Severity, Stamp, StreamId, Value};
    use crate::time::{Timestamp, Zone};
    use ::csv::ByteRecord;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::time::Duration;

    /// A cell before it is quoted.
    fn cell(value: Value<'_>, times: &mut LocalTime) -> Vec<u8> {
        let mut out = Vec::new();
        match value {
            Value::Null => {}
            Value::Bool(flag) => out.extend_from_slice(flag.to_string().as_bytes()),
            Value::Count(number) => render::count(&mut out, number),
            Value::Time(time) => times.write(&mut out, time, Fraction::Micros),
            Value::Duration(duration) => render::seconds(&mut out, duration),
            Value::Addr(addr) => render::addr(&mut out, addr),
            Value::Text(text) => {
                let splits = (1..text.len()).any(|at| text[at - 1] == b';' && is_formula(&text[at..]));
                neutralise(&mut out, text);
                flat(&mut out, text, splits.then_some(b';'));
            }
            Value::List(list) => {
                let items = list.iter().map(|item| {
                    let Value::Text(text) = item else { return cell(item, times) };
                    let mut out = Vec::new();
                    neutralise(&mut out, text);
                    flat(&mut out, text, Some(b';'));
                    out
                });
                out = items.collect::<Vec<_>>().join(&b';');
            }
        }
        out
    }

    /// The row of an event as the csv crate writes it.
    fn by_the_csv_crate(event: Event<'_>, times: &mut LocalTime) -> Vec<u8> {
        let mut record = ByteRecord::new();
        record.push_field(event.id().to_string().as_bytes());
        record.push_field(&cell(Value::Time(event.head().time), times));
        record.push_field(event.head().severity.name().as_bytes());
        for (_, value) in event.fields() {
            record.push_field(&cell(value, times));
        }
        let mut writer = WriterBuilder::new().from_writer(Vec::new());
        writer.write_byte_record(&record).unwrap();
        writer.into_inner().unwrap()
    }

    proptest! {
        #[test]
        fn rows_are_what_the_csv_crate_would_write(
            texts in proptest::collection::vec("[ab,\"\r\n;'=\\\\é＝+@\t-]{0,4}|[a-z0-9.:/ -]{0,80}[,;\"]?", 1..12),
            module in "[a,\"\n]{0,3}|[a-z]{1,40}",
            index in 0..3_u16,
            number: u64,
            zone in proptest::sample::select(vec!["UTC", "Europe/Berlin", "America/St_Johns"]),
        ) {
            let modules = vec![ModuleName { app: "app".into(), module }, ModuleName { app: ",".into(), module: "m".into() }];
            let stamp = Stamp { stream: StreamId(1), run: 1, modules };
            let mut block = EventBlock::new(Arc::new(stamp));
            let mut texts = texts.iter().map(String::as_bytes).cycle();
            for kind in Kind::ALL {
                let (severity, time) = (Severity::Info, Timestamp::from_micros((number >> 12) as i64));
                let head = Head { number, ordinal: 0, module: index, kind: *kind, severity, time };
                let mut writer = block.push(head);
                for (place, field) in kind.spec().fields.iter().enumerate().filter(|(place, _)| place % 5 != 4) {
                    match field.spec().ty {
                        FieldType::Text => writer.text(*field, texts.next().unwrap()),
                        FieldType::Count => writer.count(*field, number >> place),
                        FieldType::Flag => writer.flag(*field, place % 2 == 0),
                        FieldType::Time => writer.time(*field, time),
                        FieldType::Duration => writer.duration(*field, Duration::from_micros(number)),
                        FieldType::Addr => writer.addr(*field, [10, 0, 255, 9].into()),
                        FieldType::Texts => writer.texts(*field, texts.by_ref().take(3)),
                        FieldType::Addrs => writer.addrs(*field, [[10, 1, 2, 3].into(), [0; 16].into()]),
                    };
                }
                if kind.place(Field::Users).is_some() {
                    writer.texts(Field::Users, texts.by_ref().take(2));
                }
            }
            let mut times = LocalTime::new(Zone::named(zone).unwrap());
            let mut rows = b"before\n".to_vec();
            csv_rows(&mut rows, block.iter(), &mut times);
            let mut expected = b"before\n".to_vec();
            block.iter().for_each(|event| expected.extend(by_the_csv_crate(event, &mut times)));
            prop_assert_eq!(str::from_utf8(&rows).unwrap(), str::from_utf8(&expected).unwrap());
        }
    }

    /// What the documentation says undoes a cell of text, or an item of a list.
    fn undo(cell: &[u8]) -> Vec<u8> {
        let mut text = escape::tests::undo(cell);
        let marks = text.iter().take_while(|byte| **byte == b'\'').count();
        if marks > 0 && is_formula(&text[marks..]) {
            text.remove(0);
        }
        text
    }

    proptest! {
        #[test]
        fn cells_can_be_undone(items in proptest::collection::vec("[a'=＝＠;\r\t\n\\\\x0d-]{0,9}|\\PC{0,5}", 1..4)) {
            let mut times = LocalTime::new(Zone::UTC);
            for item in &items {
                let text = cell(Value::Text(item.as_bytes()), &mut times);
                prop_assert!(!is_formula(&text) && !text.contains(&b'\n'));
                prop_assert_eq!(undo(&text), item.as_bytes());
            }
            let mut out = Vec::new();
            let cells: Vec<_> = items.iter().scan(0_u32, |end, item| {
                let start = *end;
                *end += u32::try_from(item.len()).unwrap();
                Some(Cell::Text(Span::new(start, *end - start)))
            }).collect();
            marked_list(&mut out, &cells, items.concat().as_bytes());
            prop_assert!(out.split(|byte| *byte == b';').all(|part| !is_formula(part)));
            let parts: Vec<_> = out.split(|byte| *byte == b';').map(undo).collect();
            prop_assert_eq!(parts, items.iter().map(|item| item.as_bytes().to_vec()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn full_width_forms_begin_formulas_too() {
        let mut times = LocalTime::new(Zone::UTC);
        for (text, expected) in [
            ("＝1+1", "'＝1+1"),
            ("'＠x", "''＠x"),
            ("a;－1", r"a\x3b－1"),
            ("！＝", "！＝"),
            ("－", "'－"),
            ("＋", "'＋"),
        ] {
            assert_eq!(cell(Value::Text(text.as_bytes()), &mut times), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn headers_name_the_columns_without_quotes() {
        for kind in Kind::ALL {
            let fields: Vec<_> = kind.spec().fields.iter().map(|field| field.spec().name).collect();
            let expected = format!("id,time,severity,{}\n", fields.join(","));
            assert_eq!(str::from_utf8(&csv_header(*kind)).unwrap(), expected);
        }
    }
}
