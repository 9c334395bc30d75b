//! Floor 4: connections to a mail server: opened, encrypted, logged in, and kept open for a while.
//!
//! Invariant: every wait for the server ends; without TLS nothing is sent to a server that is not on this machine; a
//! password is in no message of an error.

use super::options::{Options, Server};
use crate::credentials::{CredentialName, Given, Secrets};
use crate::handlers::probe::Place;
use crate::limits;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How the server is reached.
pub(super) struct Route {
    server: Server,
    tls: Option<TlsParameters>,
    login: Option<(Given, CredentialName)>,
    secrets: Arc<Secrets>,
    timeout: Duration,
    hello: ClientId,
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
        let why = one_line(&cause.to_string());
        match code {
            Some(code) => Self { code: Some(code), why: format!("{code} {why}") },
            None => Self::new(why),
        }
    }
}

/// Text of a server as one line of limited length.
pub(super) fn one_line(text: &str) -> String {
    let flat = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    flat.take(limits::MAX_SMTP_REPLY).collect()
}

impl Route {
    /// Works out how the server is reached.
    ///
    /// # Errors
    /// When the file of certificates cannot be read.
    pub(super) fn new(options: &Options, directory: &Path, secrets: Arc<Secrets>) -> io::Result<Self> {
        let server = options.smtp.clone().ok_or_else(|| io::Error::other("there is no mail server"))?;
        let login = options.username.clone().zip(options.password.clone());
        let tls = tls(&server, options.ca.as_deref().map(|path| directory.join(path)).as_deref())?;
        Ok(Self { server, tls, login, secrets, timeout: options.timeout, hello: ClientId::default() })
    }

    /// Where the server is.
    pub(super) fn place(&self) -> Place<'_> {
        Place { host: &self.server.host, port: self.server.port, shown: &self.server.host }
    }

    /// How a connection that is open has been opened.
    pub(super) fn manner(&self) -> String {
        let tls = match (&self.tls, self.server.is_tls) {
            (None, _) => "in the clear",
            (Some(_), true) => "TLS",
            (Some(_), false) => "STARTTLS",
        };
        let login = if self.login.is_some() { "logged in" } else { "without a login" };
        format!("port {}, {tls}, {login}", self.server.port)
    }

    /// Waits for an answer of the server.
    pub(super) async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Trouble> {
        match timeout(self.timeout, answer).await {
            Ok(answer) => answer.map_err(Trouble::from),
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
        let address = (self.server.host.as_str(), self.server.port);
        let at_once = self.tls.clone().filter(|_| self.server.is_tls);
        let connecting =
            AsyncSmtpConnection::connect_tokio1(address, Some(self.timeout), &self.hello, at_once, None);
        let mut connection =
            self.within(connecting).await.map_err(|trouble| says("cannot connect to", trouble))?;
        if let Some(tls) = self.tls.clone().filter(|_| !self.server.is_tls) {
            if !connection.can_starttls() {
                self.close(connection).await;
                return Err(says("cannot encrypt to", Trouble::new("it offers no STARTTLS")));
            }
            let upgrade = connection.starttls(tls, &self.hello);
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

    async fn log_in(&self, connection: &mut AsyncSmtpConnection) -> Result<(), Trouble> {
        let Some((username, password)) = &self.login else { return Ok(()) };
        let missing = |missing: crate::credentials::Missing| Trouble::new(missing.to_string());
        let username = self.secrets.resolve(username).map_err(missing)?;
        let password = self.secrets.get(password).map_err(missing)?;
        let credentials = Credentials::new(username.expose().to_owned(), password.expose().to_owned());
        let answer = self.within(connection.auth(DEFAULT_MECHANISMS, &credentials)).await;
        answer.map(drop).map_err(|trouble| {
            // A server may repeat what it was given.
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

/// What encrypts connections; nothing where none of it is wanted.
fn tls(server: &Server, ca: Option<&Path>) -> io::Result<Option<TlsParameters>> {
    // What leads to this machine itself is read by nobody else; a server there seldom has a certificate to prove it.
    if !server.is_tls && server.is_loopback() && ca.is_none() {
        return Ok(None);
    }
    let mut builder = TlsParametersBuilder::new(server.host.clone());
    if let Some(path) = ca {
        let wrong = |why: String| io::Error::other(format!("cannot use {}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
            return Err(wrong("it holds no certificate in PEM".to_owned()));
        }
        let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build().map(Some).map_err(|error| io::Error::other(error.to_string()))
}

/// How a certificate begins in PEM (RFC 7468 section 5).
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

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
