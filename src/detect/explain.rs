//! Floor 2: how one record was understood, in the terms of the patterns: for people, not for the pipeline.

use super::address::parse_address;
use super::reader::{App, Message};
use super::row::Role;
use super::{Detector, Flags, Kind};
use crate::limits::SSHD_MESSAGE_CUT;
use crate::span::Span;
use crate::wire::Record;

/// How the message of a record was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The kind of message.
    pub kind: Kind,
    /// The name of the pattern that matched, or nothing where none did.
    pub pattern: Option<&'static str>,
    /// A typical message that matches it.
    pub example: Option<&'static str>,
    /// What the pattern was matched against: the message without what relays and options put around it. A span of the
    /// record's `msg`, like those of the fields.
    pub body: Span,
    /// The fields that the pattern found, from left to right.
    pub fields: Vec<ExplainedField>,
    /// The facts about the message as a whole.
    pub flags: Flags,
    /// How often the message stands for itself.
    pub repeat: u32,
}

/// One field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedField {
    /// What it is: `user`, `addr`, `port`, `reason`, ...
    pub name: String,
    /// Where it stands in the record's `msg`.
    pub span: Span,
    /// What is to be said of it: `proved`, `claimed`, `a name`, `no address`; or nothing.
    pub note: &'static str,
}

impl Detector {
    /// Explains how the message of a record is understood, by way of the automata. Nothing when its program is not one
    /// whose messages are known, or messages of sshd are of no interest.
    pub fn explain(&self, record: &Record<'_>) -> Option<Explanation> {
        let app = App::of(record.app_name?)?;
        let cut = record.msg.len() >= SSHD_MESSAGE_CUT;
        let message = Message { app, whole: record.msg, text: record.msg, cut };
        let read = self.reader()?.read(self.scratch().caches.as_mut()?, message)?;
        let proved = read.reading.proves(cut);
        let mut flags = read.reading.flags;
        flags.set(Flags::CUT, cut);
        let mut fields: Vec<ExplainedField> = read
            .found
            .iter()
            .flat_map(|found| found.groups())
            .map(|(name, role, span)| {
                let span = span.shifted(read.body.start);
                ExplainedField { name: name.to_owned(), span, note: note(role, span.of(record.msg), proved) }
            })
            .collect();
        fields.sort_by_key(|field| (field.span.start, u32::MAX - field.span.len));
        Some(Explanation {
            kind: read.reading.kind,
            pattern: read.found.as_ref().map(|found| found.pattern.row.name),
            example: read.found.as_ref().map(|found| found.pattern.row.example),
            body: read.body,
            fields,
            flags,
            repeat: read.reading.repeat,
        })
    }
}

fn note(role: Role, text: &[u8], proved: bool) -> &'static str {
    match role {
        Role::Addr | Role::Host if text == b"UNKNOWN" || text.is_empty() => "no address",
        Role::Host if parse_address(text).is_none() => "a name",
        Role::Addr | Role::Host | Role::Port if proved => "proved",
        Role::Addr | Role::Host | Role::Port => "claimed",
        _ => "",
    }
}
