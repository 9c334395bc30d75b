//! Floor 4: what templates can name: all of an event, or of a digest.
//!
//! Invariant: an event and a digest give the same names, so that one template serves both.

use crate::event::render::{self, Fraction, LocalTime};
use crate::event::{Event, Value};
use crate::handlers::digest::{json as digest_json, summary as digest_summary};
use crate::handlers::{Gathered, Group, Occasion};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use tera::Context;

/// An event, for templates.
#[derive(Debug, Default, Serialize)]
struct View {
    id: String,
    time: String,
    kind: &'static str,
    meaning: &'static str,
    severity: &'static str,
    app: String,
    module: String,
    summary: String,
    fields: Map<String, Json>,
    table: Vec<Row>,
    json: String,
}

/// A field that is known.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    value: String,
    meaning: &'static str,
}

/// The counts of a digest, for templates.
#[derive(Debug, Serialize)]
struct Counts {
    count: u64,
    late: u64,
    first: Option<String>,
    last: Option<String>,
    groups: Vec<GroupView>,
}

#[derive(Debug, Serialize)]
struct GroupView {
    kind: &'static str,
    meaning: &'static str,
    severity: &'static str,
    count: u64,
}

/// What a message is made of: what is said of the one event or of the digest, and in a digest the events.
#[derive(Debug, Serialize)]
struct Message {
    #[serde(flatten)]
    view: View,
    occasion: Option<&'static str>,
    digest: Option<Counts>,
    events: Vec<View>,
}

/// What a template can name of an event.
pub fn event(event: Event<'_>, occasion: Occasion, times: &mut LocalTime) -> Context {
    let view = view(event, times);
    context(&Message { view, occasion: occasion.name(), digest: None, events: Vec::new() })
}

/// What a template can name of a digest.
pub(in crate::handlers) fn digest(gathered: &Gathered, occasion: Occasion, times: &mut LocalTime) -> Context {
    let groups = gathered.digest.groups();
    let span = gathered.digest.span();
    let mut time = |time| text(|out| times.write(out, time, Fraction::Millis));
    let [first, last] = [span.map(|(first, _)| time(first)), span.map(|(_, last)| time(last))];
    let view = View {
        id: gathered.id(),
        time: last.clone().unwrap_or_default(),
        kind: "Digest",
        meaning: "Several events in one message.",
        severity: gathered.digest.severity().name(),
        summary: digest_summary(&gathered.digest),
        json: text(|out| digest_json(out, gathered)),
        ..View::default()
    };
    let counts = Counts {
        count: gathered.digest.count(),
        late: gathered.digest.late(),
        first,
        last,
        groups: groups.iter().map(group_view).collect(),
    };
    let events = gathered.events().map(|event| self::view(event, times)).collect();
    context(&Message { view, occasion: occasion.name(), digest: Some(counts), events })
}

fn group_view(group: &Group) -> GroupView {
    let spec = group.kind.spec();
    GroupView { kind: spec.name, meaning: spec.meaning, severity: group.severity.name(), count: group.count }
}

fn view(event: Event<'_>, times: &mut LocalTime) -> View {
    let (app, module) = event.module();
    let spec = event.kind().spec();
    let fields = event.fields().map(|(field, value)| (field.spec().name.to_owned(), plain(value, times)));
    let fields = fields.collect();
    let rows = render::table(event, times).into_iter();
    View {
        id: event.id().to_string(),
        time: text(|out| times.write(out, event.head().time, Fraction::Millis)),
        kind: spec.name,
        meaning: spec.meaning,
        severity: event.head().severity.name(),
        app: app.to_owned(),
        module: module.to_owned(),
        summary: text(|out| render::summary(out, event)),
        fields,
        table: rows.map(|row| Row { name: row.name, value: row.value, meaning: row.meaning }).collect(),
        json: text(|out| render::json(out, event)),
    }
}

/// A value as templates compare and show it: numbers and flags as such, all else as people read it.
fn plain(value: Value<'_>, times: &mut LocalTime) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => flag.into(),
        Value::Count(count) => count.into(),
        Value::List(list) => list.iter().map(|item| plain(item, times)).collect(),
        Value::Text(_) | Value::Addr(_) | Value::Time(_) | Value::Duration(_) => {
            text(|out| render::value(out, value, times)).into()
        }
    }
}

/// What is written is UTF-8, whatever came in.
fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

fn context(message: &Message) -> Context {
    // A struct of texts, numbers and lists is always an object.
    Context::from_serialize(message).unwrap_or_default()
}
