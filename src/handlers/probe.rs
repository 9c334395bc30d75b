//! Floor 4: whether the servers of handlers can be reached, tried without anything being sent to a person.
//!
//! Invariant: each trial ends, those behind one that failed are not made, and none tells a secret.

use super::secrecy::Hushed;
use crate::limits;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// Something that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What it was.
    pub what: String,
    /// What came of it, in words, or why nothing did.
    pub result: Result<String, String>,
}

/// The future of a handler's trials.
pub type Probing<'a> = Pin<Box<dyn Future<Output = Vec<Trial>> + Send + 'a>>;

/// A server, and what it is called: its name may be a secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) shown: &'a str,
}

/// Trials, one after the other.
#[derive(Debug)]
pub(super) struct Trials {
    made: Vec<Trial>,
    /// How long each may take.
    time: Duration,
    /// When all have to be over.
    end: Instant,
    hushed: Hushed,
}

impl Trials {
    /// Makes trials of which each may take so long, and all [`limits::TRIALS_TIME`].
    pub(super) fn within(time: Duration) -> Self {
        let end = Instant::now() + limits::TRIALS_TIME;
        Self { made: Vec::new(), time, end, hushed: Hushed::default() }
    }

    /// Tells no secrets of these.
    pub(super) fn hushing(self, hushed: &Hushed) -> Self {
        Self { hushed: hushed.clone(), ..self }
    }

    /// Tries something, unless something before has failed; gives what came of it.
    pub(super) async fn attempt<T>(
        &mut self,
        what: impl Into<String>,
        done: impl Future<Output = Result<T, String>>,
        says: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        if self.made.iter().any(|trial| trial.result.is_err()) {
            return None;
        }
        let time = self.time.min(self.end.saturating_duration_since(Instant::now()));
        let seconds = (time.as_secs_f32() * 10.0).round() / 10.0;
        let no_answer = |_| format!("no answer within {seconds} s");
        let result = timeout(time, done).await.map_err(no_answer).flatten();
        let told = match &result {
            Ok(done) => Ok(self.hushed.text(&says(done))),
            Err(why) => Err(self.hushed.text(why)),
        };
        self.made.push(Trial { what: what.into(), result: told });
        result.ok()
    }

    /// Looks up the addresses of a server, unless its name is one.
    pub(super) async fn resolve(&mut self, place: Place<'_>) {
        if place.host.parse::<IpAddr>().is_ok() {
            return;
        }
        let look_up = async {
            let found = lookup_host((place.host, place.port)).await.map_err(|error| error.to_string())?;
            let found: Vec<_> = found.map(|address| address.ip().to_string()).collect();
            if found.is_empty() { Err("it has no address".to_owned()) } else { Ok(found) }
        };
        self.attempt(format!("DNS {}", place.shown), look_up, |found| found.join(", ")).await;
    }

    /// Connects to a server, and makes sure of who it is, where there is TLS.
    pub(super) async fn connect(&mut self, place: Place<'_>, tls: Option<Arc<ClientConfig>>) {
        let connect = async {
            let stream = TcpStream::connect((place.host, place.port)).await;
            stream.map_err(|error| error.to_string())
        };
        let what = format!("TCP {}, port {}", place.shown, place.port);
        let Some(stream) = self.attempt(what, connect, |_| "connected".to_owned()).await else { return };
        let Some(config) = tls else { return };
        let handshake = async {
            let name = ServerName::try_from(place.host.to_owned()).map_err(|error| error.to_string())?;
            let shaken = TlsConnector::from(config).connect(name, stream).await;
            shaken.map(drop).map_err(|error| error.to_string())
        };
        let says = |(): &()| "the certificate is good".to_owned();
        self.attempt(format!("TLS {}", place.shown), handshake, says).await;
    }

    /// What was tried.
    pub(super) fn made(self) -> Vec<Trial> {
        self.made
    }
}

#[cfg(test)]
mod tests {
    use super::super::port::Port;
    use super::*;
    use std::net::TcpListener;

    fn place(host: &str, port: u16) -> Place<'_> {
        Place { host, port, shown: host }
    }

    #[tokio::test]
    async fn what_comes_behind_a_failure_is_not_tried() {
        let mut trials = Trials::within(Duration::from_secs(20));
        let held = Port::hold();
        let port = held.number;
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        trials.resolve(place("localhost", port)).await;
        trials.connect(place("127.0.0.1", port), None).await;
        drop(listener);
        trials.connect(place("127.0.0.1", port), None).await;
        trials.resolve(place("localhost", port)).await;
        let made = trials.made();
        assert_eq!(made.len(), 3, "{made:?}");
        assert_eq!(made[0].what, "DNS localhost");
        assert!(made[0].result.as_ref().unwrap().contains("127.0.0.1"), "{made:?}");
        assert_eq!(made[1].result, Ok("connected".to_owned()));
        assert!(made[2].result.as_ref().unwrap_err().contains("refused"), "{made:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_hangs_ends() {
        let mut trials = Trials::within(Duration::from_secs(20));
        let never = std::future::pending::<Result<(), String>>();
        assert_eq!(trials.attempt("x", never, |()| String::new()).await, None);
        assert_eq!(trials.made()[0].result, Err("no answer within 20 s".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn trials_that_all_take_their_time_end_before_the_handler_is_given_up() {
        let mut trials = Trials::within(Duration::from_secs(20));
        let slow = async {
            tokio::time::sleep(Duration::from_secs(19)).await;
            Ok(())
        };
        trials.attempt("x", slow, |()| "done".to_owned()).await;
        trials.attempt("y", std::future::pending::<Result<(), String>>(), |()| String::new()).await;
        assert_eq!(trials.made()[1].result, Err("no answer within 6 s".to_owned()));
    }
}
