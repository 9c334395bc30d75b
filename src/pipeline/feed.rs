//! Floor 6: finite inputs into the pipeline, at full speed or paced.
//!
//! Invariant: numbers and arrivals are taken as they come; only the place in the ring is given here.

use super::Pipeline;
use crate::batch::Sequenced;
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

/// Feeds all inputs, each as soon as the pipeline has a permit for it and its time has come. Returns false when the
/// pipeline has ended before the inputs.
pub fn feed(
    pipeline: &Pipeline,
    permits: &Receiver<()>,
    pace: Pace,
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
        timing.wait(sequenced.arrivals.last());
        sequenced.slot = slot;
        if permits.recv().is_err() || workers.send(sequenced).is_err() {
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
    fn wait(&mut self, arrival: Timestamp) {
        let Pace::Times(times) = self.pace else { return };
        let (start, first) = *self.start.get_or_insert_with(|| (Instant::now(), arrival));
        let due =
            Duration::try_from_secs_f64(arrival.since(first).as_secs_f64() / times).unwrap_or(Duration::MAX);
        let left = due.saturating_sub(start.elapsed());
        if !left.is_zero() {
            // Nothing ever comes on this channel: all that it gives is the wait.
            let waited = never::<()>().recv_timeout(left);
            debug_assert_eq!(waited, Err(RecvTimeoutError::Timeout));
        }
    }
}
