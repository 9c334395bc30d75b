//! Handlers that hang, fail, panic and lag, side by side with honest ones.

use super::*;
use crate::event::{Head, Kind, ModuleName, Severity, Stamp, StreamId};
use crate::handlers::{Delivery, DigestDelivery, Gathered, Outcome, Selection};
use crate::time::{SystemClock, Timestamp};
use std::sync::Mutex;
use tokio::sync::Semaphore;

/// What a handler does with a delivery.
enum Deed {
    Record,
    Fail(Outcome),
    Panic,
    PanicAtOnce,
    AnswerNothing,
    /// Records once there is a permit for it.
    Wait(Arc<Semaphore>),
}

struct Scripted {
    deed: Deed,
    seen: Arc<Mutex<Vec<u64>>>,
}

impl Handler for Scripted {
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a> {
        assert!(!matches!(self.deed, Deed::PanicAtOnce), "at once");
        Box::pin(async move {
            match &self.deed {
                Deed::Fail(outcome) => return vec![outcome.clone(); events.len()],
                Deed::AnswerNothing => return Vec::new(),
                Deed::Panic => panic!("in the middle"),
                Deed::Wait(gate) => gate.acquire().await.unwrap().forget(),
                Deed::Record | Deed::PanicAtOnce => {}
            }
            self.seen.lock().unwrap().extend(events.events().map(|event| event.head().number));
            vec![Outcome::Delivered; events.len()]
        })
    }
}

/// A handler that counts what it gets at once, and what it gets in digests.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<(u64, Vec<u64>)>>);

impl Handler for Counting {
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a> {
        self.0.lock().unwrap().0 += events.len() as u64;
        Box::pin(async move { vec![Outcome::Delivered; events.len()] })
    }

    fn digest<'a>(&'a mut self, gathered: &'a Gathered) -> DigestDelivery<'a> {
        assert_eq!(gathered.events().count() as u64, gathered.digest.count());
        self.0.lock().unwrap().1.push(gathered.digest.count());
        Box::pin(async { Outcome::Delivered })
    }
}

#[tokio::test(start_paused = true)]
async fn filters_and_storms_are_heeded_without_a_journal_too() {
    let handler = Counting::default();
    let storm = StormOptions { cooldown: Some(Duration::from_secs(3600)), ..StormOptions::default() };
    let storm = StormOptions { digest: Some(Duration::from_secs(600)), ..storm };
    let filter = Arc::new(Filter::compile("kind == \"SSHDStats\"").unwrap());
    let options = TargetOptions { filter: Some(filter), storm, ..TargetOptions::default() };
    let target = Target { name: "h".into(), apps: Apps::All, handler: Box::new(handler.clone()), options };
    let dispatch = start(vec![target], Options::default());
    dispatch.offer_async(&block(&[(0, 1), (0, 2), (u16::MAX, 3), (1, 4)])).await;
    let totals = dispatch.finish(limits::DELIVER_TIME).await;
    assert_eq!(*handler.0.lock().unwrap(), (1, vec![2]), "what is gathered goes at the end at the latest");
    let Totals { offered, delivered, filtered, digested, waiting, .. } = totals[0];
    assert_eq!((offered, delivered, filtered, digested, waiting), (4, 1, 1, 2, 0));
}

type Seen = Arc<Mutex<Vec<u64>>>;

fn target(name: &str, apps: Apps, deed: Deed) -> (Target, Seen) {
    let seen = Seen::default();
    let handler = Box::new(Scripted { deed, seen: Arc::clone(&seen) });
    (Target { name: name.into(), apps, handler, options: TargetOptions::default() }, seen)
}

fn modules() -> Vec<ModuleName> {
    [("fleet", "openssh"), ("lab", "openssh")]
        .map(|(app, module)| ModuleName { app: app.into(), module: module.into() })
        .into()
}

/// A block of events with these modules and numbers.
fn block(events: &[(u16, u64)]) -> Arc<EventBlock> {
    let stamp = Stamp { stream: StreamId(1), run: 1, modules: modules() };
    let mut block = EventBlock::new(Arc::new(stamp));
    for (module, number) in events {
        let kind = if *module == u16::MAX { Kind::ServerStats } else { Kind::SSHDStats };
        let (number, module, severity, time) = (*number, *module, Severity::Info, Timestamp::EPOCH);
        block.push(Head { number, ordinal: 0, module, kind, severity, time });
    }
    Arc::new(block)
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

fn start(targets: Vec<Target>, options: Options) -> Dispatch {
    Dispatch::start(targets, options, &clock(), &Handle::current())
}

fn by_name(totals: &[Totals], name: &str) -> Totals {
    let found = totals.iter().find(|totals| totals.handler == name).unwrap();
    let Totals { delivered, temporary, permanent, lost, waiting, .. } = found;
    assert_eq!(found.offered, delivered + temporary + permanent + lost + waiting);
    found.clone()
}

const QUEUE: u64 = limits::HANDLER_QUEUE_BLOCKS as u64;

#[tokio::test(start_paused = true)]
async fn each_handler_gets_the_events_of_the_applications_that_name_it_in_order() {
    let (all, all_seen) = target("all", Apps::All, Deed::Record);
    let (lab, lab_seen) = target("lab", Apps::Named(vec!["lab".into()]), Deed::Record);
    let (none, none_seen) = target("none", Apps::Named(vec![]), Deed::Record);
    let dispatch = start(vec![all, lab, none], Options::default());
    dispatch.offer_async(&block(&[(0, 1), (1, 2), (0, 3)])).await;
    dispatch.offer_async(&block(&[(0, 4)])).await;
    dispatch.offer_async(&block(&[(1, 5), (u16::MAX, 6)])).await;
    let totals = dispatch.finish(limits::DELIVER_TIME).await;
    assert_eq!(*all_seen.lock().unwrap(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(*lab_seen.lock().unwrap(), [2, 5, 6]);
    assert_eq!(*none_seen.lock().unwrap(), [6], "what is about the server is for every handler");
    assert_eq!(by_name(&totals, "all").delivered, 6);
    assert_eq!(by_name(&totals, "lab").to_string(), "lab: 3 of 3");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_costs_the_others_one_wait_and_is_counted() {
    let never = Arc::new(Semaphore::new(0));
    let (hangs, _) = target("hangs", Apps::All, Deed::Wait(Arc::clone(&never)));
    let (works, seen) = target("works", Apps::All, Deed::Record);
    let dispatch = start(vec![hangs, works], Options::default());
    let begin = Instant::now();
    let blocks = 3 * QUEUE;
    for number in 0..blocks {
        dispatch.offer_async(&block(&[(0, number), (1, number)])).await;
        // Lets the honest handler run; the clock stands still meanwhile.
        tokio::task::yield_now().await;
    }
    assert_eq!(begin.elapsed(), limits::HANDLER_PATIENCE);

    // It takes again: what comes then is delivered, and nothing is waited for.
    never.add_permits(1000);
    while dispatch.totals()[0].waiting > 0 {
        tokio::task::yield_now().await;
    }
    dispatch.offer_async(&block(&[(0, blocks)])).await;
    assert_eq!(begin.elapsed(), limits::HANDLER_PATIENCE);
    let totals = dispatch.finish(limits::DELIVER_TIME).await;
    let hangs = by_name(&totals, "hangs");
    // One block was in its hands and the channel was full of others.
    assert_eq!(
        (hangs.delivered, hangs.lost, hangs.waiting),
        (2 * (QUEUE + 1) + 1, 2 * (blocks - QUEUE - 1), 0)
    );
    assert_eq!(by_name(&totals, "works").delivered, 2 * blocks + 1);
    let expected: Vec<_> = (0..blocks).flat_map(|number| [number, number]).chain([blocks]).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_slows_and_loses_nothing() {
    let gate = Arc::new(Semaphore::new(0));
    let (slow, seen) = target("slow", Apps::All, Deed::Wait(Arc::clone(&gate)));
    let dispatch = start(vec![slow], Options::default());
    let pace = async {
        loop {
            tokio::time::sleep(limits::HANDLER_PATIENCE - Duration::from_secs(1)).await;
            gate.add_permits(1);
        }
    };
    let offer = async {
        for number in 0..2 * QUEUE {
            dispatch.offer_async(&block(&[(0, number)])).await;
        }
        dispatch.finish(Duration::from_secs(3600)).await
    };
    let totals = tokio::select! { () = pace => unreachable!(), totals = offer => totals };
    assert_eq!(by_name(&totals, "slow").delivered, 2 * QUEUE);
    assert_eq!(*seen.lock().unwrap(), (0..2 * QUEUE).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn failures_and_panics_are_counted_and_end_nothing() {
    let temporary = Deed::Fail(Outcome::Temporary("451".into()));
    let permanent = Deed::Fail(Outcome::Permanent("550".into()));
    let deeds = [
        ("temporary", temporary),
        ("permanent", permanent),
        ("panics", Deed::Panic),
        ("panics at once", Deed::PanicAtOnce),
        ("answers nothing", Deed::AnswerNothing),
        ("works", Deed::Record),
    ];
    let targets = deeds.map(|(name, deed)| target(name, Apps::All, deed).0).into_iter().collect();
    let dispatch = start(targets, Options::default());
    for number in 0..5 {
        dispatch.offer_async(&block(&[(0, number), (1, number)])).await;
    }
    let totals = dispatch.finish(limits::DELIVER_TIME).await;
    assert_eq!(by_name(&totals, "temporary").temporary, 10);
    assert_eq!(by_name(&totals, "works").delivered, 10);
    assert_eq!(by_name(&totals, "works").undelivered(), None);
    for (name, why) in [("temporary", "451"), ("permanent", "550"), ("answers nothing", "it gave no answer")]
    {
        let said = format!("10 events were not delivered by handler `{name}`: {why}");
        assert_eq!(by_name(&totals, name).undelivered(), Some(said));
    }
    for name in ["permanent", "panics", "panics at once", "answers nothing"] {
        assert_eq!(by_name(&totals, name).permanent, 10, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_so_long_and_says_what_still_waits() {
    let (hangs, _) = target("hangs", Apps::All, Deed::Wait(Arc::new(Semaphore::new(1))));
    let (works, _) = target("works", Apps::All, Deed::Record);
    let dispatch = start(vec![hangs, works], Options::default());
    for number in 0..3 {
        dispatch.offer_async(&block(&[(0, number)])).await;
    }
    let begin = Instant::now();
    let totals = dispatch.finish(limits::DELIVER_TIME).await;
    assert_eq!(begin.elapsed(), limits::DELIVER_TIME);
    let hangs = by_name(&totals, "hangs");
    assert_eq!((hangs.to_string().as_str(), hangs.waiting), ("hangs: 1 of 3, 2 waiting", 2));
    let said = "2 events were not delivered by handler `hangs`: it was not done in time";
    assert_eq!(hangs.undelivered().as_deref(), Some(said));
    assert_eq!(by_name(&totals, "works").delivered, 3);
    dispatch.offer_async(&block(&[(0, 9)])).await;
    assert_eq!(by_name(&dispatch.totals(), "works").lost, 1, "nothing is taken after the end");
}

#[test]
fn a_plain_thread_waits_for_room_for_as_long_as_it_is_told_to() {
    let runtime = runtime().unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let (slow, seen) = target("slow", Apps::All, Deed::Wait(Arc::clone(&gate)));
    let dispatch =
        Arc::new(Dispatch::start(vec![slow], Options { patience: None }, &clock(), runtime.handle()));
    let blocks = 2 * QUEUE;
    let (begun, waits) = std::sync::mpsc::sync_channel(0);
    let offering = std::thread::spawn({
        let dispatch = Arc::clone(&dispatch);
        move || {
            for number in 0..blocks {
                if number == QUEUE {
                    begun.send(()).unwrap();
                }
                dispatch.offer(&block(&[(0, number)]));
            }
        }
    });
    waits.recv().unwrap();
    assert!(!offering.is_finished(), "there is room for no more than the channel and the one in hand");
    gate.add_permits(usize::try_from(blocks).unwrap());
    offering.join().unwrap();
    let totals = runtime.block_on(dispatch.finish(limits::DELIVER_TIME));
    assert_eq!(by_name(&totals, "slow").delivered, blocks);
    assert_eq!(*seen.lock().unwrap(), (0..blocks).collect::<Vec<_>>());
    runtime.shutdown_background();
}
