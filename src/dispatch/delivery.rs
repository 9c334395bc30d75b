//! Floor 5: one delivery: guarded against panics, against handlers that never answer, and against long-winded ones.

use crate::handlers::{Gathered, Handler, Outcome, Selection, panic_text};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::timeout;

/// Delivers, and takes a panic of the handler for a failure of these events; the handler gets the next ones all the same.
pub(super) async fn guarded(handler: &mut dyn Handler, events: &Selection) -> Vec<Outcome> {
    let delivered = caught(async move { handler.deliver(events).await }).await;
    let outcomes = delivered.unwrap_or_else(|why| vec![Outcome::Permanent(why); events.len()]);
    outcomes.into_iter().map(Outcome::cut).collect()
}

/// Delivers a digest, and takes a panic of the handler for its failure.
pub(super) async fn guarded_digest(handler: &mut dyn Handler, gathered: &Gathered) -> Outcome {
    caught(async move { handler.digest(gathered).await }).await.unwrap_or_else(Outcome::Permanent).cut()
}

/// What a future gives, or what its panic said.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.map(|polled| polled.map(Ok)).unwrap_or_else(|panic| Poll::Ready(Err(panic_text(&*panic))))
    })
    .await
}

/// Delivers a digest within a deadline.
pub(super) async fn bounded_digest(
    handler: &mut dyn Handler,
    gathered: &Gathered,
    deadline: Duration,
) -> Outcome {
    let answer = timeout(deadline, guarded_digest(handler, gathered)).await;
    answer.unwrap_or_else(|_| Outcome::Temporary(no_answer(deadline)))
}

fn no_answer(deadline: Duration) -> String {
    format!("it gave no answer within {} s", deadline.as_secs())
}

/// Delivers within a deadline, with an outcome for each event, whatever the handler does. One that does not answer may
/// have delivered all the same; so its events are tried again.
pub(super) async fn bounded(
    handler: &mut dyn Handler,
    events: &Selection,
    deadline: Duration,
) -> Vec<Outcome> {
    let answer = timeout(deadline, guarded(handler, events)).await;
    let mut outcomes = answer.unwrap_or_else(|_| vec![Outcome::Temporary(no_answer(deadline)); events.len()]);
    outcomes.resize(events.len(), Outcome::Permanent("it gave no answer".to_owned()));
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, sample};
    use crate::handlers::{Delivery, DigestDelivery};
    use crate::limits;
    use crate::time::Timestamp;
    use std::sync::Arc;

    /// Says more of everything than anybody wants to know.
    struct Wordy;

    impl Handler for Wordy {
        fn deliver<'a>(&'a mut self, _: &'a Selection) -> Delivery<'a> {
            Box::pin(async { vec![Outcome::Accepted("é".repeat(limits::MAX_NOTE_BYTES))] })
        }

        fn digest<'a>(&'a mut self, _: &'a Gathered) -> DigestDelivery<'a> {
            Box::pin(async { panic!("{}", "é".repeat(limits::MAX_NOTE_BYTES)) })
        }
    }

    #[tokio::test]
    async fn what_is_said_of_a_delivery_is_cut() {
        let events = Selection::all(Arc::new(sample(Kind::SSHDLoginFailed, Timestamp::EPOCH)));
        let outcomes = guarded(&mut Wordy, &events).await;
        let [Outcome::Accepted(note)] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(note.len() <= limits::MAX_NOTE_BYTES && note.ends_with("é…"), "{} bytes", note.len());
        let gathered = Gathered { digest: Default::default(), shown: vec![events] };
        let outcome = guarded_digest(&mut Wordy, &gathered).await;
        let why = outcome.failure().unwrap();
        assert!(why.starts_with("the handler panicked: é") && why.len() <= limits::MAX_NOTE_BYTES);
    }
}
