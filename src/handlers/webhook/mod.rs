//! Floor 4: the handler `webhook`: a POST for each event, and one for a digest.
//!
//! Events go one after the other, in order. An answer settles its own event; when there is none, or the server wants to
//! be left alone, the events behind it fail with it and are not tried. Each request bears the id of its event, the
//! same at each attempt, so that a receiver can leave out what it has had.
//!
//! Invariant: an event is delivered when the server has answered with 2xx, and not before.

mod message;
mod ntfy;
mod signature;
mod slack;
mod target;

#[cfg(test)]
mod tests;

use self::message::{Format, Message};
use self::target::Target;
use super::http::{self, Client};
use super::{
    Delivery, DigestDelivery, Environment, Evidence, Gathered, Handler, Outcome, Probing, Selection, evidence,
};
use crate::credentials::{CredentialName, Given};
use crate::event::render::LocalTime;
use crate::limits;
use crate::time::Clock;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a request says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// The event as a JSON object, as the handler `log` writes it.
    #[default]
    Json,
    /// The same, with the records that caused it.
    Records,
    /// A message for Slack.
    Slack,
    /// A message for ntfy.
    Ntfy,
    /// What a template in a file gives.
    File(PathBuf),
}

/// Options of `type = "webhook"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where requests go.
    pub url: Option<Given>,
    /// What they say.
    pub template: Body,
    /// Headers that they bear, over those of the template.
    pub headers: Vec<(String, Given)>,
    /// The key that signs them.
    pub hmac_secret: Option<CredentialName>,
    /// A file with the authorities that vouch for the server, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Time that a request may take.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: None,
            template: Body::default(),
            headers: Vec::new(),
            hmac_secret: None,
            ca: None,
            timeout: limits::HTTP_TIMEOUT,
        }
    }
}

impl Options {
    /// The credentials that it names.
    pub fn credentials(&self) -> Vec<&CredentialName> {
        let headers = self.headers.iter().map(|(_, value)| value);
        let given = self.url.iter().chain(headers).filter_map(Given::credential);
        given.chain(&self.hmac_secret).collect()
    }

    /// The option by which what proves who sends goes through the network in the clear. A URL that is a credential is not
    /// looked into.
    pub fn unencrypted(&self) -> Option<&'static str> {
        let is_readable = matches!(&self.url, Some(Given::Plain(url)) if http::is_readable(url));
        (is_readable && !self.credentials().is_empty()).then_some("url")
    }

    /// Where requests go, as far as that is no secret.
    pub fn destination(&self) -> String {
        match &self.url {
            Some(Given::Plain(url)) => http::origin(url),
            Some(Given::Credential(name)) => format!("URL in the credential `{name}`"),
            None => String::new(),
        }
    }

    /// The options that look as if a secret stood in them that should be a credential.
    pub fn exposed(&self) -> Vec<String> {
        let url = self.url.as_ref().filter(|url| http::is_exposed(url));
        let headers = self.headers.iter().filter(|(name, value)| {
            value.credential().is_none()
                && TELLING_HEADERS.iter().any(|telling| name.eq_ignore_ascii_case(telling))
        });
        let headers = headers.map(|(name, _)| format!("headers.{name}"));
        url.map(|_| "url".to_owned()).into_iter().chain(headers).collect()
    }
}

/// Headers that prove who sends a request.
const TELLING_HEADERS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "x-api-key"];

/// Tries what needs no credential: the template, and the file of authorities.
///
/// # Errors
/// When one of them is not what it should be.
pub fn check(options: &Options, environment: &Environment) -> io::Result<()> {
    Client::new(options.ca.as_deref(), options.timeout)?;
    Ok(Format::new(&options.template, environment).map(drop)?)
}

/// Builds the handler.
///
/// # Errors
/// When a credential is missing, or its value, or a file that is named, is not what it should be.
pub fn build(options: &Options, environment: &Environment) -> io::Result<Box<dyn Handler>> {
    let format = Format::new(&options.template, environment)?;
    let client = Client::new(options.ca.as_deref(), options.timeout)?;
    let target = Target::new(options, environment).map_err(io::Error::other)?;
    Ok(Box::new(Webhook {
        client,
        target,
        format,
        evidence: Arc::clone(&environment.evidence),
        times: LocalTime::new(environment.zone.clone()),
        clock: Arc::clone(&environment.clock),
    }))
}

/// What is said of a request whose template failed.
const FALLBACK: &str = "its body is that of the template `json`";

struct Webhook {
    client: Client,
    target: Target,
    format: Format,
    evidence: Arc<dyn Evidence>,
    times: LocalTime,
    clock: Arc<dyn Clock>,
}

/// What became of one request.
enum Sent {
    /// Its event is settled, or failed by itself.
    Answered(Outcome),
    /// The next one would fare no better.
    Unreachable(Outcome),
}

impl Webhook {
    async fn send(&self, message: Message) -> Sent {
        let note = message.failed.as_ref().map(|error| format!("{FALLBACK}: {error}"));
        if let Some(note) = &note {
            tracing::warn!(id = message.id, note, "a template failed");
        }
        let target = &self.target;
        let request = target.request(&self.client, message, self.clock.now());
        match http::send(request, &target.hushed).await {
            // Of the events behind this one, which may be told the same, the note is not true.
            Err(outcome) => Sent::Unreachable(outcome),
            Ok(answer) if answer.wants_rest() => Sent::Unreachable(answer.outcome(&target.hushed)),
            Ok(answer) => {
                let outcome = answer.outcome(&target.hushed);
                Sent::Answered(note.iter().fold(outcome, |outcome, note| outcome.noting(note)))
            }
        }
    }

    async fn send_all(&mut self, events: &Selection) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(events.len());
        let records = match self.format {
            Format::Records => evidence::read(&self.evidence, events).await,
            _ => Vec::new(),
        };
        let mut records = records.into_iter();
        for event in events.events() {
            let records = records.next().unwrap_or_default();
            let message = self.format.event(event, &records, &mut self.times);
            match self.send(message).await {
                // What the server said is said of the events behind as well; a permanent answer is their own.
                Sent::Unreachable(outcome) if outcome.is_temporary() => {
                    outcomes.resize(events.len(), outcome);
                    break;
                }
                Sent::Answered(outcome) | Sent::Unreachable(outcome) => outcomes.push(outcome),
            }
        }
        outcomes
    }
}

impl Handler for Webhook {
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a> {
        Box::pin(self.send_all(events))
    }

    fn most(&self) -> usize {
        limits::REQUESTS_PER_DELIVERY
    }

    fn probe(&mut self) -> Probing<'_> {
        Box::pin(async { self.target.reach(&self.client).await })
    }

    fn digest<'a>(&'a mut self, gathered: &'a Gathered) -> DigestDelivery<'a> {
        Box::pin(async move {
            let message = self.format.digest(gathered, &mut self.times);
            match self.send(message).await {
                Sent::Answered(outcome) | Sent::Unreachable(outcome) => outcome,
            }
        })
    }
}
