//! Floor 4: the door between readers and the pipeline.
//!
//! Invariant: whoever submits a batch holds a permit for it, which the pipeline gives back when the batch has been
//! folded; so at most [`limits::IN_FLIGHT_BATCHES`] are under way, and no queue behind the door can be full.

use super::follow::Bookmarks;
use super::pool::Pool;
use super::repeats::Remembered;
use crate::batch::{Batch, FrameSpan, Origin};
use crate::journal::Mark;
use crate::limits;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// What takes batches: the sequencer.
pub trait Sink: Send + Sync {
    /// Numbers a batch and passes it on; gives the number of its last input. Never blocks: the caller holds a permit.
    fn submit(&self, batch: Batch) -> u64;
}

/// The leave to have one batch under way.
#[derive(Debug)]
pub struct Permit(OwnedSemaphorePermit);

/// By what readers answer for records.
#[derive(Clone, Debug)]
pub struct Answering {
    /// The number through which inputs are durable.
    pub durable: watch::Receiver<u64>,
    /// The last records before a restart.
    pub remembered: Arc<Remembered>,
}

/// How far inputs are durable.
#[derive(Clone, Debug)]
pub(super) struct Durable(Option<watch::Receiver<u64>>);

impl Durable {
    /// The number through which they are, now.
    pub(super) fn through(&mut self) -> u64 {
        self.0.as_mut().map_or(u64::MAX, |durable| *durable.borrow_and_update())
    }

    /// Waits until they are durable further than was told last.
    pub(super) async fn further(&mut self) {
        let told = match &mut self.0 {
            Some(durable) => durable.changed().await.is_ok(),
            None => false,
        };
        if !told {
            // Nobody will ever tell.
            std::future::pending::<()>().await;
        }
    }
}

/// Hands batches of readers to the pipeline. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    sink: Arc<dyn Sink>,
    permits: Arc<Semaphore>,
    pool: Arc<Pool>,
    partial: Arc<AtomicUsize>,
    /// By what readers answer for records, where somebody tells.
    answering: Option<Answering>,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("permits", &self.permits).finish_non_exhaustive()
    }
}

impl Intake {
    /// Creates the door to `sink`, which gives a permit back to `permits` for each batch that it is done with.
    pub fn new(sink: Arc<dyn Sink>, permits: Arc<Semaphore>) -> Self {
        Self { sink, permits, pool: Arc::default(), partial: Arc::default(), answering: None }
    }

    /// The same, and how far inputs are durable. Where nobody tells, they are as durable as they will be once submitted.
    #[must_use]
    pub fn with_answering(self, answering: Option<Answering>) -> Self {
        Self { answering, ..self }
    }

    /// Tells how far inputs are durable.
    pub(super) fn durable(&self) -> Durable {
        Durable(self.answering.as_ref().map(|answering| answering.durable.clone()))
    }

    /// The last records before a restart.
    pub(super) fn remembered(&self) -> Arc<Remembered> {
        self.answering.as_ref().map(|answering| Arc::clone(&answering.remembered)).unwrap_or_default()
    }

    /// The pool of read buffers.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Waits for the leave to submit a batch; `None` when the pipeline has ended.
    pub async fn permit(&self) -> Option<Permit> {
        Arc::clone(&self.permits).acquire_owned().await.ok().map(Permit)
    }

    /// Submits frames of `bytes`; gives the number of the last one. Does nothing, and keeps the permit, when there are none.
    pub fn submit(
        &self,
        permit: Permit,
        origin: &Arc<Origin>,
        bytes: Bytes,
        frames: Vec<FrameSpan>,
    ) -> Option<u64> {
        (!frames.is_empty()).then(|| {
            permit.0.forget();
            self.sink.submit(Batch { origin: Arc::clone(origin), bytes, frames })
        })
    }

    /// Submits lines of a file, perhaps none, with how far it has been read; that is kept where anything is.
    pub(super) fn submit_read(&self, permit: Permit, batch: Batch, marks: (Vec<Mark>, Option<&Bookmarks>)) {
        let (marks, bookmarks) = marks;
        match bookmarks {
            None if batch.frames.is_empty() => {}
            None => {
                permit.0.forget();
                self.sink.submit(batch);
            }
            Some(bookmarks) => {
                permit.0.forget();
                bookmarks.put(marks, || self.sink.submit(batch));
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
