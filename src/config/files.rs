//! Floor 7: `[files.NAME]`.

use super::codec::{Choice, Flag, HostName, Lasting, OneOf, Patterns, Size, Text, ZoneName};
use super::option::{Opt, options};
use super::section::Section;
use super::zone::NamedZone;
use crate::ingest::follow::{self, Pattern};
use crate::limits;
use crate::wire::lines::LineFormat;
use std::sync::Arc;
use std::time::Duration;

/// Log files that are followed.
#[derive(Clone, Debug)]
pub struct Files {
    /// The name of the section.
    pub name: String,
    /// Which files.
    pub patterns: Vec<Pattern>,
    /// Where files begin that were there before.
    pub from: FirstLine,
    /// Whether the events of what they hold at first are delivered.
    pub deliver_backlog: bool,
    /// The name of the lines' format; empty for the forms of syslog.
    pub format: String,
    /// That format.
    pub lines: Option<Arc<LineFormat>>,
    /// Bytes of a line that are kept.
    pub max_message_size: usize,
    /// Time between two looks where nothing tells of changes.
    pub poll: Duration,
    /// The host of records that name none; empty for nobody's.
    pub host: String,
    /// The zone of records that name none.
    pub timezone: NamedZone,
}

/// Where a file begins that was there before it was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstLine {
    /// At its start.
    Beginning,
    /// At what is appended from then on.
    End,
}

impl Choice for FirstLine {
    const NAMES: &'static [(&'static str, Self)] = &[("end", Self::End), ("beginning", Self::Beginning)];
}

impl Files {
    /// Files with default options.
    pub(super) fn new(name: &str, patterns: Vec<Pattern>) -> Self {
        Self { name: name.to_owned(), patterns, ..Self::defaults() }
    }

    /// How they are followed.
    pub fn options(&self) -> follow::Options {
        follow::Options {
            name: self.name.clone(),
            patterns: self.patterns.clone(),
            from_beginning: self.from == FirstLine::Beginning,
            lines: self.lines.clone().map(|format| (format, self.timezone.zone.clone())),
            deliver_backlog: self.deliver_backlog,
            max_message_size: self.max_message_size,
            poll: self.poll,
        }
    }
}

impl Section for Files {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        (required) path = patterns as Patterns,
            "Which files to follow. A file that appears later is followed too; wildcards should not name what rotation makes \
             of a file.";
        from = from as OneOf<FirstLine>,
            "Where to begin in files that are there when a server follows them for the first time. Afterwards, and in files that \
             appear later, also while no server runs, no line is left out.";
        deliver_backlog = deliver_backlog as Flag,
            "With `from = \"beginning\"`: whether handlers get the events of what files hold when they are followed for the first \
             time. Else these are raised, and held back.";
        format = format as Text,
            "The name of the format of their lines, of those in `[formats]`; without it they are in any form that a listener takes.";
        max_message_size = max_message_size as
            Size<{ limits::MIN_MESSAGE_SIZE as u64 }, { limits::MAX_MESSAGE_SIZE_CEILING as u64 }>,
            "Bytes of a record that are kept; a longer one is marked truncated.";
        poll = poll as Lasting<1, 3600>,
            "Time between two looks at files of which the system tells no changes, as on a network.";
        host = host as HostName,
            "The host of records that name none; without it they have none. That of a format goes before it.";
        timezone = timezone as ZoneName,
            "Time zone of records that name none.";
    };

    fn defaults() -> Self {
        let options = follow::Options::new("", Vec::new());
        Self {
            name: options.name,
            patterns: options.patterns,
            from: if options.from_beginning { FirstLine::Beginning } else { FirstLine::End },
            deliver_backlog: options.deliver_backlog,
            format: String::new(),
            lines: None,
            max_message_size: options.max_message_size,
            poll: options.poll,
            host: String::new(),
            timezone: NamedZone::default(),
        }
    }
}
