//! Floor 1: numbers, addresses, instants and durations as text, without the formatting machinery on hot paths.

use crate::time::{MICROS_PER_DAY, MICROS_PER_SECOND, Timestamp, civil_from_days};
use std::cell::Cell;
use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

/// Appends a number in decimal.
pub fn count(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends an address; IPv6 in the form of RFC 5952.
pub fn addr(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(v4) => {
            let (mut text, mut at) = ([0; 16], 0);
            for octet in v4.octets() {
                let (digits, len) = octet_text(octet);
                if let Some(room) = text.get_mut(at..at + 4) {
                    room.copy_from_slice(&digits);
                }
                at += len + 1;
            }
            // The last octet's dot is none.
            let end = out.len() + at - 1;
            out.extend_from_slice(&text);
            out.truncate(end);
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(v6) => write!(out, "{v6}").unwrap_or_default(),
    }
}

/// Appends a length of time in seconds, always with a fraction: a reader that guesses types by the first value it
/// sees must not take durations for whole numbers.
pub fn seconds(out: &mut Vec<u8>, duration: Duration) {
    count(out, duration.as_secs());
    out.push(b'.');
    let mut fraction = duration.subsec_micros();
    let mut unit = 100_000;
    loop {
        out.push(digit(fraction / unit));
        fraction %= unit;
        if fraction == 0 {
            return;
        }
        unit /= 10;
    }
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
    thread_local! {
        static CALENDAR: Cell<Calendar> = const { Cell::new(Calendar::NEW) };
    }
    let text = CALENDAR.with(|calendar| {
        let mut last = calendar.get();
        let text = last.text(time);
        calendar.set(last);
        text
    });
    match text {
        Some(text) => {
            out.extend_from_slice(&text);
            out.push(b'Z');
        }
        // Writing to a vector cannot fail.
        None => write!(out, "{time}").unwrap_or_default(),
    }
}

/// Writes instants, and remembers the last date: instants that are written together nearly always share it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    day: i64,
    date: [u8; 10],
}

impl Calendar {
    /// A calendar that remembers no date: no instant has this day.
    pub(super) const NEW: Self = Self { day: i64::MAX, date: [b'0'; 10] };

    /// `YYYY-MM-DDTHH:MM:SS.FFFFFF`, or nothing outside the years 0 to 9999.
    #[inline]
    pub(super) fn text(&mut self, time: Timestamp) -> Option<[u8; 26]> {
        let micros = time.as_micros();
        let day = micros.div_euclid(MICROS_PER_DAY);
        if day != self.day {
            self.turn(day)?;
        }
        let of_day = micros - day * MICROS_PER_DAY;
        let second = of_day / MICROS_PER_SECOND;
        let micro = u32::try_from(of_day - second * MICROS_PER_SECOND).unwrap_or(0);
        let second = u32::try_from(second).unwrap_or(0);
        let [y3, y2, y1, y0, _, m1, m0, _, d1, d0] = self.date;
        let ([h1, h0], [n1, n0], [s1, s0]) =
            (pair(second / 3_600), pair(second / 60 % 60), pair(second % 60));
        let ([f5, f4], [f3, f2], [f1, f0]) =
            (pair(micro / 10_000), pair(micro / 100 % 100), pair(micro % 100));
        Some([
            y3, y2, y1, y0, b'-', m1, m0, b'-', d1, d0, b'T', h1, h0, b':', n1, n0, b':', s1, s0, b'.', f5,
            f4, f3, f2, f1, f0,
        ])
    }

    /// Turns to another day; gives nothing when its year does not have four digits.
    fn turn(&mut self, day: i64) -> Option<()> {
        let (year, month, day_of_month) = civil_from_days(day);
        let year = u32::try_from(year).ok().filter(|year| *year < 10_000)?;
        let ([m1, m0], [d1, d0]) = (pair(month), pair(day_of_month));
        let ([y3, y2], [y1, y0]) = (pair(year / 100), pair(year % 100));
        *self = Self { day, date: [y3, y2, y1, y0, b'-', m1, m0, b'-', d1, d0] };
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

/// A number below 256 in decimal with a dot after it, and how many digits it has.
#[inline]
fn octet_text(octet: u8) -> ([u8; 4], usize) {
    let (hundreds, [tens, ones]) = (octet / 100, pair(u32::from(octet % 100)));
    match octet {
        0..10 => ([ones, b'.', 0, 0], 1),
        10..100 => ([tens, ones, b'.', 0], 2),
        _ => ([b'0' + hundreds, tens, ones, b'.'], 3),
    }
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
