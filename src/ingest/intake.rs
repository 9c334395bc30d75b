//! Floor 4: the door between readers and the pipeline.
//!
//! Invariant: whoever submits a batch holds a permit for it, which the pipeline gives back when the batch has been
//! folded; so at most [`limits::IN_FLIGHT_BATCHES`] are under way, and no queue behind the door can be full.

use super::follow::Bookmarks;
use super::pool::Pool;
use crate::batch::{Batch, FrameSpan, Origin};
use crate::journal::Mark;
use crate::limits;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What takes batches: the sequencer.
pub trait Sink: Send + Sync {
    /// Numbers a batch and passes it on; gives the number of its last input. Never blocks: the caller holds a permit.
    fn submit(&self, batch: Batch) -> u64;
}

/// The leave to have one batch under way.
#[derive(Debug)]
pub struct Permit(OwnedSemaphorePermit);

/// Hands batches of readers to the pipeline. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    sink: Arc<dyn Sink>,
    permits: Arc<Semaphore>,
    pool: Arc<Pool>,
    partial: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("permits", &self.permits).finish_non_exhaustive()
    }
}

impl Intake {
    /// Creates the door to `sink`, which gives a permit back to `permits` for each batch that it is done with.
    pub fn new(sink: Arc<dyn Sink>, permits: Arc<Semaphore>) -> Self {
        Self { sink, permits, pool: Arc::default(), partial: Arc::default() }
    }

    /// The pool of read buffers.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Waits for the leave to submit a batch; `None` when the pipeline has ended.
    pub async fn permit(&self) -> Option<Permit> {
        Arc::clone(&self.permits).acquire_owned().await.ok().map(Permit)
    }

    /// Submits frames of `bytes`. Does nothing, and keeps the permit, when there are none.
    pub fn submit(&self, permit: Permit, origin: &Arc<Origin>, bytes: Bytes, frames: Vec<FrameSpan>) {
        if !frames.is_empty() {
            permit.0.forget();
            self.sink.submit(Batch { origin: Arc::clone(origin), bytes, frames });
        }
    }

    /// Submits lines of a file, perhaps none, with how far it has been read; that is kept where anything is.
    pub(super) fn submit_read(&self, permit: Permit, batch: Batch, mark: (Mark, Option<&Bookmarks>)) {
        let (mark, bookmarks) = mark;
        match bookmarks {
            None if batch.frames.is_empty() => {}
            None => {
                permit.0.forget();
                self.sink.submit(batch);
            }
            Some(bookmarks) => {
                permit.0.forget();
                bookmarks.put(mark, || self.sink.submit(batch));
            }
        }
    }

    /// Submits a clock tick, unless so much is under way that time moves on anyway.
    pub fn tick(&self, origin: &Arc<Origin>) {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            permit.forget();
            self.sink.submit(Batch { origin: Arc::clone(origin), bytes: Bytes::new(), frames: Vec::new() });
        }
    }

    /// Counts `more` bytes of an incomplete frame, unless all connections together would hold too many.
    pub(super) fn reserve(&self, more: usize) -> bool {
        let before = self.partial.fetch_add(more, Ordering::Relaxed);
        let fits = before.saturating_add(more) <= limits::MAX_PARTIAL_BYTES;
        if !fits {
            self.release(more);
        }
        fits
    }

    /// Counts bytes off again.
    pub(super) fn release(&self, less: usize) {
        self.partial.fetch_sub(less, Ordering::Relaxed);
    }
}
