//! Connections through a proxy, which says for whom it speaks.

use crate::rig::{Rig, Site, block_on, texts};
use correlator::ingest::proxy::Mode;
use correlator::ingest::{Address, Options, Refusal};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 203.0.113.1 5555 6514\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0f\xc0\x00\x02\x02\xcb\x00\x71\x01\x15\xb3\x19\x72\x04\x00\x00";

fn options(address: &str) -> Options {
    let mut options = Options::new("lan", Address::Tcp(address.parse::<SocketAddr>().unwrap()));
    options.proxy.mode = Mode::Required;
    options.proxy.from = vec!["127.0.0.0/8".parse().unwrap()];
    options
}

/// Sends piece by piece, and waits until the listener has closed its side.
async fn send(to: SocketAddr, pieces: &[&[u8]]) {
    let mut peer = TcpStream::connect(to).await.unwrap();
    peer.set_nodelay(true).unwrap();
    for piece in pieces {
        // One that has been refused cannot send the rest.
        peer.write_all(piece).await.ok();
    }
    peer.shutdown().await.ok();
    peer.read_to_end(&mut Vec::new()).await.ok();
}

#[test]
fn the_peer_is_the_one_that_the_proxy_speaks_for() {
    block_on(async {
        let rig = Rig::start(options("127.0.0.1:0"));
        send(rig.address, &[&[V1, b"5 first"].concat()]).await;
        let bytes: Vec<&[u8]> = V2.chunks(1).chain([&b"6 second"[..]]).collect();
        send(rig.address, &bytes).await;
        // The proxy's own word.
        send(rig.address, &[b"PROXY UNKNOWN\r\n", b"5 third"]).await;
        let records = rig.stop().await;
        assert_eq!(texts(&records), ["first", "second", "third"]);
        let peers: Vec<_> = records.iter().map(|(peer, ..)| peer.as_str()).collect();
        assert_eq!(peers, ["192.0.2.1", "192.0.2.2", "127.0.0.1"]);
    });
}

#[test]
fn allow_from_and_shares_are_those_of_the_peer_behind_the_proxy() {
    block_on(async {
        let mut options = options("127.0.0.1:0");
        options.allow_from = vec!["192.0.2.1/32".parse().unwrap()];
        options.max_connections_per_peer = 1;
        let rig = Rig::start(options);
        send(rig.address, &[V2, b"5 hello"]).await;
        let mut first = TcpStream::connect(rig.address).await.unwrap();
        first.write_all(&[V1, b"5 first"].concat()).await.unwrap();
        rig.records(1).await;
        send(rig.address, &[V1, b"6 second"]).await;
        drop(first);
        let (records, refused) = rig.end().await;
        assert_eq!(texts(&records), ["first"]);
        assert_eq!(refused.by(Refusal::NotAllowed), 1);
        assert_eq!(refused.by(Refusal::TooManyConnections), 1);
        assert_eq!(refused.peers(), ["192.0.2.1", "192.0.2.2"]);
    });
}

#[test]
fn who_is_no_proxy_or_sends_no_header_sends_nothing() {
    block_on(async {
        let mut elsewhere = options("127.0.0.1:0");
        elsewhere.proxy.from = vec!["10.0.0.0/8".parse().unwrap()];
        let rig = Rig::start(elsewhere);
        send(rig.address, &[V1, b"5 hello"]).await;
        let (records, refused) = rig.end().await;
        assert_eq!((records.len(), refused.by(Refusal::NotAllowed)), (0, 1));

        let rig = Rig::start(options("127.0.0.1:0"));
        send(rig.address, &[b"<14>a record\n"]).await;
        send(rig.address, &[b"PROXY TCP4 192.0.2.1"]).await;
        send(rig.address, &[b"PROXY TCP4 everybody nobody 1 2\r\n5 hello"]).await;
        let (records, refused) = rig.end().await;
        assert_eq!((records.len(), refused.by(Refusal::ProxyHeader)), (0, 3));

        // Where no proxy is expected, a header is a record like any other.
        let rig = Rig::start(Options::new("lan", Address::Tcp("127.0.0.1:0".parse().unwrap())));
        send(rig.address, &[V1]).await;
        let records = rig.stop().await;
        assert_eq!(records[0].0, "127.0.0.1");
    });
}

#[test]
fn tls_begins_behind_the_header() {
    block_on(async {
        let mut site = Site::with_clients();
        site.options.proxy = options("127.0.0.1:0").proxy;
        let rig = Rig::start(site.options.clone());
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        stream.write_all(V2).await.unwrap();
        let client = site.client(Some(&site.authority.vouch("web.example")));
        let name = ServerName::try_from("collector.example").unwrap();
        let mut session = TlsConnector::from(client).connect(name, stream).await.unwrap();
        session.write_all(b"5 hello").await.unwrap();
        crate::rig::end(session).await.unwrap();
        let expected = ("192.0.2.2,name=web.example".to_owned(), b"hello".to_vec(), false);
        assert_eq!(rig.stop().await, [expected]);
    });
}
