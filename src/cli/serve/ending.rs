//! Floor 8: the end of a server that does not get to its end: the disk stays full, a handler hangs, or whoever told it to
//! stop does not want to wait.
//!
//! Invariant: how a server ended is told once, by whoever is first.

use super::backend::totals;
use super::control::{Handlers, last_word};
use super::signals::Signals;
use super::{report, say_what_is_left};
use crate::cli::{Exit, Failure, logging};
use crate::config::LogFormat;
use crate::dispatch::Totals;
use crate::ingest::Notices;
use crate::journal::Standings;
use crate::limits;
use crate::pipeline::{Errand, Ledger, Present, Reach, RejectFile};
use anyhow::Context;
use crossbeam_channel::{Receiver, bounded};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// What is known of the end of a server: nothing before it receives anything.
type Known = Mutex<Option<Arc<Ending>>>;

/// The thread that waits for the signals to stop.
pub(super) struct Stop {
    first: Receiver<()>,
    known: Arc<Known>,
}

impl Stop {
    /// Waits for the first signal; then ends the process when its threads do not, as on a full disk, where they would wait
    /// for room for ever, or when another signal comes: whoever sends it does not want to wait.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(super) fn watch(mut signals: Signals) -> Result<Self, Failure> {
        let (tell, first) = bounded(1);
        let known = Arc::<Known>::default();
        let ending = Arc::clone(&known);
        let watch = move || {
            signals.first();
            // A server that failed to start is not there to be told.
            tell.send(()).ok();
            let patience = limits::STOP_TIME.saturating_sub(limits::LAST_WORD_TIME);
            let why = match signals.another_within(patience) {
                true => "a second signal ends the server at once",
                false => "the server does not get to its end in time",
            };
            // While the server begins to receive, this waits until it is known what of it has to be told.
            match &*ending.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(ending) => ending.at_once(why, signals.runtime()),
                None => {
                    logging::warn(&format!("{why}; it has not begun to receive anything"));
                    std::process::exit(i32::from(Exit::Done as u8));
                }
            }
        };
        thread::Builder::new().name("end".to_owned()).spawn(watch).context("cannot start a thread")?;
        Ok(Self { first, known })
    }

    /// What is known of the end, to be set by whoever makes the server receive, and held meanwhile.
    pub(super) fn known(&self) -> MutexGuard<'_, Option<Arc<Ending>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the server is told to stop.
    pub(super) fn told(&self) {
        // The thread tells it before it ends.
        self.first.recv().ok();
    }
}

/// What is known of a server while it ends.
pub(super) struct Ending {
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) notices: Arc<Notices>,
    pub(super) rejects: Arc<RejectFile>,
    pub(super) handlers: Handlers,
    /// Where the handlers stood at the start.
    pub(super) before: Standings,
    /// How far what came in has got on its way to the journal.
    pub(super) reach: Arc<Reach>,
    pub(super) format: LogFormat,
    pub(super) is_told: AtomicBool,
}

impl Ending {
    /// Whether it is for the caller to tell how the server ended; others that ask later are told no.
    pub(super) fn is_mine(&self) -> bool {
        !self.is_told.swap(true, SeqCst)
    }

    /// Ends the process, once it has told what is lost, what is left, and the totals.
    pub(super) fn at_once(&self, why: &str, runtime: &Runtime) {
        if !self.is_mine() {
            return;
        }
        let rejected = self.rejects.flush();
        let (totals, missing) = match &self.handlers {
            Handlers::Volatile(sink) => (sink.totals(), None),
            Handlers::Durable { dispatch, errands } => {
                let Present { standings, next, .. } = runtime.block_on(present(errands, &self.reach));
                (totals(dispatch, &self.before, &standings, next), Some(self.reach.missing()))
            }
        };
        // What handlers deliver meanwhile is noted nowhere any more.
        self.rejects.finish(rejected, limits::REJECTED_LAST_TIME);
        let exit = self.tell(why, missing, &totals);
        std::process::exit(i32::from(exit as u8));
    }

    fn tell(&self, why: &str, missing: Option<u64>, totals: &[Totals]) -> Exit {
        let lost = missing.unwrap_or_default();
        if lost > 0 {
            let inputs = if lost == 1 { "1 input was" } else { &format!("{lost} inputs were") };
            tracing::error!(
                "{why}: at most {inputs} received and did not reach the journal; they are lost, but for those that mean \
                 nothing, and for what is read again from followed files"
            );
        } else {
            tracing::warn!("{why}; everything that was received is in the journal");
        }
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
        report::ended(&ledger, &self.notices.totals(), totals, self.format);
        let exit = say_what_is_left(totals, missing.is_none());
        if lost > 0 { Exit::DurabilityLost } else { exit }
    }
}

/// Where things stand, or stood when that was last known: a journal's thread that does not answer has told nobody that
/// anything is durable since.
async fn present(errands: &mpsc::Sender<Errand>, reach: &Reach) -> Present {
    last_word(errands).await.unwrap_or_else(|error| {
        tracing::warn!("{error:#}; what is said of handlers is how they stood when it was last at work");
        reach.word()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;

    #[test]
    fn of_a_journal_that_does_not_answer_it_is_told_what_was_last_known() {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (errands, _asked) = mpsc::channel(1);
        let reach = Reach::default();
        reach.leave_word(Present { next: 7, ..Present::default() });
        assert_eq!(runtime.block_on(present(&errands, &reach)).next, 7);
    }
}
