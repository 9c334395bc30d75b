//! Floor 5: takes the events of the journal to one handler, at its own pace.
//!
//! Invariant: the handler sees its events in order; the cursor passes an event only once it is settled, and what settled
//! it is on its way to the journal before the next event is looked at.

use super::delivery::bounded;
use super::feed::{Chunk, Feed, Next};
use super::marks::Marks;
use super::retry::RetryOptions;
use super::throttle::Throttle;
use super::{Apps, is_about_server};
use crate::event::EventBlock;
use crate::handlers::{Handler, Selection};
use crate::journal::{Ranges, Retry, Settled, State};
use crate::time::Clock;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What an operator asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send dead letters again.
    Retry(Range<u64>),
    /// Give up events that wait, or are dead, for a reason.
    Drop(Range<u64>, String),
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    /// The server stops: what is not settled waits in the journal.
    Stop,
}

/// Takes events to one handler.
pub(super) struct Courier {
    pub(super) name: Arc<str>,
    pub(super) apps: Apps,
    pub(super) handler: Box<dyn Handler>,
    pub(super) retry: RetryOptions,
    pub(super) feed: Feed,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) reports: mpsc::Sender<Vec<Settled>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) cursor: u64,
    /// The delivery that the last run was trying again.
    pub(super) resumed: Option<Retry>,
    /// Dead letters that are to be sent again.
    pub(super) requeued: Ranges,
    pub(super) failures: Throttle,
}

impl Courier {
    /// Works until the server stops.
    pub(super) async fn run(mut self) {
        let mut flow = Flow::On;
        while flow == Flow::On {
            flow = self.step().await;
        }
    }

    async fn step(&mut self) -> Flow {
        let requeued = self.requeued.iter().next();
        if let Some(range) = requeued {
            self.requeued.take(&range);
            return self.again(range).await;
        }
        tokio::select! {
            biased;
            Some(command) = self.commands.recv() => self.obey(command).await,
            next = self.feed.next(self.cursor) => match next {
                Next::Chunk(chunk) => self.take(chunk).await,
                Next::Gap(end, why) => self.pass_over(end, &why).await,
                Next::End => Flow::Stop,
            },
        }
    }

    /// Takes the events of a chunk from the cursor on.
    async fn take(&mut self, chunk: Chunk) -> Flow {
        let skipped = self.cursor.saturating_sub(chunk.first);
        let marks = self.marks(&chunk, skipped);
        let flow = self.deliver(&chunk.block, marks, true).await;
        debug_assert!(flow == Flow::Stop || self.cursor == chunk.end(), "the chunk is settled");
        flow
    }

    fn marks(&self, chunk: &Chunk, skipped: u64) -> Marks {
        let index = usize::try_from(skipped).unwrap_or(usize::MAX);
        let states = chunk.block.iter().skip(index).map(|event| {
            let wanted = is_about_server(event.kind()) || self.apps.contain(event.module().0);
            (!wanted).then_some(State::Skipped)
        });
        let skipped_events = u32::try_from(index).unwrap_or(u32::MAX);
        Marks::new(&self.name, chunk.first + skipped, skipped_events, states)
    }

    /// Delivers what is pending, again and again, until all is settled or the server stops. `at_cursor` says whether
    /// these are the events at the cursor.
    async fn deliver(&mut self, block: &Arc<EventBlock>, mut marks: Marks, at_cursor: bool) -> Flow {
        let resumed =
            self.resumed.take().filter(|retry| at_cursor && marks.first_pending() == Some(retry.first));
        let mut attempts = resumed.as_ref().map_or(0, |retry| retry.attempts);
        let mut since = resumed.map(|retry| retry.since);
        loop {
            let indices = marks.pending();
            if indices.is_empty() {
                return self.report(&mut marks, at_cursor).await;
            }
            let events = Selection { block: Arc::clone(block), indices };
            attempts = attempts.saturating_add(1);
            let begun = self.clock.now();
            let outcomes = bounded(&mut *self.handler, &events, self.retry.deadline).await;
            marks.take(outcomes, attempts);
            let since = *since.get_or_insert(begun);
            if self.clock.now().since(since) >= self.retry.give_up {
                marks.give_up();
            }
            self.complain(&marks);
            if self.report(&mut marks, at_cursor).await == Flow::Stop {
                return Flow::Stop;
            }
            if !marks.pending().is_empty() && self.pause(attempts).await == Flow::Stop {
                return Flow::Stop;
            }
        }
    }

    /// Tells the journal what is settled, and what failed.
    async fn report(&mut self, marks: &mut Marks, at_cursor: bool) -> Flow {
        let now = self.clock.now();
        let mut runs = marks.settled(now);
        if at_cursor {
            self.cursor = marks.cursor();
        }
        runs.extend(marks.failed(now));
        self.send(runs).await
    }

    async fn send(&mut self, runs: Vec<Settled>) -> Flow {
        if runs.is_empty() || self.reports.send(runs).await.is_ok() { Flow::On } else { Flow::Stop }
    }

    fn complain(&mut self, marks: &Marks) {
        let Some(why) = marks.trouble() else { return };
        let count = marks.pending().len() as u64;
        if let Some(events) = self.failures.note(count) {
            tracing::warn!(
                handler = &*self.name,
                events,
                why,
                "events wait: a handler could not deliver them"
            );
        }
    }

    async fn pause(&mut self, attempts: u32) -> Flow {
        let pause = self.retry.any_pause(attempts);
        tokio::select! {
            () = tokio::time::sleep(pause) => Flow::On,
            _ = self.stop.wait_for(|stop| *stop) => Flow::Stop,
        }
    }

    /// Gives up events that cannot be read any more.
    async fn pass_over(&mut self, end: u64, why: &str) -> Flow {
        let events = self.cursor..end;
        tracing::error!(
            handler = &*self.name,
            first = events.start,
            end,
            why,
            "events of the journal cannot be read"
        );
        self.cursor = end;
        self.settle(events, State::Dead, format!("the event cannot be read: {why}")).await
    }

    async fn settle(&mut self, events: Range<u64>, state: State, note: String) -> Flow {
        let (handler, time) = (Arc::clone(&self.name), self.clock.now());
        self.send(vec![Settled { handler, events, state, attempts: 0, time, note: Some(note) }]).await
    }

    async fn obey(&mut self, command: Command) -> Flow {
        match command {
            Command::Retry(range) => {
                let range = range.start..range.end.min(self.cursor);
                self.requeued.insert(range.clone());
                self.settle(range, State::Requeued, "sent again by an operator".to_owned()).await
            }
            Command::Drop(range, reason) => {
                self.cursor = if range.contains(&self.cursor) { range.end } else { self.cursor };
                self.settle(range, State::Dropped, reason).await
            }
        }
    }

    /// Delivers events before the cursor once more.
    async fn again(&mut self, range: Range<u64>) -> Flow {
        let mut at = range.start;
        self.feed.behind = None;
        while at < range.end {
            match self.feed.reread(at) {
                Next::Chunk(chunk) => {
                    let skipped = at.saturating_sub(chunk.first);
                    let left = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX);
                    let mut marks = self.marks(&chunk, skipped);
                    marks.truncate(left);
                    at = chunk.end();
                    if self.deliver(&chunk.block, marks, false).await == Flow::Stop {
                        return Flow::Stop;
                    }
                }
                Next::Gap(end, why) => {
                    let end = end.min(range.end).max(at + 1);
                    let note = format!("the event cannot be read: {why}");
                    if self.settle(at..end, State::Dead, note).await == Flow::Stop {
                        return Flow::Stop;
                    }
                    at = end;
                }
                Next::End => return Flow::Stop,
            }
        }
        self.feed.behind = None;
        Flow::On
    }
}
