//! A mail server for tests, on loopback: STARTTLS, TLS, logins, and failures that follow a script.

use crate::child::PATIENCE;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// What the server does in place of saying yes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Say(&'static str),
    /// Closes the connection.
    Drop,
    /// Says nothing, and keeps the connection open.
    Hang,
    /// Says something that never ends, not even its line.
    Flood,
}

/// A mail as it was taken.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) encrypted: bool,
    pub(crate) user: Option<String>,
    /// Which connection it came by, from 1.
    pub(crate) connection: usize,
}

/// How the server encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    Never,
    Upgrade,
    AtOnce,
}

struct Shared {
    tls: Tls,
    acceptor: TlsAcceptor,
    login: Option<(&'static str, &'static str)>,
    script: Mutex<VecDeque<(&'static str, Act)>>,
    commands: Mutex<Vec<String>>,
    taken: mpsc::Sender<Taken>,
    flooded: AtomicUsize,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    taken: mpsc::Receiver<Taken>,
}

/// A certificate for the names, in a file, and what a server needs of it.
pub(crate) fn certificate(names: &[&str], file: &Path) -> Arc<ServerConfig> {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(file, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap())
}

impl Server {
    pub(crate) async fn start(
        tls: Tls,
        config: Arc<ServerConfig>,
        login: Option<(&'static str, &'static str)>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, taken) = mpsc::channel(1024);
        let shared = Arc::new(Shared {
            tls,
            acceptor: TlsAcceptor::from(config),
            login,
            script: Mutex::default(),
            commands: Mutex::default(),
            taken: sender,
            flooded: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move {
            for connection in 1.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let shared = Arc::clone(&accepting);
                tokio::spawn(async move { shared.serve(stream, connection).await });
            }
        });
        Self { address, shared, taken }
    }

    /// Adds an act for the next command, or message (`BODY`), that begins so.
    pub(crate) fn script(&self, beginning: &'static str, act: Act) {
        self.shared.script.lock().unwrap().push_back((beginning, act));
    }

    /// The commands so far.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }

    /// Bytes that a client has let come in floods, with those that the system holds for it.
    pub(crate) fn flooded(&self) -> usize {
        self.shared.flooded.load(SeqCst)
    }

    /// The next mail.
    pub(crate) async fn next(&mut self) -> Taken {
        timeout(PATIENCE, self.taken.recv()).await.expect("a mail comes").unwrap()
    }

    /// The mails that were taken since.
    pub(crate) fn taken(&mut self) -> Vec<Taken> {
        std::iter::from_fn(|| self.taken.try_recv().ok()).collect()
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, stream: TcpStream, connection: usize) {
        let session =
            Session { shared: Arc::clone(&self), connection, encrypted: self.tls == Tls::AtOnce, user: None };
        if self.tls == Tls::AtOnce {
            if let Ok(stream) = self.acceptor.accept(stream).await {
                session.talk(stream, true).await;
            }
            return;
        }
        let Some((stream, session)) = session.talk(stream, true).await else { return };
        // The peer has asked for TLS.
        if let Ok(stream) = self.acceptor.accept(stream).await {
            Session { encrypted: true, ..session }.talk(stream, false).await;
        }
    }

    fn act(&self, command: &str) -> Option<Act> {
        let mut script = self.script.lock().unwrap();
        let place = script.iter().position(|(beginning, _)| command.starts_with(beginning))?;
        script.remove(place).map(|(_, act)| act)
    }
}

struct Session {
    shared: Arc<Shared>,
    connection: usize,
    encrypted: bool,
    user: Option<String>,
}

impl Session {
    /// Talks to a client until it leaves; gives the stream back when it is to be encrypted.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(mut self, stream: S, greets: bool) -> Option<(S, Self)> {
        let mut stream = BufReader::new(stream);
        if greets && !self.answer(&mut stream, "GREETING", "220 test ready").await? {
            return None;
        }
        let (mut from, mut to) = (String::new(), Vec::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_owned();
            self.shared.commands.lock().unwrap().push(line.clone());
            let verb = line.split(' ').next().unwrap().to_owned();
            match verb.as_str() {
                "EHLO" => {
                    let mut features = "250-test\r\n250-8BITMIME\r\n".to_owned();
                    if self.shared.tls == Tls::Upgrade && !self.encrypted {
                        features.push_str("250-STARTTLS\r\n");
                    }
                    features.push_str("250 AUTH PLAIN LOGIN");
                    self.answer(&mut stream, &line, &features).await?;
                }
                "STARTTLS" => {
                    self.answer(&mut stream, &line, "220 go on").await?;
                    return Some((stream.into_inner(), self));
                }
                "AUTH" => {
                    let accepted = self.shared.login.map(|(user, password)| plain(user, password));
                    let reply = if accepted.is_some_and(|accepted| line == format!("AUTH PLAIN {accepted}")) {
                        self.user = self.shared.login.map(|(user, _)| user.to_owned());
                        "235 welcome".to_owned()
                    } else {
                        format!("535 5.7.8 not these: {line}")
                    };
                    self.answer(&mut stream, &line, &reply).await?;
                }
                "MAIL" if self.shared.login.is_some() && self.user.is_none() => {
                    self.answer(&mut stream, &line, "530 5.7.0 log in first").await?;
                }
                "MAIL" => {
                    (from, to) = (line.clone(), Vec::new());
                    self.answer(&mut stream, &line, "250 ok").await?;
                }
                "RCPT" => {
                    if self.answer(&mut stream, &line, "250 ok").await? {
                        to.push(line.split(['<', '>']).nth(1).unwrap().to_owned());
                    }
                }
                "DATA" => {
                    if self.answer(&mut stream, &line, "354 go on").await? {
                        self.message(&mut stream, &from, &to).await?;
                    }
                }
                "QUIT" => {
                    self.answer(&mut stream, &line, "221 bye").await?;
                    return None;
                }
                _ => {
                    self.answer(&mut stream, &line, "250 ok").await?;
                }
            }
        }
    }

    async fn message<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
        from: &str,
        to: &[String],
    ) -> Option<()> {
        if let Some(act @ (Act::Drop | Act::Hang)) = self.shared.act("MIDDLE") {
            stream.read_exact(&mut [0; 16]).await.ok()?;
            return if matches!(act, Act::Drop) { None } else { std::future::pending().await };
        }
        let mut bytes = Vec::new();
        loop {
            let start = bytes.len();
            if stream.read_until(b'\n', &mut bytes).await.ok()? == 0 {
                return None;
            }
            let line = &bytes[start..];
            if line == b".\r\n" {
                bytes.truncate(start);
                break;
            }
            if line.starts_with(b"..") {
                bytes.remove(start);
            }
        }
        if self.answer(stream, "BODY", "250 2.0.0 queued as 4711").await? {
            let taken = Taken {
                from: from.to_owned(),
                to: to.to_vec(),
                bytes,
                encrypted: self.encrypted,
                user: self.user.clone(),
                connection: self.connection,
            };
            // A test that is over takes no more.
            self.shared.taken.try_send(taken).ok();
        }
        Some(())
    }

    /// Answers as usual, or as the script says; tells whether it was as usual.
    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        command: &str,
        usual: &str,
    ) -> Option<bool> {
        let (said, is_usual) = match self.shared.act(command) {
            None => (usual, true),
            Some(Act::Say(said)) => (said, false),
            Some(Act::Drop) => return None,
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::Flood) => loop {
                stream.write_all(&[b'A'; 4096]).await.ok()?;
                self.shared.flooded.fetch_add(4096, SeqCst);
            },
        };
        stream.write_all(format!("{said}\r\n").as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        Some(is_usual)
    }
}

/// The initial response of PLAIN (RFC 4616), in base 64.
fn plain(user: &str, password: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = format!("\0{user}\0{password}").into_bytes();
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(group >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
