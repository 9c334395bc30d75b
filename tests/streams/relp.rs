//! RELP: what is answered when, and what is sent again.

use crate::rig::{Rig, Site, block_on, texts};
use correlator::ingest::{Address, Options, Refusal};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::watch;

fn options() -> Options {
    Options::new("lan", Address::Relp("127.0.0.1:0".parse::<SocketAddr>().unwrap()))
}

/// The sender's side of a session.
struct Sender<S> {
    stream: S,
    transaction: u32,
}

impl Sender<TcpStream> {
    async fn open(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).await.unwrap()).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    async fn over(stream: S) -> Self {
        let mut sender = Self { stream, transaction: 0 };
        sender.send("open", "relp_version=0\nrelp_software=test\ncommands=syslog").await;
        let offers = sender.answer().await;
        assert!(offers.starts_with("1 rsp ") && offers.contains(" 200 OK\nrelp_version=0\n"), "{offers}");
        assert!(offers.contains("\ncommands=syslog\n"), "{offers}");
        sender
    }

    async fn send(&mut self, command: &str, data: &str) {
        self.transaction += 1;
        let blank = if data.is_empty() { "" } else { " " };
        let frame = format!("{} {command} {}{blank}{data}\n", self.transaction, data.len());
        self.stream.write_all(frame.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next frame of the listener.
    async fn answer(&mut self) -> String {
        let mut bytes = Vec::new();
        loop {
            if let Ok(Some(frame)) = correlator::wire::relp::parse(&bytes) {
                assert_eq!(frame.len, bytes.len());
                return String::from_utf8(bytes).unwrap();
            }
            let byte = self.stream.read_u8().await.unwrap_or_else(|_| panic!("no answer after {bytes:?}"));
            bytes.push(byte);
        }
    }

    async fn close(mut self) {
        self.send("close", "").await;
        assert_eq!(self.answer().await, format!("{} rsp 0\n", self.transaction));
        assert_eq!(self.answer().await, "0 serverclose 0\n");
        assert_eq!(self.stream.read(&mut [0]).await.unwrap(), 0);
    }
}

#[test]
fn a_record_is_answered_once_it_is_durable_and_in_order() {
    block_on(async {
        let (tell, durable) = watch::channel(0);
        let rig = Rig::start_with(options(), Some(durable));
        let mut sender = Sender::open(rig.address).await;
        for record in ["<14>one", "<14>two\nlines", "<14>three"] {
            sender.send("syslog", record).await;
        }
        rig.records(3).await;
        // Nothing was answered: what comes next is the answer to something else.
        sender.send("who", "").await;
        assert_eq!(sender.answer().await, "5 rsp 19 500 no such command\n");
        tell.send_replace(2);
        assert_eq!(sender.answer().await, "2 rsp 6 200 OK\n");
        assert_eq!(sender.answer().await, "3 rsp 6 200 OK\n");
        sender.send("close", "").await;
        tell.send_replace(3);
        assert_eq!(sender.answer().await, "4 rsp 6 200 OK\n");
        assert_eq!(sender.answer().await, "6 rsp 0\n");
        assert_eq!(sender.answer().await, "0 serverclose 0\n");
        assert_eq!(texts(&rig.stop().await), ["<14>one", "<14>two\nlines", "<14>three"]);
    });
}

#[test]
fn what_a_reconnect_sends_again_is_answered_and_not_taken_again() {
    block_on(async {
        let (tell, durable) = watch::channel(0);
        let rig = Rig::start_with(options(), Some(durable));
        let mut first = Sender::open(rig.address).await;
        for record in ["a", "b", "c"] {
            first.send("syslog", record).await;
        }
        rig.records(3).await;
        tell.send_replace(1);
        assert_eq!(first.answer().await, "2 rsp 6 200 OK\n");
        drop(first);
        let mut second = Sender::open(rig.address).await;
        for record in ["b", "c", "d", "b"] {
            second.send("syslog", record).await;
        }
        rig.records(5).await;
        tell.send_replace(5);
        for transaction in 2..=5 {
            assert_eq!(second.answer().await, format!("{transaction} rsp 6 200 OK\n"));
        }
        second.close().await;
        // The sender has seen every answer, so the same again is something new.
        let mut third = Sender::open(rig.address).await;
        third.send("syslog", "b").await;
        rig.records(6).await;
        tell.send_replace(6);
        assert_eq!(third.answer().await, "2 rsp 6 200 OK\n");
        third.close().await;
        assert_eq!(texts(&rig.stop().await), ["a", "b", "c", "d", "b", "b"]);
    });
}

#[test]
fn a_stop_answers_what_was_taken_before_it_ends_the_session() {
    block_on(async {
        let (tell, durable) = watch::channel(0);
        let rig = Rig::start_with(options(), Some(durable));
        let mut sender = Sender::open(rig.address).await;
        sender.send("syslog", "taken").await;
        rig.records(1).await;
        let stopping = tokio::spawn(rig.stop());
        tell.send_replace(1);
        assert_eq!(sender.answer().await, "2 rsp 6 200 OK\n");
        assert_eq!(sender.answer().await, "0 serverclose 0\n");
        assert_eq!(texts(&stopping.await.unwrap()), ["taken"]);
    });
}

/// In RELP nothing is half-closed at a stop: what has come is taken and answered, and what comes later is sent again.
#[test]
fn a_stop_takes_and_answers_what_waits_in_the_kernel() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (tell, durable) = watch::channel(0);
        let rig = Rig::start_with(options(), Some(durable));
        let mut sender = Sender::open(rig.address).await;
        // On one thread the listener does nothing before the next await.
        for record in 2..52 {
            let frame = format!("{record} syslog 6 record\n");
            assert_eq!(sender.stream.try_write(frame.as_bytes()).unwrap(), frame.len());
        }
        let stopping = tokio::spawn(rig.stop());
        tell.send_replace(50);
        for transaction in 2..52 {
            assert_eq!(sender.answer().await, format!("{transaction} rsp 6 200 OK\n"));
        }
        assert_eq!(sender.answer().await, "0 serverclose 0\n");
        assert_eq!(texts(&stopping.await.unwrap()), ["record"; 50]);
    });
}

#[test]
fn a_record_too_long_is_cut_and_what_is_no_frame_ends_the_session() {
    block_on(async {
        let mut options = options();
        options.framing.max_message_size = 5;
        let rig = Rig::start(options);
        let mut sender = Sender::open(rig.address).await;
        sender.send("syslog", "12345678").await;
        assert_eq!(sender.answer().await, "2 rsp 6 200 OK\n");
        sender.stream.write_all(b"3 syslog nonsense\n").await.unwrap();
        assert_eq!(sender.stream.read(&mut [0]).await.unwrap_or(0), 0);
        let mut early = TcpStream::connect(rig.address).await.unwrap();
        early.write_all(b"1 syslog 1 x\n").await.unwrap();
        let mut early = Sender { stream: early, transaction: 1 };
        assert_eq!(early.answer().await, "1 rsp 27 500 the session is not open\n");
        drop(early);
        let (records, refused) = rig.end().await;
        assert_eq!(records, [("127.0.0.1".to_owned(), b"12345".to_vec(), true)]);
        assert_eq!(refused.by(Refusal::Framing), 1);
    });
}

#[test]
fn the_same_goes_over_tls() {
    block_on(async {
        let mut site = Site::with_clients();
        site.options.address = Address::Relps("127.0.0.1:0".parse().unwrap());
        let rig = Rig::start(site.options.clone());
        let client = site.client(Some(&site.authority.vouch("web.example")));
        let mut sender = Sender::over(rig.connect(&client).await.unwrap()).await;
        sender.send("syslog", "<14>one").await;
        assert_eq!(sender.answer().await, "2 rsp 6 200 OK\n");
        sender.close().await;
        let expected = ("127.0.0.1,name=web.example".to_owned(), b"<14>one".to_vec(), false);
        assert_eq!(rig.stop().await, [expected]);
    });
}
