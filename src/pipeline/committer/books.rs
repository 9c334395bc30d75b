//! Floor 6: whether the books add up, and what the journal's thread is asked meanwhile.
//!
//! What came in is what was parsed, rejected and failed, by peer and in all; what was raised is, for each handler, what
//! was settled and what waits. Where that is not so, the program has a fault, and says so.

use super::Work;
use crate::event::{Field, Kind};
use crate::ingest::tls::Expiring;
use crate::journal::Standings;
use crate::limits;
use crate::pipeline::Ledger;
use crate::time::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What the journal's thread is asked by others.
#[derive(Debug)]
pub enum Errand {
    /// Watch over what came in, too.
    Watch(Arc<Mutex<Ledger>>),
    /// Tell the handlers of a certificate that expires.
    Expiring(Box<Expiring>),
    /// Tell where things stand.
    Tell(oneshot::Sender<Present>),
}

/// Where things stand.
#[derive(Clone, Debug)]
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
            Errand::Watch(ledger) => self.ledger = Some(ledger),
            Errand::Expiring(expiring) => self.tell_expiring(&expiring),
            Errand::Tell(to) => {
                let present = Present {
                    standings: self.desk.journal.standings().clone(),
                    next: self.desk.journal.next(),
                    last_commit: self.last_time,
                    is_full: self.is_full,
                };
                // Whoever asked may not want to know any more.
                drop(to.send(present));
            }
        }
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

    /// Checks the books of all handlers, and, when that is due, what came in.
    pub(super) fn check_books(&mut self, now: Timestamp) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{self, DurableDispatch, Office};
    use crate::event::{Stamp, render};
    use crate::journal::{EventReader, Identity, Journal, Options, Page};
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
}
