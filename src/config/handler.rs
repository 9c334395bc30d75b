//! Floor 7: `[handlers.NAME]`: the options of each type of handler.

use super::codec::{Choice, Count, FilePath, Lasting, OneOf, Rotation};
use super::option::{Opt, options};
use super::section::{Given, Reader, Section};
use crate::dispatch::{Start, TargetOptions};
use crate::handlers::{csv, log};
use crate::limits;
use std::path::PathBuf;

/// A handler, by its name.
#[derive(Clone, Debug)]
pub struct Handler {
    /// Its name.
    pub name: String,
    /// Its options.
    pub options: HandlerOptions,
    /// How events are brought to it.
    pub delivery: TargetOptions,
}

/// The options of a handler, by its type.
#[derive(Clone, Debug)]
pub enum HandlerOptions {
    /// `type = "log"`.
    Log(log::Options),
    /// `type = "csv"`.
    Csv(csv::Options),
}

/// A type of handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandlerType {
    Log,
    Csv,
}

/// The types of handlers, by name.
pub(super) const TYPES: &[(&str, HandlerType)] = &[("csv", HandlerType::Csv), ("log", HandlerType::Log)];

/// Types that later versions bring.
const LATER_TYPES: &[&str] = &["email", "sms", "webhook", "syslog", "exec"];

/// Keys of all handlers that later versions bring.
const LATER_KEYS: &[&str] = &["filter", "digest", "cooldown", "required"];

impl HandlerOptions {
    /// The name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Log(_) => "log",
            Self::Csv(_) => "csv",
        }
    }

    /// The directory that the handler writes to, if it writes files.
    pub fn directory(&self) -> Option<&PathBuf> {
        match self {
            Self::Log(_) => None,
            Self::Csv(options) => Some(&options.directory),
        }
    }

    /// The same, to be changed.
    pub(super) fn directory_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Log(_) => None,
            Self::Csv(options) => Some(&mut options.directory),
        }
    }
}

/// Reads the options of a handler.
pub(super) fn read(reader: &mut Reader, given: Given<'_>) -> Option<(HandlerOptions, TargetOptions)> {
    let (options, delivery) = match reader.typed(given, TYPES, LATER_TYPES)? {
        HandlerType::Log => both(reader, given, HandlerOptions::Log),
        HandlerType::Csv => both(reader, given, HandlerOptions::Csv),
    };
    reader.list_type(given, TYPES);
    Some((options, delivery))
}

/// Reads the options of a type, and those that all types have.
fn both<S: Section>(
    reader: &mut Reader,
    given: Given<'_>,
    options: impl FnOnce(S) -> HandlerOptions,
) -> (HandlerOptions, TargetOptions) {
    let common = TargetOptions::OPTIONS.iter().map(|option| option.name);
    let of_type = options(reader.section(given, &common.chain(["type"]).collect::<Vec<_>>()));
    (of_type, reader.more(given))
}

impl Choice for Start {
    const NAMES: &'static [(&'static str, Self)] = &[("now", Self::Now), ("beginning", Self::Beginning)];
}

impl Section for TargetOptions {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        start = start as OneOf<Start>,
            "Where a handler begins that is new: with the next event, or with the first that the journal still has.";
        retry_first = retry.first as Lasting<1, 3600>,
            "The shortest pause before a delivery that failed is tried again; pauses double from there.";
        retry_most = retry.most as Lasting<1, 86_400>,
            "The longest pause.";
        retry_for = retry.give_up as Lasting<0, { 365 * 86_400 }>,
            "The time after which an event is given up and becomes a dead letter, which `events retry` can send again.";
        deadline = retry.deadline as Lasting<1, 3600>,
            "The time within which the handler has to answer before the delivery counts as failed.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}

impl Choice for log::Format {
    const NAMES: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

impl Choice for log::Color {
    const NAMES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("always", Self::Always), ("never", Self::Never)];
}

impl Section for log::Options {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        format = format as OneOf<log::Format>,
            "How an event is written: a line for people, or a JSON object.";
        color = color as OneOf<log::Color>,
            "When lines for people are coloured by severity; `auto` means on a terminal.";
    };
    const LATER: &'static [&'static str] = LATER_KEYS;

    fn defaults() -> Self {
        Self::default()
    }
}

impl Section for csv::Options {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        directory = directory as FilePath,
            "Directory of the files, one for each module and kind of event.";
        rotate = rotate as Rotation,
            "When a file is put aside and a new one begun: never, at each start, at midnight, or before it would grow \
             over a size.";
        keep = keep as Count<1, { limits::MAX_KEPT_FILES }>,
            "Files put aside that are kept, for each module and kind.";
    };
    const LATER: &'static [&'static str] = LATER_KEYS;

    fn defaults() -> Self {
        Self::default()
    }
}
