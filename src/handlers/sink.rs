//! Floor 4: handlers whose work blocks: each has a thread of its own.
//!
//! Files and pipes can hang for as long as they like. A thread for each such handler keeps that from the runtime's
//! threads, which the other handlers share; unlike a pool for blocking work it does not hold up the end of the process
//! either, and what is half done survives a delivery that was given up.
//!
//! Invariant: a panic of a sink is the failure of one delivery, and of nothing else.

use super::{Delivery, DigestDelivery, Gathered, Handler, Outcome, Selection};
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use tokio::sync::{mpsc, oneshot};

/// Delivers events and may block.
pub(super) trait Sink: Send + 'static {
    /// Delivers events, in order, with one outcome for each.
    fn write(&mut self, events: &Selection) -> Vec<Outcome>;

    /// Delivers many events as one message, if it does that.
    fn digest(&mut self, _: &Gathered) -> Outcome {
        Outcome::Permanent("this type of handler sends no digests".to_owned())
    }
}

/// What the thread is to do, and where it answers.
enum Job {
    Events(Selection, oneshot::Sender<Vec<Outcome>>),
    Digest(Gathered, oneshot::Sender<Outcome>),
}

/// A handler that hands its work to a thread of its own.
struct OwnThread {
    jobs: mpsc::Sender<Job>,
}

/// Starts a sink's thread, which ends when the handler is dropped and the work in hand is done.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn on_own_thread(name: &str, mut sink: impl Sink) -> io::Result<Box<dyn Handler>> {
    let (jobs, mut waiting) = mpsc::channel::<Job>(1);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        while let Some(job) = waiting.blocking_recv() {
            // Nobody listens when the delivery was given up.
            match job {
                Job::Events(events, answer) => {
                    let result = catch_unwind(AssertUnwindSafe(|| sink.write(&events)));
                    answer.send(result.unwrap_or_else(|panic| failed(&events, &panic_text(&*panic)))).ok();
                }
                Job::Digest(gathered, answer) => {
                    let result = catch_unwind(AssertUnwindSafe(|| sink.digest(&gathered)));
                    answer.send(result.unwrap_or_else(|panic| Outcome::Permanent(panic_text(&*panic)))).ok();
                }
            }
        }
    })?;
    Ok(Box::new(OwnThread { jobs }))
}

/// Why nothing can be delivered any more.
const ENDED: &str = "the thread of the handler has ended";

fn failed(events: &Selection, why: &str) -> Vec<Outcome> {
    vec![Outcome::Permanent(why.to_owned()); events.len()]
}

/// Says what a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the handler panicked: {}", said.unwrap_or("without a message"))
}

impl Handler for OwnThread {
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a> {
        Box::pin(async move {
            let (answer, outcomes) = oneshot::channel();
            let sent = self.jobs.send(Job::Events(events.clone(), answer)).await;
            match (sent, outcomes.await) {
                (Ok(()), Ok(outcomes)) => outcomes,
                _ => failed(events, ENDED),
            }
        })
    }

    fn digest<'a>(&'a mut self, gathered: &'a Gathered) -> DigestDelivery<'a> {
        Box::pin(async move {
            let (answer, outcome) = oneshot::channel();
            let sent = self.jobs.send(Job::Digest(gathered.clone(), answer)).await;
            match (sent, outcome.await) {
                (Ok(()), Ok(outcome)) => outcome,
                _ => Outcome::Permanent(ENDED.to_owned()),
            }
        })
    }
}
