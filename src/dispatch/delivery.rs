//! Floor 5: one delivery: guarded against panics and against handlers that never answer.

use crate::handlers::{Handler, Outcome, Selection, panic_text};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::timeout;

/// Delivers, and takes a panic of the handler for a failure of these events; the handler gets the next ones all the same.
pub(super) async fn guarded(handler: &mut dyn Handler, events: &Selection) -> Vec<Outcome> {
    let mut delivery = pin!(async move { handler.deliver(events).await });
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| delivery.as_mut().poll(context)));
        polled
            .unwrap_or_else(|panic| Poll::Ready(vec![Outcome::Permanent(panic_text(&*panic)); events.len()]))
    })
    .await
}

/// Delivers within a deadline, with an outcome for each event, whatever the handler does. One that does not answer may
/// have delivered all the same; so its events are tried again.
pub(super) async fn bounded(
    handler: &mut dyn Handler,
    events: &Selection,
    deadline: Duration,
) -> Vec<Outcome> {
    let answer = timeout(deadline, guarded(handler, events)).await;
    let mut outcomes = answer.unwrap_or_else(|_| {
        let why = format!("it gave no answer within {} s", deadline.as_secs());
        vec![Outcome::Temporary(why); events.len()]
    });
    outcomes.resize(events.len(), Outcome::Permanent("it gave no answer".to_owned()));
    outcomes
}
