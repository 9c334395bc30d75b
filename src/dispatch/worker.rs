//! Floor 5: the task of a handler without a journal: what its sieve lets through goes to it at once, what is gathered
//! when its digest is due, and at the end at the latest.

use super::Target;
use super::delivery::{guarded, guarded_digest};
use super::sieve::Sieve;
use super::steady::Alarm;
use super::totals::Counters;
use super::warnings::Warnings;
use crate::handlers::{Gathered, Handler, Outcome, Selection};
use crate::journal::State;
use crate::time::{Clock, Timestamp};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until};

/// What runs in a handler's task.
pub(super) struct Worker {
    handler: Box<dyn Handler>,
    sieve: Sieve,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    warnings: Warnings,
    /// When the digest is due.
    alarm: Alarm,
    /// Events so far, which numbers them.
    seen: u64,
    /// The events that the digest would show, each alone, by its number.
    shown: Vec<(u64, Selection)>,
}

impl Worker {
    pub(super) fn new(target: Target, clock: Arc<dyn Clock>, counters: Arc<Counters>) -> Self {
        Self {
            sieve: Sieve::new(&target),
            warnings: Warnings::new(&target.name.into()),
            handler: target.handler,
            clock,
            counters,
            alarm: Alarm::default(),
            seen: 0,
            shown: Vec::new(),
        }
    }

    /// Works until the channel is closed and empty.
    pub(super) async fn run(mut self, mut channel: Receiver<Selection>) {
        loop {
            let due = self.alarm.at(self.sieve.due(), self.clock.now());
            let wait = due.unwrap_or_else(Instant::now);
            tokio::select! {
                events = channel.recv() => match events {
                    Some(events) => self.take(events).await,
                    None => break,
                },
                () = sleep_until(wait), if due.is_some() => self.send_digest().await,
            }
        }
        self.send_digest().await;
    }

    /// Delivers what is to go at once, and keeps what waits for the digest.
    async fn take(&mut self, events: Selection) {
        let Selection { block, indices } = events;
        let now = self.clock.now();
        let (mut pending, mut gathered) = (Vec::new(), Vec::new());
        for index in indices {
            let Some(event) = block.get(index as usize) else { continue };
            self.seen += 1;
            match self.sieve.take(self.seen, event, now) {
                None => pending.push(index),
                Some(State::Gathered) => gathered.push((self.seen, index)),
                Some(State::Suppressed) => drop(self.counters.suppressed.fetch_add(1, Relaxed)),
                Some(_) => drop(self.counters.filtered.fetch_add(1, Relaxed)),
            }
        }
        if !gathered.is_empty() {
            let alone = |index| Selection { block: Arc::clone(&block), indices: vec![index] };
            gathered.retain(|(seq, _)| self.sieve.shows(*seq));
            self.shown.retain(|(seq, _)| self.sieve.shows(*seq));
            self.shown.extend(gathered.into_iter().map(|(seq, index)| (seq, alone(index))));
        }
        for indices in pending.chunks(self.handler.most().max(1)) {
            let events = Selection { block: Arc::clone(&block), indices: indices.to_vec() };
            let outcomes = guarded(&mut *self.handler, &events).await;
            self.counters.take(&outcomes, events.len());
            self.report(&outcomes);
        }
    }

    async fn send_digest(&mut self) {
        let Some(digest) = self.sieve.digest(Timestamp::MAX) else { return };
        let gathered = Gathered::new(digest, std::mem::take(&mut self.shown));
        let outcome = guarded_digest(&mut *self.handler, &gathered).await;
        self.counters.take_digest(&outcome, gathered.digest.count());
        self.report(&[outcome]);
    }

    fn report(&mut self, outcomes: &[Outcome]) {
        self.warnings.refusals(outcomes);
        self.warnings.lost(outcomes);
    }
}
