//! Floor 1: times as an operator says that they are written, by the conversions of strftime(3).
//!
//! Invariant: a format that is taken tells a day and a minute, or the day of any year; what it leaves open, the zone and the
//! year, is handed in.

use crate::time::{MICROS_PER_SECOND, Timestamp, Zone};
use crate::wire::timestamp;
use jiff::fmt::strtime::BrokenDownTime;

/// How times are written.
#[derive(Debug)]
pub(super) enum TimeFormat {
    /// As in RFC 3339, also without a zone.
    Iso,
    /// By conversions.
    Conversions(Box<[u8]>),
}

/// A time that shows what a format leaves out: no two of its parts are alike.
const SAMPLE: Timestamp = Timestamp::from_civil(2026, 11, 30, (13 * 60 + 24) * 60 + 56, 789_000);

impl TimeFormat {
    /// Takes a format; an empty one is that of RFC 3339.
    ///
    /// # Errors
    /// Says why times that are written like this could not be told.
    pub(super) fn new(format: &str) -> Result<Self, String> {
        if format.is_empty() {
            return Ok(Self::Iso);
        }
        if format.contains("%Q") || format.contains("%:Q") {
            return Err("names of zones are not taken: `%z` is an offset, as in +0200".to_owned());
        }
        let sample =
            jiff::Timestamp::from_microsecond(SAMPLE.as_micros()).map_err(|error| error.to_string())?;
        let written = BrokenDownTime::from(sample).to_string(format).map_err(|error| error.to_string())?;
        let parsed = Self::Conversions(format.as_bytes().into());
        // Some leave the second out, and many its parts.
        match parsed.read_fully(written.as_bytes(), SAMPLE, &Zone::UTC)? {
            Some(read) if read <= SAMPLE && SAMPLE.since(read).as_secs() < 60 => Ok(parsed),
            Some(read) => {
                Err(format!("2026-11-30 at 13:24, which it writes as `{written}`, would be read as {read}"))
            }
            None => Err(format!("it tells no day: 2026-11-30 at 13:24 is written as `{written}`")),
        }
    }

    /// Reads a time; one without a zone is of `zone`, one without a year of the latest that is at most a day after
    /// `reference`.
    pub(super) fn read(&self, text: &[u8], reference: Timestamp, zone: &Zone) -> Option<Timestamp> {
        self.read_fully(text, reference, zone).ok()?
    }

    fn read_fully(
        &self,
        text: &[u8],
        reference: Timestamp,
        zone: &Zone,
    ) -> Result<Option<Timestamp>, String> {
        match self {
            Self::Iso => {
                Ok(timestamp::iso(text, zone).filter(|(_, rest)| rest.is_empty()).map(|(time, _)| time))
            }
            Self::Conversions(format) => {
                let parsed = BrokenDownTime::parse(format, text).map_err(|error| error.to_string())?;
                Ok(instant(&parsed, reference, zone).and_then(timestamp::within_rfc3339))
            }
        }
    }
}

/// The instant of what was read.
fn instant(parsed: &BrokenDownTime, reference: Timestamp, zone: &Zone) -> Option<Timestamp> {
    let fraction = i64::from(parsed.subsec_nanosecond().unwrap_or_default()) / 1000;
    if let Some(seconds) = parsed.timestamp() {
        return Some(Timestamp::from_micros(seconds.as_microsecond().saturating_add(fraction)));
    }
    let zone = if parsed.offset().is_some() { &Zone::UTC } else { zone };
    let ahead = parsed.offset().map_or(0, |offset| i64::from(offset.seconds()));
    let clock = parsed.to_time().ok()?;
    let second = i64::from(clock.hour()) * 3600 + i64::from(clock.minute()) * 60 + i64::from(clock.second());
    let local = match (parsed.year(), parsed.month(), parsed.day()) {
        (None, Some(month), Some(day)) => {
            let (month, day) = (u32::try_from(month).ok()?, u32::try_from(day).ok()?);
            let time_of_day = second * MICROS_PER_SECOND + fraction;
            let latest = timestamp::in_latest_year(month, day, time_of_day, reference, zone)?;
            return Some(Timestamp::from_micros(latest.as_micros() - ahead * MICROS_PER_SECOND));
        }
        _ => {
            let date = parsed.to_date().ok()?;
            let (month, day) = (u32::try_from(date.month()).ok()?, u32::try_from(date.day()).ok()?);
            Timestamp::from_civil(i64::from(date.year()), month, day, second, fraction)
        }
    };
    Some(Timestamp::from_micros(zone.instant(local).as_micros() - ahead * MICROS_PER_SECOND))
}
