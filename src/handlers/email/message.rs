//! Floor 4: mails as bytes: headers and parts (RFC 5322, RFC 2045).
//!
//! Invariant: a mail is ASCII, its headers are those that are written here and those that the operator adds, and the
//! same event has the same Message-ID whenever it is sent.

use super::options::{Line, Options};
use super::templates::Rendered;
use crate::event::{Event, Field, Severity, Value};
use crate::handlers::{Gathered, Occasion};
use crate::time::Timestamp;
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use std::time::SystemTime;
use twox_hash::XxHash3_64;

/// What all mails of a handler have in common.
pub(super) struct Stationery {
    from: Mailbox,
    to: Vec<Mailbox>,
    cc: Vec<Mailbox>,
    reply_to: Option<Mailbox>,
    headers: Vec<Line>,
    occasion: Occasion,
}

/// What programs read of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// The event's id, or what a digest is known by.
    pub(super) id: String,
    /// What mails that belong together share.
    thread: String,
    kind: &'static str,
    severity: Severity,
    /// Application and module.
    module: Option<String>,
}

impl Marks {
    /// The marks of an event. Events of one kind about one source, user or host make a thread.
    pub(super) fn of(event: Event<'_>) -> Self {
        let (app, module) = event.module();
        let about = [Field::Source, Field::Addr, Field::Handler, Field::Host];
        let about = about.into_iter().map(|field| event.get(field)).find(|value| *value != Value::Null);
        let kind = event.kind().spec().name;
        let key = format!("{app}/{module} {kind} {about:?}");
        Self {
            id: event.id().to_string(),
            thread: format!("{:016x}", XxHash3_64::oneshot(key.as_bytes())),
            kind,
            severity: event.head().severity,
            module: Some(format!("{app}/{module}")),
        }
    }

    /// The marks of a digest.
    pub(super) fn of_digest(gathered: &Gathered) -> Self {
        Self {
            id: gathered.id(),
            thread: "digests".to_owned(),
            kind: "digest",
            severity: gathered.digest.severity(),
            module: None,
        }
    }
}

impl Stationery {
    /// Takes what the options say; nothing where they name no sender.
    pub(super) fn new(options: &Options, occasion: Occasion) -> Option<Self> {
        Some(Self {
            from: options.from.clone()?,
            to: options.to.clone(),
            cc: options.cc.clone(),
            reply_to: options.reply_to.clone(),
            headers: options.headers.clone(),
            occasion,
        })
    }

    /// Writes a mail.
    ///
    /// # Errors
    /// Says what is wrong with its headers.
    pub(super) fn write(&self, rendered: Rendered, marks: &Marks, now: Timestamp) -> Result<Vec<u8>, String> {
        let domain = self.from.email.domain();
        // A mail that tells of something again is not the first one, which its server may still know.
        let again = self.occasion.name().map(|name| format!("{name}.")).unwrap_or_default();
        let mut message = Message::builder()
            .from(self.from.clone())
            .date(SystemTime::UNIX_EPOCH + now.since(Timestamp::EPOCH))
            .subject(format!("{}{}", self.occasion.mark(), rendered.subject))
            .message_id(Some(format!("<{again}{}@{domain}>", atoms(&marks.id))))
            .references(format!("<thread.{}@{domain}>", marks.thread));
        message = self.to.iter().cloned().fold(message, lettre::message::MessageBuilder::to);
        message = self.cc.iter().cloned().fold(message, lettre::message::MessageBuilder::cc);
        if let Some(reply_to) = &self.reply_to {
            message = message.reply_to(reply_to.clone());
        }
        let own = [
            ("Auto-Submitted", Some("auto-generated")),
            ("X-Correlator-Event", Some(marks.id.as_str())),
            ("X-Correlator-Kind", Some(marks.kind)),
            ("X-Correlator-Severity", Some(marks.severity.name())),
            ("X-Correlator-Module", marks.module.as_deref()),
            ("X-Correlator-Occasion", self.occasion.name()),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let added = self.headers.iter().map(|line| (line.name(), line.value()));
        for (name, value) in own.chain(added) {
            let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|error| error.to_string())?;
            message = message.raw_header(HeaderValue::new(name, value.to_owned()));
        }
        let parts = MultiPart::alternative().singlepart(SinglePart::plain(rendered.text));
        let parts = match rendered.html {
            Some(html) => parts.singlepart(SinglePart::html(html)),
            None => parts,
        };
        message.multipart(parts).map(|message| message.formatted()).map_err(|error| error.to_string())
    }
}

/// What stands before the `@` of a Message-ID: atoms with dots between them (RFC 5322 section 3.2.3).
fn atoms(id: &str) -> String {
    let atom = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let parts: Vec<String> = id.split('.').map(|part| part.chars().map(atom).collect()).collect();
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}
