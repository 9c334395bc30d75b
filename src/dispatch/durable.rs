//! Floor 5: events of a journal → handlers, each with a cursor of its own.
//!
//! A block that has been committed goes into the channel of each handler that has room for it; one that has none reads
//! it from the journal when it gets there. So nothing here waits for a handler, and memory is bounded, however long one
//! is away.

use super::Target;
use super::courier::{Command, Courier, Orders, Recall, Unwanted};
use super::feed::{Chunk, Feed};
use super::sieve::Sieve;
use super::steady::Alarm;
use super::warnings::Warnings;
use crate::event::EventBlock;
use crate::journal::{Settled, Standing, Standings};
use crate::limits;
use crate::time::Clock;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// What all handlers have in common.
#[derive(Clone)]
pub struct Office {
    /// The data directory, whose journal is read.
    pub data: PathBuf,
    /// Where is told what became of events.
    pub reports: mpsc::Sender<Vec<Settled>>,
    /// What tells the time of deliveries.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Office").field("data", &self.data).finish_non_exhaustive()
    }
}

/// Hands committed events to the handlers.
#[derive(Debug)]
pub struct DurableDispatch {
    routes: Vec<Route>,
    committed: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// The way to one handler.
#[derive(Debug)]
struct Route {
    name: Arc<str>,
    chunks: mpsc::Sender<Chunk>,
    commands: mpsc::Sender<Command>,
}

impl DurableDispatch {
    /// Starts a task for each handler, where it stands. `next` is the sequence number after the last durable event.
    pub fn start(
        targets: Vec<Target>,
        standings: &Standings,
        next: u64,
        office: &Office,
        runtime: &Handle,
    ) -> Self {
        let (committed, durable) = watch::channel(next);
        let (stop, stopped) = watch::channel(false);
        let mut routes = Vec::new();
        let mut tasks = Vec::new();
        for target in targets {
            let sieve = Sieve::new(&target);
            let name: Arc<str> = Arc::from(target.name);
            let (chunks, channel) = mpsc::channel(limits::HANDLER_QUEUE_BLOCKS);
            let (commands, orders) = mpsc::channel(limits::COMMAND_QUEUE);
            let standing = standings.get(&*name).cloned().unwrap_or_else(|| Standing::new(next));
            let courier = Courier {
                name: Arc::clone(&name),
                sieve,
                handler: target.handler,
                retry: target.options.retry,
                feed: Feed {
                    data: office.data.clone(),
                    channel,
                    committed: durable.clone(),
                    stop: stopped.clone(),
                    behind: None,
                    held: None,
                },
                orders: Orders(orders),
                stop: stopped.clone(),
                reports: office.reports.clone(),
                clock: Arc::clone(&office.clock),
                inherited: standing.retry.clone(),
                standing,
                unwanted: Unwanted::default(),
                alarm: Alarm::default(),
                tried: None,
                recall: Some(Recall::All),
                warnings: Warnings::new(&name),
            };
            tasks.push(runtime.spawn(courier.work()));
            routes.push(Route { name, chunks, commands });
        }
        Self { routes, committed, stop, tasks: Mutex::new(tasks) }
    }

    /// Whether there is a handler of a name.
    pub fn has(&self, handler: &str) -> bool {
        self.routes.iter().any(|route| &*route.name == handler)
    }

    /// Hands on a block that is durable; `first` is the sequence number of its first event.
    pub fn publish(&self, first: u64, block: Arc<EventBlock>) {
        let end = first.saturating_add(block.len() as u64);
        let chunk = Chunk { first, block };
        for route in &self.routes {
            // A handler that has no room, or has gone, reads it from the journal.
            drop(route.chunks.try_send(chunk.clone()));
        }
        // Events about the server may have overtaken those that waited for room.
        self.committed.send_modify(|committed| *committed = end.max(*committed));
    }

    /// Passes on what an operator asks of a handler; whether there is one of that name, and it can take more.
    pub fn command(&self, handler: &str, command: Command) -> bool {
        let route = self.routes.iter().find(|route| &*route.name == handler);
        route.is_some_and(|route| route.commands.try_send(command).is_ok())
    }

    /// Passes on what an operator asks of a handler, once it can take more; whether there is one of that name.
    pub async fn order(&self, handler: &str, command: Command) -> bool {
        match self.routes.iter().find(|route| &*route.name == handler) {
            Some(route) => route.commands.send(command).await.is_ok(),
            None => false,
        }
    }

    /// Gives the handlers `time` to deliver what is durable. What then still waits stays in the journal.
    pub async fn finish(&self, time: Duration) {
        let deadline = Instant::now() + time;
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for mut task in tasks {
            if timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}
