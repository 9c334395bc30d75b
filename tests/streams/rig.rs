//! A listener of its own for each test, and what came out of it.

use crate::pki::{Authority, Identity};
use correlator::batch::Batch;
use correlator::ingest::tls::Papers;
use correlator::ingest::{Address, Answering, Bound, Environment, Intake, Notices, Options, Refusal, Sink};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A record: its peer, its bytes, whether it was cut.
pub(crate) type Record = (String, Vec<u8>, bool);

/// Keeps the records, and gives each batch's permit back at once.
pub(crate) struct Collect {
    records: Mutex<Vec<Record>>,
    more: Notify,
    permits: Arc<Semaphore>,
}

impl Sink for Collect {
    fn submit(&self, batch: Batch) -> u64 {
        let record = |frame: &correlator::batch::FrameSpan| {
            (batch.origin.peer.clone(), frame.span.of(&batch.bytes).to_vec(), frame.truncated)
        };
        let mut records = self.records.lock().unwrap();
        records.extend(batch.frames.iter().map(record));
        self.permits.add_permits(1);
        self.more.notify_one();
        records.len() as u64
    }
}

pub(crate) struct Rig {
    pub(crate) address: SocketAddr,
    pub(crate) papers: Option<Arc<Papers>>,
    pub(crate) notices: Arc<Notices>,
    sink: Arc<Collect>,
    permits: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

/// What was refused.
pub(crate) struct Refused(Arc<Notices>);

impl Refused {
    pub(crate) fn by(&self, refusal: Refusal) -> u64 {
        self.0.totals().iter().filter(|(_, known, _)| *known == refusal).map(|(.., count)| count).sum()
    }

    pub(crate) fn peers(&self) -> Vec<String> {
        self.0.totals().into_iter().map(|(peer, ..)| peer).collect()
    }
}

const PERMITS: usize = 4;

/// Time that a test may take: what hangs has failed.
const PATIENCE: Duration = Duration::from_secs(60);

impl Rig {
    pub(crate) fn start(options: Options) -> Self {
        Self::start_with(options, None)
    }

    /// Starts with somebody who tells how far records are durable.
    pub(crate) fn start_with(options: Options, durable: Option<watch::Receiver<u64>>) -> Self {
        let answering = durable.map(|durable| Answering { durable, remembered: Arc::default() });
        let permits = Arc::new(Semaphore::new(PERMITS));
        let sink = Arc::new(Collect {
            records: Mutex::default(),
            more: Notify::new(),
            permits: Arc::clone(&permits),
        });
        let notices = Arc::new(Notices::default());
        let (stop, stopped) = watch::channel(false);
        let environment = Environment {
            intake: Intake::new(Arc::clone(&sink) as Arc<dyn Sink>, Arc::clone(&permits))
                .with_answering(answering),
            notices: Arc::clone(&notices),
            connections: Arc::new(Semaphore::new(2000)),
            stop: stopped,
        };
        let listener = Bound::new(options).unwrap();
        let address = listener.address().socket().unwrap();
        let papers = listener.papers().cloned();
        let running = tokio::spawn(listener.run(environment));
        Self { address, papers, notices, sink, permits, stop, running }
    }

    /// Stops, waits for every connection's end, and gives the records and what was refused. A peer may hear of a refusal
    /// before it is counted, so counts are told only here.
    pub(crate) async fn end(self) -> (Vec<Record>, Refused) {
        let refused = Refused(Arc::clone(&self.notices));
        (self.stop().await, refused)
    }

    /// Stops, waits for every connection's end, and gives the records.
    pub(crate) async fn stop(self) -> Vec<Record> {
        self.stop.send_replace(true);
        self.running.await.unwrap();
        assert_eq!(self.permits.available_permits(), PERMITS, "every permit has come back");
        self.sink.records.lock().unwrap().clone()
    }

    /// Waits until so many were refused for a reason: a client that turns away itself tells nobody when that is noticed.
    pub(crate) async fn refused(&self, refusal: Refusal, count: u64) {
        let refused = Refused(Arc::clone(&self.notices));
        let look = async {
            while refused.by(refusal) < count {
                tokio::task::yield_now().await;
            }
        };
        let looked = tokio::time::timeout(Duration::from_secs(60), look).await;
        looked.expect("as many are refused as should be");
    }

    /// Waits until so many records are there.
    pub(crate) async fn records(&self, count: usize) -> Vec<Record> {
        loop {
            let records = self.sink.records.lock().unwrap().clone();
            if records.len() >= count {
                return records;
            }
            self.sink.more.notified().await;
        }
    }

    /// Connects, does the handshake, and gives the session.
    pub(crate) async fn connect(&self, client: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
        connect(self.address, client).await
    }

    /// Sends in pieces, ends the session, and waits until the listener has closed its side.
    pub(crate) async fn send(&self, client: &Arc<ClientConfig>, pieces: &[&[u8]]) -> io::Result<()> {
        let mut session = self.connect(client).await?;
        for piece in pieces {
            session.write_all(piece).await?;
            session.flush().await?;
        }
        end(session).await
    }
}

pub(crate) async fn connect(to: SocketAddr, client: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("collector.example").unwrap();
    TlsConnector::from(Arc::clone(client)).connect(name, stream).await
}

/// Ends a session, and waits until the listener has closed its side.
pub(crate) async fn end(mut session: TlsStream<TcpStream>) -> io::Result<()> {
    session.shutdown().await?;
    session.read_to_end(&mut Vec::new()).await.map(drop)
}

/// An authority, a listener's certificate by it, and options that use them.
pub(crate) struct Site {
    pub(crate) home: TempDir,
    pub(crate) authority: Authority,
    pub(crate) options: Options,
}

impl Site {
    /// A listener that asks for no certificate.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let authority = Authority::new("fleet CA");
        let (certificate, key) = authority.vouch("collector.example").write(home.path(), "server");
        let address = Address::Tls("127.0.0.1:0".parse().unwrap());
        let mut options = Options::new("lan", address);
        (options.tls.certificate, options.tls.key) = (Some(certificate), Some(key));
        Self { home, authority, options }
    }

    /// A listener that wants certificates of the same authority.
    pub(crate) fn with_clients() -> Self {
        let mut site = Self::new();
        site.options.tls.client_ca = Some(site.authority.write(site.home.path(), "ca"));
        site
    }

    pub(crate) fn client(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        self.authority.client(identity)
    }
}

/// Runs a test, which has to come to its end.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    Runtime::new().unwrap().block_on(async { timeout(PATIENCE, future).await.expect("it hangs") })
}

pub(crate) fn texts(records: &[Record]) -> Vec<&str> {
    records.iter().map(|(_, bytes, _)| std::str::from_utf8(bytes).unwrap()).collect()
}
