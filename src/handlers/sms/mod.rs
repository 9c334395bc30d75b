//! Floor 4: the handler `sms`: a text message for each event, and one for a digest, through Twilio.
//!
//! A message goes to one recipient after the other. An attempt that fails for some is repeated for these alone. Over the
//! limit of an hour or a day nothing is sent but one message that says so, and events wait until the window frees.
//!
//! Invariant: an event is settled when it is settled for every recipient; while the process lives, nobody whose message
//! Twilio has accepted is sent it again.

mod quota;
mod segments;
mod twilio;

#[cfg(test)]
mod tests;

use self::quota::{Full, Quota};
use self::twilio::Account;
use super::http::{self, Client};
use super::memory::Memory;
use super::template::{self, Escape, Template};
use super::{
    Delivery, DigestDelivery, Environment, Gathered, Handler, Occasion, Outcome, Probing, Selection,
};
use crate::credentials::{CredentialName, Given};
use crate::event::render::{Fraction, LocalTime};
use crate::limits;
use crate::time::Clock;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tera::Context;

/// The address of Twilio's API.
const API: &str = "https://api.twilio.com";

/// What a message says by default.
const TEMPLATE: &str = "{{ severity }}: {{ summary }}";

/// Options of `type = "sms"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The account.
    pub account_sid: Option<Given>,
    /// The account's token.
    pub auth_token: Option<CredentialName>,
    /// The number or name that sends.
    pub from: Option<Given>,
    /// The service that sends, in place of a number.
    pub messaging_service_sid: Option<Given>,
    /// Who gets the messages.
    pub to: Vec<Given>,
    /// Where the API is.
    pub api_url: String,
    /// What a message says: the text of a template.
    pub template: String,
    /// Segments that a message may take.
    pub max_segments: usize,
    /// Messages in an hour.
    pub max_per_hour: usize,
    /// Messages in a day.
    pub max_per_day: usize,
    /// A file with the authorities that vouch for the server, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Time that a request may take.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            account_sid: None,
            auth_token: None,
            from: None,
            messaging_service_sid: None,
            to: Vec::new(),
            api_url: API.to_owned(),
            template: TEMPLATE.to_owned(),
            max_segments: limits::SMS_SEGMENTS,
            max_per_hour: limits::SMS_PER_HOUR,
            max_per_day: limits::SMS_PER_DAY,
            ca: None,
            timeout: limits::HTTP_TIMEOUT,
        }
    }
}

impl Options {
    /// Where messages are handed in.
    pub fn destination(&self) -> String {
        http::origin(&self.api_url)
    }

    /// The credentials that it names.
    pub fn credentials(&self) -> Vec<&CredentialName> {
        let senders = self.account_sid.iter().chain(&self.from).chain(&self.messaging_service_sid);
        let given = senders.chain(&self.to).filter_map(Given::credential);
        given.chain(&self.auth_token).collect()
    }

    /// The option by which the token goes through the network in the clear.
    pub fn unencrypted(&self) -> Option<&'static str> {
        http::is_readable(&self.api_url).then_some("api_url")
    }
}

/// Tries what needs no credential: the template, and the file of authorities.
///
/// # Errors
/// When one of them is not what it should be.
pub fn check(options: &Options) -> io::Result<()> {
    Client::new(options.ca.as_deref(), options.timeout)?;
    template(options).map(drop)
}

fn template(options: &Options) -> io::Result<Template> {
    let template = Template::new(&options.template, Escape::Not)?;
    template.check()?;
    Ok(template)
}

/// Builds the handler.
///
/// # Errors
/// When a credential is missing, the template is wrong, or a file that is named is not what it should be.
pub fn build(options: &Options, environment: &Environment) -> io::Result<Box<dyn Handler>> {
    let template = template(options)?;
    let account = Account::new(options, &environment.secrets).map_err(io::Error::other)?;
    Ok(Box::new(Sms {
        client: Client::new(options.ca.as_deref(), options.timeout)?,
        account,
        template,
        built_in: Template::new(TEMPLATE, Escape::Not)?,
        max_segments: options.max_segments,
        quota: Quota::new(options.max_per_hour, options.max_per_day),
        memory: Memory::default(),
        times: LocalTime::new(environment.zone.clone()),
        clock: Arc::clone(&environment.clock),
        occasion: environment.occasion,
    }))
}

struct Sms {
    client: Client,
    account: Account,
    template: Template,
    /// What takes its place where it fails.
    built_in: Template,
    max_segments: usize,
    quota: Quota,
    /// What became of messages, by recipient; nothing where that is open.
    memory: Memory<Vec<Option<Settled>>>,
    times: LocalTime,
    clock: Arc<dyn Clock>,
    occasion: Occasion,
}

impl Sms {
    /// Sends what the template gives, or else what is built in: an operator's mistake costs the words, not the alarm.
    async fn tell(&mut self, id: &str, context: &Context) -> Outcome {
        let failed = match self.template.render(context) {
            Ok(text) => return self.send(id, &text).await,
            Err(failed) => failed,
        };
        tracing::warn!(error = %failed, id, "a template failed; the message has the built-in text");
        match self.built_in.render(context) {
            Ok(text) => self.send(id, &text).await.noting(&format!("the text is the built-in one: {failed}")),
            Err(error) => Outcome::Permanent(error.to_string()),
        }
    }

    /// Sends a message to whoever has not had it, unless a limit is reached.
    async fn send(&mut self, id: &str, text: &str) -> Outcome {
        let account = &self.account;
        let text = segments::fit(&format!("{}{text}", self.occasion.mark()), self.max_segments);
        let is_new = self.memory.get(id).is_none_or(|settled| has_nobody(settled));
        if is_new && let Err(full) = self.quota.check(self.clock.now()) {
            return self.wait(full).await;
        }
        let settled = self.memory.of(id);
        settled.resize(account.recipients.len(), None);
        let mut trouble = None;
        for (to, settled) in account.recipients.iter().zip(&mut *settled) {
            if settled.is_none() {
                match account.send(&self.client, to, &text).await {
                    Ok(found) => *settled = Some(found),
                    Err(outcome) => trouble = Some(outcome),
                }
            }
        }
        if is_new && !has_nobody(settled) {
            self.quota.count(self.clock.now());
        }
        if let Some(trouble) = trouble {
            return trouble;
        }
        let outcome = settle(settled);
        self.memory.forget(id);
        outcome
    }

    /// Defers an event until the window frees, and says so to the recipients if nobody has.
    async fn wait(&mut self, full: Full) -> Outcome {
        let Full { limit, until, is_news } = full;
        let mut time = Vec::new();
        self.times.write(&mut time, until, Fraction::Millis);
        let time = String::from_utf8(time).unwrap_or_default();
        let mut why = format!("the limit of {limit} is reached; the next may go at {time}");
        if is_news {
            let account = &self.account;
            let text =
                format!("Correlator has sent {limit}, which is its limit. What comes waits until {time}.");
            let mut untold = None;
            for to in &account.recipients {
                if let Err(outcome) = account.send(&self.client, to, &text).await {
                    untold = outcome.failure().map(str::to_owned);
                }
            }
            if let Some(untold) = untold {
                why = format!("{why}; the message that says so was not sent: {untold}");
            }
        }
        Outcome::Deferred(why, until.since(self.clock.now()))
    }
}

/// What became of a message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Settled {
    /// It was accepted under this name.
    Sent(String),
    /// It was refused for good.
    Refused(String),
}

/// Whether nobody has had a message yet.
fn has_nobody(settled: &[Option<Settled>]) -> bool {
    !settled.iter().any(|settled| matches!(settled, Some(Settled::Sent(_))))
}

/// What became of a message that is settled for every recipient.
fn settle(settled: &[Option<Settled>]) -> Outcome {
    let (mut sent, mut refused) = (Vec::new(), Vec::new());
    for (number, settled) in (1..).zip(settled.iter().flatten()) {
        match settled {
            Settled::Sent(sid) => sent.push(sid.as_str()),
            Settled::Refused(why) => refused.push(format!("recipient {number}: {why}")),
        }
    }
    let refused = refused.join("; ");
    if sent.is_empty() {
        return Outcome::Permanent(refused);
    }
    let sent = sent.join(", ");
    if refused.is_empty() {
        return Outcome::Accepted(sent);
    }
    Outcome::Partial { note: format!("{sent}; {refused}"), refused }
}

impl Handler for Sms {
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(events.len());
            for event in events.events() {
                let context = template::event(event, self.occasion, &mut self.times);
                outcomes.push(self.tell(&event.id().to_string(), &context).await);
            }
            outcomes
        })
    }

    /// One: so that a deadline which passes among recipients is that of no other event.
    fn most(&self) -> usize {
        1
    }

    fn probe(&mut self) -> Probing<'_> {
        Box::pin(async { self.account.probe(&self.client).await })
    }

    fn digest<'a>(&'a mut self, gathered: &'a Gathered) -> DigestDelivery<'a> {
        Box::pin(async move {
            let context = template::digest(gathered, self.occasion, &mut self.times);
            self.tell(&gathered.id(), &context).await
        })
    }
}
