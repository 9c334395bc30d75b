//! Listeners for datagrams and for Unix sockets, and sockets that are inherited.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails in a test should fail loudly"
)]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use child::{Guard, Lines, PATIENCE};
use correlator::batch::Batch;
use correlator::ingest::{Address, Bound, Environment, Intake, Notices, Options, Refusal, Sink};
use correlator::time::{Clock, SystemClock};
use correlator::wire::framing;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;

/// A record: its peer, its bytes, whether it was cut.
type Record = (String, Vec<u8>, bool);

/// Keeps the records with their peers; gives permits back unless it is told to hold them.
struct Collect {
    records: Mutex<Vec<Record>>,
    more: Notify,
    permits: Arc<Semaphore>,
    holds: bool,
}

impl Sink for Collect {
    fn submit(&self, batch: Batch) -> u64 {
        let record = |frame: &correlator::batch::FrameSpan| {
            (batch.origin.peer.clone(), frame.span.of(&batch.bytes).to_vec(), frame.truncated)
        };
        self.records.lock().unwrap().extend(batch.frames.iter().map(record));
        if !self.holds {
            self.permits.add_permits(1);
        }
        self.more.notify_one();
        0
    }
}

struct Rig {
    runtime: Runtime,
    address: Address,
    sink: Arc<Collect>,
    notices: Arc<Notices>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Rig {
    fn start(address: Address, change: impl FnOnce(&mut Options)) -> Self {
        Self::start_with(address, false, change)
    }

    fn start_with(address: Address, holds: bool, change: impl FnOnce(&mut Options)) -> Self {
        let runtime = Runtime::new().unwrap();
        let permits = Arc::new(Semaphore::new(4));
        let records = Mutex::default();
        let sink = Arc::new(Collect { records, more: Notify::new(), permits: Arc::clone(&permits), holds });
        let notices = Arc::new(Notices::default());
        let (stop, stopped) = watch::channel(false);
        let environment = Environment {
            intake: Intake::new(Arc::clone(&sink) as Arc<dyn Sink>, permits),
            notices: Arc::clone(&notices),
            connections: Arc::new(Semaphore::new(16)),
            stop: stopped,
        };
        let mut options = Options::new("lan", address);
        change(&mut options);
        let guard = runtime.enter();
        let bound = Bound::new(options).unwrap();
        drop(guard);
        let address = bound.address().clone();
        let running = runtime.spawn(bound.run(environment));
        Self { runtime, address, sink, notices, stop, running }
    }

    fn udp(change: impl FnOnce(&mut Options)) -> Self {
        Self::start(Address::Udp("127.0.0.1:0".parse().unwrap()), change)
    }

    /// Waits until there are so many records.
    fn wait(&self, count: usize) {
        let enough = async {
            while self.sink.records.lock().unwrap().len() < count {
                self.sink.more.notified().await;
            }
        };
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, enough).await.expect("records") });
    }

    fn stop(self) -> (Vec<Record>, Arc<Notices>) {
        self.stop.send_replace(true);
        let ended = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, self.running).await });
        ended.expect("it stops").unwrap();
        let records = self.sink.records.lock().unwrap().clone();
        (records, self.notices)
    }
}

fn lost(notices: &Notices, refusal: Refusal) -> u64 {
    notices.totals().iter().filter(|(_, known, _)| *known == refusal).map(|(.., count)| count).sum()
}

fn texts(records: &[Record]) -> Vec<&str> {
    records.iter().map(|(_, bytes, _)| std::str::from_utf8(bytes).unwrap()).collect()
}

#[test]
fn one_datagram_is_one_record_whatever_stands_in_it() {
    let rig = Rig::udp(|options| options.framing.max_message_size = 600);
    let host = UdpSocket::bind("127.0.0.1:0").unwrap();
    let long = "x".repeat(700);
    let sent = ["<14>one", "<14>two\n", "<14>three\0", "5 count<14>not\nsplit\r\n", "\n", &long];
    for text in sent {
        host.send_to(text.as_bytes(), rig.address.socket().unwrap()).unwrap();
    }
    let (records, _) = rig.stop();
    let expected = ["<14>one", "<14>two", "<14>three", "5 count<14>not\nsplit", "", &long[..600]];
    assert_eq!(texts(&records), expected);
    let truncated: Vec<_> = records.iter().map(|(.., truncated)| *truncated).collect();
    assert_eq!(truncated, [false, false, false, false, false, true]);
    assert!(records.iter().all(|(peer, ..)| peer == "127.0.0.1"));
}

#[test]
fn datagrams_of_many_peers_keep_their_order_by_peer() {
    let rig = Rig::udp(|_| {});
    let hosts: Vec<_> =
        (1..=20).map(|n| UdpSocket::bind(SocketAddr::new([127, 0, 1, n].into(), 0)).unwrap()).collect();
    for round in 0..50_usize {
        // No more are under way than every system has room for.
        rig.wait(round.saturating_sub(10) * hosts.len());
        for host in &hosts {
            host.send_to(format!("{round:02}").as_bytes(), rig.address.socket().unwrap()).unwrap();
        }
    }
    let (records, _) = rig.stop();
    for host in &hosts {
        let peer = host.local_addr().unwrap().ip().to_string();
        let of: Vec<_> = records.iter().filter(|(from, ..)| *from == peer).cloned().collect();
        assert_eq!(texts(&of), (0..50).map(|n| format!("{n:02}")).collect::<Vec<_>>(), "{peer}");
    }
}

#[test]
fn peers_that_may_not_send_are_counted() {
    let rig = Rig::udp(|options| options.allow_from = vec!["127.0.0.2/32".parse().unwrap()]);
    for from in ["127.0.0.1:0", "127.0.0.2:0", "127.0.0.1:0"] {
        let host = UdpSocket::bind(from).unwrap();
        host.send_to(b"<14>x", rig.address.socket().unwrap()).unwrap();
    }
    let (records, notices) = rig.stop();
    assert_eq!(records.len(), 1);
    assert_eq!(notices.totals(), [("127.0.0.1".to_owned(), Refusal::NotAllowed, 2)]);
}

#[test]
fn what_is_sent_is_what_is_received_and_what_is_dropped_with_its_reason() {
    const SENT: u64 = 20_000;
    let at = Address::Udp("127.0.0.1:0".parse().unwrap());
    // Four permits that never come back: a pipeline that hangs.
    let rig = Rig::start_with(at, true, |options| {
        options.datagrams.receive_buffer = 64 * 1024;
        options.datagrams.sockets = 1;
        options.datagrams.patience = Duration::from_millis(200);
    });
    let host = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..SENT {
        host.send_to(b"<14>a record that nobody has room for", rig.address.socket().unwrap()).unwrap();
    }
    let (records, notices) = rig.stop();
    let (here, kernel) = (lost(&notices, Refusal::Overload), lost(&notices, Refusal::KernelDrop));
    assert_eq!(records.len() as u64 + here + kernel, SENT, "{here} dropped here, {kernel} by the kernel");
    assert!(here > 0 && kernel > 0, "{here} {kernel}");
}

#[test]
fn a_sender_beyond_its_rate_is_shed_and_authentication_last() {
    let rig = Rig::udp(|options| options.rate.of_sender = 1);
    let host = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = rig.address.socket().unwrap();
    for text in ["<78>1 - web1 cron - - - x", "<38>1 - web1 sshd - - - x"] {
        for _ in 0..30 {
            host.send_to(text.as_bytes(), to).unwrap();
        }
    }
    let (records, notices) = rig.stop();
    let shed = lost(&notices, Refusal::RateLimit);
    assert_eq!(records.len() as u64 + shed, 60, "each is counted");
    let of_sshd = texts(&records).iter().filter(|text| text.contains("sshd")).count();
    assert!(of_sshd >= 5 && shed >= 30, "{of_sshd} of sshd, {shed} shed");
    let spans = notices.take_shed(SystemClock.now(), true);
    assert_eq!(spans.iter().map(|span| (&*span.listener, span.count)).collect::<Vec<_>>(), [("lan", shed)]);
    assert!(spans[0].start <= spans[0].finish);
}

/// A listener without room, which has dropped ten records of cron and holds ten of sshd; and who sent them.
fn without_room() -> (Rig, UdpSocket) {
    let at = Address::Udp("127.0.0.1:0".parse().unwrap());
    let rig = Rig::start_with(at, true, |options| {
        options.datagrams.sockets = 1;
        options.datagrams.patience = Duration::from_millis(50);
    });
    let host = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = |text: &str| {
        host.send_to(text.as_bytes(), rig.address.socket().unwrap()).unwrap();
    };
    for count in 1..=4 {
        send("<78>1 - web1 cron - - - there is room");
        rig.wait(count);
    }
    for _ in 0..10 {
        send("<86>1 - web1 sshd - - - x");
        send("<78>1 - web1 cron - - - x");
    }
    let deadline = Instant::now() + PATIENCE;
    while lost(&rig.notices, Refusal::Overload) < 10 {
        assert!(Instant::now() < deadline, "cron's records are not dropped");
        std::thread::yield_now();
    }
    (rig, host)
}

#[test]
fn authentication_waits_for_room_where_all_else_is_dropped() {
    let (rig, host) = without_room();
    rig.sink.permits.add_permits(100);
    host.send_to(b"<78>1 - web1 cron - - - later", rig.address.socket().unwrap()).unwrap();
    rig.wait(15);
    let (records, notices) = rig.stop();
    let texts = texts(&records);
    assert!(
        texts[4..14].iter().all(|text| text.contains("sshd")) && texts[14].contains("later"),
        "{texts:?}"
    );
    assert_eq!(lost(&notices, Refusal::Overload), 10);
}

#[test]
fn what_waits_goes_in_as_soon_as_there_is_room_though_nothing_comes_later() {
    let (rig, _host) = without_room();
    rig.sink.permits.add_permits(100);
    rig.wait(14);
    let (records, _) = rig.stop();
    assert!(texts(&records)[4..].iter().all(|text| text.contains("sshd")), "{records:?}");
}

#[test]
fn an_address_that_another_program_has_is_not_shared_with_it() {
    let runtime = Runtime::new().unwrap();
    let _guard = runtime.enter();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = Address::Udp(taken.local_addr().unwrap());
    let said = Bound::new(Options::new("lan", address.clone())).unwrap_err().to_string();
    assert!(said.contains(&format!("{address}: another program listens there; `ss -lunp")), "{said}");
    let rig = Rig::udp(|_| {});
    let said = Bound::new(Options::new("lan", rig.address.clone())).unwrap_err().to_string();
    assert!(said.contains("another program listens there"), "not even with one of our own: {said}");
    rig.stop();
}

/// What the kernel says of this process, and what this machine is called.
fn ourselves() -> String {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let name = rustix::system::uname();
    let host = name.nodename().to_str().unwrap();
    format!("unix:uid={uid},gid={gid},pid={},host={host}", std::process::id())
}

#[test]
fn datagrams_of_this_machine_tell_who_sent_them() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    let rig = Rig::start(Address::UnixDatagram(path.clone()), |options| options.socket_file.mode = 0o620);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o620);
    let process = UnixDatagram::unbound().unwrap();
    process.send_to(b"<38>Feb  1 00:00:00 sshd[7]: hello\0", &path).unwrap();
    process.send_to(b"second\n", &path).unwrap();
    let (records, _) = rig.stop();
    assert_eq!(texts(&records), ["<38>Feb  1 00:00:00 sshd[7]: hello", "second"]);
    assert!(records.iter().all(|(peer, ..)| *peer == ourselves()), "{records:?}");
    assert!(!path.exists(), "its file goes with it");
}

#[test]
fn what_a_process_could_send_is_received_also_while_the_listener_stops() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    for _ in 0..20 {
        let rig = Rig::start(Address::UnixDatagram(path.clone()), |_| {});
        let senders = [0, 1].map(|_| {
            let process = UnixDatagram::unbound().unwrap();
            process.connect(&path).unwrap();
            std::thread::spawn(move || (0..).take_while(|_| process.send(b"<14>x").is_ok()).count())
        });
        rig.wait(100);
        let (records, _) = rig.stop();
        let sent: usize = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        assert_eq!(records.len(), sent);
    }
}

#[test]
fn streams_of_this_machine_tell_who_sent_them() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    let rig = Rig::start(Address::Unix(path.clone()), |options| {
        options.framing = framing::Options { delimiter: b"\0".to_vec(), ..framing::Options::default() };
    });
    let mut process = UnixStream::connect(&path).unwrap();
    process.write_all(b"first\0sec").unwrap();
    process.write_all(b"ond\0").unwrap();
    rig.wait(2);
    let (records, _) = rig.stop();
    assert_eq!(texts(&records), ["first", "second"]);
    assert!(records.iter().all(|(peer, ..)| *peer == ourselves()), "{records:?}");
    assert!(!path.exists());
}

#[test]
fn only_a_socket_that_nobody_listens_on_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let _guard = runtime.enter();
    let at = |path: PathBuf| Options::new("lan", Address::Unix(path));

    let plain = home.path().join("plain");
    std::fs::write(&plain, "precious").unwrap();
    let said = Bound::new(at(plain.clone())).unwrap_err().to_string();
    assert!(said.contains("a file that is no socket"), "{said}");
    assert_eq!(std::fs::read_to_string(&plain).unwrap(), "precious");

    let stale = home.path().join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    let bound = Bound::new(at(stale.clone())).unwrap();
    for other in [at(stale.clone()), Options::new("lan", Address::UnixDatagram(stale.clone()))] {
        let said = Bound::new(other).unwrap_err().to_string();
        assert!(said.contains("another program listens there"), "{said}");
    }
    // Somebody put another one in its place: that is not ours to remove.
    std::fs::remove_file(&stale).unwrap();
    let theirs = UnixListener::bind(&stale).unwrap();
    drop(bound);
    assert!(std::fs::symlink_metadata(&stale).unwrap().file_type().is_socket());
    drop(theirs);

    let mut strange = at(home.path().join("owned"));
    strange.socket_file.owner = Some("nobody-of-that-name".into());
    let said = Bound::new(strange).unwrap_err().to_string();
    assert!(said.contains("there is no user `nobody-of-that-name`"), "{said}");
}

/// A server that inherited a socket, and where it says that it listens.
struct Heir {
    child: Guard,
    said: Lines,
    listening: String,
}

impl Heir {
    /// Starts one with the socket as descriptor 3.
    fn start(home: &Path, socket: OwnedFd, name: &str, listen: &[&str]) -> Self {
        let script =
            "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=$NAME; exec \"$@\"";
        let child = Command::new("/bin/sh")
            .args(["-c", script, "sh", env!("CARGO_BIN_EXE_correlator"), "serve", "--data-dir"])
            .arg(home.join("data"))
            .args(listen)
            .env("NAME", name)
            .stdin(socket)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = Guard(child.unwrap());
        let mut said = Lines::of(child.stderr.take().unwrap());
        let listening = said.until("listening");
        Self { child, said, listening }
    }

    /// Stops it; the line that tells how much it received.
    fn received(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let received = self.said.until("received");
        assert!(self.child.ended().success());
        received
    }
}

#[test]
fn a_restart_with_an_inherited_socket_refuses_nobody() {
    let home = tempfile::tempdir().unwrap();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    let url = format!("tcp://{address}");
    for _ in 0..2 {
        // Between two runs there is only the socket that the service manager holds.
        let mut host = TcpStream::connect(address).unwrap();
        host.write_all(b"<14>1 - web1 cron 1 - - while nobody ran\n").unwrap();
        host.shutdown(std::net::Shutdown::Write).unwrap();
        let socket = held.try_clone().unwrap().into();
        let heir = Heir::start(home.path(), socket, "ours", &["--listen", &url]);
        assert!(heir.listening.contains(&url), "{}", heir.listening);
        let mut rest = Vec::new();
        host.read_to_end(&mut rest).unwrap();
        assert_eq!(heir.received(), "received      1");
    }
}

#[test]
fn an_inherited_socket_is_known_by_its_name_as_well() {
    let home = tempfile::tempdir().unwrap();
    let held = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    let host = UdpSocket::bind("127.0.0.1:0").unwrap();
    host.send_to(b"<14>1 - web1 cron 1 - - early", address).unwrap();
    let arguments = [
        "--set",
        "listeners.fleet.address=udp://127.0.0.1:1",
        "--set",
        "listeners.local.address=tcp://127.0.0.1:0",
    ];
    let heir = Heir::start(home.path(), held.into(), "fleet", &arguments);
    assert!(heir.listening.contains(&format!("udp://{address}")), "{}", heir.listening);
    assert_eq!(heir.received(), "received      1");
}

#[test]
fn every_kind_of_listener_is_told_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let [stream, datagrams] = ["stream", "datagrams"].map(|name| home.path().join(name));
    let urls = [
        "tcp://127.0.0.1:0".to_owned(),
        "udp://127.0.0.1:0".to_owned(),
        format!("unix://{}", stream.display()),
        format!("unix-datagram://{}", datagrams.display()),
    ];
    let held: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
    let arguments: Vec<&str> = urls.iter().flat_map(|url| ["--listen", url.as_str()]).collect();
    let heir = Heir::start(home.path(), held, "what", &arguments);
    for url in ["tcp://127.0.0.1:", "udp://127.0.0.1:", &urls[2], &urls[3]] {
        assert!(heir.listening.contains(url), "{}", heir.listening);
    }
    assert_eq!(heir.received(), "received      0");
    assert!(!stream.exists() && !datagrams.exists());
}
