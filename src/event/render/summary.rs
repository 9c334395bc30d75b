//! Floor 1: one-line summaries, by the template of each kind.
//!
//! In a template, `{field}` is a field's value and `[...]` is left out when a field in it is null. A plural that
//! follows a number loses its `s` when the number is one: `{count} users` gives `1 user`.
//!
//! Invariant: templates are parsed once in a process, and a summary is one line of limited length.

use super::escape::{readable, readable_json};
use super::{LocalTime, value};
use crate::event::{Event, Field, FieldType, Kind, Value};
use crate::limits;
use crate::time::Zone;
use std::sync::LazyLock;

/// A template, parsed.
#[derive(Debug, Default)]
struct Template(Vec<Part>);

#[derive(Debug, PartialEq)]
enum Part {
    Text(&'static str),
    Value(Field),
    /// The `s` of a plural that follows the number in this field.
    Plural(Field),
    /// Parts that are left out when one of these fields is null.
    Optional(Vec<Field>, Vec<Part>),
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
            Part::Value(field) => field_value::<JSON>(out, event.get(*field)),
            Part::Plural(field) if event.get(*field) == Value::Count(1) => {}
            Part::Plural(_) => out.push(b's'),
            Part::Optional(fields, inner) => {
                if fields.iter().all(|field| event.get(*field) != Value::Null) {
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
        // Summaries are part of what must be the same everywhere, so instants in them are in UTC.
        shown => value(out, shown, &mut LocalTime::new(Zone::UTC)),
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
        push_text(&mut list, before);
        let close = if bracket.starts_with('{') { '}' } else { ']' };
        let Some((inner, after)) = bracket.get(1..).and_then(|inner| inner.split_once(close)) else {
            // Not closed: shown as it stands, which a test forbids.
            list.push(Part::Text(bracket));
            return list;
        };
        if close == '}' {
            let named = kind.spec().fields.iter().find(|field| field.spec().name == inner);
            list.push(named.map_or(Part::Text(inner), |field| Part::Value(*field)));
        } else {
            let inner = parse(kind, inner);
            let fields = inner.iter().filter_map(|part| match part {
                Part::Value(field) => Some(*field),
                _ => None,
            });
            list.push(Part::Optional(fields.collect(), inner));
        }
        rest = after;
    }
    push_text(&mut list, rest);
    list
}

/// Adds literal text; where it continues a number with a plural, its `s` becomes a part of its own.
fn push_text(list: &mut Vec<Part>, text: &'static str) {
    let counted = match list.last() {
        Some(Part::Value(field)) if field.spec().ty == FieldType::Count => Some(*field),
        _ => None,
    };
    let word = text
        .strip_prefix(' ')
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or(""));
    if let (Some(field), Some(word)) = (counted, word)
        && word.ends_with('s')
        && let Some((singular, rest)) = text.split_at_checked(word.len())
    {
        list.push(Part::Text(singular));
        list.push(Part::Plural(field));
        list.extend(rest.get(1..).filter(|rest| !rest.is_empty()).map(Part::Text));
    } else if !text.is_empty() {
        list.push(Part::Text(text));
    }
}
