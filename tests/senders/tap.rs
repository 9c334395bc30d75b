//! Stands between a sender of RELP and a server: notes what is sent and what is answered, and can withhold answers.

use crate::child::wait_for;
use correlator::wire::relp::{self, Command, Frame};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What went through, by the message of the record.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// How often it was sent within one session, at most.
    pub(crate) sent: BTreeMap<String, usize>,
    /// Those that were sent in a further session.
    pub(crate) again: BTreeSet<String>,
    /// Those of whose answer the sender knows.
    pub(crate) answered: BTreeSet<String>,
    /// Those whose answer was withheld from it.
    pub(crate) withheld: BTreeSet<String>,
    /// How many answers were withheld in all.
    count: usize,
    withholds: bool,
}

pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Tap {
    /// Passes what comes on to a server at this port, if one is there.
    pub(crate) fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let all = Arc::clone(&seen);
        thread::spawn(move || {
            for sender in listener.incoming().map_while(Result::ok) {
                // Where there is no server, the sender sees the connection end.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                    Session::begin(&sender, &server, &all);
                }
            }
        });
        Self { address, seen }
    }

    /// Withholds answers until so many more have been.
    pub(crate) fn withhold(&self, count: usize) {
        let before = {
            let mut seen = self.seen.lock().unwrap();
            seen.withholds = true;
            seen.count
        };
        wait_for("answers", || (self.seen.lock().unwrap().count >= before + count).then_some(()));
    }

    /// Passes answers on again.
    pub(crate) fn pass_on(&self) {
        self.seen.lock().unwrap().withholds = false;
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

/// One connection: what was sent by its transaction, and how often.
#[derive(Default)]
struct Session {
    open: HashMap<u32, String>,
    sent: BTreeMap<String, usize>,
}

impl Session {
    fn begin(sender: &TcpStream, server: &TcpStream, all: &Arc<Mutex<Seen>>) {
        let session: Arc<Mutex<Self>> = Arc::default();
        for (from, to) in [(sender, server), (server, sender)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let (session, all) = (Arc::clone(&session), Arc::clone(all));
            let note = move |frame: Frame, data: &[u8]| {
                session.lock().unwrap().note(frame, data, &mut all.lock().unwrap())
            };
            thread::spawn(move || pass(from, to, note));
        }
    }

    /// Notes a frame; whether it is to be passed on.
    fn note(&mut self, frame: Frame, data: &[u8], all: &mut Seen) -> bool {
        let text = String::from_utf8_lossy(data);
        if frame.command == Command::Syslog {
            let message = text.rsplit(" - ").next().unwrap().trim().to_owned();
            let times = self.sent.entry(message.clone()).or_default();
            *times += 1;
            let most = all.sent.entry(message.clone()).or_default();
            if *times == 1 && *most > 0 {
                all.again.insert(message.clone());
            }
            *most = (*most).max(*times);
            self.open.insert(frame.transaction, message);
        } else if text.starts_with("200 OK") {
            let message = self.open.remove(&frame.transaction);
            let withholds = all.withholds && message.is_some();
            all.count += usize::from(withholds);
            if withholds { &mut all.withheld } else { &mut all.answered }.extend(message);
            return !withholds;
        }
        true
    }
}

/// Passes frames on that are to be.
fn pass(mut from: TcpStream, mut to: TcpStream, mut note: impl FnMut(Frame, &[u8]) -> bool) {
    let (mut pending, mut room) = (Vec::new(), [0; 16 * 1024]);
    'open: while let Ok(length @ 1..) = from.read(&mut room) {
        pending.extend_from_slice(&room[..length]);
        while let Ok(Some(frame)) = relp::parse(&pending) {
            let bytes = pending.drain(..frame.len).collect::<Vec<_>>();
            if note(frame, frame.data.of(&bytes)) && to.write_all(&bytes).is_err() {
                break 'open;
            }
        }
    }
    // Either end's end is the other's, too.
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}
