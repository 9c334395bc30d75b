//! One handler over a real journal, through outages, restarts and an operator's orders. Time is the runtime's, and paused.

mod delivery;
mod digests;
mod log;
mod orders;

use super::super::{
    Apps, DurableDispatch, Filter, Office, RetryOptions, StormOptions, Target, TargetOptions,
};
use super::Command;
use crate::event::{EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp};
use crate::handlers::{Delivery, DigestDelivery, Gathered, Handler, Outcome, Selection};
use crate::journal::{Group, Identity, Journal, Options, Ranges, Settled, Standing, State};
use crate::limits;
use crate::segment::Disk;
use crate::time::{Clock, Timestamp};
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The runtime's clock, from a day well after the epoch on, and by how many seconds somebody has set it since.
struct Paused(Instant, Arc<AtomicU64>);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_secs(self.1.load(Relaxed))).plus(self.0.elapsed())
    }
}

/// What a handler saw: the numbers of the events of each delivery, or how many a digest had and which it showed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Events(Vec<u64>),
    Digest(u64, u64, Vec<u64>),
}

/// A handler that answers as it is told, and else delivers.
#[derive(Clone, Default)]
struct Scripted {
    seen: Arc<Mutex<Vec<Seen>>>,
    answers: Arc<Mutex<VecDeque<Outcome>>>,
    /// What it answers once it has no more to say.
    always: Arc<Mutex<Option<Outcome>>>,
    hangs: bool,
    most: Option<usize>,
    /// The numbers of events that fail, while others of the same delivery are taken.
    fails: Arc<Mutex<BTreeSet<u64>>>,
    patience: Option<Duration>,
}

impl Scripted {
    fn answer(&self) -> Outcome {
        let next = self.answers.lock().unwrap().pop_front();
        next.or_else(|| self.always.lock().unwrap().clone()).unwrap_or(Outcome::Delivered)
    }

    fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// The events that were delivered one by one, in order.
    fn delivered(&self) -> Vec<u64> {
        let numbers = |seen| match seen {
            Seen::Events(numbers) => numbers,
            Seen::Digest(..) => Vec::new(),
        };
        self.seen().into_iter().flat_map(numbers).collect()
    }

    async fn take(&self, seen: Seen) -> Outcome {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let outcome = self.answer();
        if outcome.is_delivered() {
            self.seen.lock().unwrap().push(seen);
        }
        outcome
    }
}

fn numbers<'a>(events: impl Iterator<Item = crate::event::Event<'a>>) -> Vec<u64> {
    events.map(|event| event.head().number).collect()
}

impl Handler for Scripted {
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a> {
        Box::pin(async move {
            let all = numbers(events.events());
            let fails = self.fails.lock().unwrap().clone();
            let taken = all.iter().copied().filter(|number| !fails.contains(number)).collect();
            let outcome = self.take(Seen::Events(taken)).await;
            all.iter().map(|number| if fails.contains(number) { failed() } else { outcome.clone() }).collect()
        })
    }

    fn most(&self) -> usize {
        self.most.unwrap_or(usize::MAX)
    }

    fn patience(&self) -> Duration {
        self.patience.unwrap_or(Duration::MAX)
    }

    fn digest<'a>(&'a mut self, gathered: &'a Gathered) -> DigestDelivery<'a> {
        let digest = &gathered.digest;
        Box::pin(self.take(Seen::Digest(digest.count(), digest.late(), numbers(gathered.events()))))
    }
}

/// A server's journal and dispatch, without the server.
struct Scene {
    home: tempfile::TempDir,
    clock: Arc<dyn Clock>,
    /// The day of the clock, in seconds.
    set: Arc<AtomicU64>,
    run: Option<Run>,
    /// Numbers the events.
    raised: u64,
}

struct Run {
    journal: Arc<Mutex<Journal>>,
    stamp: Arc<Stamp>,
    dispatch: DurableDispatch,
    /// Takes the handlers' reports into the journal.
    desk: tokio::task::JoinHandle<()>,
}

impl Scene {
    fn new() -> Self {
        let set = Arc::new(AtomicU64::new(1_000 * DAY.as_secs()));
        let clock = Arc::new(Paused(Instant::now(), Arc::clone(&set)));
        Self { home: tempfile::tempdir().unwrap(), clock, set, run: None, raised: 0 }
    }

    /// Starts a run with these handlers.
    fn start(&mut self, handlers: &[(&str, &Scripted, TargetOptions)]) {
        let data = self.home.path();
        let identity = Identity::claim(data).unwrap();
        let (mut journal, recovery) =
            Journal::open(data, &identity, Options::default(), Arc::new(Disk)).unwrap();
        journal.enrol(handlers.iter().map(|(name, ..)| (*name, false)));
        journal.begin_run(identity.run, recovery.base, self.clock.now()).unwrap();
        let modules = ["fleet", "lab"].map(|app| ModuleName { app: app.into(), module: "openssh".into() });
        let stamp = Arc::new(Stamp { stream: identity.stream, run: identity.run, modules: modules.into() });
        let targets = handlers.iter().map(|(name, handler, options)| Target {
            name: (*name).to_owned(),
            apps: Apps::Named(vec!["fleet".to_owned()]),
            handler: Box::new((*handler).clone()),
            options: options.clone(),
        });
        let (reports, mut reported) = mpsc::channel::<Vec<Settled>>(limits::REPORT_QUEUE);
        let office = Office { data: data.to_owned(), reports, clock: Arc::clone(&self.clock) };
        let (next, standings) = (journal.next(), journal.standings().clone());
        let dispatch =
            DurableDispatch::start(targets.collect(), &standings, next, &office, &Handle::current());
        let journal = Arc::new(Mutex::new(journal));
        let (books, clock) = (Arc::clone(&journal), Arc::clone(&self.clock));
        let desk = tokio::spawn(async move {
            while let Some(runs) = reported.recv().await {
                let mut journal = books.lock().unwrap();
                journal.settle(&runs, clock.now()).unwrap();
                journal.flush().unwrap();
            }
        });
        self.run = Some(Run { journal, stamp, dispatch, desk });
    }

    fn run(&self) -> &Run {
        self.run.as_ref().unwrap()
    }

    /// Makes an event durable for each of these severities, sources and modules, and hands them on; gives their numbers.
    fn raise(&mut self, events: impl IntoIterator<Item = (Severity, &'static str, u16)>) -> Vec<u64> {
        let run = self.run.as_ref().unwrap();
        let mut block = EventBlock::new(Arc::clone(&run.stamp));
        let (first, time) = (self.raised, self.clock.now());
        for (severity, addr, module) in events {
            let kind = Kind::SSHDLoginFailed;
            block
                .push(Head { number: self.raised, ordinal: 0, module, kind, severity, time })
                .addr(Field::Addr, addr.parse().unwrap());
            self.raised += 1;
        }
        let mut group = Group::new(run.stamp.run, 0, 0);
        group.blocks.push(Arc::new(block));
        run.journal.lock().unwrap().commit(&mut group, time).unwrap();
        group.committed().for_each(|(seq, block)| run.dispatch.publish(seq, block));
        (first..self.raised).collect()
    }

    fn raise_one(&mut self, severity: Severity, addr: &'static str) -> u64 {
        self.raise([(severity, addr, 0)])[0]
    }

    /// Lets so much time pass, and everything happen in it.
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
        self.settle().await;
    }

    /// Lets everything happen that needs no time.
    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    fn standing(&self, handler: &str) -> Standing {
        let journal = self.run().journal.lock().unwrap();
        let standing = journal.standings()[handler].clone();
        assert!(standing.is_balanced(journal.next()), "{standing:?}");
        standing
    }

    fn counts(&self, handler: &str, states: &[State]) -> Vec<u64> {
        let standing = self.standing(handler);
        states.iter().map(|state| standing.count(*state)).collect()
    }

    fn waiting(&self, handler: &str) -> u64 {
        let next = self.run().journal.lock().unwrap().next();
        self.standing(handler).waiting(next)
    }

    /// How often the delivery that fails at present was tried.
    fn attempts(&self, handler: &str) -> u32 {
        self.standing(handler).retry.map_or(0, |retry| retry.attempts)
    }

    /// Has an operator's order obeyed.
    async fn order(&self, command: Command) {
        assert!(self.run().dispatch.order("h", command).await);
        self.settle().await;
    }

    /// Keeps the stream of events from being read for so long: its directory, or the segments in it.
    async fn blind(&self, time: Duration, what: Unreadable) {
        let events = self.home.path().join("journal/events");
        let aside = self.home.path().join("aside");
        std::fs::rename(&events, &aside).unwrap();
        match what {
            Unreadable::Directory => drop(std::fs::File::create(&events).unwrap()),
            Unreadable::Segments => {
                std::fs::create_dir(&events).unwrap();
                for entry in aside.read_dir().unwrap() {
                    let name = entry.unwrap().file_name();
                    std::os::unix::fs::symlink("nowhere", events.join(name)).unwrap();
                }
            }
        }
        self.pass(time).await;
        match what {
            Unreadable::Directory => std::fs::remove_file(&events).unwrap(),
            Unreadable::Segments => std::fs::remove_dir_all(&events).unwrap(),
        }
        std::fs::rename(&aside, &events).unwrap();
    }

    /// Ends the run as a server does.
    async fn stop(&mut self) {
        let Run { dispatch, desk, journal, stamp } = self.run.take().unwrap();
        dispatch.finish(limits::DELIVER_TIME).await;
        drop(dispatch);
        desk.await.unwrap();
        journal.lock().unwrap().stop(stamp.run, self.clock.now()).unwrap();
    }
}

/// What of a journal cannot be read for now.
#[derive(Clone, Copy)]
enum Unreadable {
    Directory,
    Segments,
}

fn just(range: Range<u64>) -> Ranges {
    std::iter::once(range).collect()
}

fn filtered(filter: &str) -> TargetOptions {
    TargetOptions { filter: Some(Arc::new(Filter::compile(filter).unwrap())), ..TargetOptions::default() }
}

fn storm(cooldown: Option<Duration>, digest: Option<Duration>) -> TargetOptions {
    let storm = StormOptions { cooldown, cooldown_by: vec![Field::Source], digest, late_after: Some(DAY) };
    TargetOptions { storm, ..TargetOptions::default() }
}

fn failed() -> Outcome {
    Outcome::Temporary("451".into())
}

const A: &str = "192.0.2.1";
const B: &str = "192.0.2.2";

/// Retries for two hours.
fn two_hours(options: TargetOptions) -> TargetOptions {
    TargetOptions { retry: RetryOptions { give_up: 2 * HOUR, ..options.retry }, ..options }
}

/// Six events of one block, of which the first fails and the last is not wanted.
fn six(scene: &mut Scene, handler: &Scripted) {
    handler.fails.lock().unwrap().insert(0);
    scene.start(&[("h", handler, filtered("severity >= NOTICE"))]);
    let severity = |n| if n < 5 { Severity::Notice } else { Severity::Info };
    scene.raise((0..6).map(|n| (severity(n), A, 0)));
}
