//! Floor 6: the one place that numbers inputs and stamps their arrival.
//!
//! Invariant: numbers and slots have no gaps, and arrivals never go back, whatever the clock does.

use super::reach::Reach;
use crate::batch::{Arrivals, Batch, Sequenced};
use crate::ingest::Sink;
use crate::time::{Clock, Timestamp};
use crossbeam_channel::Sender;
use std::sync::{Arc, Mutex, PoisonError};

/// Numbers batches and sends them to the workers.
pub struct Sequencer {
    clock: Box<dyn Clock>,
    place: Mutex<Place>,
    workers: Sender<Sequenced>,
    reach: Arc<Reach>,
}

impl std::fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sequencer").field("place", &self.place).finish_non_exhaustive()
    }
}

/// What the next batch gets.
#[derive(Debug)]
struct Place {
    slot: u64,
    number: u64,
    arrival: Timestamp,
}

impl Sequencer {
    /// Creates the sequencer of a run, whose numbers begin at 1.
    pub fn new(clock: impl Clock + 'static, workers: Sender<Sequenced>, reach: Arc<Reach>) -> Self {
        let place = Place { slot: 0, number: 1, arrival: Timestamp::MIN };
        Self { clock: Box::new(clock), place: Mutex::new(place), workers, reach }
    }

    /// The time at which the inputs end: now, and not before the last arrival.
    pub fn close(&self) -> Timestamp {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.arrival.max(self.clock.now())
    }
}

impl Sink for Sequencer {
    fn submit(&self, batch: Batch) -> u64 {
        self.reach.receive(batch.frames.len() as u64);
        let (sequenced, last) = {
            let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
            // Read under the lock, so that the order of numbers is the order of arrivals.
            place.arrival = place.arrival.max(self.clock.now());
            let arrivals = Arrivals::One(place.arrival);
            let sequenced = Sequenced { slot: place.slot, first: place.number, arrivals, batch };
            place.slot += 1;
            place.number += sequenced.inputs();
            (sequenced, place.number - 1)
        };
        if self.workers.send(sequenced).is_err() {
            tracing::error!("a batch came after the workers had ended");
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{FrameSpan, Origin};
    use crate::span::Span;
    use bytes::Bytes;
    use std::sync::atomic::{AtomicI64, Ordering};

    struct Stepping(Arc<AtomicI64>);

    impl Clock for Stepping {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.0.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn numbers_have_no_gaps_and_time_never_goes_back() {
        let (workers, batches) = crossbeam_channel::bounded(8);
        let now = Arc::new(AtomicI64::new(50));
        let sequencer = Sequencer::new(Stepping(Arc::clone(&now)), workers, Arc::default());
        let origin = Arc::new(Origin { listener: "lan".into(), peer: "192.0.2.1".into() });
        let frame = FrameSpan { span: Span::EMPTY, truncated: false };
        for (frames, micros) in [(3, 50), (0, 40), (1, 60)] {
            now.store(micros, Ordering::Relaxed);
            let batch =
                Batch { origin: Arc::clone(&origin), bytes: Bytes::new(), frames: vec![frame; frames] };
            sequencer.submit(batch);
        }
        let places: Vec<_> =
            batches.try_iter().map(|b| (b.slot, b.first, b.arrivals.last().as_micros())).collect();
        assert_eq!(places, [(0, 1, 50), (1, 4, 50), (2, 5, 60)], "the tick takes a number of its own");
        now.store(10, Ordering::Relaxed);
        assert_eq!(sequencer.close().as_micros(), 60);
    }
}
