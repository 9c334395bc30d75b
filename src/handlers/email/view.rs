//! Floor 4: events and digests as templates see them.
//!
//! Invariant: all text that came from outside is one line without control or bidirectional characters, and of limited
//! length.

use crate::event::render::{self, Fraction, LocalTime};
use crate::event::{Event, Field, Value};
use crate::handlers::{EvidenceRecord, Gathered};
use crate::limits;
use serde::Serialize;
use std::collections::BTreeMap;

/// An event.
#[derive(Debug, Serialize)]
pub struct EventView {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) meaning: &'static str,
    pub(super) severity: &'static str,
    /// From 0 for INFO to 4 for CRITICAL.
    pub(super) rank: u8,
    /// In the operator's zone.
    pub(super) time: String,
    pub(super) time_utc: String,
    pub(super) app: String,
    pub(super) module: String,
    pub(super) summary: String,
    /// Every field that there is, by name; null where the kind has none, or where it is not known.
    pub(super) fields: BTreeMap<&'static str, FieldView>,
    /// The known fields, as people read them.
    pub(super) rows: Vec<RowView>,
    /// The same as text in columns.
    pub(super) table: String,
    /// The records that caused it, as far as they are still there.
    pub(super) evidence: Vec<EvidenceView>,
    /// How many records more caused it.
    pub(super) missing: usize,
}

/// The value of a field, for conditions and filters.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum FieldView {
    Null,
    Flag(bool),
    Count(u64),
    /// Seconds.
    Duration(f64),
    /// Text; an address; an instant as RFC 3339 in UTC.
    Text(String),
    List(Vec<FieldView>),
}

/// A field, for a table.
#[derive(Debug, Serialize)]
pub(super) struct RowView {
    name: &'static str,
    value: String,
    meaning: &'static str,
}

/// A record.
#[derive(Debug, Serialize)]
pub(super) struct EvidenceView {
    arrival: String,
    peer: String,
    text: String,
}

/// A digest.
#[derive(Debug, Serialize)]
pub(super) struct DigestView {
    pub(super) count: u64,
    pub(super) late: u64,
    pub(super) first: String,
    pub(super) last: String,
    /// The highest severity among them.
    pub(super) severity: &'static str,
    pub(super) groups: Vec<GroupView>,
    /// The first of them, without evidence.
    pub(super) events: Vec<EventView>,
    /// How many are not among these.
    pub(super) more: u64,
}

/// The events of one kind and severity.
#[derive(Debug, Serialize)]
pub(super) struct GroupView {
    count: u64,
    kind: &'static str,
    severity: &'static str,
    meaning: &'static str,
}

/// Text that a writer appends.
fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    cut(String::from_utf8(out).unwrap_or_default(), limits::MAX_MAIL_VALUE)
}

/// Cuts text at a character, and marks the cut.
pub(super) fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
}

impl EventView {
    /// An event with the records that caused it.
    pub fn new(event: Event<'_>, evidence: Vec<EvidenceRecord>, times: &mut LocalTime) -> Self {
        let (head, spec) = (event.head(), event.kind().spec());
        let (app, module) = event.module();
        let rows: Vec<_> = render::table(event, times)
            .into_iter()
            .map(|row| render::TableRow { value: cut(row.value, limits::MAX_MAIL_VALUE), ..row })
            .collect();
        let mut table = Vec::new();
        render::write_table(&mut table, &rows);
        let mut fields: BTreeMap<_, _> =
            Field::ALL.iter().map(|field| (field.spec().name, FieldView::Null)).collect();
        fields.extend(event.fields().map(|(field, value)| (field.spec().name, FieldView::of(value))));
        Self {
            id: event.id().to_string(),
            kind: spec.name,
            meaning: spec.meaning,
            severity: head.severity.name(),
            rank: head.severity as u8,
            time: text(|out| times.write(out, head.time, Fraction::Millis)),
            time_utc: head.time.to_string(),
            app: text(|out| render::readable(out, app.as_bytes())),
            module: text(|out| render::readable(out, module.as_bytes())),
            summary: text(|out| render::summary(out, event)),
            fields,
            rows: rows
                .into_iter()
                .map(|render::TableRow { name, value, meaning }| RowView { name, value, meaning })
                .collect(),
            table: String::from_utf8(table).unwrap_or_default(),
            evidence: evidence.iter().map(|record| EvidenceView::new(record, times)).collect(),
            missing: event.evidence().len().saturating_sub(evidence.len()),
        }
    }
}

impl FieldView {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Flag(flag),
            Value::Count(count) => Self::Count(count),
            Value::Duration(duration) => Self::Duration(duration.as_secs_f64()),
            Value::Time(time) => Self::Text(time.to_string()),
            Value::Addr(addr) => Self::Text(addr.to_string()),
            Value::Text(bytes) => Self::Text(text(|out| render::readable(out, bytes))),
            Value::List(list) => Self::List(list.iter().map(Self::of).collect()),
        }
    }
}

impl EvidenceView {
    fn new(record: &EvidenceRecord, times: &mut LocalTime) -> Self {
        let bytes = record.bytes.trim_ascii_end();
        let shown = bytes.get(..limits::MAX_MAIL_RECORD).unwrap_or(bytes);
        let more = if record.truncated || shown.len() < bytes.len() { "…" } else { "" };
        Self {
            arrival: text(|out| times.write(out, record.arrival, Fraction::Millis)),
            peer: text(|out| render::readable(out, record.peer.as_bytes())),
            text: text(|out| render::readable(out, shown)) + more,
        }
    }
}

impl DigestView {
    /// A digest with the events that it shows.
    pub(super) fn new(gathered: &Gathered, times: &mut LocalTime) -> Self {
        let digest = &gathered.digest;
        let groups = digest.groups();
        let events: Vec<_> =
            gathered.events().map(|event| EventView::new(event, Vec::new(), times)).collect();
        let [first, last] = digest.span().map_or([None, None], |(first, last)| [Some(first), Some(last)]);
        let mut time =
            |at: Option<_>| at.map_or(String::new(), |at| text(|out| times.write(out, at, Fraction::Millis)));
        Self {
            count: digest.count(),
            late: digest.late(),
            first: time(first),
            last: time(last),
            severity: digest.severity().name(),
            more: digest.count().saturating_sub(events.len() as u64),
            events,
            groups: groups
                .iter()
                .map(|group| GroupView {
                    count: group.count,
                    kind: group.kind.spec().name,
                    severity: group.severity.name(),
                    meaning: group.kind.spec().meaning,
                })
                .collect(),
        }
    }
}
