//! Floor 4: the handler `syslog`: events as records of RFC 5424, to a SIEM or another syslog server.
//!
//! Syslog knows no acknowledgement. Over TCP and TLS an event counts as delivered once the system has taken all of its
//! record; what a receiver that dies then has not read is lost to it, and nobody is told. A connection that the
//! receiver has closed is noticed before anything is written to it.
//!
//! Invariant: when a write breaks off, all events of that delivery are sent again.

mod connection;
mod record;

#[cfg(test)]
mod tests;

use self::connection::{Connector, Line};
use self::record::Format;
use super::{Delivery, DigestDelivery, Environment, Gathered, Handler, Outcome, Probing, Selection};
use crate::limits;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::timeout;

/// How records travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Octet-counted over TCP (RFC 6587 section 3.4.1).
    #[default]
    Tcp,
    /// Octet-counted over TLS (RFC 5425).
    Tls,
    /// One in a datagram (RFC 5426).
    Udp,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// How they travel.
    pub transport: Transport,
    /// The name or the address of the receiver; an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Udp => "udp",
        };
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

/// The facility of records (RFC 5424 section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(pub u8);

/// Options of `type = "syslog"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where records go.
    pub address: Option<Address>,
    /// Their facility.
    pub facility: Facility,
    /// Their APP-NAME.
    pub app_name: String,
    /// A file with the authorities that vouch for the receiver, in place of the system's.
    pub ca: Option<PathBuf>,
    /// A file with the certificate that is shown to the receiver.
    pub certificate: Option<PathBuf>,
    /// A file with its key.
    pub key: Option<PathBuf>,
    /// Time that connecting, and writing, may take.
    pub timeout: Duration,
}

/// The APP-NAME by which every Correlator knows records of a Correlator, and leaves them out.
const APP_NAME: &str = "correlator";

/// `authpriv`: what events tell is not for everybody.
const AUTHPRIV: Facility = Facility(10);

impl Default for Options {
    fn default() -> Self {
        Self {
            address: None,
            facility: AUTHPRIV,
            app_name: APP_NAME.to_owned(),
            ca: None,
            certificate: None,
            key: None,
            timeout: limits::SYSLOG_TIMEOUT,
        }
    }
}

/// Builds the handler. Nothing is connected before the first event.
///
/// # Errors
/// When a file that is named does not hold what it should.
pub fn build(options: &Options, environment: &Environment) -> io::Result<Box<dyn Handler>> {
    let connector = Connector::new(options)?;
    let is_datagrams = options.address.as_ref().is_some_and(|address| address.transport == Transport::Udp);
    let room = if is_datagrams { limits::MAX_SYSLOG_DATAGRAM } else { limits::MAX_SYSLOG_RECORD };
    let format = Format::new(options.facility, &options.app_name, room, environment.occasion);
    Ok(Box::new(Syslog { connector, format, line: None, timeout: options.timeout }))
}

struct Syslog {
    connector: Connector,
    format: Format,
    /// The connection, while there is one.
    line: Option<Line>,
    timeout: Duration,
}

impl Syslog {
    async fn send(&mut self, records: &[Vec<u8>]) -> Result<(), String> {
        // Taken out, so that a delivery which is given up half-way leaves no line behind that a record was torn on.
        let usable = self.line.take().and_then(|mut line| line.is_open().then_some(line));
        let mut line = match usable {
            Some(line) => line,
            None => self.within(self.connector.connect(), "connected").await?,
        };
        self.within(line.send(records), "taken").await?;
        self.line = Some(line);
        Ok(())
    }

    async fn within<T>(&self, done: impl Future<Output = io::Result<T>>, what: &str) -> Result<T, String> {
        let name = &self.connector.name;
        match timeout(self.timeout, done).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(format!("{name}: {error}")),
            Err(_) => Err(format!("{name} has not {what} within {} s", self.timeout.as_secs_f32())),
        }
    }
}

fn outcome(sent: Result<(), String>) -> Outcome {
    sent.map_or_else(Outcome::Temporary, |()| Outcome::Delivered)
}

impl Handler for Syslog {
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a> {
        Box::pin(async move {
            let records: Vec<_> = events.events().map(|event| self.format.event(event)).collect();
            vec![outcome(self.send(&records).await); events.len()]
        })
    }

    fn most(&self) -> usize {
        limits::SYSLOG_BATCH
    }

    fn probe(&mut self) -> Probing<'_> {
        Box::pin(self.connector.probe(self.timeout))
    }

    fn digest<'a>(&'a mut self, gathered: &'a Gathered) -> DigestDelivery<'a> {
        Box::pin(async move {
            let record = self.format.digest(gathered);
            outcome(self.send(&[record]).await)
        })
    }
}
