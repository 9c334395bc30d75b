//! Floor 1: instants in a time zone.

use super::number::{Calendar, FRACTION_START};
use crate::time::{Timestamp, Zone};
use std::io::Write;

/// How many digits of a second's fraction are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fraction {
    /// Three, for lines that people read.
    Millis,
    /// All six, for what is read back.
    Micros,
}

/// Writes instants as RFC 3339 in one zone, with its offset.
///
/// It remembers the offset that it looked up last and for how long that holds, so that a look-up happens twice a year
/// rather than once an instant.
#[derive(Clone, Debug)]
pub struct LocalTime {
    zone: Zone,
    from: Timestamp,
    until: Timestamp,
    /// With that offset.
    calendar: Calendar,
}

impl LocalTime {
    /// Creates a writer for a zone.
    pub fn new(zone: Zone) -> Self {
        // An empty range, so that the first instant is looked up.
        let (from, until) = (Timestamp::MAX, Timestamp::MIN);
        Self { zone, from, until, calendar: Calendar::new(None) }
    }

    /// The zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Appends an instant: in UTC with `Z`, elsewhere with the offset.
    pub fn write(&mut self, out: &mut Vec<u8>, time: Timestamp, fraction: Fraction) {
        let mut text = [0; _];
        let Some(len) = self.at(time).write(&mut text, time) else {
            // Writing to a vector cannot fail.
            return write!(out, "{time}").unwrap_or_default();
        };
        let digits = match fraction {
            Fraction::Millis => 3,
            Fraction::Micros => 6,
        };
        out.extend_from_slice(text.get(..FRACTION_START + digits).unwrap_or_default());
        out.extend_from_slice(text.get(FRACTION_START + 6..len as usize).unwrap_or_default());
    }

    /// The calendar for an instant.
    #[inline]
    pub(super) fn at(&mut self, time: Timestamp) -> &mut Calendar {
        if time < self.from || time >= self.until {
            self.look_up(time);
        }
        &mut self.calendar
    }

    /// Appends the local date of an instant: `YYYY-MM-DD`.
    pub fn write_date(&mut self, out: &mut Vec<u8>, time: Timestamp) {
        let start = out.len();
        self.write(out, time, Fraction::Millis);
        let date = out.get(start..).and_then(|text| text.iter().position(|byte| *byte == b'T'));
        out.truncate(start + date.unwrap_or(0));
    }

    /// Finds the offset in seconds, without the odd seconds of local mean times, which RFC 3339 cannot say.
    #[cold]
    fn look_up(&mut self, time: Timestamp) {
        let (offset, from, until) = self.zone.offset_span(time);
        (self.from, self.until) = (from, until);
        let is_utc = self.zone == Zone::UTC;
        self.calendar = Calendar::new((!is_utc).then_some(offset - offset % 60));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(times: &mut LocalTime, time: Timestamp, fraction: Fraction) -> String {
        let mut out = Vec::new();
        times.write(&mut out, time, fraction);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn offsets_follow_the_season_in_any_order() {
        let mut berlin = LocalTime::new(Zone::named("Europe/Berlin").unwrap());
        let change = Timestamp::from_civil(2026, 3, 29, 3_600, 0);
        let before = Timestamp::from_micros(change.as_micros() - 1);
        for _ in 0..2 {
            assert_eq!(text(&mut berlin, change, Fraction::Millis), "2026-03-29T03:00:00.000+02:00");
            assert_eq!(text(&mut berlin, before, Fraction::Micros), "2026-03-29T01:59:59.999999+01:00");
        }
        let mut date = Vec::new();
        berlin.write_date(&mut date, Timestamp::from_civil(2026, 7, 1, 82_800, 0));
        assert_eq!(date, b"2026-07-02");
    }

    #[test]
    fn utc_is_written_with_z() {
        let mut utc = LocalTime::new(Zone::UTC);
        assert_eq!(text(&mut utc, Timestamp::EPOCH, Fraction::Micros), "1970-01-01T00:00:00.000000Z");
        assert_eq!(text(&mut utc, Timestamp::MIN, Fraction::Millis), Timestamp::MIN.to_string());
        assert_eq!(text(&mut utc, Timestamp::MAX, Fraction::Millis), Timestamp::MAX.to_string());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(micros in -2_000_000_000_000_000_i64..4_102_444_800_000_000) {
            for zone in ["America/New_York", "Asia/Kolkata", "Africa/Monrovia"] {
                let mut times = LocalTime::new(Zone::named(zone).unwrap());
                times.write(&mut Vec::new(), Timestamp::EPOCH, Fraction::Millis);
                let written = text(&mut times, Timestamp::from_micros(micros), Fraction::Micros);
                let read: jiff::Timestamp = written.parse().unwrap();
                prop_assert_eq!(read.as_microsecond(), micros, "{}", written);
            }
        }
    }
}
