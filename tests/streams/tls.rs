//! Records over TLS: whole, in order, and as fast as they come, whatever the peers around them do.

use crate::rig::{Rig, Site, block_on, end, texts};
use correlator::ingest::Refusal;
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[test]
fn a_stream_larger_than_every_buffer_arrives_whole() {
    block_on(async {
        let site = Site::new();
        let rig = Rig::start(site.options.clone());
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for number in 0..4000_usize {
            let text = format!("{number} {}", "x".repeat(number * 37 % 3000));
            stream.extend_from_slice(format!("{} {text}", text.len()).as_bytes());
            expected.push(text);
        }
        rig.send(&site.client(None), &[&stream]).await.unwrap();
        let records = rig.stop().await;
        assert!(texts(&records) == expected.iter().map(String::as_str).collect::<Vec<_>>());
    });
}

#[test]
fn only_a_peer_that_ends_its_session_ends_its_last_frame() {
    block_on(async {
        let site = Site::new();
        let rig = Rig::start(site.options.clone());
        rig.send(&site.client(None), &[b"<38>first\n<38>the peer's own end"]).await.unwrap();
        let mut session = rig.connect(&site.client(None)).await.unwrap();
        session.write_all(b"<38>whole\n<38>Invalid user x from 203.0.113.5").await.unwrap();
        session.flush().await.unwrap();
        // The connection ends, and the session does not: somebody on the way can do that.
        let (mut stream, _) = session.into_inner();
        stream.shutdown().await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        let (records, refused) = rig.end().await;
        assert_eq!(refused.by(Refusal::CutShort), 1);
        let records: Vec<_> = records.into_iter().map(|(_, bytes, cut)| (bytes, cut)).collect();
        let expected: [(&[u8], bool); 4] = [
            (b"<38>first", false),
            (b"<38>the peer's own end", false),
            (b"<38>whole", false),
            (b"<38>Invalid user x from 203.0.113.5", true),
        ];
        assert_eq!(records, expected.map(|(bytes, cut)| (bytes.to_vec(), cut)));
    });
}

#[test]
fn stopping_reads_what_the_sockets_hold_and_ends_the_connections() {
    block_on(async {
        let site = Site::new();
        let rig = Rig::start(site.options.clone());
        let client = site.client(None);
        let mut sessions = Vec::new();
        for peer in 0..20 {
            let mut session = rig.connect(&client).await.unwrap();
            session.write_all(format!("<14>peer {peer:02}\n").repeat(500).as_bytes()).await.unwrap();
            session.flush().await.unwrap();
            sessions.push(session);
        }
        // One answered connection more than the others proves that all of them have been accepted.
        rig.send(&client, &[b"4 last"]).await.unwrap();
        assert_eq!(rig.stop().await.len(), 20 * 500 + 1);
        // By TCP alone: a sender that looks at the socket would take a close_notify there for a sign of life.
        for mut session in sessions {
            let mut peeked = [0];
            assert_eq!(session.get_ref().0.peek(&mut peeked).await.unwrap(), 0, "the connection ends");
            let end = session.read_to_end(&mut Vec::new()).await.unwrap_err();
            assert_eq!(end.kind(), std::io::ErrorKind::UnexpectedEof);
        }
    });
}

#[test]
fn a_storm_of_reconnects_loses_nothing_to_half_open_connections_beside_it() {
    const PEERS: usize = 300;
    block_on(async {
        let mut site = Site::with_clients();
        site.options.tls.handshake_timeout = Duration::from_secs(60);
        let rig = Rig::start(site.options.clone());
        // More that say nothing than there are places for handshakes.
        let mut half_open = Vec::new();
        for _ in 0..correlator::limits::MAX_HANDSHAKES + 50 {
            half_open.push(TcpStream::connect(rig.address).await.unwrap());
        }
        let client = site.client(Some(&site.authority.vouch("web.example")));
        let address = rig.address;
        for round in 0..2 {
            let mut storm = JoinSet::new();
            for peer in 0..PEERS {
                let client = client.clone();
                storm.spawn(async move {
                    let mut session = crate::rig::connect(address, &client).await.unwrap();
                    let record = format!("<14>{round} {peer}\n");
                    session.write_all(record.as_bytes()).await.unwrap();
                    end(session).await.unwrap();
                });
            }
            storm.join_all().await;
        }
        let records = rig.stop().await;
        let mut numbers: Vec<_> = texts(&records).into_iter().map(str::to_owned).collect();
        numbers.sort();
        numbers.dedup();
        assert_eq!((records.len(), numbers.len()), (2 * PEERS, 2 * PEERS));
        drop(half_open);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn any_cutting_into_tls_records_gives_the_same_frames(
        messages in prop::collection::vec((any::<bool>(), "[a-z<>:. ]{1,60000}"), 1..12),
        cuts in prop::collection::vec(1_usize..20_000, 1..20),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (counted, text) in &messages {
            let text = format!("<14>{text}");
            let framed = if *counted { format!("{} {text}", text.len()) } else { format!("{text}\n") };
            stream.extend_from_slice(framed.as_bytes());
            expected.push(text);
        }
        let (mut rest, mut pieces) = (&stream[..], Vec::new());
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let records = block_on(async {
            let site = Site::new();
            let rig = Rig::start(site.options.clone());
            rig.send(&site.client(None), &pieces).await.unwrap();
            rig.stop().await
        });
        prop_assert!(texts(&records) == expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
