//! Floor 7: `[handlers.NAME]`: the options of each type of handler, one file for each, and those that all have.

mod csv;
mod delivery;
mod email;
mod exec;
mod log;
mod presence;
mod privacy;
mod sms;
mod syslog;
mod webhook;

pub(super) use self::presence::Presence;
use super::section::{Given, Reader, Section};
use crate::credentials::CredentialName;
use crate::dispatch::{StormOptions, TargetOptions};
use crate::handlers;
use crate::handlers::privacy::{Privacy, UnknownUsers};
use crate::limits;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A handler, by its name.
#[derive(Clone, Debug)]
pub struct Handler {
    /// Its name.
    pub name: String,
    /// Its options.
    pub options: HandlerOptions,
    /// How events are brought to it.
    pub delivery: TargetOptions,
    /// What it may tell of people.
    pub privacy: Privacy,
    /// Whether nothing starts while a credential that it names cannot be had.
    pub required: bool,
}

/// The options of a handler, by its type.
#[derive(Clone, Debug)]
pub enum HandlerOptions {
    /// `type = "log"`.
    Log(handlers::log::Options),
    /// `type = "csv"`.
    Csv(handlers::csv::Options),
    /// `type = "email"`.
    Email(Box<handlers::email::Options>),
    /// `type = "exec"`.
    Exec(handlers::exec::Options),
    /// `type = "sms"`.
    Sms(handlers::sms::Options),
    /// `type = "syslog"`.
    Syslog(handlers::syslog::Options),
    /// `type = "webhook"`.
    Webhook(handlers::webhook::Options),
}

/// A type of handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandlerType {
    Log,
    Csv,
    Email,
    Exec,
    Sms,
    Syslog,
    Webhook,
}

/// The types of handlers, by name.
pub(super) const TYPES: &[(&str, HandlerType)] = &[
    ("csv", HandlerType::Csv),
    ("email", HandlerType::Email),
    ("exec", HandlerType::Exec),
    ("log", HandlerType::Log),
    ("sms", HandlerType::Sms),
    ("syslog", HandlerType::Syslog),
    ("webhook", HandlerType::Webhook),
];

impl HandlerOptions {
    /// The name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Log(_) => "log",
            Self::Csv(_) => "csv",
            Self::Email(_) => "email",
            Self::Exec(_) => "exec",
            Self::Sms(_) => "sms",
            Self::Syslog(_) => "syslog",
            Self::Webhook(_) => "webhook",
        }
    }

    /// The time that the handler gives itself for one attempt.
    fn timeout(&self) -> Option<Duration> {
        match self {
            Self::Log(_) | Self::Csv(_) => None,
            Self::Email(options) => Some(options.timeout),
            Self::Exec(options) => Some(options.timeout),
            Self::Sms(options) => Some(options.timeout),
            Self::Syslog(options) => Some(options.timeout),
            Self::Webhook(options) => Some(options.timeout),
        }
    }

    /// Where events go, for people: never a secret.
    pub fn destination(&self) -> String {
        match self {
            Self::Log(_) => "standard output".to_owned(),
            Self::Csv(options) => options.directory.display().to_string(),
            Self::Email(options) => options.smtp.as_ref().map(ToString::to_string).unwrap_or_default(),
            Self::Exec(options) => options.command.first().cloned().unwrap_or_default(),
            Self::Sms(options) => options.destination(),
            Self::Syslog(options) => options.address.as_ref().map(ToString::to_string).unwrap_or_default(),
            Self::Webhook(options) => options.destination(),
        }
    }

    /// What handlers of the type may tell of people by default: those that write on this machine tell all.
    fn privacy(&self) -> Privacy {
        let unknown_users = match self {
            Self::Log(_) | Self::Csv(_) => UnknownUsers::Show,
            Self::Email(_) | Self::Exec(_) | Self::Sms(_) | Self::Syslog(_) | Self::Webhook(_) => {
                UnknownUsers::Mask
            }
        };
        Privacy { unknown_users }
    }

    /// The credentials that the handler names, each once or more. They are found before it is built.
    pub fn credentials(&self) -> Vec<&CredentialName> {
        match self {
            Self::Log(_) | Self::Csv(_) | Self::Exec(_) | Self::Syslog(_) => Vec::new(),
            Self::Email(options) => options.credentials(),
            Self::Sms(options) => options.credentials(),
            Self::Webhook(options) => options.credentials(),
        }
    }

    /// The options that look as if a secret stood in them in plain.
    pub fn exposed(&self) -> Vec<String> {
        if let Self::Webhook(options) = self { options.exposed() } else { Vec::new() }
    }

    /// The option by which secrets go to another machine in the clear.
    pub fn unencrypted(&self) -> Option<&'static str> {
        match self {
            Self::Sms(options) => options.unencrypted(),
            Self::Webhook(options) => options.unencrypted(),
            // Mails refuse to.
            Self::Log(_) | Self::Csv(_) | Self::Email(_) | Self::Exec(_) | Self::Syslog(_) => None,
        }
    }

    /// What the handler needs of this machine that is not there now, and may be once it works.
    pub fn lacks(&self, data: &Path) -> Option<String> {
        if let Self::Exec(options) = self { options.lacks(data) } else { None }
    }

    /// The directory that the handler writes to, if it writes files.
    pub fn directory(&self) -> Option<&PathBuf> {
        if let Self::Csv(options) = self { Some(&options.directory) } else { None }
    }

    /// The same, to be changed.
    pub(super) fn directory_mut(&mut self) -> Option<&mut PathBuf> {
        if let Self::Csv(options) = self { Some(&mut options.directory) } else { None }
    }
}

/// Reads a handler.
pub(super) fn read(reader: &mut Reader, given: Given<'_>, name: &str) -> Option<Handler> {
    let common = TargetOptions::default();
    let (options, delivery) = match reader.typed(given, TYPES, &[])? {
        HandlerType::Log => digesting(reader, given, HandlerOptions::Log, common),
        HandlerType::Csv => plain(reader, given, HandlerOptions::Csv, common),
        HandlerType::Email => {
            let options = |options| HandlerOptions::Email(Box::new(options));
            let read = digesting(
                reader,
                given,
                options,
                delivery::sparing("severity >= WARNING", Some(limits::MAIL_DIGEST)),
            );
            if let HandlerOptions::Email(options) = &read.0 {
                email::contradictions(options, given, reader);
            }
            read
        }
        HandlerType::Exec => digesting(reader, given, HandlerOptions::Exec, common),
        HandlerType::Syslog => {
            syslog::check(reader, given);
            digesting(reader, given, HandlerOptions::Syslog, common)
        }
        HandlerType::Sms => {
            sms::check(reader, given);
            digesting(reader, given, HandlerOptions::Sms, delivery::sparing("severity >= CRITICAL", None))
        }
        HandlerType::Webhook => digesting(reader, given, HandlerOptions::Webhook, common),
    };
    delivery::contradictions(&delivery, options.timeout(), given, reader);
    let privacy = reader.more(given, options.privacy());
    let Presence { required } = reader.more(given, Presence::defaults());
    reader.list_type(given, TYPES);
    Some(Handler { name: name.to_owned(), options, delivery, privacy, required })
}

/// Reads the options of a type, and those that all types have, whose defaults are `common`.
fn plain<S: Section>(
    reader: &mut Reader,
    given: Given<'_>,
    options: impl FnOnce(S) -> HandlerOptions,
    common: TargetOptions,
) -> (HandlerOptions, TargetOptions) {
    let of_type = options(reader.section(given, &common_names().collect::<Vec<_>>()));
    (of_type, reader.more(given, common))
}

/// The same for a type that can send digests.
fn digesting<S: Section>(
    reader: &mut Reader,
    given: Given<'_>,
    options: impl FnOnce(S) -> HandlerOptions,
    common: TargetOptions,
) -> (HandlerOptions, TargetOptions) {
    let names = common_names().chain(names::<StormOptions>());
    let of_type = options(reader.section(given, &names.collect::<Vec<_>>()));
    let mut delivery: TargetOptions = reader.more(given, common);
    delivery.storm = reader.more(given, delivery.storm);
    (of_type, delivery)
}

/// The keys that all types have.
fn common_names() -> impl Iterator<Item = &'static str> {
    names::<TargetOptions>().chain(names::<Privacy>()).chain(names::<Presence>()).chain(["type"])
}

/// The keys of a section.
fn names<S: Section>() -> impl Iterator<Item = &'static str> {
    S::OPTIONS.iter().map(|option| option.name)
}
