//! Floor 4: how many messages may go in an hour and in a day.
//!
//! Invariant: within any hour, and any day, no more are granted than may go.

use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The messages of the last day.
#[derive(Debug)]
pub(super) struct Quota {
    per_hour: usize,
    per_day: usize,
    sent: VecDeque<Timestamp>,
    /// Whether it has been told that the limit is reached.
    told: bool,
}

/// A limit that is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Full {
    /// What is reached: `10 messages an hour`.
    pub(super) limit: String,
    /// When the next message may go.
    pub(super) until: Timestamp,
    /// Whether nobody has been told yet.
    pub(super) is_news: bool,
}

impl Quota {
    pub(super) fn new(per_hour: usize, per_day: usize) -> Self {
        Self { per_hour, per_day, sent: VecDeque::new(), told: false }
    }

    /// Whether another message may go.
    ///
    /// # Errors
    /// The limit that is reached.
    pub(super) fn check(&mut self, now: Timestamp) -> Result<(), Full> {
        // A message from the future was sent before the clock was put back.
        self.sent.retain(|sent| *sent <= now && now.since(*sent) < DAY);
        let hour = (self.per_hour, HOUR, "an hour");
        let day = (self.per_day, DAY, "a day");
        let reached = [hour, day].into_iter().filter_map(|(most, window, name)| {
            // The oldest of the last so many has to leave the window first.
            let oldest = self.sent.iter().rev().nth(most.saturating_sub(1))?;
            let until = oldest.plus(window);
            (until > now).then(|| (until, format!("{most} messages {name}")))
        });
        let Some((until, limit)) = reached.max() else {
            self.told = false;
            return Ok(());
        };
        Err(Full { limit, until, is_news: !std::mem::replace(&mut self.told, true) })
    }

    /// Counts a message that was sent.
    pub(super) fn count(&mut self, now: Timestamp) {
        self.sent.push_back(now);
        while self.sent.len() > self.per_day.max(self.per_hour) {
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn hours_and_days_slide_and_the_news_is_told_once() {
        let mut quota = Quota::new(2, 3);
        for time in [0, 600] {
            assert_eq!(quota.check(at(time)), Ok(()));
            quota.count(at(time));
        }
        let full = quota.check(at(700)).unwrap_err();
        assert_eq!(full, Full { limit: "2 messages an hour".into(), until: at(3_600), is_news: true });
        assert!(!quota.check(at(3_599)).unwrap_err().is_news);
        assert_eq!(quota.check(at(3_600)), Ok(()));
        quota.count(at(3_600));
        let full = quota.check(at(3_601)).unwrap_err();
        assert_eq!((full.limit.as_str(), full.until, full.is_news), ("3 messages a day", at(86_400), true));
        assert_eq!(quota.check(at(86_400)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_put_back_blocks_nobody() {
        let mut quota = Quota::new(1, 1);
        quota.count(at(1_000_000));
        assert_eq!(quota.check(at(0)), Ok(()));
    }
}
