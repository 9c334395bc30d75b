//! The TCP listener against peers that are slow, greedy, wrong or many.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "what fails in a test should fail loudly"
)]

#[path = "ingest/stopping.rs"]
mod stopping;

use correlator::batch::Batch;
use correlator::ingest::{Bound, Environment, Intake, Notices, Options, Refusal, Sink};
use correlator::wire::framing;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Time that a test may take: what hangs has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections that a listener may have, unless a test says otherwise.
const CONNECTIONS: usize = 2000;

/// Keeps the frames, and gives each batch's permit back at once.
struct Collect {
    frames: Mutex<Vec<Frame>>,
    permits: Arc<Semaphore>,
    /// A peer that writes something as soon as something was read.
    restless: Mutex<Option<std::net::TcpStream>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Frame {
    bytes: Vec<u8>,
    truncated: bool,
}

impl Sink for Collect {
    fn submit(&self, batch: Batch) -> u64 {
        let mut frames = self.frames.lock().unwrap();
        for frame in &batch.frames {
            frames.push(Frame { bytes: frame.span.of(&batch.bytes).to_vec(), truncated: frame.truncated });
        }
        if let Some(peer) = &mut *self.restless.lock().unwrap() {
            peer.write_all(b"<14>on and on\n").unwrap();
        }
        self.permits.add_permits(1);
        0
    }
}

struct Rig {
    address: SocketAddr,
    sink: Arc<Collect>,
    notices: Arc<Notices>,
    permits: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Rig {
    fn start(change: impl FnOnce(&mut Options)) -> Self {
        Self::start_with(CONNECTIONS, change)
    }

    /// Starts with a limit of connections.
    fn start_with(connections: usize, change: impl FnOnce(&mut Options)) -> Self {
        let connections = Arc::new(Semaphore::new(connections));
        let permits = Arc::new(Semaphore::new(4));
        let sink =
            Collect { frames: Mutex::default(), permits: Arc::clone(&permits), restless: Mutex::default() };
        let sink = Arc::new(sink);
        let notices = Arc::new(Notices::default());
        let (stop, stopped) = watch::channel(false);
        let environment = Environment {
            intake: Intake::new(Arc::clone(&sink) as Arc<dyn Sink>, Arc::clone(&permits)),
            notices: Arc::clone(&notices),
            connections: Arc::clone(&connections),
            stop: stopped,
        };
        let mut options = Options::new("lan", "127.0.0.1:0".parse::<SocketAddr>().unwrap());
        change(&mut options);
        let listener = Bound::new(options).unwrap();
        // A Unix socket has a path instead.
        let address = listener.address().socket().unwrap_or_else(|| ([0, 0, 0, 0], 0).into());
        let running = tokio::spawn(listener.run(environment));
        Self { address, sink, notices, permits, connections, stop, running }
    }

    /// Stops, waits for every connection's end, and gives the frames.
    async fn stop(self) -> Vec<Frame> {
        self.stop.send_replace(true);
        self.running.await.unwrap();
        assert_eq!(self.permits.available_permits(), 4, "every permit has come back");
        self.sink.frames.lock().unwrap().clone()
    }

    /// The same, with how often was refused for each reason. A peer may see the end of its connection before it is counted
    /// why, so that is told only here.
    async fn end(self) -> (Vec<Frame>, BTreeMap<Refusal, u64>) {
        let notices = Arc::clone(&self.notices);
        let frames = self.stop().await;
        let mut refused = BTreeMap::new();
        for (_, refusal, count) in notices.totals() {
            *refused.entry(refusal).or_default() += count;
        }
        (frames, refused)
    }
}

/// Runs a test, which has to come to its end.
fn block_on<F: Future>(future: F) -> F::Output {
    within(&Runtime::new().unwrap(), future)
}

/// Runs a test on one thread: what it does before it first waits is done when the listener first looks.
fn block_on_one_thread<F: Future>(future: F) -> F::Output {
    within(&Builder::new_current_thread().enable_all().build().unwrap(), future)
}

fn within<F: Future>(runtime: &Runtime, future: F) -> F::Output {
    runtime.block_on(async { timeout(PATIENCE, future).await.expect("it hangs") })
}

/// Connects and writes without waiting.
fn written(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut peer = std::net::TcpStream::connect(address).unwrap();
    peer.write_all(bytes).unwrap();
    peer.set_nonblocking(true).unwrap();
    TcpStream::from_std(peer).unwrap()
}

/// Sends all of it, says that there is no more, and waits until the listener has closed its side.
async fn send(address: SocketAddr, pieces: &[&[u8]]) {
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.set_nodelay(true).unwrap();
    for piece in pieces {
        peer.write_all(piece).await.unwrap();
    }
    peer.shutdown().await.unwrap();
    // A listener that has refused the peer resets the connection: that is an end as well.
    peer.read_to_end(&mut Vec::new()).await.ok();
}

fn whole(bytes: &[u8]) -> Frame {
    Frame { bytes: bytes.to_vec(), truncated: false }
}

#[test]
fn counted_and_delimited_frames_alternate_on_one_connection() {
    block_on(async {
        let rig = Rig::start(|_| {});
        send(rig.address, &[b"5 first<14>second\n", b"5 thi", b"rd6 fourth<14>the end"]).await;
        let expected =
            [whole(b"first"), whole(b"<14>second"), whole(b"third"), whole(b"fourth"), whole(b"<14>the end")];
        assert_eq!(rig.stop().await, expected);
    });
}

#[test]
fn a_long_frame_in_small_pieces_arrives_whole() {
    block_on(async {
        let rig = Rig::start(|_| {});
        let long = vec![b'x'; 60_000];
        let mut stream = b"60000 ".to_vec();
        stream.extend_from_slice(&long);
        stream.extend_from_slice(b"3 end");
        let pieces: Vec<&[u8]> = stream.chunks(700).collect();
        send(rig.address, &pieces).await;
        assert_eq!(rig.stop().await, [whole(&long), whole(b"end")]);
    });
}

#[test]
fn a_frame_over_the_limit_is_cut_and_its_inside_is_never_searched() {
    block_on(async {
        let rig = Rig::start(|options| options.framing.max_message_size = 100);
        let mut stream = b"100000 ".to_vec();
        stream.extend_from_slice(
            &b"\n<38>1 - - sshd 1 - - Accepted password for root from 6.6.6.6 port 22 ssh2\n".repeat(2000),
        );
        stream.truncate(100_007);
        stream.extend_from_slice(b"4 next");
        send(rig.address, &[&stream]).await;
        let frames = rig.stop().await;
        assert_eq!(frames.len(), 2);
        assert!(frames[0].truncated && frames[0].bytes.len() == 100);
        assert_eq!(frames[1], whole(b"next"));
    });
}

#[test]
fn a_stream_that_ends_within_a_counted_frame_is_said_and_kept() {
    block_on(async {
        let rig = Rig::start(|_| {});
        send(rig.address, &[b"4 good", b"50 half of it"]).await;
        let cut = Frame { bytes: b"half of it".to_vec(), truncated: true };
        let (frames, refused) = rig.end().await;
        assert_eq!((frames, refused), (vec![whole(b"good"), cut], [(Refusal::CutShort, 1)].into()));
    });
}

#[test]
fn text_that_a_stop_or_a_timeout_cuts_off_is_marked() {
    block_on_one_thread(async {
        let rig = Rig::start(|_| {});
        let mut open = TcpStream::connect(rig.address).await.unwrap();
        open.set_nodelay(true).unwrap();
        open.write_all(b"<38>whole\n<38>Invalid user x from 203.0.113.5").await.unwrap();
        send(rig.address, &[b"<38>the peer's own end\n<38>is not a cut"]).await;
        let frames = rig.stop().await;
        let cut = Frame { bytes: b"<38>Invalid user x from 203.0.113.5".to_vec(), truncated: true };
        assert!(frames.contains(&cut), "{frames:?}");
        for bytes in [&b"<38>whole"[..], b"<38>the peer's own end", b"<38>is not a cut"] {
            assert!(frames.contains(&whole(bytes)), "{frames:?}");
        }

        let rig = Rig::start(|options| options.frame_timeout = Duration::from_millis(200));
        // It is there when the time begins: only what never comes is too late.
        let mut slow = written(rig.address, b"<38>ROOT LOGIN REFUSED FROM 203.0.113.5");
        slow.read_to_end(&mut Vec::new()).await.ok();
        let cut = Frame { bytes: b"<38>ROOT LOGIN REFUSED FROM 203.0.113.5".to_vec(), truncated: true };
        assert_eq!(rig.stop().await, [cut]);
    });
}

#[test]
fn a_stream_beyond_its_rate_is_read_more_slowly_and_loses_nothing() {
    block_on(async {
        let rig = Rig::start(|options| options.rate.of_sender = 10);
        let begun = Instant::now();
        // Ten seconds' worth may come at once; the rest takes a second.
        send(rig.address, &[&b"1 x".repeat(110)]).await;
        assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
        let (frames, refused) = rig.end().await;
        assert_eq!((frames.len(), refused), (110, BTreeMap::new()));
    });
}

#[test]
fn a_new_connection_of_a_sender_beyond_its_rate_waits_as_well() {
    block_on(async {
        let rig = Rig::start(|options| options.rate.of_sender = 10);
        let begun = Instant::now();
        let frames = async |count| {
            while rig.sink.frames.lock().unwrap().len() < count {
                tokio::task::yield_now().await;
            }
        };
        let mut first = TcpStream::connect(rig.address).await.unwrap();
        first.write_all(&b"1 x".repeat(110)).await.unwrap();
        frames(110).await;
        let mut second = TcpStream::connect(rig.address).await.unwrap();
        second.write_all(b"1 y").await.unwrap();
        frames(111).await;
        assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
        let (frames, refused) = rig.end().await;
        assert_eq!((frames.len(), refused), (111, BTreeMap::new()));
    });
}

#[test]
fn connections_over_the_limit_wait_and_lose_nothing() {
    block_on(async {
        let rig = Rig::start_with(1, |_| {});
        let mut first = TcpStream::connect(rig.address).await.unwrap();
        first.write_all(b"5 first").await.unwrap();
        let waiting = [&b"6 second"[..], b"5 third"].map(|text| {
            let address = rig.address;
            tokio::spawn(async move { send(address, &[text]).await })
        });
        first.write_all(b"5 again").await.unwrap();
        first.shutdown().await.unwrap();
        first.read_to_end(&mut Vec::new()).await.unwrap();
        for peer in waiting {
            peer.await.unwrap();
        }
        let mut frames = rig.stop().await;
        frames.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        assert_eq!(frames, [whole(b"again"), whole(b"first"), whole(b"second"), whole(b"third")]);
    });
}

#[test]
fn a_listener_that_insists_on_counts_closes_on_anything_else() {
    block_on(async {
        let rig = Rig::start(|options| options.framing.mode = framing::Mode::OctetCounted);
        send(rig.address, &[b"4 good<14>not counted\n4 lost"]).await;
        let (frames, refused) = rig.end().await;
        assert_eq!((frames, refused), (vec![whole(b"good")], [(Refusal::Framing, 1)].into()));
    });
}

#[test]
fn slow_loris_is_cut_off_and_honest_peers_are_not() {
    block_on_one_thread(async {
        let rig = Rig::start(|options| options.frame_timeout = Duration::from_millis(200));
        // What they write is there when their time begins: only what never comes is too late.
        let mut silent = written(rig.address, b"");
        let mut idle = written(rig.address, b"5 hello");
        let mut loris = written(rig.address, b"5 hello999 never ");
        silent.read_to_end(&mut Vec::new()).await.ok();
        loris.read_to_end(&mut Vec::new()).await.ok();
        // Idle for longer than the time, but between frames: still welcome.
        idle.write_all(b"5 again").await.unwrap();
        idle.shutdown().await.unwrap();
        idle.read_to_end(&mut Vec::new()).await.unwrap();
        let (frames, refused) = rig.end().await;
        assert_eq!(refused, [(Refusal::FrameTimeout, 2)].into());
        assert_eq!(frames.iter().filter(|frame| **frame == whole(b"hello")).count(), 2);
        assert!(frames.contains(&whole(b"again")));
        assert!(frames.contains(&Frame { bytes: b"never ".to_vec(), truncated: true }), "nothing is lost");
    });
}

#[test]
fn peers_outside_allow_from_and_over_their_share_are_refused() {
    block_on(async {
        let rig = Rig::start(|options| options.allow_from = vec!["10.0.0.0/8".parse().unwrap()]);
        send(rig.address, &[b"5 hello"]).await;
        assert_eq!(rig.end().await, (vec![], [(Refusal::NotAllowed, 1)].into()));

        let rig = Rig::start(|options| options.max_connections_per_peer = 1);
        let mut first = TcpStream::connect(rig.address).await.unwrap();
        send(rig.address, &[b"6 second"]).await;
        first.write_all(b"5 first").await.unwrap();
        first.shutdown().await.unwrap();
        first.read_to_end(&mut Vec::new()).await.unwrap();
        // A peer may see the end of its connection before its place is free.
        while rig.connections.available_permits() < CONNECTIONS {
            tokio::task::yield_now().await;
        }
        send(rig.address, &[b"5 third"]).await;
        let (frames, refused) = rig.end().await;
        let expected = (vec![whole(b"first"), whole(b"third")], [(Refusal::TooManyConnections, 1)].into());
        assert_eq!((frames, refused), expected);
    });
}

#[test]
fn a_storm_of_reconnects_loses_nothing_to_resets_and_half_open_connections_beside_it() {
    const PEERS: usize = 300;
    const CONNECTIONS: usize = 400;
    block_on(async {
        let rig = Rig::start_with(CONNECTIONS, |_| {});
        let (address, connections) = (rig.address, Arc::clone(&rig.connections));
        let mut half_open = Vec::new();
        for _ in 0..50 {
            half_open.push(TcpStream::connect(address).await.unwrap());
        }
        for round in 0..3 {
            let mut storm = tokio::task::JoinSet::new();
            for peer in 0..PEERS {
                storm.spawn(async move {
                    let text = format!("<14>{round} {peer}");
                    send(address, &[format!("{} {text}", text.len()).as_bytes()]).await;
                });
                storm.spawn(async move {
                    let mut peer = TcpStream::connect(address).await.unwrap();
                    peer.write_all(b"90 <14>begun and never").await.unwrap();
                    // Its end is a reset.
                    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
                });
            }
            storm.join_all().await;
        }
        let frames = rig.stop().await;
        let whole = frames.iter().filter(|frame| !frame.truncated);
        let mut texts: Vec<_> = whole.map(|frame| String::from_utf8_lossy(&frame.bytes)).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(frames.iter().filter(|frame| !frame.truncated).count(), 3 * PEERS);
        assert_eq!(texts.len(), 3 * PEERS);
        assert_eq!(connections.available_permits(), CONNECTIONS, "every place has come back");
        drop(half_open);
    });
}

/// The timer of a socket (tcp(7)'s table in /proc): the kind, and the hundredths of a second until it is due.
fn timer(local: SocketAddr, remote: SocketAddr) -> Option<(u8, u64)> {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let ends = [local, remote].map(|end| format!(":{:04X}", end.port()));
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row[1].ends_with(&ends[0]) && row[2].ends_with(&ends[1]))?;
    let (kind, when) = row[5].split_once(':')?;
    Some((kind.parse().unwrap(), u64::from_str_radix(when, 16).unwrap()))
}

#[test]
fn keepalive_watches_a_peer_that_may_have_vanished() {
    block_on(async {
        let rig = Rig::start(|_| {});
        let mut peer = TcpStream::connect(rig.address).await.unwrap();
        peer.write_all(b"5 hello").await.unwrap();
        // The second timer is that of keepalive; others come first while there is something to acknowledge.
        let due = loop {
            match timer(rig.address, peer.local_addr().unwrap()) {
                Some((2, due)) if due > 1000 => break Duration::from_millis(due * 10),
                _ => tokio::task::yield_now().await,
            }
        };
        assert!(due <= correlator::limits::KEEPALIVE_IDLE, "{due:?}");
        drop(peer);
        rig.stop().await;
    });
}

#[test]
fn frames_beyond_what_a_batch_holds_make_further_batches() {
    block_on(async {
        let rig = Rig::start(|_| {});
        let count = correlator::limits::MAX_BATCH_FRAMES * 3;
        send(rig.address, &[&b"1 a".repeat(count)]).await;
        assert_eq!(rig.stop().await, vec![whole(b"a"); count]);
    });
}

#[test]
fn bind_errors_name_the_listener_the_address_and_the_remedy() {
    block_on(async {
        let rig = Rig::start(|_| {});
        let error = Bound::new(Options::new("dmz", rig.address)).unwrap_err().to_string();
        assert!(error.contains("`dmz`") && error.contains(&rig.address.to_string()), "{error}");
        assert!(error.contains("ss -ltnp"), "{error}");
        let nowhere: SocketAddr = "192.0.2.1:5140".parse().unwrap();
        let error = Bound::new(Options::new("dmz", nowhere)).unwrap_err().to_string();
        assert!(error.contains("no interface"), "{error}");
        rig.stop().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_chunking_gives_the_same_frames(
        messages in prop::collection::vec((any::<bool>(), "[a-z<>:. ]{1,9000}"), 1..12),
        cuts in prop::collection::vec(1_usize..6000, 1..20),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (counted, text) in &messages {
            let text = format!("<14>{text}");
            if *counted {
                stream.extend_from_slice(format!("{} {text}", text.len()).as_bytes());
            } else {
                stream.extend_from_slice(format!("{text}\n").as_bytes());
            }
            expected.push(whole(text.as_bytes()));
        }
        let mut rest = &stream[..];
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let frames = block_on(async {
            let rig = Rig::start(|_| {});
            send(rig.address, &pieces).await;
            rig.stop().await
        });
        prop_assert_eq!(frames, expected);
    }
}
