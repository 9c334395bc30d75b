//! Floor 4: what was shed, as spans of time in which records are missing.
//!
//! Invariant: everything that was shed is in just one span that is handed out.

use super::notices::Refusal;
use crate::limits;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Records that a listener shed for one reason, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shed {
    /// The listener.
    pub listener: String,
    /// The reason.
    pub reason: Refusal,
    /// How many.
    pub count: u64,
    /// The sender of whom most were shed at once, as far as that is known.
    pub peer: String,
    most: u64,
    /// The first.
    pub start: Timestamp,
    /// The last.
    pub finish: Timestamp,
}

/// Spans that last.
#[derive(Debug, Default)]
pub(super) struct Spans(BTreeMap<(String, Refusal), Span>);

#[derive(Debug, Default)]
struct Span {
    shed: Option<Shed>,
    /// Whether a part of it has been handed out.
    goes_on: bool,
}

impl Spans {
    /// Adds what was shed of a sender, now.
    pub(super) fn add(
        &mut self,
        listener: &str,
        peer: &str,
        (reason, count): (Refusal, u64),
        now: Timestamp,
    ) {
        let span = self.0.entry((listener.to_owned(), reason)).or_default();
        let start =
            if reason == Refusal::KernelDrop { now.minus(limits::KERNEL_DROPS_INTERVAL) } else { now };
        let shed = span.shed.get_or_insert_with(|| Shed {
            listener: listener.to_owned(),
            reason,
            count: 0,
            peer: String::new(),
            most: 0,
            start,
            finish: now,
        });
        shed.count += count;
        shed.finish = shed.finish.max(now);
        if count > shed.most {
            (shed.most, shed.peer) = (count, peer.to_owned());
        }
    }

    /// Takes the spans that are over, and those that have lasted for long enough to be told of; all of them at the end.
    pub(super) fn take(&mut self, now: Timestamp, at_end: bool) -> Vec<Shed> {
        let mut taken = Vec::new();
        self.0.retain(|_, span| {
            let Some(shed) = &span.shed else {
                // Nothing more came since the last part.
                return false;
            };
            let patience = if span.goes_on { limits::SHED_INTERVAL } else { limits::SHED_PATIENCE };
            let is_over = now.since(shed.finish) >= limits::SHED_PAUSE;
            if at_end || is_over || now.since(shed.start) >= patience {
                taken.extend(span.shed.take());
                span.goes_on = true;
            }
            !is_over
        });
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOON: Timestamp = Timestamp::from_civil(2026, 3, 1, 43_200, 0);

    fn at(second: u64) -> Timestamp {
        NOON.plus(Duration::from_secs(second))
    }

    #[test]
    fn what_is_shed_is_told_once_it_is_over_or_lasts() {
        let mut spans = Spans::default();
        let mut told = Vec::new();
        for second in 0..1000 {
            if second == 5 || (100..900).contains(&second) {
                spans.add("lan", "192.0.2.1", (Refusal::RateLimit, 3), at(second));
                spans.add("lan", "192.0.2.2", (Refusal::RateLimit, 7), at(second));
            }
            if second % 10 == 0 {
                let taken = spans.take(at(second), false);
                told.extend(taken.into_iter().map(|shed| (second, shed.count, shed.start, shed.finish)));
            }
        }
        assert_eq!(
            told,
            [
                (20, 10, at(5), at(5)),
                (160, 610, at(100), at(160)),
                (770, 6100, at(161), at(770)),
                (910, 1290, at(771), at(899)),
            ]
        );
        assert_eq!(told.iter().map(|(_, count, ..)| count).sum::<u64>(), 8010, "each in one span");
    }

    #[test]
    fn listeners_and_reasons_are_apart_and_the_end_takes_all() {
        let mut spans = Spans::default();
        spans.add("lan", "192.0.2.1", (Refusal::RateLimit, 3), at(0));
        spans.add("lan", "192.0.2.2", (Refusal::RateLimit, 2), at(0));
        spans.add("lan", "udp://0.0.0.0:514", (Refusal::KernelDrop, 9), at(0));
        spans.add("dmz", "192.0.2.2", (Refusal::RateLimit, 1), at(0));
        assert_eq!(spans.take(at(1), false), []);
        let taken = spans.take(at(1), true);
        let shown: Vec<_> =
            taken.iter().map(|shed| (&*shed.listener, shed.reason, shed.count, &*shed.peer)).collect();
        assert_eq!(
            shown,
            [
                ("dmz", Refusal::RateLimit, 1, "192.0.2.2"),
                ("lan", Refusal::RateLimit, 5, "192.0.2.1"),
                ("lan", Refusal::KernelDrop, 9, "udp://0.0.0.0:514"),
            ]
        );
        assert_eq!(
            taken[2].start,
            at(0).minus(limits::KERNEL_DROPS_INTERVAL),
            "as far back as it may have been"
        );
    }
}
