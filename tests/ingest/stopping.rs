//! Stopping while peers send.

use super::{PATIENCE, Rig, block_on, send, whole};
use correlator::limits::{DRAIN_TIME, PARTING_TIME};
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{interval, timeout};

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
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let frames = runtime.block_on(async {
        let rig = Rig::start(|_| {});
        // On one thread the listener does nothing before the first await.
        let peers = (0..20).map(|peer| {
            let mut stream = std::net::TcpStream::connect(rig.address).unwrap();
            stream.write_all(format!("<14>peer {peer:02}\n").as_bytes()).unwrap();
            stream
        });
        let peers: Vec<_> = peers.collect();
        let frames = timeout(PATIENCE, rig.stop()).await.expect("it hangs");
        drop(peers);
        frames
    });
    assert_eq!(frames.len(), 20);
}

#[test]
fn a_sender_that_heeds_the_end_loses_nothing_by_a_stop() {
    block_on(async {
        let rig = Rig::start(|_| {});
        let (begun, has_begun) = oneshot::channel();
        let mut peer = TcpStream::connect(rig.address).await.unwrap();
        let sender = tokio::spawn(async move {
            let (mut begun, mut sent, mut pace) = (Some(begun), 0, interval(Duration::from_millis(1)));
            while let Err(error) = peer.try_read(&mut [0]) {
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
            let refused = TcpStream::connect(peer.peer_addr().unwrap()).await;
            assert!(refused.is_err(), "a new connection would wait for nobody");
            peer.write_all(b"<14>the last\n").await.unwrap();
            sent
        });
        has_begun.await.unwrap();
        let frames = rig.stop().await;
        let sent = sender.await.unwrap();
        let expected: Vec<_> = (0..sent).map(|sent| whole(format!("<14>record {sent}").as_bytes())).collect();
        assert_eq!(frames, [expected, vec![whole(b"<14>the last")]].concat());
    });
}

#[test]
fn a_stop_waits_for_senders_that_heed_nothing_no_longer_than_its_time() {
    block_on(async {
        let rig = Rig::start(|_| {});
        let silent = TcpStream::connect(rig.address).await.unwrap();
        send(rig.address, &[b"4 last"]).await;
        let begun = Instant::now();
        assert_eq!(rig.stop().await.len(), 1);
        assert!(begun.elapsed() < PARTING_TIME, "for a silent one not even so long");
        drop(silent);

        let rig = Rig::start(|_| {});
        let mut deaf = TcpStream::connect(rig.address).await.unwrap();
        let (begun, has_begun) = oneshot::channel();
        let sender = tokio::spawn(async move {
            let (mut begun, mut pace) = (Some(begun), interval(Duration::from_millis(5)));
            while deaf.write_all(b"<14>on and on\n").await.is_ok() {
                begun.take().map(|begun| begun.send(()));
                pace.tick().await;
            }
        });
        has_begun.await.unwrap();
        let begun = Instant::now();
        assert!(!rig.stop().await.is_empty());
        let took = begun.elapsed();
        assert!(took >= PARTING_TIME && took < DRAIN_TIME, "{took:?}");
        sender.await.unwrap();
    });
}
