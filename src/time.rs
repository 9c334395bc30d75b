//! Floor 0: instants as a type, civil dates by arithmetic, and clocks as a capability.
//!
//! Invariant: nothing below the ingest floor reads a clock; time is always handed in as a [`Timestamp`].

use jiff::tz::TimeZone;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a day.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// An instant: microseconds since the Unix epoch, UTC, which is the resolution of RFC 5424 (section 6.2.3).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);
    /// Before every instant that input can name.
    pub const MIN: Self = Self(i64::MIN);
    /// After every instant that input can name.
    pub const MAX: Self = Self(i64::MAX);

    /// Creates an instant from microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The beginning of its second.
    #[must_use]
    pub const fn second(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(MICROS_PER_SECOND)))
    }

    /// The instant `by` later, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The instant `by` earlier, at least [`Timestamp::MIN`].
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this instant is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The instant of a civil date and time in UTC. Days and hours past their range carry over.
    pub const fn from_civil(year: i64, month: u32, day: u32, second_of_day: i64, micros: i64) -> Self {
        let days = days_from_civil(year, month, day);
        Self((days * 86_400 + second_of_day) * MICROS_PER_SECOND + micros)
    }

    /// The civil date in UTC: year, month (1 to 12) and day (1 to 31).
    pub const fn civil_date(self) -> (i64, u32, u32) {
        civil_from_days(self.0.div_euclid(MICROS_PER_DAY))
    }
}

impl From<&ArchivedTimestamp> for Timestamp {
    fn from(archived: &ArchivedTimestamp) -> Self {
        Self(archived.0.to_native())
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::EPOCH.plus(after),
            Err(before) => Self::EPOCH.minus(before.duration()),
        }
    }
}

/// Writes RFC 3339 in UTC with six fraction digits, as JSON output has it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil_date();
        let micros = self.0.rem_euclid(MICROS_PER_DAY);
        let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
    }
}

/// Days since the Unix epoch of a date in the proleptic Gregorian calendar (algorithm of Howard Hinnant's
/// `days_from_civil`).
pub const fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month as i64 + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day as i64 - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a number of days since the Unix epoch; the inverse of [`days_from_civil`].
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "month and day are in 1..=31")]
pub const fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// A time zone: of what people read, of midnight, and of records that name none.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(Option<TimeZone>);

impl Zone {
    /// Coordinated universal time, which needs no look-ups.
    pub const UTC: Self = Self(None);

    /// Finds a zone of the IANA database by its name, such as `Europe/Berlin`.
    ///
    /// # Errors
    /// The name, when the system's database has no such zone.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        if matches!(name, "UTC" | "Etc/UTC" | "Z") {
            return Ok(Self::UTC);
        }
        TimeZone::get(name).map(|zone| Self(Some(zone))).map_err(|_| UnknownZone(name.to_owned()))
    }

    /// The names of all zones that the system's database has.
    pub fn names() -> Vec<String> {
        jiff::tz::db().available().map(|name| name.to_string()).collect()
    }

    /// Seconds by which local time is ahead of UTC at an instant.
    pub fn offset_at(&self, instant: Timestamp) -> i64 {
        let Some(zone) = &self.0 else { return 0 };
        let instant = jiff::Timestamp::from_microsecond(instant.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        i64::from(zone.to_offset(instant).seconds())
    }

    /// Seconds by which local time is ahead of UTC at an instant, and the instants from which on and until which that
    /// holds.
    pub fn offset_span(&self, instant: Timestamp) -> (i64, Timestamp, Timestamp) {
        let unbounded = (self.offset_at(instant), Timestamp::MIN, Timestamp::MAX);
        let Some(zone) = &self.0 else { return unbounded };
        let find = |micros: i64| jiff::Timestamp::from_microsecond(micros);
        let Ok(at) = find(instant.0) else { return (unbounded.0, instant, instant) };
        // The search for what precedes leaves out a change at the very instant that it starts from.
        let from = find(instant.0.saturating_add(1)).ok().and_then(|next| zone.preceding(next).next());
        let until = zone.following(at).next();
        (
            unbounded.0,
            from.map_or(Timestamp::MIN, |change| Timestamp(change.timestamp().as_microsecond())),
            until.map_or(Timestamp::MAX, |change| Timestamp(change.timestamp().as_microsecond())),
        )
    }

    /// The instant at which local clocks show what UTC shows at `local`. Of two such instants it is the earlier; a
    /// local time that is skipped is moved on by the length of the gap.
    pub fn instant(&self, local: Timestamp) -> Timestamp {
        if self.0.is_none() {
            return local;
        }
        // The offset a day before tells the one in force before a change, and so the earlier of two instants.
        let before = self.offset_at(local.minus(Duration::from_secs(86_400)));
        let guess = Timestamp(local.0.saturating_sub(before * MICROS_PER_SECOND));
        let offset = self.offset_at(guess);
        let second = Timestamp(local.0.saturating_sub(offset * MICROS_PER_SECOND));
        if self.offset_at(second) == offset { second } else { guess }
    }

    /// The first midnight after an instant.
    pub fn next_midnight(&self, after: Timestamp) -> Timestamp {
        let local = after.0.saturating_add(self.offset_at(after) * MICROS_PER_SECOND);
        let day = local.div_euclid(MICROS_PER_DAY).saturating_add(1);
        let midnight = self.instant(Timestamp(day.saturating_mul(MICROS_PER_DAY)));
        // On a day whose midnight is skipped or repeated the search must still move on.
        if midnight > after { midnight } else { Timestamp(after.0.saturating_add(MICROS_PER_DAY)) }
    }
}

/// A name that the system's time zone database does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone `{0}`")]
pub struct UnknownZone(pub String);

/// Where the time comes from; the one door through which "now" enters the program.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn displays_rfc3339_with_six_digits() {
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::from_micros(-1).to_string(), "1969-12-31T23:59:59.999999Z");
        let leap_day = Timestamp::from_civil(2024, 2, 29, 86_399, 5);
        assert_eq!(leap_day.to_string(), "2024-02-29T23:59:59.000005Z");
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.minus(Duration::MAX), Timestamp::MIN);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::from_micros(5)), Duration::ZERO);
        assert_eq!(Timestamp::from_micros(7).since(Timestamp::from_micros(5)), Duration::from_micros(2));
    }

    #[test]
    fn zones_know_midnight_and_both_changes() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let noon = Timestamp::from_civil(2026, 7, 1, 43_200, 0);
        assert_eq!(berlin.offset_at(noon), 7_200);
        assert_eq!(berlin.next_midnight(noon).to_string(), "2026-07-01T22:00:00.000000Z");
        assert_eq!(Zone::UTC.next_midnight(noon).to_string(), "2026-07-02T00:00:00.000000Z");
        // 02:30 on 29 March 2026 does not exist; on 25 October it exists twice.
        let skipped = Timestamp::from_civil(2026, 3, 29, 9_000, 0);
        assert_eq!(berlin.instant(skipped).to_string(), "2026-03-29T01:30:00.000000Z");
        let twice = Timestamp::from_civil(2026, 10, 25, 9_000, 0);
        assert_eq!(berlin.instant(twice).to_string(), "2026-10-25T00:30:00.000000Z");
        assert!(Zone::named("Mars/Olympus").is_err());
    }

    proptest! {
        #[test]
        fn instants_invert_offsets(micros in 0_i64..4_102_444_800_000_000) {
            let zone = Zone::named("America/New_York").unwrap();
            let instant = Timestamp::from_micros(micros);
            let local = Timestamp::from_micros(micros + zone.offset_at(instant) * MICROS_PER_SECOND);
            let back = zone.instant(local);
            prop_assert!(back == instant || instant.since(back) == Duration::from_secs(3600));
            prop_assert!(zone.next_midnight(instant) > instant);
        }

        #[test]
        fn civil_dates_agree_with_jiff(days in -700_000_i64..2_900_000) {
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
            let date = jiff::civil::date(i16::try_from(year).unwrap(), i8::try_from(month).unwrap(), i8::try_from(day).unwrap());
            let expected = date.since(jiff::civil::date(1970, 1, 1)).unwrap().get_days();
            prop_assert_eq!(i64::from(expected), days);
        }
    }
}
