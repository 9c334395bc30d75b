//! Floor 8: what stands behind the correlator of a server: the journal and handlers with cursors over it, or, without
//! durability, handlers alone.

use super::control::Handlers;
use crate::cli::delivery::{self, Delivery};
use crate::cli::{Exit, Failure};
use crate::config::{Durability, Settings};
use crate::correlate::Correlator;
use crate::credentials::Secrets;
use crate::dispatch::{self, DurableDispatch, Office, Start, Target, Totals};
use crate::handlers::{Evidence, JournalEvidence, NoEvidence};
use crate::ingest::{Answering, Bookmarks};
use crate::journal::{
    self, Identity, IdentityError, Journal, JournalError, Settled, Standing, Standings, State,
};
use crate::limits;
use crate::pipeline::{
    Backlog, Committer, Desk, Errand, EventSink, Options, Progress, Pulse, Reading, Vitals, recover,
};
use crate::segment::Disk;
use crate::time::{Clock, SystemClock, Timestamp};
use anyhow::Context;
use std::hash::Hasher;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use twox_hash::XxHash3_64;

/// What takes the events.
pub(super) enum Backend {
    /// Nothing survives a crash.
    Volatile(Delivery),
    /// The journal.
    Durable(Durable),
}

/// What the pipeline needs of a backend.
pub(super) struct Ends {
    /// Where events go.
    pub(super) events: Box<dyn EventSink>,
    /// The correlator as it was, where there is a journal, and which of its inputs were of a backlog.
    pub(super) state: Option<(Correlator, Backlog)>,
    /// How far files have been read, where that survives.
    pub(super) reading: Reading,
    /// By what listeners answer for records, where there is a journal and a listener that does.
    pub(super) answering: Option<Answering>,
}

impl Backend {
    /// Sets everything up that is behind the correlator.
    ///
    /// # Errors
    /// When the journal cannot be used, or the system gives no threads.
    pub(super) fn start(
        settings: &Settings,
        identity: &Identity,
        options: &Options,
        secrets: &Arc<Secrets>,
    ) -> Result<(Self, Ends), Failure> {
        let is_durable = settings.server.journal.durability != Durability::None;
        let evidence: Arc<dyn Evidence> = if is_durable {
            Arc::new(JournalEvidence(settings.server.data_dir.clone()))
        } else {
            Arc::new(NoEvidence)
        };
        let environment = delivery::environment(settings, secrets, evidence);
        let handlers = settings.active_handlers();
        let targets = handlers.map(|handler| delivery::target(handler, settings, &environment));
        let mut targets = targets.collect::<Result<Vec<_>, _>>()?;
        targets.iter_mut().for_each(|target| target.options.holds_backlog = true);
        if is_durable {
            let (durable, ends) = Durable::start(settings, identity, options, targets)?;
            return Ok((Self::Durable(durable), ends));
        }
        let patience = dispatch::Options { patience: Some(settings.server.handler_patience) };
        let delivery = Delivery::start(targets, patience, None)?;
        let events = Box::new(delivery.sink());
        let ends = Ends { events, state: None, reading: Reading::default(), answering: None };
        Ok((Self::Volatile(delivery), ends))
    }

    /// The runtime, for what else has to wait without blocking anybody.
    pub(super) fn runtime(&self) -> &Runtime {
        match self {
            Self::Volatile(delivery) => delivery.runtime(),
            Self::Durable(durable) => &durable.runtime,
        }
    }

    /// What tells of handlers, for those who ask.
    pub(super) fn handlers(&self) -> Handlers {
        match self {
            Self::Volatile(delivery) => Handlers::Volatile(delivery.sink()),
            Self::Durable(durable) => {
                let (dispatch, errands) = (Arc::clone(&durable.dispatch), durable.errands.clone());
                Handlers::Durable { dispatch, errands }
            }
        }
    }

    /// Where the journal's thread is asked, if there is one.
    pub(super) fn errands(&self) -> Option<mpsc::Sender<Errand>> {
        match self {
            Self::Volatile(_) => None,
            Self::Durable(durable) => Some(durable.errands.clone()),
        }
    }

    /// Where the handlers stood at the start, as far as a journal knows.
    pub(super) fn before(&self) -> Standings {
        match self {
            Self::Volatile(_) => Standings::default(),
            Self::Durable(durable) => durable.before.clone(),
        }
    }

    /// How much of the journal was found damaged or missing at the start.
    pub(super) fn damage(&self) -> usize {
        match self {
            Self::Volatile(_) => 0,
            Self::Durable(durable) => durable.damage,
        }
    }

    /// The threads that a record's way leads through, beginning with the correlator's.
    pub(super) fn vitals(&self, correlator: Arc<Pulse>) -> Vitals {
        let journal = match self {
            Self::Volatile(_) => None,
            Self::Durable(durable) => Some(("journal", durable.committer.pulse())),
        };
        Vitals::new(std::iter::once(("correlator", correlator)).chain(journal))
    }

    /// Gives the handlers time to deliver what waits; says what became of all events, and whether what was not
    /// delivered is lost.
    pub(super) fn finish(self) -> (Vec<Totals>, bool) {
        match self {
            Self::Volatile(delivery) => (delivery.finish(limits::DELIVER_TIME), true),
            Self::Durable(durable) => (durable.finish(), false),
        }
    }
}

/// A journal, and handlers with cursors over it.
pub(super) struct Durable {
    runtime: Runtime,
    dispatch: Arc<DurableDispatch>,
    committer: Committer,
    errands: mpsc::Sender<Errand>,
    /// Where the handlers stood at the start.
    before: Standings,
    /// How much of the journal was found damaged or missing.
    damage: usize,
}

impl Durable {
    fn start(
        settings: &Settings,
        identity: &Identity,
        options: &Options,
        targets: Vec<Target>,
    ) -> Result<(Self, Ends), Failure> {
        let data = &settings.server.data_dir;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let kept = journal_options(settings);
        let opened = Journal::open(data, identity, kept, Arc::new(Disk)).map_err(failure)?;
        let (mut journal, mut recovery) = opened;
        say_what_was_found(&recovery);
        let now = clock.now();
        let lost_inputs = (!kept.observations).then_some(data.as_path());
        let recovered = recover(&mut journal, &mut recovery, options, lost_inputs, now).map_err(failure)?;
        say_what_was_recovered(&recovered);
        let damage = recovery.flaws.len() + recovered.flaws.len();
        journal.enrol(
            targets.iter().map(|target| (target.name.as_str(), target.options.start == Start::Beginning)),
        );
        say_orphans(&journal, &targets);
        journal.begin_run(identity.run, recovery.base, now).map_err(failure)?;
        journal.settle(&comings_and_goings(&journal, &targets, now), now).map_err(failure)?;
        journal.flush().map_err(failure)?;
        let mut correlator = recovered.correlator;
        correlator.begin_run(recovery.base);

        let runtime = dispatch::runtime().context("cannot start the handlers' threads")?;
        let (reports, reported) = mpsc::channel(limits::REPORT_QUEUE);
        let office = Office { data: data.clone(), reports, clock: Arc::clone(&clock) };
        let before = journal.standings().clone();
        let dispatch = DurableDispatch::start(targets, &before, journal.next(), &office, runtime.handle());
        drop(office);
        let dispatch = Arc::new(dispatch);
        let (errands, asked) = mpsc::channel(limits::ERRAND_QUEUE);
        let bookmarks = Arc::<Bookmarks>::default();
        let addresses = settings.listeners.iter().flat_map(|listener| &listener.addresses);
        let is_asked = addresses.into_iter().any(|address| address.scheme().is_answered());
        let (progress, durable) = is_asked.then(Progress::watched).unzip();
        let remembered = Arc::new(recovered.remembered);
        let answering = durable.map(|durable| Answering { durable, remembered });
        let desk = Desk {
            progress: progress.unwrap_or_default(),
            journal,
            bookmarks: Arc::clone(&bookmarks),
            dispatch: Arc::clone(&dispatch),
            reports: reported,
            errands: asked,
            stamp: Arc::clone(&options.stamp),
            observations: kept.observations,
            snapshot_interval: settings.server.journal.snapshot_interval,
            clock,
            on_loss: Box::new(|error| {
                let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(cause, "{error}; nobody can know what is durable: the server ends");
                std::process::exit(i32::from(Exit::DurabilityLost as u8));
            }),
            before: (recovery.last_time, recovery.stopped),
        };
        let (committer, sink) = Committer::start(desk).context("cannot start the journal's thread")?;
        let reading = Reading { marks: recovery.marks, told: recovery.told, bookmarks: Some(bookmarks) };
        let ends =
            Ends { events: Box::new(sink), state: Some((correlator, recovered.backlog)), reading, answering };
        Ok((Self { runtime, dispatch, committer, errands, before, damage }, ends))
    }

    fn finish(self) -> Vec<Totals> {
        let Self { runtime, dispatch, mut committer, before, .. } = self;
        runtime.block_on(async {
            committer.drained().await;
            dispatch.finish(limits::DELIVER_TIME).await;
        });
        runtime.shutdown_background();
        let closed = committer.join();
        totals(&dispatch, &before, &closed.standings, closed.next)
    }
}

/// What became of the events of this run in the handlers that run.
pub(super) fn totals(
    dispatch: &DurableDispatch,
    before: &Standings,
    now: &Standings,
    next: u64,
) -> Vec<Totals> {
    let runs = now.iter().filter(|(name, _)| dispatch.has(name));
    runs.map(|(name, standing)| totals_of(name, before.get(name), standing, next)).collect()
}

fn totals_of(name: &str, before: Option<&Standing>, now: &Standing, next: u64) -> Totals {
    let count =
        |state| now.count(state) - before.map_or(0, |before| before.count(state)).min(now.count(state));
    let (delivered, dead) = (count(State::Delivered), count(State::Dead));
    let mut totals = Totals {
        handler: name.to_owned(),
        delivered,
        permanent: dead,
        filtered: count(State::Filtered),
        suppressed: count(State::Suppressed),
        digested: count(State::Digested),
        dropped: count(State::Dropped),
        waiting: now.waiting(next),
        why: now.retry.as_ref().map(|retry| retry.note.clone()),
        ..Totals::default()
    };
    totals.offered = delivered + dead + totals.held() + totals.waiting;
    totals
}

fn journal_options(settings: &Settings) -> journal::Options {
    let configured = settings.server.journal;
    let mut hash = XxHash3_64::new();
    for section in &settings.listed {
        for row in &section.rows {
            let value = row.value.as_ref().map(ToString::to_string).unwrap_or_default();
            hash.write(format!("{}.{}={value}\n", section.path, row.name).as_bytes());
        }
    }
    journal::Options {
        observations: configured.durability == Durability::Observations,
        retention_age: configured.retention,
        retention_size: configured.max_size,
        inputs_segment: configured.segment_size,
        events_segment: configured.segment_size.min(limits::EVENTS_SEGMENT_SIZE),
        configuration: hash.finish(),
    }
}

/// A journal that cannot be used: a start that cannot know what is durable ends like a run that cannot.
pub(super) fn failure(error: impl Into<anyhow::Error>) -> Failure {
    let error = error.into();
    let is_lost = error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(JournalError::Lost { .. }))
            || matches!(cause.downcast_ref(), Some(IdentityError::Lost { .. }))
    });
    Failure::new(if is_lost { Exit::DurabilityLost } else { Exit::Environment }, error)
}

fn say_what_was_found(recovery: &journal::Recovery) {
    for flaw in &recovery.flaws {
        tracing::error!(%flaw, "the journal is damaged; everything else in it is read");
    }
    if recovery.torn > 0 {
        tracing::warn!(
            bytes = recovery.torn,
            "a crash has left half a block, which nobody was told of; it is closed off"
        );
    }
    if !recovery.stopped {
        tracing::warn!("the run before did not end as it should");
    }
    if recovery.reconfigured {
        tracing::info!("the configuration is another than in the run before");
    }
}

fn say_what_was_recovered(recovered: &crate::pipeline::Recovered) {
    for flaw in &recovered.flaws {
        tracing::error!(%flaw, "inputs of the journal cannot be read; the state lacks them");
    }
    if let Some(why) = &recovered.lost_state {
        tracing::error!(why, "the state of sessions and counts cannot be restored, and begins anew");
    }
    if recovered.inputs > 0 {
        let (inputs, events) = (recovered.inputs, recovered.events);
        tracing::info!(
            inputs,
            events,
            "inputs since the last snapshot were taken again; events raised by them were added"
        );
    }
}

/// Which handlers are not configured any more since this run, and which are again.
fn comings_and_goings(journal: &Journal, targets: &[Target], now: Timestamp) -> Vec<Settled> {
    let next = journal.next();
    let change = |(name, standing): (&String, &Standing)| {
        let is_there = targets.iter().any(|target| target.name == *name);
        match (is_there, standing.end) {
            (false, None) => Some(Settled::leaves(name, next, now)),
            (true, Some(_)) => Some(Settled::returns(name, next, now)),
            _ => None,
        }
    };
    journal.standings().iter().filter_map(change).collect()
}

/// Names what a handler that is no longer there, or has another name, has left.
fn say_orphans(journal: &Journal, targets: &[Target]) {
    for (name, standing) in journal.standings() {
        let waiting = standing.waiting(journal.next());
        if !targets.iter().any(|target| target.name == *name) && waiting > 0 {
            tracing::warn!(
                handler = name,
                waiting,
                "the handler is not configured any more; what waited for it waits until it is back, or `events drop \
                 --handler` gives it up"
            );
        }
    }
}
