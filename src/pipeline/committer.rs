//! Floor 6: the thread that makes things durable: inputs, events, and what became of them, together.
//!
//! It takes what waits, commits it, and only then hands the events to the dispatch. While the disk is full it takes no
//! more from the correlator, which slows the senders; what handlers report it still takes, for the journal keeps room
//! for that. When nobody can know any more what is durable, it says so and the process ends.
//!
//! Invariant: no handler sees an event before its commit, and everything that was taken is committed before the end.

mod books;
mod reports;
mod room;
#[cfg(test)]
mod room_tests;
mod sink;

pub use books::{Errand, Present};
pub use sink::JournalSink;

use super::Ledger;
use super::crowd::Crowd;
use super::folded::Folded;
use super::health::Health;
use super::progress::Progress;
use super::pulse::Pulse;
use super::reach::Reach;
use crate::dispatch::DurableDispatch;
use crate::event::{EventBlock, Field, Kind, Stamp};
use crate::ingest::Bookmarks;
use crate::journal::{Group, Journal, JournalError, KeptInputs, Settled, Snapshot, Standings};
use crate::limits;
use crate::time::{Clock, Timestamp};
use crossbeam_channel::{Sender, bounded};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// The thread.
#[derive(Debug)]
pub struct Committer {
    thread: JoinHandle<Closed>,
    pulse: Arc<Pulse>,
    drained: oneshot::Receiver<()>,
}

/// What a journal held when the server had stopped.
#[derive(Clone, Debug, Default)]
pub struct Closed {
    /// Where every handler stood.
    pub standings: Standings,
    /// The sequence number of the next event.
    pub next: u64,
}

/// What is done when nobody knows any more what is durable: it ends the process.
pub type OnLoss = Box<dyn Fn(&JournalError) + Send>;

/// What the thread works with.
pub struct Desk {
    /// The journal.
    pub journal: Journal,
    /// Where committed events go.
    pub dispatch: Arc<DurableDispatch>,
    /// What handlers report.
    pub reports: mpsc::Receiver<Vec<Settled>>,
    /// What others ask.
    pub errands: mpsc::Receiver<Errand>,
    /// What all events of the run have in common.
    pub stamp: Arc<Stamp>,
    /// Whether inputs are kept.
    pub observations: bool,
    /// Time after which a snapshot is taken at the latest.
    pub snapshot_interval: Duration,
    /// How far files have been read.
    pub bookmarks: Arc<Bookmarks>,
    /// What tells the time of commits.
    pub clock: Arc<dyn Clock>,
    /// What is told how far inputs are durable.
    pub progress: Progress,
    /// What is done when durability is lost.
    pub on_loss: OnLoss,
    /// What is told first: when the run before was last heard of, and whether it ended as it should.
    pub before: (Option<Timestamp>, bool),
}

impl Committer {
    /// Starts the thread; gives the correlator's end of the way to it.
    ///
    /// # Errors
    /// When the system refuses the thread.
    pub fn start(desk: Desk) -> io::Result<(Self, JournalSink)> {
        let (folded, queue) = mpsc::channel(limits::JOURNAL_QUEUE);
        let (tell_drained, drained) = oneshot::channel();
        let wants_state = Arc::new(AtomicBool::new(false));
        let (spare, spares) = bounded(limits::JOURNAL_QUEUE);
        let wants_inputs = desk.observations;
        let (wants_progress, bookmarks) = (desk.progress.is_watched(), Arc::clone(&desk.bookmarks));
        let reach = Arc::<Reach>::default();
        let sink = JournalSink {
            folded,
            wants_state: Arc::clone(&wants_state),
            wants_inputs,
            wants_progress,
            spares,
            bookmarks,
            reach: Arc::clone(&reach),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let pulse = Arc::<Pulse>::default();
        let health = Health::new(Arc::clone(&desk.stamp));
        let (now, interval) = (Instant::now(), desk.snapshot_interval);
        let work = Work {
            desk,
            queue,
            wants_state,
            spare,
            health,
            group: None,
            frames: 0,
            reach,
            snapshot: None,
            own: Vec::new(),
            own_group: None,
            settled: Vec::new(),
            settle_by: None,
            last_commit: now,
            housekeeping: now + limits::HOUSEKEEPING_INTERVAL,
            snapshot_due: now + interval,
            snapshot_rest: now,
            restock: now,
            tell_drained: Some(tell_drained),
            tell_end: None,
            word_due: now,
            is_full: false,
            ledger: None,
            crowd: Crowd::default(),
            ledger_due: now + limits::LEDGER_INTERVAL,
            last_time: None,
            look: now,
            is_low: false,
            pulse: Arc::clone(&pulse),
        };
        let thread = thread::Builder::new().name("journal".to_owned());
        let thread = thread.spawn(move || {
            catch_unwind(AssertUnwindSafe(|| runtime.block_on(work.run()))).unwrap_or_else(|_| {
                // To go on without a journal would look like health to everybody who only sees open sockets.
                tracing::error!("the journal's thread failed; the process ends");
                std::process::abort()
            })
        })?;
        Ok((Self { thread, pulse, drained }, sink))
    }

    /// The pulse of the thread.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// Waits until everything that the correlator handed on is durable, and with the dispatch. To be called once it has
    /// handed on its last.
    pub async fn drained(&mut self) {
        // An error means that the thread has gone, and then there is nothing to wait for.
        drop((&mut self.drained).await);
    }

    /// Waits for the end of the thread, which comes once no handler can report any more.
    pub fn join(self) -> Closed {
        self.thread.join().unwrap_or_default()
    }
}

struct Work {
    desk: Desk,
    queue: mpsc::Receiver<Folded>,
    wants_state: Arc<AtomicBool>,
    /// Takes back what inputs were gathered in.
    spare: Sender<KeptInputs>,
    health: Health,
    /// What the correlator handed on and is not durable yet.
    group: Option<Group>,
    /// Frames of the run that went into it, and all before them.
    frames: u64,
    reach: Arc<Reach>,
    /// The state behind the group.
    snapshot: Option<Snapshot>,
    /// Events about the server that are not durable yet.
    own: Vec<Arc<EventBlock>>,
    /// Those of them that are being made durable: where there is no room, the same are to be committed again.
    own_group: Option<Group>,
    /// What handlers reported and has not been laid out.
    settled: Vec<Settled>,
    /// When what handlers reported is to be durable.
    settle_by: Option<Instant>,
    last_commit: Instant,
    housekeeping: Instant,
    snapshot_due: Instant,
    /// No snapshot is taken before this.
    snapshot_rest: Instant,
    /// When room is set aside again for when the disk is full, if there is none.
    restock: Instant,
    tell_drained: Option<oneshot::Sender<()>>,
    /// Who ends the process, and waits for a last word.
    tell_end: Option<oneshot::Sender<Present>>,
    /// When to leave word again where things stand.
    word_due: Instant,
    is_full: bool,
    /// What came in, once somebody has said where that stands.
    ledger: Option<Arc<Mutex<Ledger>>>,
    /// Whether it was told that there is no room to know more hosts.
    crowd: Crowd,
    ledger_due: Instant,
    /// When something was last made durable.
    last_time: Option<Timestamp>,
    /// When to look at the room on the disk.
    look: Instant,
    /// Whether there was little of it.
    is_low: bool,
    pulse: Arc<Pulse>,
}

/// What the thread waits for.
#[expect(clippy::large_enum_variant, reason = "each is taken apart as soon as it is there")]
enum Came {
    Folded(Option<Folded>),
    Reports(Option<Vec<Settled>>),
    Errand(Option<Errand>),
    Time,
}

impl Work {
    async fn run(mut self) -> Closed {
        self.tell_start();
        let (mut folding, mut reporting, mut asking) = (true, true, true);
        while folding || reporting || self.has_work() {
            let due = self.due();
            let came = tokio::select! {
                biased;
                // First, for they are few; what else waits is gathered behind each, so a busy server answers, too.
                errand = self.desk.errands.recv(), if asking => Came::Errand(errand),
                folded = self.queue.recv(), if folding && !self.is_full => Came::Folded(folded),
                reports = self.desk.reports.recv(), if reporting && self.has_room_for_reports() => {
                    Came::Reports(reports)
                }
                () = sleep_until(due) => Came::Time,
            };
            match came {
                Came::Folded(None) => {
                    folding = false;
                    self.check_ledger(self.desk.clock.now());
                    self.tell_of_crowd(self.desk.clock.now());
                }
                Came::Errand(None) => asking = false,
                Came::Errand(Some(errand)) => self.run_errand(errand),
                Came::Reports(None) => reporting = false,
                Came::Folded(Some(folded)) => self.take(folded),
                Came::Reports(Some(settled)) => self.note(settled),
                Came::Time => {}
            }
            self.pulse.beat();
            self.gather();
            self.pace().await;
            self.look_at_room();
            if let Err(error) = self.commit() {
                self.fail(&error);
            }
            self.leave_word();
            if let Some(to) = self.tell_end.take() {
                drop(to.send(self.present()));
                self.stand_still().await;
            }
            if !folding && !self.has_events() {
                // Nobody waits for it when the server does not stop in the usual way.
                self.tell_drained.take().map(|drained| drained.send(()));
            }
        }
        self.close()
    }

    /// Whether events or inputs wait to be durable.
    fn has_events(&self) -> bool {
        self.group.is_some() || self.own_group.is_some() || !self.own.is_empty()
    }

    fn has_work(&self) -> bool {
        self.has_events() || !self.settled.is_empty() || self.settle_by.is_some()
    }

    fn has_room_for_reports(&self) -> bool {
        self.settled.len() < limits::REPORT_QUEUE
    }

    /// When there is something to do, if nothing comes.
    fn due(&self) -> Instant {
        let regular = self.housekeeping.min(self.look);
        if self.is_full {
            return self.next_try();
        }
        let waiting = self.has_events().then_some(self.last_commit);
        [waiting, self.settle_by].into_iter().flatten().fold(regular, Instant::min)
    }

    fn take(&mut self, folded: Folded) {
        let Folded { events, mut inputs, base, through, frames, state } = folded;
        self.frames = self.frames.max(frames);
        let run = self.desk.stamp.run;
        let group = self.group.get_or_insert_with(|| Group::new(run, base, through));
        group.through = through;
        events.into_iter().for_each(|block| group.add(block));
        if group.inputs.is_empty() {
            std::mem::swap(&mut group.inputs, &mut inputs);
        } else {
            group.inputs.append(&inputs);
        }
        group.marks.extend(self.desk.bookmarks.take(through.saturating_sub(base)));
        self.recycle(inputs);
        if let Some(state) = state {
            self.snapshot = Some(Snapshot { run, base, position: through, next: 0, state });
        }
    }

    /// Gives back what inputs were gathered in, unless it has none of the memory that this is about.
    fn recycle(&self, mut inputs: KeptInputs) {
        inputs.clear();
        if inputs.has_room() {
            // A full channel only means that there are enough to be used again.
            drop(self.spare.try_send(inputs));
        }
    }

    /// Takes what else waits, up to what one commit may hold. A snapshot ends a group: it stands behind it.
    fn gather(&mut self) {
        while !self.is_full
            && self.snapshot.is_none()
            && self.group.as_ref().is_none_or(|group| !is_large(group))
        {
            let Ok(folded) = self.queue.try_recv() else { break };
            self.take(folded);
        }
        while self.has_room_for_reports() {
            let Ok(settled) = self.desk.reports.try_recv() else { break };
            self.note(settled);
        }
    }

    /// Waits until the last commit is long enough ago: what comes meanwhile goes with this one.
    async fn pace(&mut self) {
        let earliest = self.last_commit + limits::COMMIT_INTERVAL;
        if self.group.is_some() && Instant::now() < earliest {
            sleep_until(earliest).await;
            self.gather();
        }
    }

    /// Tells for how long nobody watched, except at the very first start, before which there was nobody to watch.
    fn tell_start(&mut self) {
        let now = self.desk.clock.now();
        let (Some(last), stopped) = self.desk.before else { return };
        let run = u64::from(self.desk.stamp.run);
        let block = self.health.raise(Kind::ServerStarted, now, |event| {
            event.time(Field::Start, now).count(Field::Run, run);
            event.text(Field::Version, env!("CARGO_PKG_VERSION").as_bytes()).flag(Field::Crashed, !stopped);
            event.duration(Field::Blind, now.since(last));
        });
        self.own.push(block);
    }

    /// Makes durable what waits. While the disk is full, only from time to time, and before the last word.
    fn commit(&mut self) -> Result<(), JournalError> {
        let is_last = self.tell_end.is_some();
        if self.is_full && !is_last && Instant::now() < self.next_try() {
            return Ok(());
        }
        let now = self.desk.clock.now();
        let commits = self.has_events();
        if self.has_work() || self.is_full {
            self.last_commit = Instant::now();
        }
        self.desk.journal.settle(&self.settled, now)?;
        self.settled.clear();
        let committed = self.commit_own(now).and_then(|()| self.commit_group(now));
        // What was delivered is kept also while there is no room for anything new.
        let is_full = committed.as_ref().is_err_and(JournalError::is_full);
        if self.settle_by.is_some_and(|by| is_full || is_last || by <= Instant::now()) {
            self.settle_by = None;
            self.desk.journal.flush()?;
        }
        committed?;
        if commits {
            self.last_time = Some(now);
        }
        if std::mem::take(&mut self.is_full) {
            tracing::info!("there is room on the disk again: input is taken");
        }
        if is_last {
            return Ok(());
        }
        self.write_snapshot(now)?;
        self.set_aside()?;
        self.keep_house(now)
    }

    /// Makes what the correlator handed on durable.
    fn commit_group(&mut self, now: Timestamp) -> Result<(), JournalError> {
        let Some(group) = &mut self.group else { return Ok(()) };
        self.desk.journal.commit(group, now)?;
        self.settle_by = None;
        self.reach.commit(self.frames);
        if let Some(mut group) = self.group.take() {
            self.desk.progress.reached(group.through.saturating_sub(group.base));
            publish(&self.desk.dispatch, &mut group);
            self.recycle(group.inputs);
        }
        Ok(())
    }

    /// Makes events about the server durable; these go also while there is no room for inputs.
    fn commit_own(&mut self, now: Timestamp) -> Result<(), JournalError> {
        if self.own_group.is_none() && !self.own.is_empty() {
            let mut group = Group::new(self.desk.stamp.run, 0, 0);
            group.blocks = std::mem::take(&mut self.own);
            self.own_group = Some(group);
        }
        let Some(group) = &mut self.own_group else { return Ok(()) };
        self.desk.journal.commit(group, now)?;
        publish(&self.desk.dispatch, group);
        self.own_group = None;
        self.count_own();
        Ok(())
    }

    /// Counts the events about the server with those that inputs raised.
    fn count_own(&self) {
        if let Some(ledger) = &self.ledger {
            ledger.lock().unwrap_or_else(PoisonError::into_inner).server_events = self.health.raised();
        }
    }

    fn write_snapshot(&mut self, now: Timestamp) -> Result<(), JournalError> {
        if let Some(snapshot) = self.snapshot.take() {
            match self.desk.journal.snapshot(&snapshot, now) {
                Ok(()) => self.snapshot_due = Instant::now() + self.desk.snapshot_interval,
                Err(error) if error.is_full() => {
                    tracing::warn!(%error, "no snapshot: the disk is full");
                    self.snapshot_rest = Instant::now() + limits::SNAPSHOT_REST;
                }
                Err(error) => return Err(error),
            }
        }
        let now = Instant::now();
        let is_due = self.desk.journal.wants_snapshot() || now >= self.snapshot_due;
        if is_due && now >= self.snapshot_rest {
            self.snapshot_due = now + self.desk.snapshot_interval;
            self.wants_state.store(true, Relaxed);
        }
        Ok(())
    }

    fn keep_house(&mut self, now: Timestamp) -> Result<(), JournalError> {
        if Instant::now() < self.housekeeping {
            return Ok(());
        }
        self.housekeeping = Instant::now() + limits::HOUSEKEEPING_INTERVAL;
        // What goes may rest on deliveries that have only been laid out.
        self.desk.journal.flush()?;
        self.desk.journal.prune(now)?;
        self.check_books(now);
        Ok(())
    }

    fn close(mut self) -> Closed {
        // From here on nobody answers.
        self.reach.leave_word(self.present());
        let now = self.desk.clock.now();
        if let Err(error) = self.desk.journal.stop(self.desk.stamp.run, now) {
            self.fail(&error);
        }
        Closed { standings: self.desk.journal.standings().clone(), next: self.desk.journal.next() }
    }
}

/// Hands on the events of a group, which are durable now.
fn publish(dispatch: &DurableDispatch, group: &mut Group) {
    for (first, block) in group.committed() {
        dispatch.publish(first, block);
    }
}

/// Whether a group has as much as one commit may hold.
fn is_large(group: &Group) -> bool {
    let events = group.blocks.iter().map(|block| block.size()).sum::<usize>();
    group.inputs.size() + events >= limits::COMMIT_BYTES
}
