//! What a full disk must not do to the journal's thread, and what its last word is worth.

use super::{Committer, Desk, Errand, Present};
use crate::dispatch::{self, DurableDispatch, Office};
use crate::event::{EventBlock, Head, Kind, Severity, Stamp};
use crate::ingest::tls::Expiring;
use crate::journal::{Audit, EventReader, Identity, Journal, Options, Page, Settled, Standings, State};
use crate::limits;
use crate::pipeline::{EventSink, Folded};
use crate::segment::{Disk, Storage, StorageFile};
use crate::time::{SystemClock, Timestamp};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use tokio::sync::{mpsc, oneshot};

/// A disk on which so many writes find no room, once that is asked for, and whose syncs pass a gate, if it has one.
#[derive(Clone, Debug, Default)]
struct Tight(Arc<AtomicU32>, Arc<OnceLock<Gate>>);

/// Tells of each that comes, and holds it until it may go on.
#[derive(Debug)]
struct Gate(Sender<()>, Receiver<()>);

impl Tight {
    fn refuses(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

impl Storage for Tight {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        Disk.create_directory(path)
    }

    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(TightFile(Disk.create(path, size)?, self.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(TightFile(Disk.open(path)?, self.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        Disk.sync_directory(path)
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        Disk.free(path)
    }
}

#[derive(Debug)]
struct TightFile(Box<dyn StorageFile>, Tight);

impl StorageFile for TightFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.1.refuses() { Err(io::ErrorKind::StorageFull.into()) } else { self.0.write_at(bytes, offset) }
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(Gate(came, go)) = self.1.1.get() {
            // Without anybody at it, it is open.
            came.send(()).ok();
            go.recv().ok();
        }
        self.0.sync()
    }
}

/// The events of a journal, by id, and how often each is there.
fn ids(data: &Path) -> BTreeMap<String, u32> {
    let mut reader = EventReader::open(data, 0).unwrap();
    let mut ids = BTreeMap::new();
    while let Some(page) = reader.next_page().unwrap() {
        let Page::Events { block, .. } = page else { continue };
        for event in block.iter() {
            *ids.entry(format!("{} {:?}", event.id(), event.head().kind)).or_default() += 1;
        }
    }
    ids
}

/// What the thread works with, in a new directory on this disk.
fn desk(home: &Path, disk: &Tight) -> (Desk, mpsc::Sender<Errand>) {
    let identity = Identity::claim(home).unwrap();
    let (mut journal, recovery) =
        Journal::open(home, &identity, Options::default(), Arc::new(disk.clone())).unwrap();
    journal.enrol([("h", true)]);
    journal.begin_run(identity.run, recovery.base, Timestamp::EPOCH).unwrap();
    let runtime = dispatch::runtime().unwrap();
    let (reports, reported) = mpsc::channel(1);
    let office = Office { data: home.to_owned(), reports, clock: Arc::new(SystemClock) };
    let standings = journal.standings().clone();
    let dispatch = DurableDispatch::start(Vec::new(), &standings, 0, &office, runtime.handle());
    drop(office);
    let (errands, asked) = mpsc::channel(1);
    let desk = Desk {
        journal,
        dispatch: Arc::new(dispatch),
        reports: reported,
        errands: asked,
        stamp: Arc::new(Stamp { stream: identity.stream, run: identity.run, modules: Vec::new() }),
        bookmarks: Arc::default(),
        observations: true,
        snapshot_interval: limits::SNAPSHOT_INTERVAL,
        clock: Arc::new(SystemClock),
        progress: crate::pipeline::Progress::default(),
        on_loss: Box::new(|error| panic!("{error}")),
        before: (Some(Timestamp::EPOCH), false),
    };
    (desk, errands)
}

/// What the thread answers.
fn ask(errands: &mpsc::Sender<Errand>, errand: fn(oneshot::Sender<Present>) -> Errand) -> Present {
    let (tell, told) = oneshot::channel();
    errands.blocking_send(errand(tell)).unwrap();
    told.blocking_recv().unwrap()
}

/// That the first event was delivered.
fn first_delivered() -> Errand {
    let (state, time) = (State::Delivered, Timestamp::EPOCH);
    Errand::Settle(vec![Settled { handler: "h".into(), events: 0..1, state, attempts: 1, time, note: None }])
}

fn delivered(standings: &Standings) -> u64 {
    standings["h"].count(State::Delivered)
}

#[test]
fn what_finds_no_room_is_told_once_when_there_is_room_again() {
    let home = tempfile::tempdir().unwrap();
    let disk = Tight::default();
    let (desk, _) = desk(home.path(), &disk);
    disk.0.store(2, Relaxed);
    let (committer, sink) = Committer::start(desk).unwrap();
    drop(sink);
    committer.join();
    let ids = ids(home.path());
    let kinds: Vec<_> = ids.keys().filter_map(|id| id.split(' ').nth(1)).collect();
    assert!(kinds.contains(&"ServerStarted") && kinds.contains(&"ServerDiskLow"), "{ids:?}");
    assert!(ids.values().all(|count| *count == 1), "an event was raised twice: {ids:?}");
}

#[test]
fn after_the_last_word_nothing_becomes_durable_that_was_told_to_be_missing() {
    let home = tempfile::tempdir().unwrap();
    let (desk, errands) = desk(home.path(), &Tight::default());
    let (_committer, mut sink) = Committer::start(desk).unwrap();
    let reach = sink.reach().unwrap();
    reach.receive(3);
    reach.hand_on(3);
    sink.offer(Folded { through: 3, frames: 3, ..Folded::default() });
    let ask = |errand| ask(&errands, errand);
    ask(Errand::End);
    assert_eq!(reach.missing(), 0, "what waited was made durable first");
    reach.receive(1);
    reach.hand_on(4);
    sink.offer(Folded { through: 4, frames: 4, ..Folded::default() });
    // Once the second is answered, what waited at the first would be durable.
    ask(Errand::Tell);
    ask(Errand::Tell);
    assert_eq!(reach.missing(), 1);
}

#[test]
fn before_the_last_word_what_waits_is_made_durable_also_where_the_disk_was_full() {
    for refusals in [0, 1] {
        let home = tempfile::tempdir().unwrap();
        let disk = Tight::default();
        let (desk, errands) = desk(home.path(), &disk);
        let (_committer, sink) = Committer::start(desk).unwrap();
        // What the second tells is how things stand once the first is done with.
        let stand = || [(); 2].map(|()| ask(&errands, Errand::Tell));
        assert_eq!(stand()[1].next, 1, "that the server has started");
        disk.0.store(refusals, Relaxed);
        let (listener, file, subject) = Default::default();
        let expiring = Expiring { listener, file, subject, expires: Timestamp::EPOCH };
        errands.blocking_send(Errand::Expiring(Box::new(expiring))).unwrap();
        assert_eq!(stand()[1].is_full, refusals > 0);
        errands.blocking_send(first_delivered()).unwrap();
        let told = ask(&errands, Errand::End);
        assert_eq!(told.next, 2, "{refusals}: there is room again");
        assert_eq!(delivered(&told.standings), 1, "{refusals}");
        assert_eq!(delivered(Audit::open(home.path()).unwrap().standings()), 1, "{refusals}");
        drop(sink);
    }
}

#[test]
fn word_is_left_where_things_stand() {
    let home = tempfile::tempdir().unwrap();
    let (desk, errands) = desk(home.path(), &Tight::default());
    let (_committer, sink) = Committer::start(desk).unwrap();
    let reach = sink.reach().unwrap();
    // Once the second is answered, the thread is done with the first.
    ask(&errands, Errand::Tell);
    ask(&errands, Errand::Tell);
    let word = reach.word();
    assert_eq!((word.next, word.standings.contains_key("h")), (1, true));
}

#[test]
fn where_things_stood_at_the_end_is_known_when_nobody_answers_any_more() {
    let home = tempfile::tempdir().unwrap();
    let (desk, errands) = desk(home.path(), &Tight::default());
    let (committer, sink) = Committer::start(desk).unwrap();
    let reach = sink.reach().unwrap();
    // Once the second is answered, word has been left, and is not again for a while.
    ask(&errands, Errand::Tell);
    ask(&errands, Errand::Tell);
    errands.blocking_send(first_delivered()).unwrap();
    ask(&errands, Errand::Tell);
    drop((sink, errands));
    let closed = committer.join();
    assert_eq!((delivered(&closed.standings), delivered(&reach.word().standings)), (1, 1));
}

#[test]
fn small_blocks_that_wait_for_a_commit_are_one_block_then() {
    let home = tempfile::tempdir().unwrap();
    let disk = Tight::default();
    let (desk, _errands) = desk(home.path(), &disk);
    let stamp = Arc::clone(&desk.stamp);
    let ((came, comes), (lets, go)) = (bounded(0), bounded(0));
    disk.1.set(Gate(came, go)).unwrap();
    let (committer, mut sink) = Committer::start(desk).unwrap();
    comes.recv().unwrap();
    for number in 1..4 {
        let (kind, severity, time) = (Kind::SSHDLoginFailed, Severity::Notice, Timestamp::EPOCH);
        let mut block = EventBlock::new(Arc::clone(&stamp));
        block.push(Head { number, ordinal: 0, module: 0, kind, severity, time });
        sink.offer(Folded {
            events: Some(Arc::new(block)),
            through: number,
            frames: number,
            ..Folded::default()
        });
    }
    drop((comes, lets, sink));
    committer.join();
    let mut reader = EventReader::open(home.path(), 0).unwrap();
    let mut lengths = Vec::new();
    while let Some(page) = reader.next_page().unwrap() {
        if let Page::Events { block, .. } = page {
            lengths.push(block.len());
        }
    }
    assert_eq!(lengths, [1, 3], "that the server has started, and what came while that was written");
}
