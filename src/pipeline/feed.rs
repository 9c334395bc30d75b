//! Floor 6: finite inputs into the pipeline, at full speed or paced.
//!
//! Invariant: numbers and arrivals are taken as they come; only the place in the ring is given here.

use super::Pipeline;
use crate::batch::Sequenced;
use crate::limits;
use crate::time::Timestamp;
use crossbeam_channel::{Receiver, RecvTimeoutError, never};
use std::time::{Duration, Instant};

/// How fast a replay goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As fast as possible.
    Full,
    /// This many times as fast as the inputs arrived.
    Times(f64),
}

/// Feeds all inputs, each as soon as the pipeline has a permit for it and its time has come, while they are wanted: that
/// is asked before each, and from time to time while the next one's time has not come. Returns false when the pipeline
/// has ended before the inputs, or they were not wanted any more.
pub fn feed(
    pipeline: &Pipeline,
    permits: &Receiver<()>,
    pace: Pace,
    is_wanted: impl Fn() -> bool,
    inputs: impl IntoIterator<Item = Sequenced>,
) -> bool {
    let workers = pipeline.feed();
    let mut timing = Timing { pace, start: None };
    // A batch may hold hours; what is paced goes in by the runs that arrived at once.
    let by_run = |sequenced: Sequenced| match pace {
        Pace::Full => vec![sequenced],
        Pace::Times(_) => sequenced.by_run(),
    };
    for (slot, mut sequenced) in (0..).zip(inputs.into_iter().flat_map(by_run)) {
        let is_time = timing.wait(sequenced.arrivals.last(), &is_wanted);
        sequenced.slot = slot;
        if !is_time || permits.recv().is_err() || workers.send(sequenced).is_err() {
            return false;
        }
    }
    true
}

struct Timing {
    pace: Pace,
    start: Option<(Instant, Timestamp)>,
}

impl Timing {
    /// Waits until the time of an arrival has come; whether it has, and is still wanted.
    fn wait(&mut self, arrival: Timestamp, is_wanted: impl Fn() -> bool) -> bool {
        let Pace::Times(times) = self.pace else { return is_wanted() };
        let (start, first) = *self.start.get_or_insert_with(|| (Instant::now(), arrival));
        let due =
            Duration::try_from_secs_f64(arrival.since(first).as_secs_f64() / times).unwrap_or(Duration::MAX);
        while is_wanted() {
            let left = due.saturating_sub(start.elapsed());
            if left.is_zero() {
                return true;
            }
            // Nothing ever comes on this channel: all that it gives is the wait.
            let waited = never::<()>().recv_timeout(left.min(limits::PACE_LOOK_INTERVAL));
            debug_assert_eq!(waited, Err(RecvTimeoutError::Timeout));
        }
        false
    }
}
