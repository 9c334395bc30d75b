//! Floor 1: the values that fields hold.

use crate::span::Span;
use crate::time::Timestamp;
use std::net::IpAddr;
use std::time::Duration;

/// The value of one field, as a reader sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Not known.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number, a port, a process.
    Count(u64),
    /// An instant.
    Time(Timestamp),
    /// A length of time.
    Duration(Duration),
    /// An address.
    Addr(IpAddr),
    /// Text as it came: usually UTF-8, and never to be taken for granted.
    Text(&'a [u8]),
    /// Several values.
    List(List<'a>),
}

/// The value of one field, as a block stores it: text and lists are spans into the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum Cell {
    /// Not known.
    #[default]
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Count(u64),
    /// An instant.
    Time(Timestamp),
    /// Microseconds.
    Duration(u64),
    /// An address.
    Addr(IpAddr),
    /// A span of the block's text.
    Text(Span),
    /// A span of the block's items.
    List(Span),
}

/// The items of a list value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct List<'a> {
    pub(super) items: &'a [Cell],
    pub(super) text: &'a [u8],
}

impl<'a> List<'a> {
    /// Those of its items that a span names.
    pub(super) fn part(self, span: Span) -> &'a [Cell] {
        let start = span.start as usize;
        self.items.get(start..start + span.len as usize).unwrap_or_default()
    }

    /// The items, none of which is a list.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Value<'a>> {
        self.items.iter().map(move |cell| cell.resolve(&[], self.text))
    }
}

impl Cell {
    /// The value, with spans resolved in a block's items and text.
    pub(super) fn resolve<'a>(&self, items: &'a [Self], text: &'a [u8]) -> Value<'a> {
        match *self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Count(value) => Value::Count(value),
            Self::Time(value) => Value::Time(value),
            Self::Duration(micros) => Value::Duration(Duration::from_micros(micros)),
            Self::Addr(value) => Value::Addr(value),
            Self::Text(span) => Value::Text(span.of(text)),
            Self::List(span) => {
                let items = List { items, text }.part(span);
                Value::List(List { items, text })
            }
        }
    }
}
