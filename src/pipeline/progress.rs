//! Floor 6: how far inputs are durable, for those who answer for them to others.
//!
//! Invariant: what is told is told after the sync that made it true, and for every input, also for those of which nothing
//! is kept.

use std::sync::Arc;
use tokio::sync::watch;

/// Tells how far inputs are durable, if somebody wants to know.
#[derive(Clone, Debug, Default)]
pub struct Progress(Option<Arc<watch::Sender<u64>>>);

impl Progress {
    /// One that is watched, and the watcher's end: the number, within this run, through which inputs are durable.
    pub fn watched() -> (Self, watch::Receiver<u64>) {
        let (tell, told) = watch::channel(0);
        (Self(Some(Arc::new(tell))), told)
    }

    /// Whether somebody wants to know.
    pub(super) fn is_watched(&self) -> bool {
        self.0.is_some()
    }

    /// Tells that inputs are durable through a number.
    pub(super) fn reached(&self, number: u64) {
        if let Some(tell) = &self.0 {
            tell.send_if_modified(|told| std::mem::replace(told, number.max(*told)) < number);
        }
    }
}
