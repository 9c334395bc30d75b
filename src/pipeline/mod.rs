//! Floor 6: what wires it all: sequencer, workers, reorder ring, correlator thread.
//!
//! Invariant: at most [`limits::IN_FLIGHT_BATCHES`] batches are between the sequencer and the correlator, each with a
//! permit; every queue on that way has room for all of them, so nothing within blocks, and what is full makes readers
//! wait.

mod backlog;
mod beginning;
mod committer;
mod crowd;
mod feed;
mod folded;
mod folder;
mod gate;
mod health;
mod ledger;
mod live;
mod progress;
mod pulse;
mod reach;
mod recorder;
mod recovery;
mod rejects;
mod reorder;
mod sequencer;
#[cfg(test)]
mod tests;
mod worker;

pub use backlog::Backlog;
pub use beginning::{beginning, resume};
pub use committer::{Closed, Committer, Desk, Errand, JournalSink, OnLoss, Present};
pub use feed::{Pace, feed};
pub use folded::{EventSink, Folded};
pub use folder::Recorder;
pub use gate::Gate;
pub use ledger::{HostFigures, Hosts, Ledger, PeerCounts};
pub use live::{Bound, Listening, Live, Reading, StartError};
pub use progress::Progress;
pub use pulse::{Pulse, Vitals};
pub use reach::Reach;
pub use recorder::{CaptureFate, CaptureThread};
pub use recovery::{RecoverError, Recovered, recover};
pub use rejects::{Discard, Flush, RejectFile};
pub use sequencer::Sequencer;
pub use worker::{RejectSink, Rejected};

use crate::batch::Sequenced;
use crate::correlate::{App, Correlator, End, hosts};
use crate::detect::{Detector, Observations};
use crate::event::{EventBlock, Stamp};
use crate::journal::KeptInputs;
use crate::limits;
use crate::time::Zone;
use crossbeam_channel::{Sender, bounded};
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// What the pipeline needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Worker threads; with none, the correlator's thread does their work as well. See [`worker_threads`].
    pub workers: usize,
    /// The applications.
    pub apps: Vec<App>,
    /// What all events have in common; its modules are [`Correlator::modules`] of the applications.
    pub stamp: Arc<Stamp>,
    /// The zone of midnight.
    pub zone: Zone,
    /// The zone of records that name none, by listener.
    pub record_zones: Vec<(String, Zone)>,
    /// The same for all others: files, and listeners of a capture that are not configured here.
    pub other_zone: Zone,
    /// What is known of hosts and their senders.
    pub hosts: hosts::Options,
}

/// Threads that are busy beside the workers whatever a server does: one that reads, and the correlator's.
pub const BUSY_BESIDE: usize = 2;

/// How many worker threads to start where so many are asked for; if none are, one for each core but those that other
/// busy threads have.
///
/// Where no core is left for one, a worker only costs: batches go from thread to thread, and leave the core's caches on
/// the way. So with none, the correlator's thread does their work.
pub fn worker_threads(asked: Option<NonZeroUsize>, busy_beside: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    match asked.map_or(cores.saturating_sub(busy_beside), usize::from) {
        1 if cores == 1 => 0,
        workers => workers,
    }
}

/// What the pipeline hands its results to.
pub struct Outputs {
    /// Takes the events.
    pub events: Box<dyn EventSink>,
    /// Takes the batches in order, if they are captured.
    pub recorder: Option<Box<dyn Recorder>>,
    /// Takes what was rejected.
    pub rejects: Arc<dyn RejectSink>,
    /// What [`recover`] or [`resume`] brought back by the same options, and goes on in place of a new correlator: the
    /// correlator, and which of its inputs were of a backlog.
    pub state: Option<(Correlator, Backlog)>,
}

impl std::fmt::Debug for Outputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outputs").field("recorder", &self.recorder.is_some()).finish_non_exhaustive()
    }
}

/// A running pipeline.
#[derive(Debug)]
pub struct Pipeline {
    feed: Sender<Sequenced>,
    end: Sender<End>,
    workers: Vec<JoinHandle<()>>,
    folder: JoinHandle<Ledger>,
    ledger: Arc<Mutex<Ledger>>,
    pulse: Arc<Pulse>,
    reach: Arc<Reach>,
}

impl Pipeline {
    /// Starts the threads. `gate` gets a permit back for each batch that was folded.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(options: Options, gate: Gate, outputs: Outputs) -> io::Result<Self> {
        let (feed, batches) = bounded::<Sequenced>(limits::IN_FLIGHT_BATCHES);
        let (results, observed) = bounded(limits::IN_FLIGHT_BATCHES);
        let (recycle, recycled) = bounded(limits::IN_FLIGHT_BATCHES);
        let (end, ended) = bounded(1);
        let detector = Arc::new(Detector::new(Correlator::interest(&options.apps)));
        let shared = Arc::new(worker::Shared {
            detector,
            zones: options.record_zones,
            other_zone: options.other_zone,
            rules: Arc::clone(&options.hosts.rules),
            rejects: outputs.rejects,
        });
        let mut workers = Vec::new();
        for index in 0..options.workers {
            let worker = worker::Worker {
                observer: worker::Observer::new(Arc::clone(&shared)),
                batches: batches.clone(),
                results: results.clone(),
                recycled: recycled.clone(),
            };
            workers.push(thread::Builder::new().name(format!("worker-{index}")).spawn(move || worker.run())?);
        }
        let inputs = if options.workers == 0 {
            let observer = Box::new(worker::Observer::new(shared));
            folder::Inputs::Readers(batches, observer, Observations::default())
        } else {
            folder::Inputs::Workers(observed, recycle)
        };
        let (correlator, backlog) = outputs.state.unwrap_or_else(|| {
            let new = Correlator::new(&options.apps, options.zone).watching(options.hosts);
            (new, Backlog::default())
        });
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let pulse = Arc::<Pulse>::default();
        let reach = outputs.events.reach().unwrap_or_default();
        let folder = folder::Folder {
            inputs,
            ended,
            gate,
            correlator,
            backlog,
            block: EventBlock::new(options.stamp),
            events: outputs.events,
            recorder: outputs.recorder,
            ledger: Arc::clone(&ledger),
            pulse: Arc::clone(&pulse),
            reach: Arc::clone(&reach),
            gathered: KeptInputs::default(),
            state: Arc::default(),
            has_told_rejects: false,
            shown_hosts: None,
            crowd: crowd::Crowd::default(),
            handed_on: 0,
            offered: VecDeque::new(),
        };
        let folder = thread::Builder::new().name("correlator".to_owned()).spawn(move || folder.run())?;
        Ok(Self { feed, end, workers, folder, ledger, pulse, reach })
    }

    /// Where sequenced batches go in. Whoever sends one holds a permit of the gate, so there is room.
    pub fn feed(&self) -> Sender<Sequenced> {
        self.feed.clone()
    }

    /// What came in so far, and what became of it.
    pub fn ledger(&self) -> Arc<Mutex<Ledger>> {
        Arc::clone(&self.ledger)
    }

    /// The pulse of the correlator's thread, which gets on with each batch; ticks are batches too.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// How far what came in has got.
    pub fn reach(&self) -> Arc<Reach> {
        Arc::clone(&self.reach)
    }

    /// Ends the pipeline: what was fed is folded, then the end, and the ledger tells what went through. All other
    /// senders of [`Self::feed`] must have been dropped, or must be within reach of that.
    pub fn finish(self, end: End) -> Ledger {
        drop(self.feed);
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a worker thread ended by a panic");
            }
        }
        // The folder may have gone already only if it panicked, and then its ledger is lost with it.
        if self.end.send(end).is_err() {
            tracing::error!("the correlator thread has gone");
        }
        self.folder.join().unwrap_or_else(|_| {
            tracing::error!("the correlator thread ended by a panic");
            Ledger::default()
        })
    }
}
