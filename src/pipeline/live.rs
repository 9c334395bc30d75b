//! Floor 6: a running server: listeners on a runtime of their own, and the pipeline behind them.
//!
//! Invariant: what the sockets of accepted connections hold when the server stops is read, within
//! [`limits::DRAIN_TIME`], and all of it is folded before the end.

use super::{Gate, Ledger, Options, Outputs, Pipeline, Pulse, Reach, Sequencer};
use crate::batch::Origin;
use crate::correlate::End;
use crate::ingest::tls::Papers;
use crate::ingest::{
    self, Address, Answering, BindError, Bookmarks, Environment, Inherited, Intake, Notices, Sink, follow,
};
use crate::journal::Mark;
use crate::limits;
use crate::time::{Clock, Timestamp};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// What a server cannot start without.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system refuses a thread or what a runtime needs.
    #[error("cannot start the server's threads")]
    Threads(#[source] io::Error),
}

/// A server that listens.
#[derive(Debug)]
pub struct Live {
    runtime: Runtime,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    sequencer: Arc<Sequencer>,
    pipeline: Pipeline,
    notices: Arc<Notices>,
    addresses: Vec<(String, Address)>,
    papers: Vec<Arc<Papers>>,
    board: Arc<follow::Board>,
}

/// What a server listens on, and how much it may take.
#[derive(Debug)]
pub struct Listening {
    /// The listeners.
    pub listeners: Vec<ingest::Options>,
    /// Sockets that the process was started with.
    pub inherited: Inherited,
    /// Connections of all listeners together.
    pub max_connections: usize,
    /// Threads that read.
    pub threads: usize,
    /// Files that are followed, and how many at once.
    pub files: (Vec<follow::Options>, usize),
}

/// How far files have been read.
#[derive(Debug, Default)]
pub struct Reading {
    /// In the run before.
    pub marks: Vec<Mark>,
    /// When a mark of each path was last written.
    pub told: BTreeMap<PathBuf, Timestamp>,
    /// Where it is noted from now on; nothing where that would not survive.
    pub bookmarks: Option<Arc<Bookmarks>>,
}

/// Addresses that are taken, and the threads that will read; nothing is accepted yet.
#[derive(Debug)]
pub struct Bound {
    runtime: Runtime,
    listeners: Vec<ingest::Bound>,
    max_connections: usize,
    files: (Vec<follow::Options>, usize),
    answering: Option<Answering>,
}

impl Bound {
    /// The same, for readers that answer a record once it is durable.
    #[must_use]
    pub fn with_answering(self, answering: Option<Answering>) -> Self {
        Self { answering, ..self }
    }
}

impl Listening {
    /// Binds every listener.
    ///
    /// # Errors
    /// When an address cannot be bound or the system refuses a thread.
    pub fn bind(self) -> Result<Bound, StartError> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(self.threads.max(1)).thread_name("ingest").enable_io().enable_time();
        let runtime = builder.build().map_err(StartError::Threads)?;
        let guard = runtime.enter();
        let listeners = ingest::Bound::all(self.listeners, self.inherited)?;
        drop(guard);
        let max_connections = self.max_connections.min(Semaphore::MAX_PERMITS);
        Ok(Bound { runtime, listeners, max_connections, files: self.files, answering: None })
    }
}

impl Live {
    /// Starts the pipeline, and then reads.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        bound: Bound,
        options: Options,
        outputs: Outputs,
        clock: impl Clock + 'static,
        reading: Reading,
    ) -> Result<Self, StartError> {
        let Bound { runtime, listeners, max_connections, files: (files, max_files), answering } = bound;
        let (gate, permits) = Gate::for_tasks();
        let pipeline = Pipeline::start(options, gate, outputs).map_err(StartError::Threads)?;
        let sequencer = Arc::new(Sequencer::new(clock, pipeline.feed(), pipeline.reach()));
        let (stop, stopped) = watch::channel(false);
        let environment = Environment {
            intake: Intake::new(Arc::clone(&sequencer) as Arc<dyn Sink>, permits).with_answering(answering),
            notices: Arc::default(),
            connections: Arc::new(Semaphore::new(max_connections)),
            stop: stopped.clone(),
        };

        let papers = listeners.iter().filter_map(|bound| bound.papers().cloned()).collect();
        let mut addresses = Vec::new();
        let mut tasks = JoinSet::new();
        for bound in listeners {
            addresses.push((bound.name().to_owned(), bound.address().clone()));
            tasks.spawn_on(bound.run(environment.clone()), runtime.handle());
        }
        let board = Arc::<follow::Board>::default();
        let following = follow::Environment {
            board: Arc::clone(&board),
            intake: environment.intake.clone(),
            bookmarks: reading.bookmarks,
            past: Arc::new(follow::Past::new(reading.marks, reading.told)),
            files: Arc::new(Semaphore::new(max_files.min(Semaphore::MAX_PERMITS))),
            stop: stopped.clone(),
        };
        let patterns = files.iter().flat_map(|options| options.patterns.clone()).collect();
        tasks.spawn_on(follow::forget(patterns, following.clone()), runtime.handle());
        for options in files {
            tasks.spawn_on(follow::run(options, following.clone()), runtime.handle());
        }
        tasks.spawn_on(tick(environment.intake, stopped), runtime.handle());
        Ok(Self {
            runtime,
            tasks,
            stop,
            sequencer,
            pipeline,
            notices: environment.notices,
            addresses,
            papers,
            board,
        })
    }

    /// The addresses that it listens on, with the listeners' names.
    pub fn addresses(&self) -> &[(String, Address)] {
        &self.addresses
    }

    /// The certificates that listeners go by.
    pub fn papers(&self) -> &[Arc<Papers>] {
        &self.papers
    }

    /// How far the files are that it follows.
    pub fn board(&self) -> &Arc<follow::Board> {
        &self.board
    }

    /// What came in so far, and what became of it.
    pub fn ledger(&self) -> Arc<Mutex<Ledger>> {
        self.pipeline.ledger()
    }

    /// The pulse of the correlator's thread.
    pub fn pulse(&self) -> Arc<Pulse> {
        self.pipeline.pulse()
    }

    /// How far what came in has got.
    pub fn reach(&self) -> Arc<Reach> {
        self.pipeline.reach()
    }

    /// What was refused and cut so far.
    pub fn notices(&self) -> &Arc<Notices> {
        &self.notices
    }

    /// Stops accepting, reads until the sockets would block, folds all of it, and ends.
    pub fn stop(self) -> (Ledger, Timestamp) {
        self.stop_and(|| ())
    }

    /// The same, and does something once nothing is read any more, while the journal still takes events.
    pub fn stop_and(self, all_is_read: impl FnOnce()) -> (Ledger, Timestamp) {
        let Self { runtime, mut tasks, stop, sequencer, pipeline, .. } = self;
        stop.send_replace(true);
        let drained = runtime.block_on(async {
            tokio::time::timeout(limits::DRAIN_TIME, async { while tasks.join_next().await.is_some() {} })
                .await
        });
        if drained.is_err() {
            tracing::warn!("connections still had something to read when the time for it was over");
        }
        // Ends the tasks that are left, and with them every sender to the pipeline but the sequencer's.
        drop(tasks);
        runtime.shutdown_background();
        all_is_read();
        let closed = sequencer.close();
        drop(sequencer);
        (pipeline.finish(End::At(closed)), closed)
    }
}

/// Submits a clock tick in each interval, for the timers of quiet times.
async fn tick(intake: Intake, mut stop: watch::Receiver<bool>) {
    let origin = Arc::new(Origin { listener: String::new(), peer: String::new() });
    let mut interval = tokio::time::interval(limits::TICK_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    interval.tick().await;
    loop {
        tokio::select! {
            _ = interval.tick() => intake.tick(&origin),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
