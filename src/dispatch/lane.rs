//! Floor 5: one handler's way: what it takes, its channel, its task.

use super::throttle::Throttle;
use super::totals::{Counters, Totals};
use super::worker::Worker;
use super::{Apps, Target};
use crate::event::EventBlock;
use crate::handlers::Selection;
use crate::limits;
use crate::time::Clock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// One handler's way.
#[derive(Debug)]
pub(super) struct Lane {
    name: String,
    apps: Apps,
    counters: Arc<Counters>,
    /// Whether a block was lost and none has been taken since.
    stuck: AtomicBool,
    losses: Mutex<Throttle>,
    /// The channel and the task at its end, until they are closed.
    open: Mutex<Option<(Sender<Selection>, JoinHandle<()>)>>,
}

/// Events for which there was no room.
pub(super) struct Waiting<'a> {
    lane: &'a Lane,
    channel: Sender<Selection>,
    events: Selection,
}

impl Lane {
    /// Starts a handler's task.
    pub(super) fn start(target: Target, clock: Arc<dyn Clock>, runtime: &Handle) -> Self {
        let (sender, receiver) = channel(limits::HANDLER_QUEUE_BLOCKS);
        let counters = Arc::new(Counters::default());
        let (name, apps) = (target.name.clone(), target.apps.clone());
        let worker = Worker::new(target, clock, Arc::clone(&counters));
        let task = runtime.spawn(worker.run(receiver));
        let open = Mutex::new(Some((sender, task)));
        Self { name, apps, counters, stuck: AtomicBool::new(false), losses: Mutex::default(), open }
    }

    /// Puts what the handler takes of a block into its channel; gives it back if it has to wait for room.
    pub(super) fn offer(&self, block: &Arc<EventBlock>) -> Option<Waiting<'_>> {
        let events = self.select(block);
        if events.is_empty() {
            return None;
        }
        self.counters.offered.fetch_add(events.len() as u64, Relaxed);
        let Some(channel) = self.channel() else {
            self.lose(&events);
            return None;
        };
        match channel.try_send(events) {
            Ok(()) => {
                self.stuck.store(false, Relaxed);
                None
            }
            Err(TrySendError::Full(events)) if !self.stuck.load(Relaxed) => {
                Some(Waiting { lane: self, channel, events })
            }
            Err(TrySendError::Full(events) | TrySendError::Closed(events)) => {
                self.lose(&events);
                None
            }
        }
    }

    fn select(&self, block: &Arc<EventBlock>) -> Selection {
        let chosen = (0_u32..).zip(block.iter()).filter(|(_, event)| self.apps.mean(*event));
        Selection { indices: chosen.map(|(index, _)| index).collect(), block: Arc::clone(block) }
    }

    fn channel(&self) -> Option<Sender<Selection>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|(sender, _)| sender.clone())
    }

    fn lose(&self, events: &Selection) {
        let lost = events.len() as u64;
        self.counters.lost.fetch_add(lost, Relaxed);
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(events) = losses.note(lost) {
            tracing::error!(handler = self.name, events, "a handler takes no events: they are lost to it");
        }
    }

    /// Closes the channel; gives the task, which ends once it has delivered what waits.
    pub(super) fn close(&self) -> Option<JoinHandle<()>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        open.map(|(_, task)| task)
    }

    pub(super) fn totals(&self) -> Totals {
        self.counters.totals(&self.name)
    }
}

impl Waiting<'_> {
    /// Waits for room until a deadline; the events are lost if there is none.
    pub(super) async fn until(self, deadline: Instant) {
        match timeout_at(deadline, self.channel.reserve()).await {
            Ok(Ok(room)) => room.send(self.events),
            Ok(Err(_)) => self.lane.lose(&self.events),
            Err(_) => {
                self.lane.stuck.store(true, Relaxed);
                self.lane.lose(&self.events);
            }
        }
    }

    /// Waits for room for as long as it takes.
    pub(super) async fn for_ever(self) {
        match self.channel.reserve().await {
            Ok(room) => room.send(self.events),
            Err(_) => self.lane.lose(&self.events),
        }
    }
}
