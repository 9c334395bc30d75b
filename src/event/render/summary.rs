//! Floor 1: one-line summaries, by the template of each kind.
//!
//! In a template, `{field}` is a field's value and `[...]` is left out when a field in it is null or a count of zero. A
//! plural that follows a number loses its `s` when the number is one: `{count} users` gives `1 user`.
//!
//! Invariant: templates are parsed once in a process, and a summary is one line of limited length.

use super::escape::{readable, readable_json};
use super::human_duration;
use super::sheet::{Piece, Sheet};
use crate::event::value::List;
use crate::event::{Cell, Event, FieldType, Kind};
use crate::limits;
use crate::span::Span;
use std::sync::LazyLock;
use std::time::Duration;

/// A template, parsed.
#[derive(Debug, Default)]
struct Template(Vec<Part>);

#[derive(Debug, PartialEq)]
enum Part {
    Text(Piece),
    /// The value at this place of the schema.
    Value(usize),
    /// The `s` of a plural that follows the number at this place.
    Plural(usize),
    /// So many parts are left out when the value at one of these places is null or zero.
    Optional(Vec<usize>, usize),
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
    Sheet::append(out, |sheet| write::<false>(sheet, event));
}

/// Appends the summary, as it is or as the inside of a JSON string.
pub(super) fn write<const JSON: bool>(sheet: &mut Sheet, event: Event<'_>) {
    let Some(Template(parts)) = TEMPLATES.get(usize::from(event.kind() as u8)) else { return };
    let columns = &event.columns();
    let mut parts = parts.iter();
    while let Some(part) = parts.next() {
        match part {
            Part::Text(piece) => sheet.put(piece),
            Part::Value(place) => value::<JSON>(sheet, event.cell(*place), columns),
            Part::Plural(place) if *event.cell(*place) == Cell::Count(1) => {}
            Part::Plural(_) => sheet.push(b's'),
            Part::Optional(places, count) => {
                if places.iter().any(|place| matches!(event.cell(*place), Cell::Null | Cell::Count(0))) {
                    parts = parts.as_slice().get(*count..).unwrap_or_default().iter();
                }
            }
        }
    }
}

#[inline(always)]
fn value<const JSON: bool>(sheet: &mut Sheet, cell: &Cell, columns: &List<'_>) {
    match *cell {
        Cell::Text(span) => text::<JSON>(sheet, columns.text, span),
        Cell::Addr(address) => sheet.addr(address),
        Cell::Count(number) => sheet.count(number),
        _ => rare_value::<JSON>(sheet, cell, columns),
    }
}

#[inline(never)]
fn rare_value<const JSON: bool>(sheet: &mut Sheet, cell: &Cell, columns: &List<'_>) {
    const UNKNOWN: Piece = Piece::whole(&[b"unknown"]);
    const YES: Piece = Piece::whole(&[b"yes"]);
    const NO: Piece = Piece::whole(&[b"no"]);
    const NEXT: Piece = Piece::whole(&[b", "]);
    match *cell {
        Cell::Null => sheet.put(&UNKNOWN),
        Cell::Bool(flag) => sheet.put(if flag { &YES } else { &NO }),
        Cell::Duration(micros) => sheet.apart(|out| human_duration(out, Duration::from_micros(micros))),
        // Summaries are part of what must be the same everywhere, so instants in them are in UTC.
        Cell::Time(time) => sheet.utc(time),
        Cell::List(span) => {
            for (index, item) in columns.part(span).iter().enumerate() {
                if index > 0 {
                    sheet.put(&NEXT);
                }
                value::<JSON>(sheet, item, columns);
            }
        }
        Cell::Text(_) | Cell::Addr(_) | Cell::Count(_) => value::<JSON>(sheet, cell, columns),
    }
}

#[inline]
fn text<const JSON: bool>(sheet: &mut Sheet, column: &[u8], span: Span) {
    let fits = !span.is_empty() && span.len as usize <= limits::MAX_SUMMARY_VALUE;
    let rest = if fits { sheet.plain(column, span, []) } else { span };
    if fits && rest.is_empty() {
        return;
    }
    let (text, more) = cut(rest.of(column));
    sheet.apart(|out| {
        if JSON {
            readable_json(out, text)
        } else {
            readable(out, text)
        }
        out.extend_from_slice(more);
    });
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
    // The place of a number that stands right before the rest.
    let mut counted = None;
    while let Some(open) = rest.find(['{', '[']) {
        let (before, bracket) = rest.split_at(open);
        push_text(&mut list, counted.take(), before);
        let close = if bracket.starts_with('{') { '}' } else { ']' };
        let Some((inner, after)) = bracket.get(1..).and_then(|inner| inner.split_once(close)) else {
            // Not closed: shown as it stands, which a test forbids.
            push_pieces(&mut list, bracket);
            return list;
        };
        if close == '}' {
            match kind.spec().fields.iter().position(|field| field.spec().name == inner) {
                Some(place) => {
                    list.push(Part::Value(place));
                    counted = Some(place).filter(|place| is_count(kind, *place));
                }
                None => push_pieces(&mut list, inner),
            }
        } else {
            let inner = parse(kind, inner);
            let places = inner.iter().filter_map(|part| match part {
                Part::Value(place) => Some(*place),
                _ => None,
            });
            list.push(Part::Optional(places.collect(), inner.len()));
            list.extend(inner);
        }
        rest = after;
    }
    push_text(&mut list, counted, rest);
    list
}

fn push_pieces(list: &mut Vec<Part>, text: &str) {
    list.extend(Piece::of(text.as_bytes()).map(Part::Text));
}

/// Adds literal text; where it continues a number with a plural, its `s` becomes a part of its own.
fn push_text(list: &mut Vec<Part>, counted: Option<usize>, text: &str) {
    let word = text
        .strip_prefix(' ')
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or(""));
    if let (Some(place), Some(word)) = (counted, word)
        && word.ends_with('s')
        && let Some((singular, rest)) = text.split_at_checked(word.len())
    {
        push_pieces(list, singular);
        list.push(Part::Plural(place));
        push_pieces(list, rest.get(1..).unwrap_or_default());
    } else {
        push_pieces(list, text);
    }
}

fn is_count(kind: Kind, place: usize) -> bool {
    kind.spec().fields.get(place).is_some_and(|field| field.spec().ty == FieldType::Count)
}
