//! Floor 6: the correlator's thread: folds batches in the order of their numbers and hands the events on.
//!
//! Invariant: everything that depends on the order of inputs happens here, on one thread.

use super::backlog::Backlog;
use super::crowd::Crowd;
use super::folded::{EventSink, Folded};
use super::gate::Gate;
use super::ledger::{Ledger, PeerCounts};
use super::pulse::Pulse;
use super::reach::Reach;
use super::reorder::Ring;
use super::worker::{Observed, Observer};
use crate::batch::Sequenced;
use crate::correlate::{Correlator, End};
use crate::detect::Observations;
use crate::event::EventBlock;
use crate::journal::KeptInputs;
use crate::limits;
use crate::time::Timestamp;
use crossbeam_channel::{Receiver, RecvError, Sender, TryRecvError};
use rkyv::util::AlignedVec;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Takes the batches, in order, once they have been folded.
pub trait Recorder: Send {
    /// Takes one. May block: that slows the senders.
    fn record(&mut self, sequenced: Sequenced);

    /// Takes the end: the time of it, where it has one.
    fn close(self: Box<Self>, at: Option<Timestamp>);
}

/// Where the batches come from.
pub(super) enum Inputs {
    /// From workers, in any order; what they observed into goes back to them.
    Workers(Receiver<Observed>, Sender<Observations>),
    /// From the readers, in order: this thread understands them itself.
    Readers(Receiver<Sequenced>, Box<Observer>, Observations),
}

impl Inputs {
    fn try_recv(&mut self) -> Result<Observed, TryRecvError> {
        match self {
            Self::Workers(observed, _) => observed.try_recv(),
            Self::Readers(batches, observer, spare) => {
                batches.try_recv().map(|sequenced| observer.observe(sequenced, std::mem::take(spare)))
            }
        }
    }

    fn recv(&mut self) -> Result<Observed, RecvError> {
        match self {
            Self::Workers(observed, _) => observed.recv(),
            Self::Readers(batches, observer, spare) => {
                batches.recv().map(|sequenced| observer.observe(sequenced, std::mem::take(spare)))
            }
        }
    }

    fn recycle(&mut self, observations: Observations) {
        match self {
            // A full channel only means that there are enough to recycle.
            Self::Workers(_, recycle) => drop(recycle.try_send(observations)),
            Self::Readers(_, _, spare) => *spare = observations,
        }
    }
}

/// The correlator's thread.
pub(super) struct Folder {
    pub(super) inputs: Inputs,
    pub(super) ended: Receiver<End>,
    pub(super) gate: Gate,
    pub(super) correlator: Correlator,
    pub(super) backlog: Backlog,
    pub(super) block: EventBlock,
    pub(super) events: Box<dyn EventSink>,
    pub(super) recorder: Option<Box<dyn Recorder>>,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) reach: Arc<Reach>,
    /// Inputs that meant something, and have not been handed on.
    pub(super) gathered: KeptInputs,
    /// The state as it was last saved.
    pub(super) state: Arc<AlignedVec>,
    /// Whether it was said that most of what comes in is rejected.
    pub(super) has_told_rejects: bool,
    /// The correlator's number for what is shown of hosts; nothing at first.
    pub(super) shown_hosts: Option<u64>,
    /// Whether it was told that there is no room for more.
    pub(super) crowd: Crowd,
    /// The position through which inputs were handed on.
    pub(super) handed_on: u64,
    /// Blocks that were offered, to be used again when the handlers are done with them.
    pub(super) offered: VecDeque<Arc<EventBlock>>,
}

impl Folder {
    /// Folds until the workers have ended, then takes the end.
    pub(super) fn run(self) -> Ledger {
        catch_unwind(AssertUnwindSafe(|| self.fold_all())).unwrap_or_else(|_| {
            // State that a panic left behind cannot be trusted, and going on without a correlator would look like
            // health to everybody who only sees open sockets.
            tracing::error!("the correlator failed; the process ends");
            std::process::abort()
        })
    }

    fn fold_all(mut self) -> Ledger {
        let mut ring = Ring::new();
        self.show_hosts();
        let mut held = 0_usize;
        loop {
            let observed = match self.inputs.try_recv() {
                Ok(observed) => observed,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.flush();
                    held = 0;
                    match self.inputs.recv() {
                        Ok(observed) => observed,
                        Err(_) => break,
                    }
                }
            };
            ring.put(observed.sequenced.slot, observed);
            while let Some(observed) = ring.take() {
                self.fold(observed);
                held += 1;
                if held >= limits::EVENT_BLOCK_BATCHES || self.block.size() >= limits::EVENT_BLOCK_SIZE {
                    self.flush();
                    held = 0;
                }
            }
        }
        self.end()
    }

    fn fold(&mut self, observed: Observed) {
        let Observed { sequenced, observations, counts } = observed;
        self.pulse.beat();
        let before = self.block.len();
        let fired = self.correlator.fold(&sequenced, &observations, &mut self.block);
        self.backlog.note(&sequenced, self.correlator.base(), (&mut self.block, before));
        if !sequenced.is_tick() {
            let frames = sequenced.batch.frames.len() as u64;
            let mut ledger = self.ledger();
            ledger.add(&sequenced.batch.origin, frames, &counts);
            ledger.hear(&sequenced, &observations.notes);
            let rejected =
                (!self.has_told_rejects && ledger.is_mostly_rejected()).then(|| ledger.total.clone());
            drop(ledger);
            if let Some(total) = rejected {
                self.has_told_rejects = true;
                tell_rejects(&total);
            }
        }
        self.show_hosts();
        if self.events.wants_inputs() {
            self.gathered.push(&sequenced, self.correlator.kept(&observations), fired);
        }
        self.inputs.recycle(observations);
        self.gate.release();
        if let Some(recorder) = &mut self.recorder {
            recorder.record(sequenced);
        }
    }

    /// Shows how the hosts are, if that is not as it was.
    fn show_hosts(&mut self) {
        let changes = self.correlator.presence_changes();
        if self.shown_hosts.replace(changes) == Some(changes) {
            return;
        }
        let presence = self.correlator.presence();
        if self.crowd.tells_of(&presence) {
            tracing::warn!(
                hosts = presence.known,
                "there is no room to know more hosts: of further ones nobody will be told that they fall silent, share a \
                 name or have a wrong clock, and `status` shows no clocks of theirs; what their records mean counts as ever"
            );
        }
        self.ledger().presence = presence;
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(mut self) -> Ledger {
        // Without a word about the end the inputs simply ended.
        let end = self.ended.recv().unwrap_or(End::OfInput);
        self.flush();
        let totals = self.ledger().totals();
        self.correlator.finish(end, totals, &mut self.block);
        let at = match end {
            End::At(time) => Some(time),
            End::OfInput | End::CutOff => None,
        };
        if let Some(time) = at.filter(|_| self.events.wants_inputs()) {
            self.gathered.push_end(self.correlator.last_number(), time);
        }
        self.hand_on(at.is_some());
        if let Some(recorder) = self.recorder.take() {
            recorder.close(at);
        }
        self.ledger().clone()
    }

    fn flush(&mut self) {
        let is_further = self.correlator.position() > self.handed_on;
        if !self.block.is_empty()
            || !self.gathered.is_empty()
            || self.events.wants_state()
            || self.events.wants_word(is_further)
        {
            self.hand_on(false);
        } else {
            self.reach.pass_over(self.ledger().total.received);
        }
    }

    /// Hands on what was folded since the last time.
    fn hand_on(&mut self, at_end: bool) {
        let is_nothing = self.block.is_empty() && self.gathered.is_empty();
        let is_something = !(at_end || is_nothing);
        let received = self.ledger().total.received;
        if is_something {
            self.reach.hand_on(received);
        } else {
            self.reach.pass_over(received);
        }
        let next = if self.gathered.is_empty() { KeptInputs::default() } else { self.events.spare_inputs() };
        let mut folded = Folded {
            events: None,
            inputs: std::mem::replace(&mut self.gathered, next),
            base: self.correlator.base(),
            through: self.correlator.position(),
            frames: if is_something { received } else { 0 },
            state: None,
        };
        if !self.block.is_empty() {
            self.ledger().events += self.block.len() as u64;
            let next = self.spare_block();
            let block = Arc::new(std::mem::replace(&mut self.block, next));
            folded.events = Some(Arc::clone(&block));
            if self.offered.len() < limits::SPARE_EVENT_BLOCKS {
                self.offered.push_back(block);
            }
        }
        if self.events.wants_state() || at_end && self.events.keeps_state() {
            folded.state = self.state();
        }
        self.handed_on = folded.through;
        self.pulse.waiting(|| self.events.offer(folded));
    }

    /// The correlator's state, in the memory of the last one if that is no longer needed; nothing where it is too large.
    fn state(&mut self) -> Option<Arc<AlignedVec>> {
        if Arc::get_mut(&mut self.state).is_none() {
            self.state = Arc::default();
        }
        match self.correlator.save(Arc::get_mut(&mut self.state)?) {
            Ok(()) => Some(Arc::clone(&self.state)),
            Err(error) => {
                tracing::error!(%error, "the state was not saved");
                None
            }
        }
    }

    /// An empty block: one that all handlers are done with, or else a new one like that which is full.
    fn spare_block(&mut self) -> EventBlock {
        let done = self.offered.iter().position(|block| Arc::strong_count(block) == 1);
        let block = done.and_then(|index| self.offered.remove(index)).and_then(Arc::into_inner);
        match block {
            Some(mut block) => {
                block.clear();
                block
            }
            None => self.block.alike(),
        }
    }
}

/// Says that most of what comes is not understood: often it is another format, or framing.
fn tell_rejects(PeerCounts { received, rejected, .. }: &PeerCounts) {
    let reasons: Vec<_> = rejected.iter().map(|(why, count)| format!("{} {count}", why.name())).collect();
    let reasons = reasons.join(", ");
    tracing::warn!(received, reasons, "most of what comes in is no syslog record that can be understood");
}
