//! Floor 1: the timestamps of the dialects, by arithmetic on eight bytes at a time.
//!
//! Invariant: whatever is accepted names a day that exists and a time from 00:00:00 to 23:59:59; the leap second
//! `:60` is refused, as RFC 5424 section 6.2.3.1 has it.

use super::scan::{Shape, lane, leading_below_ten, load, pairs};
use crate::time::{MICROS_PER_DAY, MICROS_PER_SECOND, Timestamp, Zone};
use std::cell::Cell;
use std::time::Duration;

const YEAR_MONTH: Shape = Shape::new(b"0000-00-");
const DAY_HOUR_MINUTE: Shape = Shape::new(b"00T00:00");
const SECOND: Shape = Shape::new(b":00?????");
const CLOCK: Shape = Shape::new(b"00:00:00");
const OFFSET: Shape = Shape::new(b"00:00???");
const SHORT_OFFSET: Shape = Shape::new(b"0000????");
const YEAR: Shape = Shape::new(b"0000 ???");
const ZEROS: u64 = u64::from_le_bytes(*b"00000000");

/// Digits that a fraction of a second may have in the dialects whose form no RFC fixes: nanoseconds.
const LENIENT_FRACTION: usize = 9;

/// How far the time of a record without a year may lie after its arrival: a day, for clocks and zones that differ.
const LEAD: Duration = Duration::from_secs(86_400);
/// How many years back to look: from one 29 February to the last it is at most 8 (1904 to 1896), and the lead may
/// reach into the next year.
const YEARS_BACK: u32 = 10;
/// No zone is further than this from UTC.
const WIDEST_OFFSET: Duration = Duration::from_secs(86_400);

/// Enough bytes for any timestamp, and for eight at once from any place in it.
type Window = [u8; 48];
/// Where the seconds end.
const SECONDS_END: usize = 19;

/// Days from the first day of year 0 to the Unix epoch.
const EPOCH_DAYS: i64 = 719_528;
/// Days in a hundred years that begin with a year that is no leap year.
const DAYS_IN_CENTURY: u32 = 36_524;
const DAYS_BEFORE_MONTH: [u16; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const DAYS_IN_MONTH: [u8; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Reads a TIMESTAMP of RFC 5424 (section 6.2.3) other than NILVALUE, and gives its length.
#[inline]
pub(super) fn rfc5424(bytes: &[u8]) -> Option<(Timestamp, usize)> {
    match bytes.first_chunk() {
        Some(window) => rfc5424_in(window),
        None => rfc5424_at_the_end(bytes),
    }
}

#[cold]
fn rfc5424_at_the_end(bytes: &[u8]) -> Option<(Timestamp, usize)> {
    rfc5424_in(&padded(bytes))
}

#[inline(always)]
fn rfc5424_in(window: &Window) -> Option<(Timestamp, usize)> {
    let seconds = date_and_time(window)?;
    let (micros, at) = fraction(window)?;
    let (ahead, len) = offset(window, at)?;
    let instant = within_rfc3339(Timestamp::from_micros((seconds - ahead) * MICROS_PER_SECOND + micros))?;
    Some((instant, len))
}

/// Reads an ISO timestamp as files have it, and gives the bytes after it: like RFC 5424's, but the offset may lack
/// its colon (`journalctl -o short-iso`) or be absent, and the fraction may count nanoseconds.
pub(super) fn iso<'a>(bytes: &'a [u8], zone: &Zone) -> Option<(Timestamp, &'a [u8])> {
    let window = padded(bytes);
    let seconds = date_and_time(&window)?;
    let (micros, rest) = long_fraction(bytes.get(SECONDS_END..)?)?;
    let at = bytes.len() - rest.len();
    let local = Timestamp::from_micros(seconds * MICROS_PER_SECOND + micros);
    let (instant, len) = match offset(&window, at).or_else(|| short_offset(&window, at)) {
        Some((ahead, len)) => (Timestamp::from_micros(local.as_micros() - ahead * MICROS_PER_SECOND), len),
        None => (zone.instant(local), at),
    };
    Some((within_rfc3339(instant)?, bytes.get(len..)?))
}

/// Reads a TIMESTAMP of RFC 3164 (section 4.1.2), and gives the bytes after it.
///
/// Beyond the RFC it may have what network equipment adds: a `*` or `.` before it (the clock is not synchronised), a
/// day without padding, a year, a fraction, and at the end a colon, or a zone's name and a colon. Of these names only
/// UTC and GMT have one meaning; with any other the time is one of `zone`.
pub(super) fn bsd<'a>(bytes: &'a [u8], reference: Timestamp, zone: &Zone) -> Option<(Timestamp, &'a [u8])> {
    let bytes = bytes.strip_prefix(b"*").or_else(|| bytes.strip_prefix(b".")).unwrap_or(bytes);
    let (name, rest) = bytes.split_first_chunk::<4>()?;
    let month = month(*name)?;
    let (day, rest) = day_of_month(rest)?;
    let (year, rest) = match YEAR.read::<5>(load(rest)) {
        Some(digits) => (Some(pairs(digits)), rest.get(5..)?),
        None => (None, rest),
    };
    let clock = pairs(CLOCK.read::<8>(load(rest))?);
    let seconds = second_of_day(lane(clock, 0), lane(clock, 3), lane(clock, 6))?;
    let (micros, rest) = long_fraction(rest.get(8..)?)?;
    let (is_utc, rest) = terminator(rest);
    let zone = if is_utc { &Zone::UTC } else { zone };
    let time_of_day = seconds * MICROS_PER_SECOND + micros;
    let instant = match year {
        Some(year) => {
            let day = days(lane(year, 0), lane(year, 2), month, day)?;
            zone.instant(Timestamp::from_micros(day * MICROS_PER_DAY + time_of_day))
        }
        None => in_latest_year(month, day, time_of_day, reference, zone)?,
    };
    Some((within_rfc3339(instant)?, rest))
}

/// The instant, if it lies in a year of four digits also in UTC: no other could be written down again.
#[inline]
pub(super) fn within_rfc3339(instant: Timestamp) -> Option<Timestamp> {
    const FIRST: Timestamp = Timestamp::from_civil(0, 1, 1, 0, 0);
    const PAST: Timestamp = Timestamp::from_civil(10_000, 1, 1, 0, 0);
    (instant >= FIRST && instant < PAST).then_some(instant)
}

/// The first bytes, with zeros past the end, which fit no shape.
fn padded(bytes: &[u8]) -> Window {
    let mut window = [0; size_of::<Window>()];
    window.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    window
}

/// The word at an offset.
#[inline]
fn word_at(window: &Window, at: usize) -> u64 {
    load(window.get(at..).unwrap_or_default())
}

/// Reads `YYYY-MM-DDTHH:MM:SS`, and gives it in seconds since the epoch, as if it were UTC.
///
/// It remembers the minute that it read last: records that follow on each other nearly always share it.
#[inline]
fn date_and_time(window: &Window) -> Option<i64> {
    thread_local! {
        static LAST: Cell<(u64, u64, i64)> = const { Cell::new(EPOCH) };
    }
    let second = lane(pairs(SECOND.read::<3>(word_at(window, 16))?), 1);
    if second >= 60 {
        return None;
    }
    let (date, time) = (word_at(window, 0), word_at(window, 8));
    let last = LAST.get();
    let minute = if (date, time) == (last.0, last.1) {
        last.2
    } else {
        let minute = date_and_minute(date, time)?;
        LAST.set((date, time, minute));
        minute
    };
    Some(minute + i64::from(second))
}

/// The first minute of all, as text and in seconds.
const EPOCH: (u64, u64, i64) = (u64::from_le_bytes(*b"1970-01-"), u64::from_le_bytes(*b"01T00:00"), 0);

/// Reads `YYYY-MM-` and `DDTHH:MM`, and gives them in seconds since the epoch, as if they were UTC.
fn date_and_minute(date: u64, time: u64) -> Option<i64> {
    let date = pairs(YEAR_MONTH.read::<8>(date)?);
    let time = pairs(DAY_HOUR_MINUTE.read::<8>(time)?);
    let day = days(lane(date, 0), lane(date, 2), lane(date, 5), lane(time, 0))?;
    Some(day * 86_400 + second_of_day(lane(time, 3), lane(time, 6), 0)?)
}

/// Reads a dot and 1 to 6 digits in microseconds, or nothing, and gives the place after it.
#[inline]
fn fraction(window: &Window) -> Option<(i64, usize)> {
    if window.get(SECONDS_END) != Some(&b'.') {
        return Some((0, SECONDS_END));
    }
    let values = word_at(window, SECONDS_END + 1) ^ ZEROS;
    let count = leading_below_ten(values);
    if !(1..=6).contains(&count) {
        return None;
    }
    // What is not a digit of the fraction becomes a zero, so that every fraction has six digits.
    let values = pairs(values & (u64::MAX >> (64 - 8 * count)));
    let micros = lane(values, 0) * 10_000 + lane(values, 2) * 100 + lane(values, 4);
    Some((i64::from(micros), SECONDS_END + 1 + count as usize))
}

/// Reads `Z` or `+HH:MM` or `-HH:MM`, and gives the seconds by which local time is ahead of UTC and the place after
/// it.
#[inline]
fn offset(window: &Window, at: usize) -> Option<(i64, usize)> {
    let sign = *window.get(at)?;
    if sign == b'Z' {
        return Some((0, at + 1));
    }
    let values = pairs(OFFSET.read::<5>(word_at(window, at + 1))?);
    signed_offset(sign, lane(values, 0), lane(values, 3)).map(|ahead| (ahead, at + 6))
}

/// Reads `+HHMM` or `-HHMM`.
fn short_offset(window: &Window, at: usize) -> Option<(i64, usize)> {
    let sign = *window.get(at)?;
    let values = pairs(SHORT_OFFSET.read::<4>(word_at(window, at + 1))?);
    signed_offset(sign, lane(values, 0), lane(values, 2)).map(|ahead| (ahead, at + 5))
}

/// Reads a dot and 1 to 9 digits in microseconds, or nothing; digits after the sixth are dropped.
fn long_fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = bytes.strip_prefix(b".") else { return Some((0, bytes)) };
    let count = digits.iter().take(LENIENT_FRACTION + 1).take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=LENIENT_FRACTION).contains(&count) {
        return None;
    }
    let places = [100_000, 10_000, 1_000, 100, 10, 1];
    let (digits, rest) = digits.split_at_checked(count)?;
    let micros = digits.iter().zip(places).map(|(digit, place)| i64::from(digit - b'0') * place).sum();
    Some((micros, rest))
}

#[inline]
fn signed_offset(sign: u8, hours: u32, minutes: u32) -> Option<i64> {
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i64::from(hours * 3600 + minutes * 60);
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// The number of a month from its English abbreviation and the blank after it.
fn month(name: [u8; 4]) -> Option<u32> {
    Some(match &name {
        b"Jan " => 1,
        b"Feb " => 2,
        b"Mar " => 3,
        b"Apr " => 4,
        b"May " => 5,
        b"Jun " => 6,
        b"Jul " => 7,
        b"Aug " => 8,
        b"Sep " => 9,
        b"Oct " => 10,
        b"Nov " => 11,
        b"Dec " => 12,
        _ => return None,
    })
}

/// Reads a day padded with a blank, with a zero or not at all, and the blank after it.
fn day_of_month(bytes: &[u8]) -> Option<(u32, &[u8])> {
    match bytes {
        [tens @ (b' ' | b'0'..=b'3'), ones @ b'0'..=b'9', b' ', rest @ ..] => {
            let tens = if *tens == b' ' { 0 } else { u32::from(tens - b'0') };
            Some((tens * 10 + u32::from(ones - b'0'), rest))
        }
        [ones @ b'0'..=b'9', b' ', rest @ ..] => Some((u32::from(ones - b'0'), rest)),
        _ => None,
    }
}

/// Passes over what ends the timestamps of network equipment: a colon, or the name of a zone and a colon. Tells
/// whether the name is that of UTC.
///
/// A name counts only before a message that begins with `%`, as theirs do: else `CRON:` would be a zone.
fn terminator(bytes: &[u8]) -> (bool, &[u8]) {
    if let Some(rest) = bytes.strip_prefix(b":") {
        return (false, rest);
    }
    let letters = bytes.iter().skip(1).take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    match bytes.strip_prefix(b" ").and_then(|bytes| bytes.split_at_checked(letters)) {
        Some((name, [b':', rest @ ..])) if (2..=5).contains(&letters) && rest.starts_with(b" %") => {
            (matches!(name, b"UTC" | b"GMT"), rest)
        }
        _ => (false, bytes),
    }
}

/// The latest instant of this day and time, in whatever year, that is at most a day after `reference`.
pub(super) fn in_latest_year(
    month: u32,
    day: u32,
    time_of_day: i64,
    reference: Timestamp,
    zone: &Zone,
) -> Option<Timestamp> {
    let bounds = (Timestamp::from_civil(100, 1, 1, 0, 0), Timestamp::from_civil(9990, 1, 1, 0, 0));
    let latest = reference.clamp(bounds.0, bounds.1).plus(LEAD);
    let last_year = u32::try_from(latest.plus(WIDEST_OFFSET).civil_date().0).ok()?;
    let first_year = last_year.saturating_sub(YEARS_BACK);
    for year in (first_year..last_year + 1).rev() {
        let Some(day) = days(year / 100, year % 100, month, day) else { continue };
        let local = Timestamp::from_micros(day * MICROS_PER_DAY + time_of_day);
        // Only near the bound is it worth asking the zone.
        if local <= latest.plus(WIDEST_OFFSET) {
            let instant = zone.instant(local);
            if instant <= latest {
                return Some(instant);
            }
        }
    }
    None
}

/// Days since the Unix epoch of a date, if there is such a day; the year comes as its century and what is left.
#[inline]
fn days(century: u32, year: u32, month: u32, day: u32) -> Option<i64> {
    let index = month.wrapping_sub(1) as usize;
    // A century is a leap year if it is one of four, any other year likewise.
    let is_leap = (if year == 0 { century } else { year }) & 3 == 0;
    let length = u32::from(*DAYS_IN_MONTH.get(index)?) + u32::from(is_leap && month == 2);
    if day == 0 || day > length {
        return None;
    }
    // One of four, rounded up, counts the year 0 of this century too, which need not be a leap year.
    let no_leap_century = u32::from(century & 3 != 0 && year > 0);
    let leap_days = ((century + 3) >> 2) + ((year + 3) >> 2) - no_leap_century;
    let in_year = u32::from(*DAYS_BEFORE_MONTH.get(index)?) + u32::from(is_leap && month > 2) + day - 1;
    Some(i64::from(century * DAYS_IN_CENTURY + year * 365 + leap_days + in_year) - EPOCH_DAYS)
}

/// The second of the day, if clocks show such a time.
#[inline]
fn second_of_day(hour: u32, minute: u32, second: u32) -> Option<i64> {
    (hour < 24 && minute < 60 && second < 60).then(|| i64::from(hour * 3600 + minute * 60 + second))
}

#[cfg(test)]
mod tests;
