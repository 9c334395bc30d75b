//! One handler over a real journal, through outages, restarts and an operator's orders. Time is the runtime's, and paused.

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

#[tokio::test(start_paused = true)]
async fn a_handler_gets_what_its_applications_raise_and_its_filter_wants() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    scene.start(&[("h", &handler, filtered("severity >= ERROR"))]);
    scene.raise([
        (Severity::Error, A, 0),
        (Severity::Info, A, 0),
        (Severity::Critical, B, 0),
        (Severity::Error, B, 1),
    ]);
    scene.settle().await;
    assert_eq!(handler.delivered(), [0, 2]);
    let states = [State::Delivered, State::Filtered, State::Skipped];
    assert_eq!(scene.counts("h", &states), [2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_outage_delays_one_handler_and_loses_nothing() {
    let (mut scene, down, up) = (Scene::new(), Scripted::default(), Scripted::default());
    *down.always.lock().unwrap() = Some(failed());
    let patient = RetryOptions { give_up: 2 * DAY, ..RetryOptions::default() };
    let options = TargetOptions { retry: patient, ..TargetOptions::default() };
    scene.start(&[("down", &down, options.clone()), ("up", &up, options)]);
    let mut raised = Vec::new();
    for _ in 0..24 * 12 {
        raised.extend(scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), 50)));
        scene.pass(5 * MINUTE).await;
    }
    assert_eq!(up.delivered(), raised, "the other handler has all, while this one has none");
    assert_eq!(scene.waiting("down"), raised.len() as u64);
    let retry = scene.standing("down").retry.unwrap();
    assert!((280..2_000).contains(&retry.attempts), "{} attempts within a day", retry.attempts);
    *down.always.lock().unwrap() = None;
    scene.pass(limits::RETRY_MOST).await;
    scene.pass(MINUTE).await;
    assert_eq!(down.delivered(), raised, "all of it, in order, each once");
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_too_long_is_a_dead_letter_that_can_be_sent_again() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(failed());
    scene.start(&[("h", &handler, TargetOptions::default())]);
    scene.raise([(Severity::Notice, A, 0), (Severity::Notice, B, 0)]);
    scene.pass(DAY + 2 * limits::RETRY_MOST).await;
    assert_eq!(scene.counts("h", &[State::Dead, State::Delivered]), [2, 0]);
    // Also after a restart; the one that an operator does not name stays dead, and what was delivered is left alone.
    scene.stop().await;
    *handler.always.lock().unwrap() = None;
    scene.start(&[("h", &handler, filtered("severity >= ERROR"))]);
    let third = scene.raise_one(Severity::Error, A);
    scene.settle().await;
    assert_eq!(handler.delivered(), [third]);
    assert!(scene.run().dispatch.command("h", Command::Retry(just(1..3))));
    scene.settle().await;
    assert_eq!(handler.delivered(), [1], "whatever the filter says by now");
    assert_eq!(scene.counts("h", &[State::Dead, State::Delivered]), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_was_being_tried_again_is_given_up_in_time_across_restarts() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(failed());
    scene.start(&[("h", &handler, TargetOptions::default())]);
    scene.raise_one(Severity::Notice, A);
    scene.pass(20 * HOUR).await;
    scene.stop().await;
    scene.start(&[("h", &handler, TargetOptions::default())]);
    scene.pass(3 * HOUR).await;
    assert_eq!(scene.waiting("h"), 1);
    scene.pass(HOUR + 2 * limits::RETRY_MOST).await;
    assert_eq!(scene.counts("h", &[State::Dead]), [1]);
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_cut_off_and_one_that_refuses_is_obeyed() {
    let (mut scene, refuses) = (Scene::new(), Scripted::default());
    let hangs = Scripted { hangs: true, ..Scripted::default() };
    *refuses.always.lock().unwrap() = Some(Outcome::Permanent("550 no".into()));
    scene.start(&[
        ("hangs", &hangs, TargetOptions::default()),
        ("refuses", &refuses, TargetOptions::default()),
    ]);
    scene.raise_one(Severity::Notice, A);
    scene.settle().await;
    assert_eq!(scene.counts("refuses", &[State::Dead]), [1]);
    assert_eq!(scene.standing("hangs").retry, None);
    scene.pass(limits::HANDLER_DEADLINE).await;
    let retry = scene.standing("hangs").retry.unwrap();
    assert_eq!((retry.attempts, retry.note.as_str()), (1, "it gave no answer within 60 s"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_few_at_once_gets_all_and_is_let_rest_when_it_asks() {
    let (mut scene, handler) = (Scene::new(), Scripted { most: Some(2), ..Scripted::default() });
    handler.answers.lock().unwrap().extend([Outcome::Delivered, Outcome::Deferred("429".into(), HOUR)]);
    scene.start(&[("h", &handler, TargetOptions::default())]);
    scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), 5));
    scene.pass(HOUR - MINUTE).await;
    assert_eq!(handler.seen(), [Seen::Events(vec![0, 1])]);
    scene.pass(2 * MINUTE).await;
    assert_eq!(handler.seen(), [Seen::Events(vec![2, 3]), Seen::Events(vec![4])]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_impatient_is_tried_again_soon_for_as_long_as_it_fails() {
    let (mut scene, patience) = (Scene::new(), Duration::from_secs(30));
    let handler = Scripted { patience: Some(patience), ..Scripted::default() };
    *handler.always.lock().unwrap() = Some(failed());
    scene.start(&[("h", &handler, TargetOptions::default())]);
    scene.raise_one(Severity::Error, A);
    scene.pass(HOUR).await;
    assert_eq!(scene.waiting("h"), 1);
    *handler.always.lock().unwrap() = None;
    scene.pass(patience).await;
    assert_eq!(scene.waiting("h"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_storm_is_one_message_and_a_digest() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    scene.start(&[("h", &handler, storm(Some(HOUR), Some(15 * MINUTE)))]);
    let first = scene.raise_one(Severity::Warning, A);
    for _ in 0..300 {
        scene.raise_one(Severity::Warning, A);
    }
    let other = scene.raise_one(Severity::Warning, B);
    scene.settle().await;
    assert_eq!(handler.delivered(), [first, other]);
    assert_eq!(scene.waiting("h"), 300);
    scene.pass(15 * MINUTE).await;
    let shown = (1..=limits::MAX_DIGEST_EVENTS as u64).collect();
    assert_eq!(handler.seen(), [Seen::Digest(300, 0, shown)]);
    assert_eq!(scene.counts("h", &[State::Digested, State::Delivered]), [300, 2]);
    assert_eq!(scene.waiting("h"), 0);
}

#[tokio::test(start_paused = true)]
async fn cool_downs_and_what_is_gathered_outlive_a_restart() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    let options = || storm(Some(HOUR), Some(15 * MINUTE));
    scene.start(&[("h", &handler, options())]);
    scene.raise([(Severity::Warning, A, 0), (Severity::Warning, A, 0), (Severity::Warning, A, 0)]);
    scene.pass(10 * MINUTE).await;
    assert_eq!(handler.delivered(), [0]);
    scene.stop().await;
    scene.start(&[("h", &handler, options())]);
    let again = scene.raise_one(Severity::Warning, A);
    scene.pass(4 * MINUTE).await;
    assert_eq!(handler.seen(), []);
    scene.pass(2 * MINUTE).await;
    assert_eq!(handler.seen(), [Seen::Digest(3, 0, vec![1, 2, again])], "when it was due before the restart");
    scene.pass(HOUR).await;
    let anew = scene.raise_one(Severity::Warning, A);
    scene.settle().await;
    assert_eq!(handler.delivered(), [anew]);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_goes_as_a_digest_that_says_it_is_late() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(failed());
    let mut options = storm(None, None);
    options.retry.give_up = 7 * DAY;
    scene.start(&[("h", &handler, options)]);
    let first = scene.raise_one(Severity::Warning, A);
    scene.settle().await;
    let late: Vec<_> = (0..50).map(|_| scene.raise_one(Severity::Warning, B)).collect();
    scene.pass(2 * DAY).await;
    let fresh = scene.raise_one(Severity::Warning, A);
    *handler.always.lock().unwrap() = None;
    scene.pass(limits::RETRY_MOST + limits::LATE_GATHER_TIME).await;
    let seen = handler.seen();
    assert_eq!(seen[..2], [Seen::Events(vec![first]), Seen::Events(vec![fresh])]);
    assert_eq!(seen[2..], [Seen::Digest(50, 50, late)]);
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_fails_is_tried_again_and_one_that_is_refused_is_dead() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    handler.answers.lock().unwrap().extend([failed(), failed()]);
    scene.start(&[("h", &handler, storm(None, Some(MINUTE)))]);
    scene.raise([(Severity::Warning, A, 0), (Severity::Warning, B, 0)]);
    scene.pass(MINUTE).await;
    assert_eq!((handler.seen(), scene.waiting("h")), (vec![], 2));
    scene.pass(MINUTE).await;
    assert_eq!(handler.seen(), [Seen::Digest(2, 0, vec![0, 1])]);
    handler.answers.lock().unwrap().extend([Outcome::Delivered, Outcome::Permanent("550".into())]);
    scene.raise([(Severity::Warning, A, 0), (Severity::Critical, A, 0)]);
    scene.pass(2 * MINUTE).await;
    let states = [State::Digested, State::Delivered, State::Dead];
    assert_eq!(scene.counts("h", &states), [2, 1, 1], "CRITICAL was not gathered: it went at once");
}

#[tokio::test(start_paused = true)]
async fn an_operator_drops_what_waits_and_nothing_else() {
    let (mut scene, handler) = (Scene::new(), Scripted { most: Some(1), ..Scripted::default() });
    *handler.always.lock().unwrap() = Some(failed());
    scene.start(&[("h", &handler, TargetOptions::default())]);
    scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), 4));
    let later = scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), 4));
    scene.pass(HOUR).await;
    let drop = |range| Command::Drop(just(range), "in vain".into());
    // The one that is being tried, one behind it, and one of a block that has not been looked at.
    for range in [0..1, 2..3, later[1]..later[2]] {
        assert!(scene.run().dispatch.command("h", drop(range)));
    }
    scene.settle().await;
    *handler.always.lock().unwrap() = None;
    scene.pass(limits::RETRY_MOST).await;
    scene.pass(MINUTE).await;
    assert_eq!(handler.delivered(), [1, 3, 4, 6, 7]);
    assert_eq!(scene.counts("h", &[State::Dropped, State::Delivered]), [3, 5]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_drops_what_is_gathered() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    scene.start(&[("h", &handler, storm(None, Some(HOUR)))]);
    scene.raise(std::iter::repeat_n((Severity::Warning, A, 0), 5));
    scene.pass(MINUTE).await;
    assert!(scene.run().dispatch.command("h", Command::Drop(just(1..3), "noise".into())));
    scene.pass(HOUR).await;
    assert_eq!(handler.seen(), [Seen::Digest(3, 0, vec![0, 3, 4])]);
    assert_eq!(scene.counts("h", &[State::Dropped, State::Digested]), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_loses_events_while_it_waits_is_sent_once_and_without_them() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(failed());
    scene.start(&[("h", &handler, storm(None, Some(MINUTE)))]);
    scene.raise(std::iter::repeat_n((Severity::Warning, A, 0), 5));
    scene.pass(HOUR).await;
    assert!(scene.run().dispatch.command("h", Command::Drop(just(1..3), "noise".into())));
    scene.settle().await;
    *handler.always.lock().unwrap() = None;
    scene.pass(HOUR).await;
    assert_eq!(handler.seen(), [Seen::Digest(3, 0, vec![0, 3, 4])]);
    assert_eq!(scene.counts("h", &[State::Dropped, State::Digested]), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn handlers_come_and_go_and_come_back() {
    let (mut scene, old, new) = (Scene::new(), Scripted::default(), Scripted::default());
    scene.start(&[("old", &old, TargetOptions::default())]);
    scene.raise_one(Severity::Notice, A);
    scene.settle().await;
    scene.stop().await;
    scene.start(&[("new", &new, TargetOptions::default())]);
    let second = scene.raise_one(Severity::Notice, A);
    scene.settle().await;
    assert_eq!(new.delivered(), [second], "a new one begins with what comes");
    scene.stop().await;
    scene.start(&[("old", &old, TargetOptions::default()), ("new", &new, TargetOptions::default())]);
    scene.settle().await;
    assert_eq!(old.delivered(), [0, second], "one that is back gets what it missed");
    assert!(new.delivered().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_read_for_now_makes_no_dead_letters() {
    for (what, why) in
        [(Unreadable::Directory, "cannot list"), (Unreadable::Segments, "No such file or directory")]
    {
        let (mut scene, handler) = (Scene::new(), Scripted::default());
        *handler.always.lock().unwrap() = Some(failed());
        scene.start(&[("h", &handler, TargetOptions::default())]);
        let blocks = 3 * limits::HANDLER_QUEUE_BLOCKS;
        let raised: Vec<_> = (0..blocks).map(|_| scene.raise_one(Severity::Notice, A)).collect();
        scene.settle().await;
        *handler.always.lock().unwrap() = None;
        scene.blind(HOUR, what).await;
        let standing = scene.standing("h");
        assert_eq!(standing.count(State::Dead), 0);
        let retry = standing.retry.unwrap();
        assert!(retry.note.contains(why) && retry.attempts > 3, "{retry:?}");
        scene.pass(limits::RETRY_MOST).await;
        assert_eq!(handler.delivered(), raised);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_gathered_is_taken_up_once_the_journal_can_be_read() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    scene.start(&[("h", &handler, storm(None, Some(MINUTE)))]);
    scene.raise(std::iter::repeat_n((Severity::Warning, A, 0), 3));
    scene.settle().await;
    scene.stop().await;
    scene.start(&[("h", &handler, storm(None, Some(MINUTE)))]);
    scene.blind(HOUR, Unreadable::Segments).await;
    assert_eq!(handler.seen(), []);
    scene.pass(limits::RETRY_MOST).await;
    assert_eq!(handler.seen(), [Seen::Digest(3, 0, vec![0, 1, 2])]);
}

#[tokio::test(start_paused = true)]
async fn orders_do_not_shorten_the_pause_after_a_failure() {
    let (mut scene, handler) = (Scene::new(), Scripted { most: Some(1), ..Scripted::default() });
    let refused = || Outcome::Permanent("550".into());
    let answers = (0..20).flat_map(|_| [refused(), Outcome::Delivered]);
    handler.answers.lock().unwrap().extend(answers);
    let patient = RetryOptions { first: MINUTE / 2, ..RetryOptions::default() };
    let options = TargetOptions { retry: patient, ..TargetOptions::default() };
    scene.start(&[("h", &handler, options)]);
    scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), 40));
    scene.settle().await;
    assert_eq!(scene.standing("h").dead.spans(), 20);
    *handler.always.lock().unwrap() = Some(failed());
    scene.raise_one(Severity::Notice, A);
    scene.settle().await;
    let again: Vec<_> = scene.standing("h").dead.iter().collect();
    for range in again {
        scene.order(Command::Retry(just(range))).await;
    }
    assert_eq!((scene.attempts("h"), scene.standing("h").requeued.spans()), (1, 20));
    // Who asks for that very attempt gets it, but not before the time for which the other side wants to be left alone.
    scene.order(Command::Wake).await;
    assert_eq!(scene.attempts("h"), 2);
    *handler.always.lock().unwrap() = Some(Outcome::Deferred("429".into(), HOUR));
    scene.order(Command::Wake).await;
    assert_eq!(scene.attempts("h"), 3);
    scene.order(Command::Wake).await;
    scene.pass(HOUR - MINUTE).await;
    assert_eq!(scene.attempts("h"), 3);
    scene.pass(2 * MINUTE).await;
    assert_eq!(scene.attempts("h"), 4);
}

/// Retries for two hours.
fn two_hours(options: TargetOptions) -> TargetOptions {
    TargetOptions { retry: RetryOptions { give_up: 2 * HOUR, ..options.retry }, ..options }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_always_asks_for_a_rest_keeps_no_event_longer_than_it_is_retried() {
    let (mut scene, handler) = (Scene::new(), Scripted { most: Some(1), ..Scripted::default() });
    *handler.always.lock().unwrap() = Some(Outcome::Deferred("429".into(), 50 * MINUTE));
    scene.start(&[("h", &handler, two_hours(TargetOptions::default()))]);
    scene.raise([(Severity::Notice, A, 0), (Severity::Notice, B, 0)]);
    scene.pass(2 * HOUR - MINUTE).await;
    assert_eq!((scene.counts("h", &[State::Dead]), scene.attempts("h")), (vec![0], 3));
    scene.pass(2 * MINUTE).await;
    assert_eq!((scene.counts("h", &[State::Dead]), scene.waiting("h")), (vec![1], 1));
    // The one behind it is not tried before the rest is over.
    assert_eq!(scene.standing("h").retry, None);
    scene.pass(28 * MINUTE).await;
    assert_eq!(scene.standing("h").retry, None);
    scene.pass(10 * MINUTE).await;
    assert_eq!(scene.attempts("h"), 1);
    scene.pass(2 * HOUR + MINUTE).await;
    assert_eq!((scene.counts("h", &[State::Dead]), scene.waiting("h")), (vec![2], 0));
}

#[tokio::test(start_paused = true)]
async fn a_digest_is_kept_no_longer_than_it_is_retried_however_long_a_rest_is_asked_for() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(Outcome::Deferred("429".into(), 50 * MINUTE));
    scene.start(&[("h", &handler, two_hours(storm(None, Some(MINUTE))))]);
    scene.raise_one(Severity::Warning, A);
    scene.pass(2 * HOUR).await;
    assert_eq!((scene.counts("h", &[State::Dead]), scene.waiting("h")), (vec![0], 1));
    scene.pass(2 * MINUTE).await;
    assert_eq!((scene.counts("h", &[State::Dead]), scene.waiting("h")), (vec![1], 0));
}

/// Six events of one block, of which the first fails and the last is not wanted.
fn six(scene: &mut Scene, handler: &Scripted) {
    handler.fails.lock().unwrap().insert(0);
    scene.start(&[("h", handler, filtered("severity >= NOTICE"))]);
    let severity = |n| if n < 5 { Severity::Notice } else { Severity::Info };
    scene.raise((0..6).map(|n| (severity(n), A, 0)));
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_behind_a_failure_is_not_delivered_again_after_a_stop() {
    let (mut scene, handler) = (Scene::new(), Scripted { most: Some(4), ..Scripted::default() });
    six(&mut scene, &handler);
    scene.settle().await;
    assert_eq!(handler.delivered(), [1, 2, 3]);
    assert_eq!((scene.counts("h", &[State::Delivered]), scene.waiting("h")), (vec![3], 3));
    let before = scene.standing("h").retry.unwrap();
    scene.stop().await;
    scene.start(&[("h", &handler, filtered("severity >= NOTICE"))]);
    scene.settle().await;
    let after = scene.standing("h").retry.unwrap();
    assert_eq!((after.first, after.attempts, after.since), (0, before.attempts + 1, before.since));
    handler.fails.lock().unwrap().clear();
    scene.pass(limits::RETRY_MOST).await;
    assert_eq!(handler.delivered(), [0, 4], "each once, and in order as far as that goes");
    assert_eq!(scene.counts("h", &[State::Delivered, State::Filtered]), [5, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_drop_gives_up_what_is_open_and_nothing_else() {
    let (mut scene, handler) = (Scene::new(), Scripted { most: Some(4), ..Scripted::default() });
    six(&mut scene, &handler);
    // Blocks that the handler has not come to: of each the filter leaves one out.
    for _ in 0..2 * limits::HANDLER_QUEUE_BLOCKS {
        scene.raise([(Severity::Notice, A, 0), (Severity::Info, A, 0)]);
    }
    scene.settle().await;
    let blocks = 2 * limits::HANDLER_QUEUE_BLOCKS as u64;
    let open: Ranges = [0..1, 4..6 + 2 * blocks].into_iter().collect();
    scene.order(Command::Drop(open, "in vain".into())).await;
    scene.pass(MINUTE).await;
    let states = [State::Delivered, State::Dropped, State::Filtered];
    assert_eq!(scene.counts("h", &states), [3, 2 + blocks, 1 + blocks]);
    let later = scene.raise_one(Severity::Notice, A);
    scene.settle().await;
    assert_eq!(handler.delivered(), [1, 2, 3, later]);
}

#[tokio::test(start_paused = true)]
async fn a_step_of_the_clock_neither_gives_up_nor_delays() {
    for set in [500 * DAY, 2_000 * DAY] {
        let (mut scene, fails, gathers) = (Scene::new(), Scripted::default(), Scripted::default());
        *fails.always.lock().unwrap() = Some(failed());
        let options = [TargetOptions::default(), storm(None, Some(15 * MINUTE))];
        scene.start(&[("fails", &fails, options[0].clone()), ("gathers", &gathers, options[1].clone())]);
        scene.raise_one(Severity::Warning, A);
        scene.settle().await;
        scene.set.store(set.as_secs(), Relaxed);
        scene.pass(14 * MINUTE).await;
        assert_eq!(gathers.seen(), []);
        scene.pass(2 * MINUTE).await;
        assert_eq!(gathers.seen(), [Seen::Digest(1, 0, vec![0])]);
        assert!(scene.attempts("fails") > 3);
        scene.pass(23 * HOUR).await;
        assert_eq!(scene.counts("fails", &[State::Dead]), [0]);
        scene.pass(HOUR).await;
        assert_eq!(scene.counts("fails", &[State::Dead]), [1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_fails_is_given_up_in_time_across_restarts() {
    let (mut scene, handler) = (Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(failed());
    let start = |scene: &mut Scene| scene.start(&[("h", &handler, storm(None, Some(MINUTE)))]);
    start(&mut scene);
    scene.raise_one(Severity::Warning, A);
    scene.pass(20 * HOUR).await;
    scene.stop().await;
    start(&mut scene);
    scene.pass(3 * HOUR).await;
    assert_eq!(scene.waiting("h"), 1);
    scene.pass(HOUR + 2 * limits::RETRY_MOST).await;
    assert_eq!(scene.counts("h", &[State::Dead]), [1]);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_in_too_many_pieces_are_dropped_and_that_is_told() {
    let (mut scene, handler) = (Scene::new(), Scripted { hangs: true, ..Scripted::default() });
    scene.start(&[("h", &handler, TargetOptions::default())]);
    let pieces = limits::MAX_DEAD_RANGES as u64;
    for _ in 0..2 {
        scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), limits::MAX_DEAD_RANGES));
    }
    let run = |seq: u64| Settled {
        handler: "h".into(),
        events: seq..seq + 1,
        state: if seq.is_multiple_of(2) { State::Dead } else { State::Delivered },
        attempts: 1,
        time: scene.clock.now(),
        note: None,
    };
    let runs: Vec<_> = (0..2 * pieces).map(run).collect();
    scene.run().journal.lock().unwrap().settle(&runs, scene.clock.now()).unwrap();
    scene.stop().await;
    let refuses = Scripted::default();
    *refuses.always.lock().unwrap() = Some(Outcome::Permanent("550".into()));
    scene.start(&[("h", &refuses, TargetOptions::default())]);
    assert_eq!(scene.standing("h").dead.spans(), limits::MAX_DEAD_RANGES);
    let last = scene.raise_one(Severity::Notice, A);
    scene.settle().await;
    let standing = scene.standing("h");
    assert_eq!(standing.dead.spans(), limits::KEPT_DEAD_RANGES);
    assert!(standing.dead.contains(last) && !standing.dead.contains(0), "the newest are kept");
    assert_eq!(standing.count(State::Dropped) + standing.count(State::Dead), pieces + 1);
}
