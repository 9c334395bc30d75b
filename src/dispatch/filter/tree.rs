//! Floor 5: filters as they are evaluated.
//!
//! Invariant: evaluation allocates nothing and always ends with yes or no; what an event lacks makes a comparison false.

use crate::event::{Event, Field, Severity, Value};
use crate::time::Timestamp;
use ipnet::IpNet;
use memchr::memmem;
use regex_automata::meta::Regex;
use std::cmp::Ordering;
use std::net::IpAddr;

/// A question about an event.
#[derive(Debug)]
pub(super) enum Test {
    /// Always the same answer.
    Always(bool),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    /// How two values compare.
    Compare(Operand, Comparison, Operand),
    /// Whether a value is one of these.
    OneOf(Operand, Vec<Operand>),
    /// Whether a list holds a value.
    Holds(Field, Operand),
    /// Whether a yes-or-no field says yes.
    Flag(Field),
    /// Whether a field has a value.
    Has(Field),
    Matches(Operand, Box<Regex>),
    StartsWith(Operand, Vec<u8>),
    EndsWith(Operand, Vec<u8>),
    Contains(Operand, Vec<u8>),
    /// Whether an address lies in one of these networks.
    InNet(Operand, Vec<IpNet>),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn admits(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// Something that has a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Kind,
    Severity,
    App,
    Module,
    Time,
    Field(Field),
    /// How long a text is in bytes, or how many items a list has.
    Size(Field),
    Text(Vec<u8>),
    Number(i128),
    Real(f64),
    /// Microseconds.
    Duration(u64),
    Instant(Timestamp),
    Level(Severity),
    Addr(IpAddr),
    Bool(bool),
}

/// A value that is there.
#[derive(Clone, Copy, Debug)]
enum Found<'a> {
    Text(&'a [u8]),
    Number(i128),
    Real(f64),
    Duration(u64),
    Instant(Timestamp),
    Level(Severity),
    Addr(IpAddr),
    Bool(bool),
}

impl Operand {
    /// Its value for an event; nothing where the event lacks it.
    fn of<'a>(&'a self, event: Event<'a>) -> Option<Found<'a>> {
        Some(match self {
            Self::Kind => Found::Text(event.kind().spec().name.as_bytes()),
            Self::Severity => Found::Level(event.head().severity),
            Self::App => Found::Text(event.module().0.as_bytes()),
            Self::Module => Found::Text(event.module().1.as_bytes()),
            Self::Time => Found::Instant(event.head().time),
            Self::Field(field) => return found(event.get(*field)),
            Self::Size(field) => Found::Number(match event.get(*field) {
                Value::Text(text) => i128::try_from(text.len()).ok()?,
                Value::List(list) => i128::try_from(list.iter().len()).ok()?,
                _ => return None,
            }),
            Self::Text(text) => Found::Text(text),
            Self::Number(number) => Found::Number(*number),
            Self::Real(real) => Found::Real(*real),
            Self::Duration(micros) => Found::Duration(*micros),
            Self::Instant(instant) => Found::Instant(*instant),
            Self::Level(severity) => Found::Level(*severity),
            Self::Addr(addr) => Found::Addr(*addr),
            Self::Bool(value) => Found::Bool(*value),
        })
    }

    fn text<'a>(&'a self, event: Event<'a>) -> Option<&'a [u8]> {
        match self.of(event)? {
            Found::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn found(value: Value<'_>) -> Option<Found<'_>> {
    Some(match value {
        Value::Null | Value::List(_) => return None,
        Value::Bool(value) => Found::Bool(value),
        Value::Count(count) => Found::Number(count.into()),
        Value::Time(instant) => Found::Instant(instant),
        Value::Duration(duration) => Found::Duration(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)),
        Value::Addr(addr) => Found::Addr(addr),
        Value::Text(text) => Found::Text(text),
    })
}

/// How two values compare; nothing where they cannot.
fn compare(left: Found<'_>, right: Found<'_>) -> Option<Ordering> {
    match (left, right) {
        (Found::Text(left), Found::Text(right)) => Some(left.cmp(right)),
        (Found::Number(left), Found::Number(right)) => Some(left.cmp(&right)),
        (Found::Duration(left), Found::Duration(right)) => Some(left.cmp(&right)),
        (Found::Instant(left), Found::Instant(right)) => Some(left.cmp(&right)),
        (Found::Level(left), Found::Level(right)) => Some(left.cmp(&right)),
        (Found::Addr(left), Found::Addr(right)) => Some(left.to_canonical().cmp(&right.to_canonical())),
        (Found::Bool(left), Found::Bool(right)) => Some(left.cmp(&right)),
        _ => real(left)?.partial_cmp(&real(right)?),
    }
}

/// A number, or a length of time in seconds, as a real number.
#[expect(
    clippy::cast_precision_loss,
    reason = "a comparison with a fraction is no more exact than the fraction"
)]
fn real(value: Found<'_>) -> Option<f64> {
    match value {
        Found::Number(number) => Some(number as f64),
        Found::Real(real) => Some(real),
        Found::Duration(micros) => Some(micros as f64 / 1e6),
        _ => None,
    }
}

impl Test {
    /// The answer for an event.
    pub(super) fn holds(&self, event: Event<'_>) -> bool {
        match self {
            Self::Always(answer) => *answer,
            Self::Not(test) => !test.holds(event),
            Self::All(tests) => tests.iter().all(|test| test.holds(event)),
            Self::Any(tests) => tests.iter().any(|test| test.holds(event)),
            Self::Compare(left, comparison, right) => {
                ordering(left, right, event).is_some_and(|ordering| comparison.admits(ordering))
            }
            Self::OneOf(operand, values) => {
                values.iter().any(|value| ordering(operand, value, event).is_some_and(Ordering::is_eq))
            }
            Self::Holds(field, operand) => {
                let (Value::List(list), Some(wanted)) = (event.get(*field), operand.of(event)) else {
                    return false;
                };
                let is_it =
                    |item| found(item).and_then(|item| compare(item, wanted)).is_some_and(Ordering::is_eq);
                list.iter().any(is_it)
            }
            Self::Flag(field) => event.get(*field) == Value::Bool(true),
            Self::Has(field) => event.get(*field) != Value::Null,
            Self::Matches(operand, regex) => operand.text(event).is_some_and(|text| regex.is_match(text)),
            Self::StartsWith(operand, start) => {
                operand.text(event).is_some_and(|text| text.starts_with(start))
            }
            Self::EndsWith(operand, end) => operand.text(event).is_some_and(|text| text.ends_with(end)),
            Self::Contains(operand, part) => {
                operand.text(event).is_some_and(|text| memmem::find(text, part).is_some())
            }
            Self::InNet(operand, networks) => match operand.of(event) {
                Some(Found::Addr(addr)) => {
                    let addr = addr.to_canonical();
                    networks.iter().any(|network| network.contains(&addr))
                }
                _ => false,
            },
        }
    }
}

fn ordering(left: &Operand, right: &Operand, event: Event<'_>) -> Option<Ordering> {
    compare(left.of(event)?, right.of(event)?)
}
