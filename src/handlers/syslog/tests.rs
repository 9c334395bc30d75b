//! Records to sockets of ours, and to a real rsyslogd.

use super::super::http::server::certified;
use super::super::port::Port;
use super::*;
use crate::event::{EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp, StreamId};
use crate::time::{SystemClock, Timestamp, Zone};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

fn events(users: &[&str]) -> Selection {
    let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }));
    for (number, user) in (0..).zip(users) {
        let (kind, severity, time) = (Kind::SSHDUserDenied, Severity::Warning, Timestamp::EPOCH);
        block
            .push(Head { number, ordinal: 0, module: 0, kind, severity, time })
            .text(Field::User, user.as_bytes());
    }
    Selection::all(Arc::new(block))
}

fn options(transport: Transport, port: u16) -> Options {
    let address = Address { transport, host: "localhost".into(), port };
    Options { address: Some(address), timeout: Duration::from_secs(10), ..Options::default() }
}

fn handler(options: &Options) -> Box<dyn Handler> {
    build(options, &Environment::new(Arc::new(SystemClock), Zone::UTC, "/nowhere")).unwrap()
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Reads one octet-counted record.
async fn record(stream: &mut TcpStream) -> String {
    let mut count = String::new();
    loop {
        match stream.read_u8().await.unwrap() {
            b' ' => break,
            digit => count.push(char::from(digit)),
        }
    }
    let mut bytes = vec![0; count.parse().unwrap()];
    stream.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn records_are_counted_and_a_connection_that_was_closed_is_made_anew() {
    let (listener, port) = listener().await;
    let mut handler = handler(&options(Transport::Tcp, port));
    assert_eq!(handler.deliver(&events(&["a", "b"])).await, vec![Outcome::Delivered; 2]);
    let (mut first, _) = listener.accept().await.unwrap();
    assert!(record(&mut first).await.contains(r#" user="a"] "#));
    assert!(record(&mut first).await.contains(r#" user="b"] "#));
    handler.deliver(&events(&["c"])).await;
    assert!(record(&mut first).await.contains(r#" user="c"] "#));
    drop(first);
    handler.deliver(&events(&["d"])).await;
    let (mut second, _) = listener.accept().await.unwrap();
    assert!(record(&mut second).await.contains(r#" user="d"] "#));
}

#[tokio::test]
async fn a_server_that_is_away_or_takes_nothing_makes_events_wait() {
    let closed = Port::hold();
    let outcomes = handler(&options(Transport::Tcp, closed.number)).deliver(&events(&["a"])).await;
    assert!(
        matches!(&outcomes[0], Outcome::Temporary(why) if why.starts_with("tcp://localhost:") && why.contains("refused")),
        "{outcomes:?}"
    );
    let (_listener, port) = listener().await;
    let mut handler = handler(&options(Transport::Tcp, port));
    assert_eq!(handler.deliver(&events(&["a"])).await, [Outcome::Delivered]);
    let huge = "x".repeat(limits::MAX_SYSLOG_VALUE);
    let storm = events(&vec![huge.as_str(); 20_000]);
    // It is connected: time passes once there is room for nothing more.
    tokio::time::pause();
    let outcomes = handler.deliver(&storm).await;
    let why = format!("tcp://localhost:{port} has not taken within 10 s");
    assert_eq!(outcomes, vec![Outcome::Temporary(why); 20_000]);
}

#[tokio::test]
async fn a_datagram_is_a_record() {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let address = Address { transport: Transport::Udp, host: "127.0.0.1".into(), port };
    let options = Options { address: Some(address), facility: Facility(16), ..Options::default() };
    assert_eq!(handler(&options).deliver(&events(&["a"])).await, [Outcome::Delivered]);
    let mut room = [0; 4096];
    let count = socket.recv(&mut room).await.unwrap();
    let text = str::from_utf8(&room[..count]).unwrap();
    assert!(text.starts_with("<132>1 1970-01-01T00:00:00.000000Z "), "{text}");
}

#[tokio::test]
async fn an_event_that_no_datagram_could_hold_goes_with_what_has_room() {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }));
    let (kind, severity, time) = (Kind::SSHDUserEnumeration, Severity::Warning, Timestamp::EPOCH);
    let user = vec![0xff; limits::MAX_SYSLOG_VALUE];
    block
        .push(Head { number: 1, ordinal: 0, module: 0, kind, severity, time })
        .text(Field::Source, b"203.0.113.9")
        .texts(Field::Users, vec![user.as_slice(); 32]);
    let address = Address { transport: Transport::Udp, host: "127.0.0.1".into(), port };
    let options = Options { address: Some(address), ..Options::default() };
    let outcomes = handler(&options).deliver(&Selection::all(Arc::new(block))).await;
    assert_eq!(outcomes, [Outcome::Delivered]);
    let mut room = [0; 4096];
    let count = socket.recv(&mut room).await.unwrap();
    let text = str::from_utf8(&room[..count]).unwrap();
    assert!(text.contains(r#" source="203.0.113.9" cut="true"] "#), "{text}");
}

/// A real rsyslogd, which writes what it receives to a file, one JSON object a line.
struct Rsyslogd {
    child: Child,
    directory: tempfile::TempDir,
    port: Port,
}

impl Drop for Rsyslogd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Rsyslogd {
    /// Starts it; nothing where this machine has none, or none with TLS.
    fn start(is_tls: bool) -> Option<Self> {
        let driver =
            ["/usr/lib/x86_64-linux-gnu/rsyslog", "/usr/lib/aarch64-linux-gnu/rsyslog", "/usr/lib/rsyslog"]
                .iter()
                .any(|folder| Path::new(folder).join("lmnsd_ossl.so").exists());
        if is_tls && !driver {
            eprintln!("skipped: needs rsyslog-openssl");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let (folder, port) = (directory.path().to_owned(), Port::hold());
        certified(&folder);
        let at = folder.display();
        let tls = format!(
            "global(DefaultNetstreamDriver=\"ossl\" DefaultNetstreamDriverCAFile=\"{at}/ca.pem\"\n\
             DefaultNetstreamDriverCertFile=\"{at}/server.pem\" DefaultNetstreamDriverKeyFile=\"{at}/server.key\")\n\
             module(load=\"imtcp\" StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"anon\")\n"
        );
        let module = if is_tls { tls } else { "module(load=\"imtcp\")\n".to_owned() };
        let config = format!(
            "{module}input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{}\")\n\
             template(name=\"kept\" type=\"string\" string=\"%app-name%|%msgid%|%pri%|%structured-data%|%msg%\\n\")\n\
             action(type=\"omfile\" file=\"{at}/kept\" template=\"kept\")\n",
            port.number
        );
        fs::write(folder.join("rsyslog.conf"), config).unwrap();
        let mut command = Command::new("/usr/sbin/rsyslogd");
        command.arg("-n").arg("-f").arg(folder.join("rsyslog.conf")).arg("-i").arg(folder.join("pid"));
        match command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(child) => Some(Self { child, directory, port }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("skipped: needs rsyslogd");
                None
            }
            Err(error) => panic!("rsyslogd: {error}"),
        }
    }

    /// What it has kept, once there are so many lines.
    async fn kept(&self, lines: usize) -> String {
        let file = self.directory.path().join("kept");
        let wait = async {
            loop {
                let text = fs::read_to_string(&file).unwrap_or_default();
                if text.lines().count() >= lines {
                    return text;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(60), wait).await.unwrap()
    }

    /// Delivers once it listens.
    async fn deliver(&self, handler: &mut Box<dyn Handler>, events: &Selection) {
        let wait = async {
            while TcpStream::connect(("127.0.0.1", self.port.number)).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(60), wait).await.unwrap();
        assert_eq!(handler.deliver(events).await, vec![Outcome::Delivered; events.len()]);
    }
}

#[tokio::test]
async fn rsyslog_understands_what_is_sent_over_tcp() {
    let Some(rsyslogd) = Rsyslogd::start(false) else { return };
    let mut handler = handler(&options(Transport::Tcp, rsyslogd.port.number));
    rsyslogd.deliver(&mut handler, &events(&["root", "\"]\\\n<13>1 - forged", "jörg"])).await;
    let kept = rsyslogd.kept(3).await;
    let lines: Vec<_> = kept.lines().collect();
    assert_eq!(lines.len(), 3, "{kept}");
    assert!(
        lines.iter().all(|line| line.starts_with("correlator|SSHDUserDenied|84|[correlator@32473 id=\"")),
        "{kept}"
    );
    assert!(lines[1].contains(r#" user="\"\]\\\\x0a<13>1 - forged"]|"#), "{kept}");
    assert!(lines[2].contains(r#" user="jörg"]|"#) && lines[2].contains("user jörg not allowed"), "{kept}");
}

#[tokio::test]
async fn rsyslog_understands_what_is_sent_over_tls() {
    let Some(rsyslogd) = Rsyslogd::start(true) else { return };
    let ca = rsyslogd.directory.path().join("ca.pem");
    let trusting = Options { ca: Some(ca), ..options(Transport::Tls, rsyslogd.port.number) };
    rsyslogd.deliver(&mut handler(&trusting), &events(&["root", "guest"])).await;
    let kept = rsyslogd.kept(2).await;
    assert!(kept.contains(r#" user="guest"]|"#), "{kept}");
    let outcomes = handler(&options(Transport::Tls, rsyslogd.port.number)).deliver(&events(&["x"])).await;
    assert!(
        matches!(&outcomes[0], Outcome::Temporary(why) if why.contains("invalid peer certificate")),
        "{outcomes:?}"
    );
}
