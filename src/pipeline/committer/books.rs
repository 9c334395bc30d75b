//! Floor 6: whether the books add up, and what the journal's thread is asked meanwhile.
//!
//! What came in is what was parsed, rejected and failed, by peer and in all; what was raised is, for each handler, what
//! was settled and what waits. Where that is not so, the program has a fault, and says so.

use super::Work;
use crate::dispatch::Command;
use crate::event::{Field, Kind};
use crate::ingest::Shed;
use crate::ingest::tls::Expiring;
use crate::journal::{Ranges, Settled, Standings, State, first_kept};
use crate::limits;
use crate::pipeline::Ledger;
use crate::time::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Why dead letters are dropped once retention has removed their events.
const GONE: &str = "the journal no longer holds the event";

/// What the journal's thread is asked by others.
#[derive(Debug)]
pub enum Errand {
    /// Watch over what came in, too.
    Watch(Arc<Mutex<Ledger>>),
    /// Tell the handlers of a certificate that expires.
    Expiring(Box<Expiring>),
    /// Tell the handlers of records that were shed.
    Shed(Box<Shed>),
    /// Take note of what an operator does with the events of a handler that does not run.
    Settle(Vec<Settled>),
    /// Tell where things stand.
    Tell(oneshot::Sender<Present>),
    /// Tell where things stand once what waits has been tried, and make nothing durable any more: the process ends, and
    /// what it tells of that stays true.
    End(oneshot::Sender<Present>),
}

/// Where things stand.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// Where every handler stands, orphans among them.
    pub standings: Standings,
    /// The sequence number of the next event.
    pub next: u64,
    /// When something was last made durable in this run.
    pub last_commit: Option<Timestamp>,
    /// Whether there is no room for inputs.
    pub is_full: bool,
}

impl Work {
    /// Does what is asked.
    pub(super) fn run_errand(&mut self, errand: Errand) {
        match errand {
            Errand::Watch(ledger) => {
                self.ledger = Some(ledger);
                self.count_own();
            }
            Errand::Expiring(expiring) => self.tell_expiring(&expiring),
            Errand::Shed(shed) => self.tell_shed(&shed),
            Errand::Settle(settled) => self.note(settled),
            // Whoever asked may not want to know any more.
            Errand::Tell(to) => drop(to.send(self.present())),
            Errand::End(to) => self.tell_end = Some(to),
        }
    }

    /// Where things stand.
    pub(super) fn present(&self) -> Present {
        Present {
            standings: self.desk.journal.standings().clone(),
            next: self.desk.journal.next(),
            last_commit: self.last_time,
            is_full: self.is_full,
        }
    }

    /// Leaves word where things stand, for when nobody answers who is asked that.
    pub(super) fn leave_word(&mut self) {
        if Instant::now() >= self.word_due {
            self.word_due = Instant::now() + limits::WORD_INTERVAL;
            self.reach.leave_word(self.present());
        }
    }

    /// Answers what is asked, and does nothing else any more.
    pub(super) async fn stand_still(&mut self) {
        while let Some(errand) = self.desk.errands.recv().await {
            if let Errand::Tell(to) | Errand::End(to) = errand {
                drop(to.send(self.present()));
            }
        }
        std::future::pending().await
    }

    fn tell_expiring(&mut self, expiring: &Expiring) {
        let block = self.health.raise(Kind::ServerCertificateExpiring, self.desk.clock.now(), |event| {
            event
                .text(Field::Listener, expiring.listener.as_bytes())
                .text(Field::File, expiring.file.as_os_str().as_encoded_bytes())
                .text(Field::Subject, expiring.subject.as_bytes())
                .time(Field::Expires, expiring.expires);
        });
        self.own.push(block);
    }

    fn tell_shed(&mut self, shed: &Shed) {
        let block = self.health.raise(Kind::ServerRecordsShed, self.desk.clock.now(), |event| {
            event
                .text(Field::Listener, shed.listener.as_bytes())
                .text(Field::Reason, shed.reason.name().as_bytes())
                .count(Field::Shed, shed.count)
                .text(Field::Peer, shed.peer.as_bytes())
                .time(Field::Start, shed.start)
                .time(Field::Finish, shed.finish);
        });
        self.own.push(block);
    }

    /// Checks how all handlers stand, and, when that is due, what came in.
    pub(super) fn check_books(&mut self, now: Timestamp) {
        self.drop_what_is_gone(now);
        self.tell_of_stalled(now);
        let next = self.desk.journal.next();
        let wrong = self.desk.journal.standings().iter().find(|(_, standing)| !standing.is_balanced(next));
        if let Some(name) = wrong.map(|(name, _)| name.clone()) {
            tracing::error!(handler = name, "the books of a handler do not add up; please report this");
            self.tell_unbalanced(&name, "events settled and waiting are not the events raised", now);
        }
        if Instant::now() >= self.ledger_due {
            self.ledger_due = Instant::now() + limits::LEDGER_INTERVAL;
            self.check_ledger(now);
        }
        self.tell_of_crowd(now);
    }

    /// Tells, once, that there is no room to know more hosts.
    pub(super) fn tell_of_crowd(&mut self, now: Timestamp) {
        let Some(ledger) = &self.ledger else { return };
        let presence = ledger.lock().unwrap_or_else(PoisonError::into_inner).presence.clone();
        if self.crowd.tells_of(&presence) {
            let block = self.health.raise(Kind::ServerHostsFull, now, |event| {
                event.count(Field::KnownHosts, presence.known as u64);
            });
            self.own.push(block);
        }
    }

    /// Drops dead letters that retention has removed from the journal: nobody could deliver them any more.
    fn drop_what_is_gone(&mut self, now: Timestamp) {
        let journal = &self.desk.journal;
        if journal.standings().values().all(|standing| standing.dead.is_empty()) {
            return;
        }
        let Some(first) = journal.directory().parent().and_then(first_kept) else { return };
        let mut settled = Vec::new();
        for (name, gone) in gone_letters(journal.standings(), first) {
            tracing::warn!(handler = name, events = gone.len(), "dead letters are dropped: {GONE}");
            if self.desk.dispatch.has(name) {
                // One that can take no order now gets it the next time.
                self.desk.dispatch.command(name, Command::Drop(gone, GONE.to_owned()));
                continue;
            }
            settled.extend(gone.iter().map(|events| Settled {
                handler: Arc::from(name.as_str()),
                events,
                state: State::Dropped,
                attempts: 0,
                time: now,
                note: Some(GONE.to_owned()),
            }));
        }
        if !settled.is_empty() {
            self.note(settled);
        }
    }

    /// Checks what came in.
    pub(super) fn check_ledger(&mut self, now: Timestamp) {
        let Some(ledger) = &self.ledger else { return };
        let wrong = ledger.lock().unwrap_or_else(PoisonError::into_inner).contradiction();
        if let Some(wrong) = wrong {
            tracing::error!(wrong, "what came in does not add up; please report this");
            self.tell_unbalanced("", &wrong, now);
        }
    }

    fn tell_unbalanced(&mut self, handler: &str, reason: &str, now: Timestamp) {
        if !self.health.is_news(Kind::ServerLedgerUnbalanced, handler, now) {
            return;
        }
        let block = self.health.raise(Kind::ServerLedgerUnbalanced, now, |event| {
            if !handler.is_empty() {
                event.text(Field::Handler, handler.as_bytes());
            }
            event.text(Field::Reason, reason.as_bytes());
        });
        self.own.push(block);
    }
}

/// The dead letters of each handler of which the journal holds no event any more, but those from `first` on.
fn gone_letters(standings: &Standings, first: u64) -> Vec<(&String, Ranges)> {
    let gone = standings.iter().map(|(name, standing)| (name, standing.dead.clone().take(&(0..first))));
    gone.filter(|(_, gone)| !gone.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{self, DurableDispatch, Office};
    use crate::event::{EventBlock, Head, Severity, Stamp, render};
    use crate::journal::{EventReader, Group, Identity, Journal, Options, Page};
    use crate::pipeline::{Committer, Desk};
    use crate::segment::Disk;
    use crate::time::SystemClock;
    use std::path::Path;
    use tokio::sync::mpsc;

    /// The events of a server that took in what a ledger says, and ended.
    fn events(data: &Path, ledger: Ledger) -> Vec<String> {
        let identity = Identity::claim(data).unwrap();
        let (journal, _) = Journal::open(data, &identity, Options::default(), Arc::new(Disk)).unwrap();
        let runtime = dispatch::runtime().unwrap();
        let (reports, reported) = mpsc::channel(1);
        let office = Office { data: data.to_owned(), reports, clock: Arc::new(SystemClock) };
        let standings = journal.standings().clone();
        let dispatch = DurableDispatch::start(Vec::new(), &standings, 0, &office, runtime.handle());
        drop(office);
        let (errands, asked) = mpsc::channel(2);
        errands.try_send(Errand::Watch(Arc::new(Mutex::new(ledger)))).unwrap();
        let (tell, told) = oneshot::channel();
        errands.try_send(Errand::Tell(tell)).unwrap();
        let desk = Desk {
            journal,
            dispatch: Arc::new(dispatch),
            reports: reported,
            errands: asked,
            stamp: Arc::new(Stamp { stream: identity.stream, run: identity.run, modules: Vec::new() }),
            observations: true,
            bookmarks: Arc::default(),
            snapshot_interval: limits::SNAPSHOT_INTERVAL,
            clock: Arc::new(SystemClock),
            progress: crate::pipeline::Progress::default(),
            on_loss: Box::new(|error| panic!("{error}")),
            before: (None, true),
        };
        let (committer, sink) = Committer::start(desk).unwrap();
        assert_eq!(told.blocking_recv().unwrap().next, 0);
        drop(sink);
        committer.join();
        let mut reader = EventReader::open(data, 0).unwrap();
        let mut lines = Vec::new();
        while let Some(page) = reader.next_page().unwrap() {
            let Page::Events { block, .. } = page else { continue };
            for event in block.iter() {
                let mut line = Vec::new();
                render::summary(&mut line, event);
                lines.push(String::from_utf8(line).unwrap());
            }
        }
        lines
    }

    #[test]
    fn at_the_end_what_came_in_is_checked() {
        let home = tempfile::tempdir().unwrap();
        assert!(events(&home.path().join("right"), Ledger::default()).is_empty());
        let mut wrong = Ledger::default();
        wrong.total.received = 3;
        wrong.total.parsed = 2;
        let told = events(&home.path().join("wrong"), wrong);
        let expected =
            "the books do not add up: of all peers 3 received are not 2 parsed, 0 rejected and 0 failed";
        assert_eq!(told, [expected]);
    }

    #[test]
    fn at_the_end_it_is_told_that_there_was_no_room_for_hosts() {
        let home = tempfile::tempdir().unwrap();
        let mut full = Ledger::default();
        (full.presence.known, full.presence.is_full) = (65_536, true);
        let told = events(&home.path().join("full"), full);
        assert_eq!(told, ["65536 hosts are known, and there is no room to know more"]);
    }

    #[test]
    fn dead_letters_go_when_retention_takes_their_events() {
        let home = tempfile::tempdir().unwrap();
        let identity = Identity::claim(home.path()).unwrap();
        let options = Options { events_segment: 64 * 1024, ..Options::default() };
        let (mut journal, _) = Journal::open(home.path(), &identity, options, Arc::new(Disk)).unwrap();
        journal.enrol([("h", true)]);
        let stamp = Arc::new(Stamp { stream: identity.stream, run: identity.run, modules: Vec::new() });
        let then = Timestamp::EPOCH;
        for _ in 0..64 {
            let mut block = EventBlock::new(Arc::clone(&stamp));
            for number in 0..100 {
                let (kind, severity) = (Kind::SSHDLoginFailed, Severity::Notice);
                block.push(Head { number, ordinal: 0, module: 0, kind, severity, time: then });
            }
            let mut group = Group::new(identity.run, 0, 0);
            group.blocks.push(Arc::new(block));
            journal.commit(&mut group, then).unwrap();
        }
        let last = journal.next() - 1;
        let run = |events, state| Settled {
            handler: "h".into(),
            events,
            state,
            attempts: 1,
            time: then,
            note: None,
        };
        let runs = [run(0..1, State::Dead), run(1..last, State::Delivered), run(last..last + 1, State::Dead)];
        journal.settle(&runs, then).unwrap();
        journal.flush().unwrap();
        assert!(gone_letters(journal.standings(), first_kept(home.path()).unwrap()).is_empty());
        journal.prune(then.plus(2 * limits::JOURNAL_RETENTION_AGE)).unwrap();
        let gone = gone_letters(journal.standings(), first_kept(home.path()).unwrap());
        let gone: Vec<_> = gone.iter().map(|(name, gone)| (name.as_str(), gone.len())).collect();
        assert_eq!(gone, [("h", 1)], "the other one can still be sent again");
    }
}
