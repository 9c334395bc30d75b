//! Floor 6: the permits of batches under way, for readers that await and for readers that block.
//!
//! Invariant: a permit that was taken for a batch comes back exactly once, when the batch has been folded.

use crate::limits;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Gives permits back.
#[derive(Clone, Debug)]
pub enum Gate {
    /// To tasks of a runtime.
    Tasks(Arc<Semaphore>),
    /// To a thread.
    Thread(Sender<()>),
}

impl Gate {
    /// A gate for tasks, and the permits.
    pub fn for_tasks() -> (Self, Arc<Semaphore>) {
        let permits = Arc::new(Semaphore::new(limits::IN_FLIGHT_BATCHES));
        (Self::Tasks(Arc::clone(&permits)), permits)
    }

    /// A gate for one blocking thread that feeds so many workers, and the permits: each message received is one. There
    /// are enough to keep the workers busy, and no more, so that what is under way stays in the caches.
    pub fn for_thread(workers: usize) -> (Self, Receiver<()>) {
        let permits = workers.saturating_add(1).saturating_mul(4).min(limits::IN_FLIGHT_BATCHES);
        let (give, take) = bounded(permits);
        for _ in 0..permits {
            if give.send(()).is_err() {
                break;
            }
        }
        (Self::Thread(give), take)
    }

    /// Gives one permit back.
    pub(super) fn release(&self) {
        match self {
            Self::Tasks(permits) => permits.add_permits(1),
            // There is room for every permit, and a reader that has gone wants none.
            Self::Thread(give) => drop(give.try_send(())),
        }
    }
}
