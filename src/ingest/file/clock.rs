//! Floor 4: arrivals for records that were never seen to arrive.
//!
//! The arrival of a record is the running maximum of the records' own times. One wrong time in the future would stop
//! that clock for good; so a single record that is more than a day ahead of both its neighbours does not move it. The
//! first record has one neighbour only, and must agree with that; the last one is believed.
//!
//! Invariant: arrivals never go back.

use crate::time::Timestamp;
use std::time::Duration;

/// How far ahead of both its neighbours a record may be before it is taken for wrong.
const MOST_AHEAD: Duration = Duration::from_secs(86_400);

/// Which record: of which batch, and which of its frames.
pub(super) type Place = (u64, u32);

/// From this record on, this is the arrival.
pub(super) type Step = (Place, Timestamp);

/// Follows the records' own times, one record behind.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The running maximum, also of what is no record's own time.
    now: Option<Timestamp>,
    /// The running maximum of what records have told.
    told: Option<Timestamp>,
    /// The time of the record before the pending one.
    before: Option<Timestamp>,
    /// The record that is judged when its next neighbour is known.
    pending: Option<(Place, Timestamp)>,
}

impl Clock {
    /// Takes the next record that has a time, and tells whether the one before it moved the clock.
    pub(super) fn note(&mut self, place: Place, time: Timestamp) -> Option<Step> {
        let step = self.judge(Some(time));
        self.pending = Some((place, time));
        step
    }

    /// Judges the last record by the neighbour before it, and by this time if there is one, because no other record is in
    /// sight.
    pub(super) fn settle(&mut self, by: Option<Timestamp>) -> Option<Step> {
        self.judge(by)
    }

    /// The batch whose arrivals wait for a neighbour.
    pub(super) fn pending_batch(&self) -> Option<u64> {
        self.pending.map(|((batch, _), _)| batch)
    }

    /// The time that the next one is likely to be near.
    pub(super) fn near(&self) -> Option<Timestamp> {
        self.told.max(self.pending.map(|(_, time)| time)).or(self.before)
    }

    /// Goes on behind records that were near this time.
    pub(super) fn follow(&mut self, near: Option<Timestamp>) {
        self.told = self.told.max(near);
    }

    /// Starts the clock, or moves it on, for want of a record that does.
    pub(super) fn advance_to(&mut self, now: Timestamp) {
        self.now = self.now.max(Some(now));
    }

    fn judge(&mut self, after: Option<Timestamp>) -> Option<Step> {
        let (place, time) = self.pending.take()?;
        let before = self.before.replace(time);
        let is_ahead = |neighbour: Timestamp| time > neighbour.plus(MOST_AHEAD);
        if after.is_some_and(is_ahead) && before.is_none_or(is_ahead) {
            return None;
        }
        self.told = self.told.max(Some(time));
        if self.now >= Some(time) {
            return None;
        }
        self.now = Some(time);
        Some((place, time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrival of each record, by its time in hours; -1 where the clock has not started.
    fn arrivals(hours: &[i64]) -> Vec<i64> {
        let of = |hour: i64| Timestamp::from_micros(hour * 3_600_000_000);
        let mut clock = Clock::default();
        let mut steps = Vec::new();
        for (index, hour) in (0..).zip(hours) {
            steps.extend(clock.note((0, index), of(*hour)));
        }
        steps.extend(clock.settle(None));
        let now = |index: u32| steps.iter().take_while(|((_, from), _)| *from <= index).last();
        (0..u32::try_from(hours.len()).unwrap())
            .map(|index| now(index).map_or(-1, |(_, time)| time.as_micros() / 3_600_000_000))
            .collect()
    }

    #[test]
    fn one_wrong_time_does_not_move_the_clock() {
        assert_eq!(arrivals(&[1, 2, 900, 3, 4]), [1, 2, 2, 3, 4]);
        assert_eq!(arrivals(&[900, 1, 2]), [-1, 1, 2], "the first");
        assert_eq!(arrivals(&[1, 900, 2, 900, 3]), [1, 1, 2, 2, 3], "in turns");
    }

    #[test]
    fn time_goes_on_and_never_back() {
        assert_eq!(arrivals(&[5, 3, 6, 4]), [5, 5, 6, 6]);
        assert_eq!(arrivals(&[1, 900, 901]), [1, 900, 901], "a quiet month");
        assert_eq!(arrivals(&[1, 900, 900, 2]), [1, 900, 900, 900], "two agree");
        assert_eq!(arrivals(&[1, 2, 900]), [1, 2, 900], "the last");
        assert_eq!(arrivals(&[1, 25, 3]), [1, 25, 25], "a day is not too far");
        assert_eq!(arrivals(&[7]), [7]);
    }
}
