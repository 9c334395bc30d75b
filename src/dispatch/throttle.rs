//! Floor 5: what keeps a failing handler from filling the log.

use crate::limits;
use tokio::time::Instant;

/// Lets the first of a run of failures be logged at once, and then a count of them at most every
/// [`limits::HANDLER_LOG_INTERVAL`].
#[derive(Debug, Default)]
pub(super) struct Throttle {
    last: Option<Instant>,
    held: u64,
}

impl Throttle {
    /// Takes note of failures; gives how many there were since the last line when it is time for another.
    pub(super) fn note(&mut self, count: u64) -> Option<u64> {
        self.held = self.held.saturating_add(count);
        let now = Instant::now();
        if self.last.is_some_and(|last| now.duration_since(last) < limits::HANDLER_LOG_INTERVAL) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn first_at_once_then_a_count_each_interval() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.note(2), Some(2));
        assert_eq!(throttle.note(3), None);
        tokio::time::advance(limits::HANDLER_LOG_INTERVAL - Duration::from_millis(1)).await;
        assert_eq!(throttle.note(1), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(throttle.note(1), Some(5));
        assert_eq!(throttle.note(1), None);
    }
}
