//! Floor 1: an event's fields as a table of names, values and meanings.

use super::{LocalTime, value};
use crate::event::{Event, Value};

/// One known field of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// Its name.
    pub name: &'static str,
    /// Its value, as people read it.
    pub value: String,
    /// What it means.
    pub meaning: &'static str,
}

/// The fields of an event that are known, in the order of its kind's schema.
pub fn table(event: Event<'_>, times: &mut LocalTime) -> Vec<TableRow> {
    let known = event.fields().filter(|(_, shown)| *shown != Value::Null);
    known
        .map(|(field, shown)| {
            let spec = field.spec();
            let mut text = Vec::new();
            value(&mut text, shown, times);
            let text = String::from_utf8(text).unwrap_or_default();
            TableRow { name: spec.name, value: text, meaning: spec.meaning }
        })
        .collect()
}

/// Appends rows as aligned columns, one row a line. Long values push their meaning out of line rather than being cut.
pub fn write_table(out: &mut Vec<u8>, rows: &[TableRow]) {
    /// Characters beyond which a value no longer widens its column.
    const WIDEST: usize = 40;
    let name_width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let lengths = rows.iter().map(|row| row.value.chars().count()).filter(|length| *length <= WIDEST);
    let value_width = lengths.max().unwrap_or(0);
    for TableRow { name, value, meaning } in rows {
        let line = format!("{name:name_width$}  {value:value_width$}  {meaning}\n");
        out.extend_from_slice(line.as_bytes());
    }
}
