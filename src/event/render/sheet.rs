//! Floor 1: text laid down in pieces of a fixed size.
//!
//! Nearly all that an event's text consists of is shorter than 32 bytes. To store 32 and count those that are meant
//! takes a few instructions; to copy as many as only the run tells takes a call.
//!
//! Invariant: the bytes of a sheet up to its length are what was laid down, and those behind it mean nothing.

use super::escape;
use super::names::Identity;
use super::number::{self, Calendar};
use super::{Fraction, LocalTime};
use crate::event::Event;
use crate::span::Span;
use crate::time::{MICROS_PER_SECOND, Timestamp};
use std::cell::Cell;
use std::io::Write;
use std::mem;
use std::net::IpAddr;

/// Bytes that are stored or looked at together.
pub(super) const WINDOW: usize = 32;

/// Text of [`Piece::MOST`] bytes at most that is laid down again and again.
///
/// The last byte tells how many of the others are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece([u8; WINDOW]);

impl Piece {
    /// Bytes that a piece holds at most.
    pub(super) const MOST: usize = WINDOW - 1;

    /// No text.
    pub(super) const EMPTY: Self = Self([0; WINDOW]);

    /// The text of some parts, one after the other, from its byte `from` on.
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "both loops end in time, and most of it is evaluated at compile time"
    )]
    pub(super) const fn from(parts: &[&[u8]], mut from: usize) -> Self {
        let mut piece = Self::EMPTY;
        let (mut part, mut len) = (0, 0);
        while part < parts.len() {
            while from < parts[part].len() && len < Self::MOST {
                piece.0[len] = parts[part][from];
                (len, from) = (len + 1, from + 1);
            }
            from -= if from < parts[part].len() { from } else { parts[part].len() };
            part += 1;
        }
        piece.0[Self::MOST] = len as u8;
        piece
    }

    /// The text of some parts, one after the other, which has room in a piece: so that a name that grows too long is found when
    /// it is compiled.
    pub(super) const fn whole(parts: &[&[u8]]) -> Self {
        assert!(Self::from(parts, Self::MOST).len() == 0, "the text is too long for a piece");
        Self::from(parts, 0)
    }

    /// Text of any length as pieces.
    pub(super) fn of(text: &[u8]) -> impl Iterator<Item = Self> {
        text.chunks(Self::MOST).map(|chunk| Self::from(&[chunk], 0))
    }

    #[inline]
    const fn len(&self) -> u32 {
        self.0[Self::MOST] as u32
    }
}

/// Bytes that a sheet holds: some events.
const ROOM: usize = 4096;

/// What is appended to a vector: first stored in room of a fixed size, and copied when that is full.
pub(super) struct Sheet {
    out: Vec<u8>,
    len: u32,
    room: [u8; ROOM],
    utc: Calendar,
}

impl Sheet {
    /// Appends to a vector by the thread's sheet, so that no room has to be made for each event.
    pub(super) fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut Self)) {
        thread_local! {
            static SHEET: Cell<Option<Box<Sheet>>> = const { Cell::new(None) };
        }
        let mut sheet = SHEET.take().unwrap_or_else(Self::new);
        mem::swap(&mut sheet.out, out);
        write(&mut sheet);
        sheet.turn();
        mem::swap(&mut sheet.out, out);
        SHEET.set(Some(sheet));
    }

    #[cold]
    fn new() -> Box<Self> {
        Box::new(Self { out: Vec::new(), len: 0, room: [0; _], utc: Calendar::new(None) })
    }

    /// How many bytes the vector would have now.
    pub(super) fn len(&self) -> usize {
        self.out.len() + self.len as usize
    }

    /// Takes away the last byte.
    pub(super) fn pop(&mut self) {
        match self.len.checked_sub(1) {
            Some(less) => self.len = less,
            None => self.out.truncate(self.out.len().saturating_sub(1)),
        }
    }

    /// Takes away what was appended since there were so many bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.turn();
        self.out.truncate(len);
    }

    /// Puts another byte where there is one already.
    pub(super) fn replace(&mut self, at: usize, byte: u8) {
        let old = match at.checked_sub(self.out.len()) {
            Some(at) => self.room.get_mut(at),
            None => self.out.get_mut(at),
        };
        if let Some(old) = old {
            *old = byte;
        }
    }

    /// Copies to the vector what is on the sheet, and begins it anew.
    fn turn(&mut self) {
        self.out.extend_from_slice(self.room.get(..self.len as usize).unwrap_or_default());
        self.len = 0;
    }

    /// Appends what `write` appends to a vector.
    #[cold]
    pub(super) fn apart(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.turn();
        write(&mut self.out);
    }

    /// Room for as many bytes.
    #[inline]
    fn room<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        let start = self.len as usize;
        self.room.get_mut(start..start + N)?.first_chunk_mut()
    }

    /// Appends the first `len` bytes.
    #[inline]
    pub(super) fn store<const N: usize>(&mut self, text: &[u8; N], len: u32) {
        match self.room() {
            Some(room) => {
                *room = *text;
                self.len += len;
            }
            None => self.copy(text.get(..len as usize).unwrap_or(text)),
        }
    }

    /// Appends a piece.
    #[inline]
    pub(super) fn put(&mut self, piece: &Piece) {
        self.store(&piece.0, piece.len());
    }

    /// Appends pieces.
    #[inline]
    pub(super) fn put_all(&mut self, pieces: &[Piece]) {
        pieces.iter().for_each(|piece| self.put(piece));
    }

    /// Appends the identity of an event, with what stands around it.
    #[inline]
    pub(super) fn id(&mut self, id: &Identity, event: Event<'_>) {
        self.put_all(&id.lead);
        self.count(event.head().number);
        self.put_all(&id.names);
        self.count(u64::from(event.head().ordinal));
        self.put_all(&id.tail);
    }

    /// Appends a byte.
    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.store(&[byte], 1);
    }

    /// Appends text of any length.
    #[cold]
    #[inline(never)]
    fn copy(&mut self, text: &[u8]) {
        self.apart(|out| out.extend_from_slice(text));
    }

    /// Appends a span of a column up to its first byte that is not plain, or one of `also`; gives what is left of it.
    #[inline]
    pub(super) fn plain<const N: usize>(&mut self, column: &[u8], span: Span, also: [u8; N]) -> Span {
        let Span { mut start, mut len } = span;
        loop {
            let last;
            let at = start as usize;
            let window = match column.get(at..at + WINDOW).and_then(<[u8]>::first_chunk) {
                Some(window) => window,
                None => {
                    last = last_window(column, start);
                    &last
                }
            };
            let specials = u64::from(escape::specials(window, also));
            let plain = (specials | 1 << WINDOW).trailing_zeros().min(len);
            self.store(window, plain);
            (start, len) = (start + plain, len - plain);
            if plain < 32 || len == 0 {
                return Span::new(start, len);
            }
        }
    }

    /// Appends a number in decimal.
    #[inline]
    pub(super) fn count(&mut self, number: u64) {
        match number {
            0..10 => self.push(b'0' + number.to_le_bytes()[0]),
            10..number::EIGHT_DIGITS => {
                let (text, len) = number::decimal(number);
                self.store(&text, len);
            }
            _ => self.long_count(number),
        }
    }

    /// The same for a number of more than eight digits.
    #[cold]
    #[inline(never)]
    fn long_count(&mut self, number: u64) {
        self.count(number / number::EIGHT_DIGITS);
        self.store(&number::eight_digits(number % number::EIGHT_DIGITS).to_le_bytes(), 8);
    }

    /// Appends microseconds in seconds, as [`number::seconds`] does.
    pub(super) fn seconds(&mut self, micros: u64) {
        const UNIT: u64 = MICROS_PER_SECOND.unsigned_abs();
        self.count(micros / UNIT);
        let (text, len) = number::fraction(micros % UNIT);
        self.store(&text, len);
    }

    /// Appends an instant, as [`number::utc`] does.
    #[inline]
    pub(super) fn utc(&mut self, time: Timestamp) {
        let room = self.room.get_mut(self.len as usize..).and_then(<[u8]>::first_chunk_mut);
        match room.and_then(|room| self.utc.write(room, time)) {
            Some(len) => self.len += len,
            None => self.apart(|out| number::utc(out, time)),
        }
    }

    /// The same with all digits in another zone.
    #[inline]
    pub(super) fn local(&mut self, times: &mut LocalTime, time: Timestamp) {
        match self.room().and_then(|room| times.at(time).write(room, time)) {
            Some(len) => self.len += len,
            None => self.apart(|out| times.write(out, time, Fraction::Micros)),
        }
    }

    /// Appends an address, as [`number::addr`] does.
    #[inline]
    pub(super) fn addr(&mut self, addr: IpAddr) {
        match addr {
            IpAddr::V4(v4) => {
                let (text, len) = number::ipv4(v4);
                self.store(&text, len);
            }
            // Writing to a vector cannot fail.
            IpAddr::V6(v6) => self.apart(|out| write!(out, "{v6}").unwrap_or_default()),
        }
    }
}

/// The rest of a column that is shorter than a window.
#[cold]
fn last_window(column: &[u8], start: u32) -> [u8; WINDOW] {
    let mut window = [0; WINDOW];
    let rest = column.get(start as usize..).unwrap_or_default();
    window.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    window
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Sheet)) -> String {
        let mut out = Vec::new();
        Sheet::append(&mut out, write);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn pieces_hold_their_text_and_go_on_behind_it() {
        let long = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let parts: [&[u8]; 3] = [b"(", long, b")"];
        let pieces = [Piece::from(&parts, 0), Piece::from(&parts, Piece::MOST)];
        assert_eq!(text(|sheet| sheet.put_all(&pieces)), "(0123456789abcdefghijklmnopqrstuvwxyz)");
        assert_eq!(Piece::of(b"").count(), 0);
    }

    #[test]
    fn what_a_sheet_cannot_hold_is_copied() {
        let piece = Piece::from(&[b"0123456789"], 0);
        let written = text(|sheet| {
            for turn in 0..1_000 {
                sheet.put(&piece);
                let start = sheet.len();
                sheet.count(turn);
                sheet.push(b',');
                sheet.pop();
                sheet.apart(|out| out.push(b'-'));
                sheet.replace(start - 1, b'!');
            }
        });
        let expected: String = (0..1_000).map(|turn| format!("012345678!{turn}-")).collect();
        assert_eq!(written, expected);
    }

    #[test]
    fn a_sheet_within_another_is_one_of_its_own() {
        let written = text(|outer| {
            outer.push(b'a');
            outer.apart(|out| Sheet::append(out, |inner| inner.push(b'b')));
            outer.push(b'c');
        });
        assert_eq!(written, "abc");
    }

    proptest! {
        #[test]
        fn numbers_agree_with_display(number in any::<u64>(), shift in 0..64_u32) {
            let number = number >> shift;
            prop_assert_eq!(text(|sheet| sheet.count(number)), number.to_string());
            let mut seconds = Vec::new();
            number::seconds(&mut seconds, std::time::Duration::from_micros(number));
            prop_assert_eq!(text(|sheet| sheet.seconds(number)).into_bytes(), seconds);
        }

        #[test]
        fn spans_are_laid_down_up_to_what_is_not_plain(
            column in proptest::collection::vec(prop_oneof![60 => 97..110_u8, 1 => any::<u8>()], 0..140),
            bounds: (u8, u8),
        ) {
            let len = u8::try_from(column.len()).unwrap();
            let (start, end) = (bounds.0.min(bounds.1).min(len), bounds.0.max(bounds.1).min(len));
            let span = Span::new(start.into(), (end - start).into());
            let (start, end) = (usize::from(start), usize::from(end));
            let mut rest = span;
            let written = text(|sheet| rest = sheet.plain(&column, span, [b'm']));
            let special = |byte: &u8| !matches!(byte, b' '..=b'~') || b"\"\\m".contains(byte);
            let plain = column[start..end].iter().position(special).unwrap_or(end - start);
            prop_assert_eq!(written.as_bytes(), &column[start..start + plain]);
            prop_assert_eq!(rest.of(&column), &column[start + plain..end]);
        }
    }
}
