//! Floor 4: a handler that is not made yet, because a credential of it cannot be had.
//!
//! Each delivery begins with another try to make it. Until that succeeds events fail for now, as they do when a server is
//! away, so that they wait and are tried again at growing intervals, but soon enough for whoever
//! adds the credential to see them come.
//!
//! Invariant: once the handler is made, everything goes to it.

use super::{Delivery, DigestDelivery, Gathered, Handler, Outcome, Probing, Selection, Trial};
use crate::limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};

/// Makes a handler, or says what is in the way. It may block.
pub type Make = dyn Fn() -> Result<Box<dyn Handler>, String> + Send + Sync;

struct Awaiting {
    make: Arc<Make>,
    /// What is being made. A store that hangs outlives the delivery that asked for it, and is not asked once more.
    making: Option<JoinHandle<Result<Box<dyn Handler>, String>>>,
    made: Option<Box<dyn Handler>>,
}

/// Gives a handler that makes the real one when its credentials are there.
pub fn awaiting(make: Arc<Make>) -> Box<dyn Handler> {
    Box::new(Awaiting { make, making: None, made: None })
}

impl Awaiting {
    /// The handler, made now if it can be.
    async fn handler(&mut self) -> Result<&mut Box<dyn Handler>, String> {
        let handler = match self.made.take() {
            Some(handler) => handler,
            None => {
                let make = Arc::clone(&self.make);
                let making = self.making.get_or_insert_with(|| spawn_blocking(move || make()));
                let made = making.await;
                self.making = None;
                made.unwrap_or_else(|failed| Err(failed.to_string()))?
            }
        };
        Ok(self.made.insert(handler))
    }
}

impl Handler for Awaiting {
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a> {
        Box::pin(async move {
            match self.handler().await {
                Ok(handler) => handler.deliver(events).await,
                Err(why) => vec![Outcome::Temporary(why); events.len()],
            }
        })
    }

    /// Few until it is known how many the handler takes.
    fn most(&self) -> usize {
        self.made.as_ref().map_or(1, |handler| handler.most())
    }

    /// Whoever adds a credential waits for the first event to arrive.
    fn patience(&self) -> Duration {
        self.made.as_ref().map_or(limits::CREDENTIAL_PAUSE, |handler| handler.patience())
    }

    fn digest<'a>(&'a mut self, gathered: &'a Gathered) -> DigestDelivery<'a> {
        Box::pin(async move {
            match self.handler().await {
                Ok(handler) => handler.digest(gathered).await,
                Err(why) => Outcome::Temporary(why),
            }
        })
    }

    fn probe(&mut self) -> Probing<'_> {
        Box::pin(async move {
            match self.handler().await {
                Ok(handler) => handler.probe().await,
                Err(why) => vec![Trial { what: "credentials".to_owned(), result: Err(why) }],
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, sample};
    use crate::time::Timestamp;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    struct Ready;

    impl Handler for Ready {
        fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a> {
            Box::pin(async { vec![Outcome::Delivered; events.len()] })
        }
    }

    #[tokio::test]
    async fn a_store_that_hangs_is_asked_once() {
        let tried = Arc::new(AtomicUsize::new(0));
        let (counter, (go_on, told)) = (Arc::clone(&tried), std::sync::mpsc::channel::<()>());
        let told = std::sync::Mutex::new(told);
        let mut handler = awaiting(Arc::new(move || {
            counter.fetch_add(1, SeqCst);
            told.lock().unwrap().recv().unwrap();
            Ok(Box::new(Ready) as Box<dyn Handler>)
        }));
        let events = Selection::all(Arc::new(sample(Kind::SSHDLoginFailed, Timestamp::EPOCH)));
        for _ in 0..3 {
            let given_up = tokio::time::timeout(Duration::from_millis(1), handler.deliver(&events)).await;
            assert!(given_up.is_err());
        }
        go_on.send(()).unwrap();
        assert_eq!(handler.deliver(&events).await, [Outcome::Delivered]);
        assert_eq!(tried.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn each_delivery_tries_to_make_the_handler_until_it_is_made() {
        let tried = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&tried);
        let mut handler = awaiting(Arc::new(move || match counter.fetch_add(1, SeqCst) {
            0 | 1 => Err("no credential".to_owned()),
            _ => Ok(Box::new(Ready) as Box<dyn Handler>),
        }));
        let events = Selection::all(Arc::new(sample(Kind::SSHDLoginFailed, Timestamp::EPOCH)));
        assert_eq!((handler.most(), handler.patience()), (1, limits::CREDENTIAL_PAUSE));
        for _ in 0..2 {
            let outcomes = handler.deliver(&events).await;
            assert_eq!(outcomes, [Outcome::Temporary("no credential".to_owned())]);
        }
        for _ in 0..2 {
            assert_eq!(handler.deliver(&events).await, [Outcome::Delivered]);
        }
        assert_eq!((tried.load(SeqCst), handler.most(), handler.patience()), (3, usize::MAX, Duration::MAX));
    }
}
