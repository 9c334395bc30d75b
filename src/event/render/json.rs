//! Floor 1: events as JSON objects.

use super::escape;
use super::names::{Names, severity};
use super::sheet::{Piece, Sheet};
use super::summary;
use crate::event::value::List;
use crate::event::{Cell, Event, Field, Kind};
use crate::span::Span;

/// Pieces by the codes of fields.
type Keys = [Piece; 256];

/// `,"name":` and what comes after it.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn keys(after: &[u8]) -> Keys {
    let mut keys = [Piece::EMPTY; 256];
    let mut index = 0;
    while index < Field::ALL.len() {
        let field = Field::ALL[index];
        keys[field as usize] = Piece::whole(&[field.json_key().as_bytes(), after]);
        index += 1;
    }
    keys
}

static KEYS: Keys = keys(b"");
static TEXT_KEYS: Keys = keys(b"\"");
static LIST_KEYS: Keys = keys(b"[");
static NULLS: Keys = keys(b"null");
static TRUES: Keys = keys(b"true");
static FALSES: Keys = keys(b"false");

#[inline]
#[expect(clippy::indexing_slicing, reason = "a table of 256 entries, indexed by a byte")]
fn of(field: Field, keys: &'static Keys) -> &'static Piece {
    &keys[usize::from(field as u8)]
}

/// What stands between an event's time and its severity, by the codes of kinds.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
static KINDS: [[Piece; 2]; 256] = {
    let mut kinds = [[Piece::EMPTY; 2]; 256];
    let mut index = 0;
    while index < Kind::ALL.len() {
        let kind = Kind::ALL[index];
        let parts: [&[u8]; 3] = [b"\",\"kind\":\"", kind.spec().name.as_bytes(), b"\",\"severity\":\""];
        kinds[kind as usize] = [Piece::from(&parts, 0), Piece::from(&parts, Piece::MOST)];
        index += 1;
    }
    kinds
};

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
    Sheet::append(out, |sheet| object(sheet, event));
}

fn object(sheet: &mut Sheet, event: Event<'_>) {
    const FIELDS: Piece = Piece::whole(&[b"\",\"fields\":"]);
    const EVIDENCE: Piece = Piece::whole(&[b"},\"evidence\":["]);
    const END: Piece = Piece::whole(&[b"]}"]);

    let head = event.head();
    let mut unknown = None;
    let names = event.names().unwrap_or_else(|| unknown.insert(Names::unknown(event.stamp())));
    sheet.id(&names.json_id, event);
    sheet.utc(head.time);
    if let Some(kind) = KINDS.get(usize::from(head.kind as u8)) {
        sheet.put_all(kind);
    }
    sheet.put(severity(head.severity));
    sheet.put_all(&names.json);
    summary::write::<true>(sheet, event);
    sheet.put(&FIELDS);
    let fields = sheet.len();
    let columns = &event.columns();
    for (field, cell) in event.cells() {
        member(sheet, field, cell, columns);
    }
    // Each key begins with a comma; the first of them opens the object.
    if sheet.len() == fields {
        sheet.push(b'{');
    } else {
        sheet.replace(fields, b'{');
    }
    sheet.put(&EVIDENCE);
    for number in event.evidence() {
        sheet.count(*number);
        sheet.push(b',');
    }
    if !event.evidence().is_empty() {
        sheet.pop();
    }
    sheet.put(&END);
}

/// Appends a field with its value.
#[inline]
fn member(sheet: &mut Sheet, field: Field, cell: &Cell, columns: &List<'_>) {
    match *cell {
        Cell::Null => sheet.put(of(field, &NULLS)),
        Cell::Bool(true) => sheet.put(of(field, &TRUES)),
        Cell::Bool(false) => sheet.put(of(field, &FALSES)),
        Cell::Count(number) => {
            sheet.put(of(field, &KEYS));
            sheet.count(number);
        }
        Cell::Duration(micros) => {
            sheet.put(of(field, &KEYS));
            sheet.seconds(micros);
        }
        Cell::Text(span) => {
            sheet.put(of(field, &TEXT_KEYS));
            text(sheet, columns.text, span);
            sheet.push(b'"');
        }
        Cell::Time(instant) => {
            sheet.put(of(field, &TEXT_KEYS));
            sheet.utc(instant);
            sheet.push(b'"');
        }
        Cell::Addr(addr) => {
            sheet.put(of(field, &TEXT_KEYS));
            sheet.addr(addr);
            sheet.push(b'"');
        }
        Cell::List(span) => {
            sheet.put(of(field, &LIST_KEYS));
            list(sheet, span, columns);
            sheet.push(b']');
        }
    }
}

/// Appends the inside of a JSON string.
#[inline]
fn text(sheet: &mut Sheet, column: &[u8], span: Span) {
    let rest = sheet.plain(column, span, []);
    if !rest.is_empty() {
        sheet.apart(|out| escape::json(out, rest.of(column)));
    }
}

/// Appends the items of a list.
fn list(sheet: &mut Sheet, span: Span, columns: &List<'_>) {
    for (index, item) in columns.part(span).iter().enumerate() {
        if index > 0 {
            sheet.push(b',');
        }
        sheet.push(b'"');
        match *item {
            Cell::Text(span) => text(sheet, columns.text, span),
            Cell::Addr(addr) => sheet.addr(addr),
            // Lists are of texts or of addresses.
            _ => {}
        }
        sheet.push(b'"');
    }
}
