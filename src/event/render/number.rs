//! Floor 1: numbers, addresses, instants and durations as text, without the formatting machinery on hot paths.

use crate::time::{MICROS_PER_DAY, MICROS_PER_SECOND, Timestamp, civil_from_days};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Microseconds in a minute.
const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;

/// Appends a number in decimal.
pub fn count(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends an address; IPv6 in the form of RFC 5952.
pub fn addr(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(v4) => {
            let (text, len) = ipv4(v4);
            out.extend_from_slice(text.get(..len as usize).unwrap_or_default());
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(v6) => write!(out, "{v6}").unwrap_or_default(),
    }
}

/// Appends a length of time in seconds, always with a fraction: a reader that guesses types by the first value it
/// sees must not take durations for whole numbers.
pub fn seconds(out: &mut Vec<u8>, duration: Duration) {
    count(out, duration.as_secs());
    let (text, len) = fraction(u64::from(duration.subsec_micros()));
    out.extend_from_slice(text.get(..len as usize).unwrap_or_default());
}

/// Appends a length of time as people say it, by its two largest units: `4m 12s`, `2h`, `3.5s`, `250ms`.
pub fn human_duration(out: &mut Vec<u8>, duration: Duration) {
    const UNITS: [(u64, u8); 4] = [(86_400, b'd'), (3_600, b'h'), (60, b'm'), (1, b's')];
    let whole = duration.as_secs();
    let millis = duration.subsec_millis();
    if whole == 0 && millis > 0 {
        count(out, u64::from(millis));
        return out.extend_from_slice(b"ms");
    }
    if whole < 10 {
        count(out, whole);
        if millis >= 100 {
            out.extend_from_slice(&[b'.', digit(millis / 100)]);
        }
        return out.push(b's');
    }
    let Some(first) = UNITS.iter().position(|(unit, _)| whole >= *unit) else { return };
    let mut rest = whole;
    for (unit, letter) in UNITS.iter().skip(first).take(2) {
        if rest >= *unit {
            if rest < whole {
                out.push(b' ');
            }
            count(out, rest / unit);
            out.push(*letter);
        }
        rest %= unit;
    }
}

/// Appends an instant as RFC 3339 in UTC with six fraction digits.
pub fn utc(out: &mut Vec<u8>, time: Timestamp) {
    let mut text = [0; _];
    match Calendar::new(None).write(&mut text, time) {
        Some(len) => out.extend_from_slice(text.get(..len as usize).unwrap_or_default()),
        // Writing to a vector cannot fail.
        None => write!(out, "{time}").unwrap_or_default(),
    }
}

/// `YYYY-MM-DDTHH:MM:SS.FFFFFF+HH:MM`.
pub(super) type InstantText = [u8; 32];

/// Where the digits of a second's fraction begin.
pub(super) const FRACTION_START: usize = 20;

/// Writes instants, and remembers the last minute: instants that are written together nearly always share it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    /// Seconds that local time is ahead of UTC; nothing for `Z` instead of an offset.
    offset: Option<i64>,
    /// Where the minute begins and ends, in microseconds.
    start: i64,
    end: i64,
    /// Its first instant.
    text: InstantText,
    /// How many bytes of that are meant.
    len: u32,
}

impl Calendar {
    /// A calendar of local times that are so many seconds ahead of UTC, or of UTC itself. It remembers no minute yet.
    pub(super) const fn new(offset: Option<i64>) -> Self {
        let len = if offset.is_some() { 32 } else { 27 };
        Self { offset, start: i64::MAX, end: i64::MIN, text: [b'0'; _], len }
    }

    /// Writes an instant, and gives its length; nothing when its year is none of 0 to 9999.
    #[inline]
    pub(super) fn write(&mut self, text: &mut InstantText, time: Timestamp) -> Option<u32> {
        let micros = time.as_micros();
        if micros < self.start || micros >= self.end {
            self.turn(micros)?;
        }
        // `SSFFFFFF`; the point takes the place of the second S, which moves one to the left.
        let digits = eight_digits((micros - self.start).cast_unsigned());
        let [first, second, ..] = digits.to_le_bytes();
        let rest = (digits & !0xffff) | u64::from_le_bytes([second, b'.', 0, 0, 0, 0, 0, 0]);
        *text = self.text;
        text[17] = first;
        text[18..26].copy_from_slice(&rest.to_le_bytes());
        Some(self.len)
    }

    /// Turns to another minute; gives nothing when its year does not have four digits.
    #[cold]
    fn turn(&mut self, micros: i64) -> Option<()> {
        let offset = self.offset.unwrap_or(0);
        let local = micros.saturating_add(offset * MICROS_PER_SECOND);
        let (year, month, day) = civil_from_days(local.div_euclid(MICROS_PER_DAY));
        let year = u32::try_from(year).ok().filter(|year| *year < 10_000)?;
        let minute = u32::try_from(local.rem_euclid(MICROS_PER_DAY) / MICROS_PER_MINUTE).unwrap_or(0);
        let ([y3, y2], [y1, y0]) = (pair(year / 100), pair(year % 100));
        let ([m1, m0], [d1, d0]) = (pair(month), pair(day));
        let ([h1, h0], [n1, n0]) = (pair(minute / 60), pair(minute % 60));
        let ahead = u32::try_from(offset.abs() / 60).unwrap_or(0);
        let ([o1, o0], [p1, p0]) = (pair(ahead / 60), pair(ahead % 60));
        let sign = match self.offset {
            None => b'Z',
            Some(..0) => b'-',
            Some(_) => b'+',
        };
        self.text = [
            y3, y2, y1, y0, b'-', m1, m0, b'-', d1, d0, b'T', h1, h0, b':', n1, n0, b':', b'0', b'0', b'.',
            b'0', b'0', b'0', b'0', b'0', b'0', sign, o1, o0, b':', p1, p0,
        ];
        self.start = micros - local.rem_euclid(MICROS_PER_MINUTE);
        self.end = self.start.saturating_add(MICROS_PER_MINUTE);
        Some(())
    }
}

/// The numbers from 0 to 99 as two digits.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number: u8 = 0;
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
};

/// The least number of more than eight digits.
pub(super) const EIGHT_DIGITS: u64 = 100_000_000;

/// Eight decimal digits of a number that has no more, leading zeros included, as ASCII from the lowest byte on.
///
/// Halves of it, then quarters, then digits stand side by side in one word and are divided by multiplication, as in
/// Paul Khuong's "How to print integers really fast".
#[inline]
pub(super) const fn eight_digits(number: u64) -> u64 {
    let (high, low) = (number / 10_000, number % 10_000);
    let halves = high | (low << 32);
    let hundreds = (halves * 10_486) >> 20 & 0x7f_0000_007f;
    let quarters = hundreds | (halves - hundreds * 100) << 16;
    let tens = (quarters * 103) >> 10 & 0x000f_000f_000f_000f;
    (tens | (quarters - tens * 10) << 8) | ZEROS
}

/// Eight times the digit 0.
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// A number of at most eight digits in decimal, and how many digits it has.
#[inline]
pub(super) fn decimal(number: u64) -> ([u8; 8], u32) {
    let digits = eight_digits(number);
    // The last digit is written even where it is a zero.
    let zeros = (digits ^ ZEROS | 1 << 56).trailing_zeros() / 8;
    ((digits >> (8 * zeros)).to_le_bytes(), 8 - zeros)
}

/// A fraction of a second, `.` and one to six digits, and how many bytes that are.
#[inline]
pub(super) fn fraction(micros: u64) -> ([u8; 8], u32) {
    // The two first digits are zeros; of the others those at the end are left out, but not the first of them.
    let digits = eight_digits(micros) >> 16;
    let zeros = (digits ^ (ZEROS >> 16) | 1).leading_zeros() / 8;
    ((digits << 8 | u64::from(b'.')).to_le_bytes(), 9 - zeros)
}

/// The numbers below 256 in decimal with a dot behind them, and how many bytes that are.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
static OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut number = 0;
    while number < 256 {
        let [tens, ones] = PAIRS[number % 100];
        octets[number] = match number {
            0..10 => ([ones, b'.', 0, 0], 2),
            10..100 => ([tens, ones, b'.', 0], 3),
            100..200 => ([b'1', tens, ones, b'.'], 4),
            _ => ([b'2', tens, ones, b'.'], 4),
        };
        number += 1;
    }
    octets
};

/// An address as four numbers with dots, and its length.
#[inline]
pub(super) fn ipv4(addr: Ipv4Addr) -> ([u8; 16], u32) {
    let [(a, a_len), (b, b_len), (c, c_len), (d, d_len)] = addr.octets().map(octet);
    let (first, first_len) = (a | b << (8 * a_len), a_len + b_len);
    let (second, second_len) = (c | d << (8 * c_len), c_len + d_len);
    let text = u128::from(first) | u128::from(second) << (8 * first_len);
    // The last number's dot is none.
    (text.to_le_bytes(), first_len + second_len - 1)
}

#[inline]
#[expect(clippy::indexing_slicing, reason = "a table of 256 entries, indexed by a byte")]
fn octet(number: u8) -> (u64, u32) {
    let (text, len) = OCTETS[usize::from(number)];
    (u64::from(u32::from_le_bytes(text)), u32::from(len))
}

/// A number below 100 as two digits.
#[inline]
pub(super) fn pair(number: u32) -> [u8; 2] {
    PAIRS.get(number as usize).copied().unwrap_or(*b"00")
}

/// The last decimal digit of a number.
const fn digit(number: u32) -> u8 {
    b'0' + (number % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn durations_for_machines_always_have_a_fraction() {
        for (micros, expected) in [(0, "0.0"), (4_250_000, "4.25"), (60_000_000, "60.0"), (1, "0.000001")] {
            assert_eq!(text(|out| seconds(out, Duration::from_micros(micros))), expected);
        }
    }

    #[test]
    fn durations_for_people_have_two_units_at_most() {
        for (millis, expected) in [
            (0, "0s"),
            (250, "250ms"),
            (3_000, "3s"),
            (3_540, "3.5s"),
            (59_999, "59s"),
            (252_000, "4m 12s"),
            (300_000, "5m"),
            (3_600_000, "1h"),
            (3_605_000, "1h"),
            (7_500_000, "2h 5m"),
            (273_600_000, "3d 4h"),
            (172_800_000, "2d"),
        ] {
            assert_eq!(text(|out| human_duration(out, Duration::from_millis(millis))), expected);
        }
    }

    proptest! {
        #[test]
        fn instants_agree_with_display(micros in any::<i64>(), near in -5_000_000_000_000_000_i64..9_000_000_000_000_000) {
            for micros in [micros, near] {
                let time = Timestamp::from_micros(micros);
                prop_assert_eq!(text(|out| utc(out, time)), time.to_string());
            }
        }

        #[test]
        fn a_calendar_agrees_with_display_whatever_it_wrote_before(
            times in proptest::collection::vec((0..3_i64, -60_000_001..60_000_001_i64), 1..20),
        ) {
            let mut calendar = Calendar::new(None);
            for (day, micros) in times {
                let time = Timestamp::from_micros(day * MICROS_PER_DAY + micros);
                let mut text = [0; _];
                let len = calendar.write(&mut text, time).unwrap();
                prop_assert_eq!(str::from_utf8(&text[..len as usize]).unwrap(), time.to_string());
            }
        }

        #[test]
        fn decimals_agree_with_display(number in 0..EIGHT_DIGITS, less in 0..8_u32) {
            let number = number / 10_u64.pow(less);
            let (text, len) = decimal(number);
            prop_assert_eq!(str::from_utf8(&text[..len as usize]).unwrap(), number.to_string());
            let all = eight_digits(number).to_le_bytes();
            prop_assert_eq!(str::from_utf8(&all).unwrap(), format!("{number:08}"));
        }

        #[test]
        fn addresses_agree_with_display(v4 in any::<[u8; 4]>(), v6 in any::<[u8; 16]>()) {
            for address in [IpAddr::from(v4), IpAddr::from(v6)] {
                prop_assert_eq!(text(|out| addr(out, address)), address.to_string());
            }
        }

        #[test]
        fn seconds_read_back(micros in any::<u32>()) {
            let written = text(|out| seconds(out, Duration::from_micros(u64::from(micros))));
            prop_assert_eq!((written.parse::<f64>().unwrap() * 1e6).round(), f64::from(micros));
        }
    }
}
