//! Floor 8: values of arguments: each says what it takes when it is given something else.

use super::Failure;
use crate::config::{Formats, NamedZone};
use crate::event::{Kind, Severity};
use crate::limits;
use crate::suggest::did_you_mean;
use crate::time::{MICROS_PER_DAY, Timestamp, Zone};
use crate::wire::lines::LineFormat;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Years that a record without one may be of.
const YEARS: RangeInclusive<u16> = 1970..=9999;

/// Options of every subcommand that reads records whose times name no year.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct YearArgs {
    /// Year of the first record, where records name none [default: the latest by the file's modification time]
    #[arg(long, value_parser = year)]
    pub(super) year: Option<u16>,
}

fn year(text: &str) -> Result<u16, String> {
    number(text, YEARS).ok_or_else(|| format!("expected a year from {} to {}", YEARS.start(), YEARS.end()))
}

/// Options of every subcommand that reads logs.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct LinesArgs {
    /// Format of the lines, of those in the configuration's `[formats]` [default: any form of syslog, or JSON of journald]
    ///
    /// Captures are not concerned: their records have been read.
    #[arg(long, value_name = "NAME")]
    input_format: Option<String>,
}

impl LinesArgs {
    /// Whether one is named.
    pub(super) fn is_given(&self) -> bool {
        self.input_format.is_some()
    }

    /// The format that is named.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(super) fn find(&self, formats: &Formats) -> Result<Option<Arc<LineFormat>>, Failure> {
        Ok(self.find_named(formats)?.map(|(_, format)| format))
    }

    /// The format that is named, with its name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(super) fn find_named(&self, formats: &Formats) -> Result<Option<(String, Arc<LineFormat>)>, Failure> {
        let Some(name) = &self.input_format else { return Ok(None) };
        let format = formats.get(name);
        let format = format.map_err(|error| Failure::usage(format!("--input-format {name}: {error}")))?;
        Ok(format.map(|format| (name.clone(), format)))
    }
}

/// Reads a number of worker threads.
pub(super) fn workers(text: &str) -> Result<NonZeroUsize, String> {
    let workers = number(text, 1..=limits::MAX_WORKERS).and_then(NonZeroUsize::new);
    workers.ok_or_else(|| format!("expected a whole number from 1 to {}", limits::MAX_WORKERS))
}

fn number<T: FromStr + PartialOrd>(text: &str, range: RangeInclusive<T>) -> Option<T> {
    text.parse().ok().filter(|number| range.contains(number))
}

/// Finds a time zone.
pub(super) fn zone(name: &str) -> Result<NamedZone, String> {
    NamedZone::find(name).map_err(|error| error.to_string())
}

/// Reads a pace, as in `10x`.
pub(super) fn speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('x').unwrap_or(text);
    match number.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err("expected a factor above zero, such as `10x` or `0.5x`".to_owned()),
    }
}

/// An instant, named as such or by how long ago it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(Timestamp),
    /// Then, by the clocks of the zone in which times are shown; whether it is a whole day.
    Local(Timestamp, bool),
}

impl Moment {
    /// The instant; of a day the first.
    pub(super) fn first(self, now: Timestamp, zone: &Zone) -> Timestamp {
        match self {
            Self::Ago(ago) => now.minus(ago),
            Self::At(instant) => instant,
            Self::Local(civil, _) => zone.instant(civil),
        }
    }

    /// The instant; of a day the first after it.
    pub(super) fn end(self, now: Timestamp, zone: &Zone) -> Timestamp {
        match self {
            Self::Local(civil, true) => {
                zone.instant(Timestamp::from_micros(civil.as_micros().saturating_add(MICROS_PER_DAY)))
            }
            other => other.first(now, zone),
        }
    }
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "expected how long ago, such as `2h` (the units are s, m, h, d, w), or a time such as \
                     `2026-11-25T14:00:00Z` or `2026-11-25`";
        if let Some(ago) = span(text) {
            return Ok(Self::Ago(ago));
        }
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Ok(Self::At(Timestamp::from_micros(instant.as_microsecond())));
        }
        civil(text).map(|(time, is_day)| Self::Local(time, is_day)).ok_or(wrong)
    }
}

/// A number with a unit: a length of time.
fn span(text: &str) -> Option<Duration> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 7 * 86_400)];
    units.iter().find_map(|(unit, seconds)| {
        let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(Duration::from_secs(count.checked_mul(*seconds)?)).filter(|span| *span <= limits::AGES)
    })
}

/// Reads a length of time, as in `30s`.
pub(super) fn time_span(text: &str) -> Result<Duration, &'static str> {
    span(text)
        .filter(|span| !span.is_zero())
        .ok_or("expected a length of time, such as `30s` (the units are s, m, h, d, w)")
}

/// Reads how many there are in a second.
pub(super) fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or("expected a number above zero")
}

/// Reads a time that names no zone, as if it were in UTC, and whether it is only a date.
pub(super) fn civil(text: &str) -> Option<(Timestamp, bool)> {
    let [time, day] = [format!("{text}Z"), format!("{text}T00:00:00Z")].map(|text| text.parse());
    let (instant, is_day): (jiff::Timestamp, bool) = match (time, day) {
        (Ok(time), _) => (time, false),
        (_, day) => (day.ok()?, true),
    };
    Some((Timestamp::from_micros(instant.as_microsecond()), is_day))
}

/// Numbers of records: one, or a range with both of its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbers(pub(super) RangeInclusive<u64>);

impl FromStr for Numbers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Self(first..=last)),
            _ => Err("expected the number of a record, or a range such as `5-7`"),
        }
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.0.start(), self.0.end());
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

/// Reads the name of a kind of event.
pub(super) fn kind(name: &str) -> Result<Kind, String> {
    let names = Kind::ALL.iter().map(|kind| kind.spec().name);
    Kind::from_name(name).ok_or_else(|| unknown("a kind of event", name, names))
}

/// Reads a severity.
pub(super) fn severity(name: &str) -> Result<Severity, String> {
    let names = Severity::ALL.map(Severity::name);
    let there_are = || format!("{}; there are {}", unknown("a severity", name, names), names.join(", "));
    name.to_ascii_uppercase().parse().map_err(|()| there_are())
}

/// Says that a name is none of these, and which of them may have been meant.
pub(super) fn unknown<'a>(what: &str, name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let meant = did_you_mean(name, names).map(|meant| format!("; {meant}")).unwrap_or_default();
    format!("`{}` is not {what}{meant}", name.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_positive_factors() {
        assert_eq!(speed("10x"), Ok(10.0));
        assert_eq!(speed("0.5"), Ok(0.5));
        for bad in ["", "x", "0x", "-1x", "inf", "nan", "10 x", "fast"] {
            assert!(speed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_outside_the_range_are_answered_with_it() {
        assert_eq!(year("1970"), Ok(1970));
        for bad in ["abc", "", "1969", "10000", "99999999999999999999"] {
            assert_eq!(year(bad), Err("expected a year from 1970 to 9999".to_owned()), "{bad}");
        }
        assert_eq!(workers("256").map(NonZeroUsize::get), Ok(256));
        for bad in ["0", "257", "-1", "99999999999999999999", "x"] {
            assert_eq!(workers(bad), Err("expected a whole number from 1 to 256".to_owned()), "{bad}");
        }
    }

    #[test]
    fn moments_are_instants_or_how_long_ago() {
        let now = Timestamp::from_civil(2026, 11, 25, 0, 0);
        let berlin = zone("Europe/Berlin").unwrap().zone;
        let instant =
            |text: &str| text.parse::<Moment>().map(|moment| moment.first(now, &berlin).to_string());
        let end = |text: &str| text.parse::<Moment>().unwrap().end(now, &berlin).to_string();
        assert_eq!(instant("2h").unwrap(), "2026-11-24T22:00:00.000000Z");
        assert_eq!(instant("1w").unwrap(), "2026-11-18T00:00:00.000000Z");
        assert_eq!(instant("2026-11-01T10:00:00+01:00").unwrap(), "2026-11-01T09:00:00.000000Z");
        for (text, first, after) in [
            ("2026-11-01", "2026-10-31T23:00:00.000000Z", "2026-11-01T23:00:00.000000Z"),
            ("2026-11-01 12:30", "2026-11-01T11:30:00.000000Z", "2026-11-01T11:30:00.000000Z"),
            ("2026-07-01T12:30:00", "2026-07-01T10:30:00.000000Z", "2026-07-01T10:30:00.000000Z"),
            ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00.000000Z", "2026-11-01T10:00:00.000000Z"),
        ] {
            assert_eq!((instant(text).unwrap(), end(text)), (first.to_owned(), after.to_owned()), "{text}");
        }
        for bad in
            ["", "2", "h", "-2h", "2 h", "yesterday", "2026-13-01", "99999999999999999999d", "9999999d"]
        {
            assert!(instant(bad).unwrap_err().starts_with("expected how long ago"), "{bad}");
        }
    }

    #[test]
    fn records_are_named_one_by_one_or_in_ranges() {
        assert_eq!("5".parse(), Ok(Numbers(5..=5)));
        assert_eq!("5-7".parse(), Ok(Numbers(5..=7)));
        for bad in ["", "-", "5-", "-7", "7-5", "5-6-7", "x", "5..7"] {
            assert!(bad.parse::<Numbers>().is_err(), "{bad}");
        }
    }
}
