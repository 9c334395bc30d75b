//! Floor 5: events → handlers: who gets which events, each handler at its own pace.
//!
//! With a journal each handler has a courier with a cursor over it: [`DurableDispatch`]. Without one, in a replay or where
//! nothing is to be durable, a bounded channel is all that waits: [`Dispatch`]. When it is full, whoever offers a block
//! waits with it, up to the patience of the options, and that slows the senders. If there is no room even then, the
//! block is lost for that handler, which is counted, and the handler is *stuck*: later blocks are lost to it at once,
//! until it has taken one again. So a handler that hangs costs the others one wait, and one that is merely slow loses
//! nothing.
//!
//! Invariant: what was offered to a handler is delivered, held back, failed, lost or still waiting, and counted as just
//! one of these; each handler sees its events in the order in which they were raised.

mod courier;
mod delivery;
mod durable;
mod feed;
mod filter;
mod lane;
mod marks;
mod retry;
mod routed;
mod sieve;
mod steady;
mod storm;
mod throttle;
mod totals;
mod warnings;
mod worker;

#[cfg(test)]
mod tests;

pub use courier::Command;
pub use durable::{DurableDispatch, Office};
pub use filter::{Filter, FilterError};
pub use retry::RetryOptions;
pub use routed::Routed;
pub use storm::{Decision, Options as StormOptions, Storm};
pub use totals::Totals;

use self::lane::{Lane, Waiting};
use crate::event::{Event, EventBlock};
use crate::handlers::Handler;
use crate::limits;
use crate::time::Clock;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{Instant, timeout_at};

/// Which applications' events a handler gets. Events about the server itself go to every handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apps {
    /// All.
    All,
    /// Those of these names: the applications that name the handler.
    Named(Vec<String>),
}

impl Apps {
    /// Whether an event is for the handler: of an application that names it, or about the server.
    fn mean(&self, event: Event<'_>) -> bool {
        event.kind().spec().own || self.contain(event.module().0)
    }

    fn contain(&self, app: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name == app),
        }
    }
}

/// A handler and what it gets.
pub struct Target {
    /// The handler's name in the configuration.
    pub name: String,
    /// Whose events it gets.
    pub apps: Apps,
    /// The handler.
    pub handler: Box<dyn Handler>,
    /// How events of a journal are brought to it.
    pub options: TargetOptions,
}

/// How events of a journal are brought to a handler.
#[derive(Clone, Debug, Default)]
pub struct TargetOptions {
    /// Which events it gets of those that are for it; all, where there is none.
    pub filter: Option<Arc<Filter>>,
    /// How it is spared a storm of events.
    pub storm: StormOptions,
    /// Where a handler begins that the journal does not know yet.
    pub start: Start,
    /// How often a delivery is tried again.
    pub retry: RetryOptions,
    /// Whether events of a backlog are held back.
    pub holds_backlog: bool,
}

/// Where a new handler begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the next event.
    #[default]
    Now,
    /// With the first event that the journal still has.
    Beginning,
}

/// Options of the dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a block waits for room in a handler's channel before it is lost to that handler; for ever where there is
    /// none, as in a replay that prints to a pager.
    pub patience: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self { patience: Some(limits::HANDLER_PATIENCE) }
    }
}

/// Makes the runtime that handlers have to themselves. At the end it wants [`Runtime::shutdown_background`]: dropped, it
/// would wait for a handler that hangs.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(limits::HANDLER_THREADS).thread_name("handlers").enable_all().build()
}

/// Hands events to the handlers.
#[derive(Debug)]
pub struct Dispatch {
    lanes: Vec<Lane>,
    patience: Option<Duration>,
    runtime: Handle,
}

impl Dispatch {
    /// Starts a task for each handler.
    pub fn start(targets: Vec<Target>, options: Options, clock: &Arc<dyn Clock>, runtime: &Handle) -> Self {
        let lanes =
            targets.into_iter().map(|target| Lane::start(target, Arc::clone(clock), runtime)).collect();
        Self { lanes, patience: options.patience, runtime: runtime.clone() }
    }

    /// Offers a block to all handlers that want events of it; see the module's documentation for how long this may
    /// take. To be called from a thread that is not the runtime's.
    pub fn offer(&self, block: &Arc<EventBlock>) {
        let waiting = self.offer_to_all(block);
        if !waiting.is_empty() {
            self.runtime.block_on(self.wait(waiting));
        }
    }

    /// Offers a block as [`Self::offer`] does, from within a task.
    pub async fn offer_async(&self, block: &Arc<EventBlock>) {
        let waiting = self.offer_to_all(block);
        self.wait(waiting).await;
    }

    /// Puts a block into every channel that has room; gives those that it has to wait for.
    fn offer_to_all(&self, block: &Arc<EventBlock>) -> Vec<Waiting<'_>> {
        self.lanes.iter().filter_map(|lane| lane.offer(block)).collect()
    }

    /// Waits for room in all channels at once: the deadline is the same, so one after the other is as good.
    async fn wait(&self, waiting: Vec<Waiting<'_>>) {
        let deadline = self.patience.map(|patience| Instant::now() + patience);
        for waiting in waiting {
            match deadline {
                Some(deadline) => waiting.until(deadline).await,
                None => waiting.for_ever().await,
            }
        }
    }

    /// What became of the events so far, by handler.
    pub fn totals(&self) -> Vec<Totals> {
        self.lanes.iter().map(Lane::totals).collect()
    }

    /// Takes no more, gives the handlers `time` to deliver what waits, and says what became of all events. What then
    /// still waits is given up.
    pub async fn finish(&self, time: Duration) -> Vec<Totals> {
        let deadline = Instant::now() + time;
        let tasks: Vec<_> = self.lanes.iter().filter_map(Lane::close).collect();
        for mut task in tasks {
            if timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
        self.totals()
    }
}
