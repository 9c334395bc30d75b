//! Floor 6: the correlator's end of the way to the journal.
//!
//! Invariant: what is handed on waits in a bounded channel; what inputs were gathered in comes back to be used again.

use super::super::folded::{EventSink, Folded};
use super::super::reach::Reach;
use crate::ingest::Bookmarks;
use crate::journal::KeptInputs;
use crossbeam_channel::Receiver;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::sync::mpsc;

/// The correlator's end of the way to the journal.
#[derive(Debug)]
pub struct JournalSink {
    pub(super) folded: mpsc::Sender<Folded>,
    pub(super) wants_state: Arc<AtomicBool>,
    pub(super) wants_inputs: bool,
    pub(super) wants_progress: bool,
    pub(super) spares: Receiver<KeptInputs>,
    pub(super) bookmarks: Arc<Bookmarks>,
    pub(super) reach: Arc<Reach>,
}

impl EventSink for JournalSink {
    fn wants_inputs(&self) -> bool {
        self.wants_inputs
    }

    fn wants_state(&self) -> bool {
        self.wants_state.load(Relaxed)
    }

    fn keeps_state(&self) -> bool {
        true
    }

    fn wants_word(&self, is_further: bool) -> bool {
        is_further && self.wants_progress || self.bookmarks.are_due()
    }

    fn spare_inputs(&mut self) -> KeptInputs {
        self.spares.try_recv().unwrap_or_default()
    }

    fn reach(&self) -> Option<Arc<Reach>> {
        Some(Arc::clone(&self.reach))
    }

    fn offer(&mut self, folded: Folded) {
        if folded.state.is_some() {
            self.wants_state.store(false, Relaxed);
        }
        if self.folded.blocking_send(folded).is_err() {
            tracing::error!("the journal's thread has gone");
        }
    }
}
