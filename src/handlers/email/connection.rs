//! Floor 4: connections to a mail server: opened, encrypted, logged in, and kept open for a while.
//!
//! Invariant: every wait for the server ends; without TLS nothing is sent to a server that is not on this machine;
//! nothing that came in the clear is taken for what came encrypted; a login is in no note, in none of its forms.

use super::options::{Options, Server};
use super::replies::Replies;
use crate::credentials::{CredentialName, Given, Missing, Secret, Secrets};
use crate::handlers::probe::Place;
use crate::handlers::secrecy::Hushed;
use crate::handlers::tls;
use crate::limits;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How the server is reached.
pub(super) struct Route {
    server: Server,
    encryption: Encryption,
    login: Option<Login>,
    /// What must not come back in replies.
    hushed: Hushed,
    timeout: Duration,
    hello: ClientId,
}

/// What is shown to a server that wants to know who sends.
struct Login {
    username: Secret,
    password: Secret,
}

/// How connections are encrypted.
enum Encryption {
    /// Not at all.
    Never,
    /// From the beginning.
    AtOnce(Arc<ClientConfig>),
    /// When the server has agreed to it (STARTTLS).
    Upgrade(TlsParameters),
}

/// What a server, or the way to it, did not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The code of the server's reply, if there was one.
    pub(super) code: Option<u16>,
    /// What is wrong, in words.
    pub(super) why: String,
}

impl Trouble {
    fn new(why: impl Into<String>) -> Self {
        Self { code: None, why: why.into() }
    }

    /// Whether the connection is still good after it: the server has answered, and does not hang up (421).
    pub(super) fn leaves_usable(&self) -> bool {
        self.code.is_some_and(|code| code != 421)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let code = error.status().map(u16::from);
        // The innermost cause says most; what lettre puts around it says what was being done, which the caller knows.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let why = cause.to_string();
        match code {
            Some(code) => Self { code: Some(code), why: format!("{code} {why}") },
            None => Self::new(why),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Text of a server as one line of limited length.
fn one_line(text: &str) -> String {
    let flat = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    flat.take(limits::MAX_SMTP_REPLY).collect()
}

impl Route {
    /// Works out how the server is reached.
    ///
    /// # Errors
    /// When a credential is missing, or the file of certificates cannot be read.
    pub(super) fn new(options: &Options, directory: &Path, secrets: &Secrets) -> io::Result<Self> {
        let server = options.smtp.clone().ok_or_else(|| io::Error::other("there is no mail server"))?;
        let mut hushed = Hushed::default();
        let login = options.username.as_ref().zip(options.password.as_ref());
        let login = login.map(|(username, password)| Login::new(username, password, secrets, &mut hushed));
        let login = login.transpose().map_err(io::Error::other)?;
        let ca = options.ca.as_deref().map(|path| directory.join(path));
        let encryption = Encryption::new(&server, ca.as_deref())?;
        Ok(Self { server, encryption, login, hushed, timeout: options.timeout, hello: ClientId::default() })
    }

    /// Where the server is.
    pub(super) fn place(&self) -> Place<'_> {
        Place { host: &self.server.host, port: self.server.port, shown: &self.server.host }
    }

    /// How a connection that is open has been opened.
    pub(super) fn manner(&self) -> String {
        let tls = match self.encryption {
            Encryption::Never => "in the clear",
            Encryption::AtOnce(_) => "TLS",
            Encryption::Upgrade(_) => "STARTTLS",
        };
        let login = if self.login.is_some() { "logged in" } else { "without a login" };
        format!("port {}, {tls}, {login}", self.server.port)
    }

    /// What must not be told of it.
    pub(super) fn hushed(&self) -> &Hushed {
        &self.hushed
    }

    /// Text of the server as one short line, without what it repeats of the login.
    pub(super) fn line(&self, text: &str) -> String {
        one_line(&self.hushed.text(text))
    }

    /// Waits for an answer of the server.
    pub(super) async fn within<T, E: Into<Trouble>>(
        &self,
        answer: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, Trouble> {
        match timeout(self.timeout, answer).await {
            Ok(answer) => answer.map_err(|error| {
                let trouble: Trouble = error.into();
                Trouble { why: self.line(&trouble.why), ..trouble }
            }),
            Err(_) => Err(Trouble::new(format!("no answer within {} s", self.timeout.as_secs_f32()))),
        }
    }

    /// Opens a connection that is ready for mails.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses TLS or the login. All of that can be mended on one side or the
    /// other, so that it is no fault of any mail.
    pub(super) async fn open(&self) -> Result<AsyncSmtpConnection, Trouble> {
        let says = |what: &str, trouble: Trouble| Trouble {
            why: format!("{what} {}: {}", self.server, trouble.why),
            code: trouble.code,
        };
        let connecting = self.within(self.connect()).await;
        let mut connection = connecting.map_err(|trouble| says("cannot connect to", trouble))?;
        if let Encryption::Upgrade(tls) = &self.encryption {
            if !connection.can_starttls() {
                self.close(connection).await;
                return Err(says("cannot encrypt to", Trouble::new("it offers no STARTTLS")));
            }
            let upgrade = connection.starttls(tls.clone(), &self.hello);
            self.within(upgrade).await.map_err(|trouble| says("cannot encrypt to", trouble))?;
        }
        match self.log_in(&mut connection).await {
            Ok(()) => Ok(connection),
            Err(trouble) => {
                self.close(connection).await;
                Err(says("cannot log in to", trouble))
            }
        }
    }

    /// Connects, encrypts where that comes first, and is greeted.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Trouble> {
        let host = self.server.host.as_str();
        let stream = TcpStream::connect((host, self.server.port)).await?;
        let peer = stream.peer_addr()?;
        let replies: Box<dyn AsyncTokioStream> = match &self.encryption {
            Encryption::AtOnce(config) => {
                let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
                let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
                Box::new(Replies::new(stream, peer))
            }
            Encryption::Never | Encryption::Upgrade(_) => Box::new(Replies::new(stream, peer)),
        };
        Ok(AsyncSmtpConnection::connect_with_transport(replies, &self.hello).await?)
    }

    async fn log_in(&self, connection: &mut AsyncSmtpConnection) -> Result<(), Trouble> {
        let Some(Login { username, password }) = &self.login else { return Ok(()) };
        let credentials = Credentials::new(username.expose().to_owned(), password.expose().to_owned());
        let answer = self.within(connection.auth(DEFAULT_MECHANISMS, &credentials)).await;
        answer.map(drop).map_err(|trouble| {
            // A password that is too short to be looked for elsewhere may be repeated here.
            let repeats = !password.expose().is_empty() && trouble.why.contains(password.expose());
            if repeats { Trouble { why: "it refuses the login".to_owned(), ..trouble } } else { trouble }
        })
    }

    /// Takes leave of the server.
    pub(super) async fn close(&self, mut connection: AsyncSmtpConnection) {
        // Whether it answers makes no difference any more.
        timeout(self.timeout, connection.quit()).await.ok();
    }
}

impl Login {
    fn new(
        username: &Given,
        password: &CredentialName,
        secrets: &Secrets,
        hushed: &mut Hushed,
    ) -> Result<Self, Missing> {
        let is_secret = username.credential().is_some();
        let (username, password) = (secrets.resolve(username)?, secrets.get(password)?.clone());
        if is_secret {
            hushed.add(username.expose());
        }
        hushed.add(password.expose());
        // As PLAIN sends it (RFC 4616 section 2).
        hushed.add(&format!("\0{}\0{}", username.expose(), password.expose()));
        Ok(Self { username, password })
    }
}

impl Encryption {
    fn new(server: &Server, ca: Option<&Path>) -> io::Result<Self> {
        if server.is_tls {
            return Ok(Self::AtOnce(Arc::new(tls::client(ca, None)?)));
        }
        // What leads to this machine itself is read by nobody else; a server there seldom has a certificate to prove it.
        if tls::is_this_machine(&server.host) && ca.is_none() {
            return Ok(Self::Never);
        }
        let mut builder = TlsParametersBuilder::new(server.host.clone());
        builder = builder.certificate_store(CertificateStore::None);
        for certificate in tls::authorities(ca)? {
            let certificate = Certificate::from_der(certificate.to_vec()).map_err(io::Error::other)?;
            builder = builder.add_root_certificate(certificate);
        }
        builder.build().map(Self::Upgrade).map_err(|error| io::Error::other(error.to_string()))
    }
}

/// A connection that waits for the next mail; it is closed when none comes.
#[derive(Default)]
pub(super) struct Kept(Option<oneshot::Sender<oneshot::Sender<AsyncSmtpConnection>>>);

impl Kept {
    /// Takes the connection back, if it is still open as far as this side knows.
    pub(super) async fn take(&mut self) -> Option<AsyncSmtpConnection> {
        let (give, given) = oneshot::channel();
        self.0.take()?.send(give).ok()?;
        given.await.ok()
    }

    /// Keeps a connection.
    pub(super) fn keep(&mut self, connection: AsyncSmtpConnection, route: &Arc<Route>) {
        let (ask, asked) = oneshot::channel::<oneshot::Sender<AsyncSmtpConnection>>();
        self.0 = Some(ask);
        let route = Arc::clone(route);
        tokio::spawn(async move {
            let connection = match timeout(limits::SMTP_IDLE, asked).await {
                Ok(Ok(asker)) => match asker.send(connection) {
                    Ok(()) => return,
                    Err(connection) => connection,
                },
                // Nobody came in time, or the handler is gone.
                _ => connection,
            };
            route.close(connection).await;
        });
    }
}
