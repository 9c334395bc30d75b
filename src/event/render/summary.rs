//! Floor 1: one-line summaries, by the template of each kind.
//!
//! In a template, `{field}` is a field's value and `[...]` is left out when a field in it is null or a count of zero. A
//! plural that follows a number loses its `s` when the number is one: `{count} users` gives `1 user`.
//!
//! Invariant: templates are parsed once in a process, and a summary is one line of limited length.

use super::escape::{readable, readable_json};
use super::{addr, count, human_duration, utc};
use crate::event::{Event, FieldType, Kind, Value};
use crate::limits;
use std::sync::LazyLock;

/// A template, parsed.
#[derive(Debug, Default)]
struct Template(Vec<Part>);

#[derive(Debug, PartialEq)]
enum Part {
    Text(&'static str),
    /// The value at this place of the schema.
    Value(usize),
    /// The `s` of a plural that follows the number at this place.
    Plural(usize),
    /// Parts that are left out when the value at one of these places is null or zero.
    Optional(Vec<usize>, Vec<Part>),
}

/// The templates, by the kinds' codes.
static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let mut templates: Vec<Template> = Vec::new();
    templates.resize_with(1 + usize::from(u8::MAX), Template::default);
    for kind in Kind::ALL {
        if let Some(template) = templates.get_mut(usize::from(*kind as u8)) {
            *template = Template(parse(*kind, kind.spec().summary));
        }
    }
    templates
});

/// Appends the summary of an event: one line, without control or bidirectional characters.
pub fn summary(out: &mut Vec<u8>, event: Event<'_>) {
    write::<false>(out, event);
}

/// Appends the summary as the inside of a JSON string.
pub(super) fn summary_json(out: &mut Vec<u8>, event: Event<'_>) {
    write::<true>(out, event);
}

fn write<const JSON: bool>(out: &mut Vec<u8>, event: Event<'_>) {
    if let Some(template) = TEMPLATES.get(usize::from(event.kind() as u8)) {
        parts::<JSON>(out, event, &template.0);
    }
}

fn parts<const JSON: bool>(out: &mut Vec<u8>, event: Event<'_>, list: &[Part]) {
    for part in list {
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Value(place) => field_value::<JSON>(out, event.at(*place)),
            Part::Plural(place) if event.at(*place) == Value::Count(1) => {}
            Part::Plural(_) => out.push(b's'),
            Part::Optional(places, inner) => {
                if places.iter().all(|place| !matches!(event.at(*place), Value::Null | Value::Count(0))) {
                    parts::<JSON>(out, event, inner);
                }
            }
        }
    }
}

fn field_value<const JSON: bool>(out: &mut Vec<u8>, shown: Value<'_>) {
    match shown {
        Value::Null => out.extend_from_slice(b"unknown"),
        Value::Text(text) => {
            let (text, more) = cut(text);
            if JSON {
                readable_json(out, text)
            } else {
                readable(out, text)
            }
            out.extend_from_slice(more);
        }
        Value::List(list) => {
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                field_value::<JSON>(out, item);
            }
        }
        Value::Bool(flag) => out.extend_from_slice(if flag { b"yes" } else { b"no" }),
        Value::Count(number) => count(out, number),
        Value::Duration(duration) => human_duration(out, duration),
        Value::Addr(address) => addr(out, address),
        // Summaries are part of what must be the same everywhere, so instants in them are in UTC.
        Value::Time(time) => utc(out, time),
    }
}

/// Cuts text that is too long for a summary, at a character; with it, the mark of the cut.
fn cut(text: &[u8]) -> (&[u8], &'static [u8]) {
    let Some(head) = text.get(..limits::MAX_SUMMARY_VALUE).filter(|head| head.len() < text.len()) else {
        return (text, b"");
    };
    let is_start = |index: &usize| text.get(*index).is_none_or(|byte| byte & 0xc0 != 0x80);
    let end = (head.len().saturating_sub(3)..=head.len()).rev().find(is_start).unwrap_or(head.len());
    (text.get(..end).unwrap_or(head), "…".as_bytes())
}

fn parse(kind: Kind, template: &'static str) -> Vec<Part> {
    let mut list = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find(['{', '[']) {
        let (before, bracket) = rest.split_at(open);
        push_text(kind, &mut list, before);
        let close = if bracket.starts_with('{') { '}' } else { ']' };
        let Some((inner, after)) = bracket.get(1..).and_then(|inner| inner.split_once(close)) else {
            // Not closed: shown as it stands, which a test forbids.
            list.push(Part::Text(bracket));
            return list;
        };
        if close == '}' {
            let place = kind.spec().fields.iter().position(|field| field.spec().name == inner);
            list.push(place.map_or(Part::Text(inner), Part::Value));
        } else {
            let inner = parse(kind, inner);
            let places = inner.iter().filter_map(|part| match part {
                Part::Value(place) => Some(*place),
                _ => None,
            });
            list.push(Part::Optional(places.collect(), inner));
        }
        rest = after;
    }
    push_text(kind, &mut list, rest);
    list
}

/// Adds literal text; where it continues a number with a plural, its `s` becomes a part of its own.
fn push_text(kind: Kind, list: &mut Vec<Part>, text: &'static str) {
    let counted = match list.last() {
        Some(Part::Value(place)) => Some(*place).filter(|place| is_count(kind, *place)),
        _ => None,
    };
    let word = text
        .strip_prefix(' ')
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or(""));
    if let (Some(place), Some(word)) = (counted, word)
        && word.ends_with('s')
        && let Some((singular, rest)) = text.split_at_checked(word.len())
    {
        list.push(Part::Text(singular));
        list.push(Part::Plural(place));
        list.extend(rest.get(1..).filter(|rest| !rest.is_empty()).map(Part::Text));
    } else if !text.is_empty() {
        list.push(Part::Text(text));
    }
}

fn is_count(kind: Kind, place: usize) -> bool {
    kind.spec().fields.get(place).is_some_and(|field| field.spec().ty == FieldType::Count)
}
