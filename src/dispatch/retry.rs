//! Floor 5: when a delivery that failed is tried again.

use crate::limits;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How often, and for how long, a delivery is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOptions {
    /// The shortest pause.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
    /// The time after which an event is given up and becomes a dead letter.
    pub give_up: Duration,
    /// The time within which a handler has to answer.
    pub deadline: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            first: limits::RETRY_FIRST,
            most: limits::RETRY_MOST,
            give_up: limits::RETRY_GIVE_UP,
            deadline: limits::HANDLER_DEADLINE,
        }
    }
}

impl RetryOptions {
    /// The pause after so many attempts: anything from the shortest pause to one that doubles with each attempt, so
    /// that handlers that failed together do not come back together.
    pub(super) fn pause(&self, attempts: u32, random: u64) -> Duration {
        let doubled = 1_u32.checked_shl(attempts.min(30)).and_then(|times| self.first.checked_mul(times));
        let most = doubled.unwrap_or(self.most).min(self.most).max(self.first);
        let span = u64::try_from((most - self.first).as_millis()).unwrap_or(u64::MAX);
        self.first + Duration::from_millis(random % span.saturating_add(1))
    }

    /// The pause after so many attempts, by chance.
    pub(super) fn any_pause(&self, attempts: u32) -> Duration {
        self.pause(attempts, RandomState::new().hash_one(attempts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let options = RetryOptions::default();
        let longest = |attempts| (0..5000).map(|random| options.pause(attempts, random * 61)).max().unwrap();
        assert_eq!(options.pause(1, 0), Duration::from_secs(1));
        assert!(longest(1) <= Duration::from_secs(2) && longest(1) > Duration::from_millis(1900));
        assert!(longest(4) <= Duration::from_secs(16) && longest(4) > Duration::from_secs(15));
        assert!(longest(20) > Duration::from_secs(299));
    }

    proptest! {
        #[test]
        fn every_pause_lies_within_its_bounds(attempts in any::<u32>(), random in any::<u64>()) {
            let options = RetryOptions::default();
            let pause = options.pause(attempts, random);
            prop_assert!(pause >= options.first && pause <= options.most);
        }
    }
}
