//! Stopping while peers send.

use super::{Frame, Rig, block_on, block_on_one_thread, send, whole};
use correlator::ingest::Address;
use correlator::limits::{DRAIN_TIME, PARTING_QUIET, PARTING_TIME};
use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::time::interval;

#[test]
fn stopping_reads_what_the_sockets_hold() {
    block_on(async {
        let rig = Rig::start(|_| {});
        let mut peers = Vec::new();
        for peer in 0..50 {
            let mut stream = TcpStream::connect(rig.address).await.unwrap();
            let text = format!("<14>peer {peer:02}\n");
            stream.write_all(text.repeat(100).as_bytes()).await.unwrap();
            peers.push(stream);
        }
        // One answered connection more than the others proves that all of them have been accepted.
        send(rig.address, &[b"4 last"]).await;
        assert_eq!(rig.stop().await.len(), 50 * 100 + 1);
    });
}

/// The system takes connections for the listener, which may not have heard of them when it is to stop.
#[test]
fn stopping_reads_connections_that_wait_in_the_kernel() {
    let frames = block_on_one_thread(async {
        let rig = Rig::start(|_| {});
        let peers = (0..20).map(|peer| {
            let mut stream = std::net::TcpStream::connect(rig.address).unwrap();
            stream.write_all(format!("<14>peer {peer:02}\n").as_bytes()).unwrap();
            stream
        });
        let peers: Vec<_> = peers.collect();
        let frames = rig.stop().await;
        drop(peers);
        frames
    });
    assert_eq!(frames.len(), 20);
}

/// Writes records until the other side tells the end; says so after a hundred, and how many there were at last.
async fn write_until_told<S: AsyncWrite + Unpin>(
    peer: &mut S,
    look: fn(&S, &mut [u8]) -> io::Result<usize>,
    begun: oneshot::Sender<()>,
) -> usize {
    let (mut begun, mut sent, mut pace) = (Some(begun), 0, interval(Duration::from_millis(1)));
    while let Err(error) = look(peer, &mut [0]) {
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        peer.write_all(format!("<14>record {sent}\n").as_bytes()).await.unwrap();
        sent += 1;
        if sent == 100 {
            begun.take().unwrap().send(()).unwrap();
        }
        // Some of them come one by one, after whatever the listener reads at its stop.
        if sent % 10 == 0 {
            pace.tick().await;
        }
    }
    sent
}

fn records_and_the_last(sent: usize) -> Vec<Frame> {
    let records = (0..sent).map(|sent| whole(format!("<14>record {sent}").as_bytes()));
    records.chain([whole(b"<14>the last")]).collect()
}

/// Stops while a peer writes that heeds the end: all that it wrote has come, and nobody takes it when it connects `again`.
async fn stop_loses_nothing<S: AsyncWrite + Unpin + Send + 'static>(
    rig: Rig,
    mut peer: S,
    look: fn(&S, &mut [u8]) -> io::Result<usize>,
    again: impl Future<Output = io::Result<S>> + Send + 'static,
) {
    let (begun, has_begun) = oneshot::channel();
    let sender = tokio::spawn(async move {
        let sent = write_until_told(&mut peer, look, begun).await;
        assert!(again.await.is_err(), "a new connection would wait for nobody");
        peer.write_all(b"<14>the last\n").await.unwrap();
        sent
    });
    has_begun.await.unwrap();
    // From here on time passes only while both wait: how long the machine lets them is not what is tested.
    tokio::time::pause();
    let frames = rig.stop().await;
    assert_eq!(frames, records_and_the_last(sender.await.unwrap()));
}

#[test]
fn a_sender_that_heeds_the_end_loses_nothing_by_a_stop() {
    block_on_one_thread(async {
        let rig = Rig::start(|_| {});
        let peer = TcpStream::connect(rig.address).await.unwrap();
        let again = TcpStream::connect(rig.address);
        stop_loses_nothing(rig, peer, TcpStream::try_read, again).await;
    });
}

#[test]
fn a_process_of_this_machine_that_heeds_the_end_loses_nothing_by_a_stop() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    block_on_one_thread(async {
        let rig = Rig::start(|options| options.address = Address::Unix(path.clone()));
        let peer = UnixStream::connect(&path).await.unwrap();
        stop_loses_nothing(rig, peer, UnixStream::try_read, UnixStream::connect(path)).await;
    });
}

#[test]
fn what_a_sender_wrote_that_was_made_to_wait_survives_a_stop() {
    block_on(async {
        let rig = Rig::start(|_| {});
        let mut peer = TcpStream::connect(rig.address).await.unwrap();
        // One answered connection more proves that it has been accepted.
        send(rig.address, &[b"4 last"]).await;
        let all = rig.permits.clone().acquire_many_owned(4).await.unwrap();
        peer.write_all("<14>waits\n".repeat(1000).as_bytes()).await.unwrap();
        rig.stop.send_replace(true);
        assert_eq!(rig.sink.frames.lock().unwrap().len(), 1, "nothing is read without a permit");
        drop(all);
        assert_eq!(rig.stop().await.len(), 1 + 1000);
    });
}

#[test]
fn a_stop_waits_for_a_silent_sender_only_a_moment() {
    block_on_one_thread(async {
        let rig = Rig::start(|_| {});
        let silent = TcpStream::connect(rig.address).await.unwrap();
        send(rig.address, &[b"4 last"]).await;
        // Nothing comes any more: time passes only by what is waited for.
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        assert_eq!(rig.stop().await.len(), 1);
        assert!(begun.elapsed() < PARTING_TIME, "{:?}", begun.elapsed());
        drop(silent);
    });
}

#[test]
fn a_stop_waits_for_senders_that_heed_nothing_no_longer_than_its_time() {
    block_on(async {
        let rig = Rig::start(|_| {});
        let mut deaf = TcpStream::connect(rig.address).await.unwrap();
        let (begun, has_begun) = oneshot::channel();
        let sender = tokio::spawn(async move {
            let (mut begun, mut pace) = (Some(begun), interval(Duration::from_millis(5)));
            // From the beginning of each attempt to the end of the next.
            let (mut pause, mut last) = (Duration::ZERO, Instant::now());
            loop {
                let this = Instant::now();
                let written = deaf.write_all(b"<14>on and on\n").await;
                pause = pause.max(last.elapsed());
                last = this;
                if written.is_err() {
                    return pause;
                }
                begun.take().map(|begun| begun.send(()));
                pace.tick().await;
            }
        });
        has_begun.await.unwrap();
        let begun = Instant::now();
        assert!(!rig.stop().await.is_empty());
        let took = begun.elapsed();
        // A sender that the machine keeps from writing for so long is a silent one.
        let pause = sender.await.unwrap();
        assert!(
            took >= PARTING_TIME || pause >= PARTING_QUIET,
            "{took:?}, though it paused for no more than {pause:?}"
        );
        assert!(took < DRAIN_TIME, "{took:?}");
    });
}

#[test]
fn a_stop_waits_no_longer_for_a_sender_whose_socket_is_never_empty() {
    block_on(async {
        let rig = Rig::start(|_| {});
        let mut peer = std::net::TcpStream::connect(rig.address).unwrap();
        peer.set_nodelay(true).unwrap();
        *rig.sink.restless.lock().unwrap() = Some(peer.try_clone().unwrap());
        peer.write_all(b"<14>begin\n").unwrap();
        // Without an end of its own it would be read for ever.
        assert!(rig.stop().await.len() > 1);
    });
}
