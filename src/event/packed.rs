//! Floor 1: cells as they are archived: a byte for each that says what it is, and apart from these the words that it needs.
//!
//! Most cells need one word or none, where as they lie in memory each takes three.
//!
//! Invariant: the words are those of the cells, in order, and there is none that is of no cell.

use super::{Cell, ThawError};
use crate::span::Span;
use crate::time::Timestamp;
use rkyv::{Archive, Archived, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const COUNT: u8 = 3;
const TIME: u8 = 4;
const DURATION: u8 = 5;
const IPV4: u8 = 6;
/// Two words, the higher half first.
const IPV6: u8 = 7;
/// Where it starts in the lower half of a word, how long it is in the higher.
const TEXT: u8 = 8;
/// The same.
const LIST: u8 = 9;

/// Packed cells.
#[derive(Debug, Archive, Serialize)]
pub struct Packed {
    tags: Vec<u8>,
    words: Vec<u64>,
}

impl Packed {
    /// Packs cells.
    pub(super) fn of(cells: &[Cell]) -> Self {
        let (mut tags, mut words) = (Vec::with_capacity(cells.len()), Vec::with_capacity(cells.len()));
        for cell in cells {
            let (tag, word) = match *cell {
                Cell::Null => (NULL, None),
                Cell::Bool(flag) => (if flag { TRUE } else { FALSE }, None),
                Cell::Count(count) => (COUNT, Some(count)),
                Cell::Time(time) => (TIME, Some(time.as_micros().cast_unsigned())),
                Cell::Duration(micros) => (DURATION, Some(micros)),
                Cell::Addr(IpAddr::V4(v4)) => (IPV4, Some(u64::from(v4.to_bits()))),
                Cell::Addr(IpAddr::V6(v6)) => {
                    let [high, low] = halves(v6.to_bits());
                    words.push(high);
                    (IPV6, Some(low))
                }
                Cell::Text(span) => (TEXT, Some(word(span))),
                Cell::List(span) => (LIST, Some(word(span))),
            };
            tags.push(tag);
            words.extend(word);
        }
        Self { tags, words }
    }
}

/// Reads packed cells one after the other.
#[derive(Debug)]
pub(super) struct Unpacker<'a> {
    tags: &'a [u8],
    words: &'a [Archived<u64>],
    /// How many cells were read.
    at: usize,
}

impl ArchivedPacked {
    /// Begins to read.
    pub(super) fn unpack(&self) -> Unpacker<'_> {
        Unpacker { tags: &self.tags, words: &self.words, at: 0 }
    }
}

impl Unpacker<'_> {
    /// Where the next cell stands among all of them.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next cell; nothing behind the last one.
    ///
    /// # Errors
    /// When its byte says nothing that this version knows, or its words are not there.
    pub(super) fn next(&mut self) -> Result<Option<Cell>, ThawError> {
        let Some((tag, tags)) = self.tags.split_first() else { return Ok(None) };
        (self.tags, self.at) = (tags, self.at + 1);
        Ok(Some(match *tag {
            NULL => Cell::Null,
            FALSE => Cell::Bool(false),
            TRUE => Cell::Bool(true),
            COUNT => Cell::Count(self.word()?),
            TIME => Cell::Time(Timestamp::from_micros(self.word()?.cast_signed())),
            DURATION => Cell::Duration(self.word()?),
            IPV4 => {
                let bits = u32::try_from(self.word()?);
                let bits = bits.map_err(|_| ThawError::Contradiction("an address is too long"))?;
                Cell::Addr(Ipv4Addr::from_bits(bits).into())
            }
            IPV6 => {
                let high = u128::from(self.word()?) << 64;
                Cell::Addr(Ipv6Addr::from_bits(high | u128::from(self.word()?)).into())
            }
            TEXT => Cell::Text(span(self.word()?)),
            LIST => Cell::List(span(self.word()?)),
            code => return Err(ThawError::Unknown { what: "value", code }),
        }))
    }

    fn word(&mut self) -> Result<u64, ThawError> {
        let Some((word, words)) = self.words.split_first() else {
            return Err(ThawError::Contradiction("a value is not there"));
        };
        self.words = words;
        Ok(word.to_native())
    }

    /// Takes the end of the cells.
    ///
    /// # Errors
    /// When there are more cells or words.
    pub(super) fn finish(self) -> Result<(), ThawError> {
        if self.tags.is_empty() && self.words.is_empty() {
            return Ok(());
        }
        Err(ThawError::Contradiction("a value is of no field"))
    }
}

fn word(Span { start, len }: Span) -> u64 {
    u64::from(start) | u64::from(len) << 32
}

#[expect(clippy::cast_possible_truncation, reason = "each half is meant")]
fn span(word: u64) -> Span {
    Span::new(word as u32, (word >> 32) as u32)
}

#[expect(clippy::cast_possible_truncation, reason = "each half is meant")]
fn halves(bits: u128) -> [u64; 2] {
    [(bits >> 64) as u64, bits as u64]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rkyv::rancor::BoxedError;

    fn unpack(packed: &Packed) -> Result<Vec<Cell>, ThawError> {
        let bytes = rkyv::to_bytes::<BoxedError>(packed).unwrap();
        let mut unpacker = rkyv::access::<ArchivedPacked, BoxedError>(&bytes).unwrap().unpack();
        let mut cells = Vec::new();
        while let Some(cell) = unpacker.next()? {
            cells.push(cell);
        }
        unpacker.finish().map(|()| cells)
    }

    fn cell() -> impl Strategy<Value = Cell> {
        let span = || any::<(u32, u32)>().prop_map(|(start, len)| Span::new(start, len));
        prop_oneof![
            Just(Cell::Null),
            any::<bool>().prop_map(Cell::Bool),
            any::<u64>().prop_map(Cell::Count),
            any::<i64>().prop_map(|micros| Cell::Time(Timestamp::from_micros(micros))),
            any::<u64>().prop_map(Cell::Duration),
            any::<IpAddr>().prop_map(Cell::Addr),
            span().prop_map(Cell::Text),
            span().prop_map(Cell::List),
        ]
    }

    proptest! {
        #[test]
        fn cells_are_unpacked_as_they_were(cells in proptest::collection::vec(cell(), 0..40)) {
            prop_assert_eq!(unpack(&Packed::of(&cells)).unwrap(), cells);
        }

        #[test]
        fn any_tags_and_words_are_cells_or_refused(
            tags in proptest::collection::vec(0..=LIST + 1, 0..8),
            words in proptest::collection::vec(any::<u64>(), 0..8),
        ) {
            let count = tags.len();
            if let Ok(cells) = unpack(&Packed { tags, words }) {
                prop_assert_eq!(cells.len(), count);
            }
        }
    }

    #[test]
    fn a_value_too_few_or_too_many_is_refused() {
        let pack = |words: &[u64]| unpack(&Packed { tags: vec![COUNT, NULL], words: words.to_vec() });
        assert!(pack(&[7]).is_ok());
        assert!(pack(&[]).is_err() && pack(&[7, 8]).is_err());
    }
}
