//! Floor 1: lines of logs in formats that an operator describes: a pattern with named groups, how the time is written,
//! and where a record of several lines begins.
//!
//! [`Records`] finds the lines of a record, [`LineFormat::convert`] makes records of RFC 5424 of them, so that everything
//! behind, a capture too, holds records of one kind.
//!
//! Invariant: a pattern matches a record as a whole or not at all, in time that grows with the record's length alone.

mod convert;
mod records;
mod time;

pub use convert::Reading;
pub use records::Records;

use self::time::TimeFormat;
use crate::limits;
use regex_automata::util::primitives::PatternID;
use regex_automata::{Anchored, Input, meta};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, Look};

/// What an operator says of a format; texts that are empty are not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// A regular expression for a record; its groups `time`, `host`, `app`, `procid`, `msgid` and `msg` are what they are
    /// called, all others become structured data.
    pub pattern: String,
    /// A regular expression for the beginning of a record's first line; without it, each line is a record.
    pub start: String,
    /// How times are written, as in strftime(3); without it, as in RFC 3339.
    pub time: String,
    /// The host of records that name none.
    pub host: String,
    /// The program of records that name none.
    pub app: String,
}

/// What is wrong with a description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{part}`: {what}")]
pub struct DescriptionError {
    /// Which part of it.
    pub part: &'static str,
    /// What is wrong with it.
    pub what: String,
}

/// The SD-ID of the groups that are no part of a header; the number is the one for examples (RFC 5612).
const SD_ID: &str = "line@32473";

/// Bytes of a PARAM-NAME (RFC 5424, section 6.3.3).
const MAX_PARAM_NAME: usize = 32;

/// A format of lines, compiled.
#[derive(Debug)]
pub struct LineFormat {
    description: Description,
    pattern: meta::Regex,
    start: Option<meta::Regex>,
    time: TimeFormat,
    groups: Groups,
}

/// The indices of the pattern's groups.
#[derive(Debug, Default)]
struct Groups {
    time: Option<usize>,
    /// Host, program, process and type of message.
    names: [Option<usize>; 4],
    message: usize,
    /// The others, by name.
    others: Vec<(String, usize)>,
}

/// The groups that are names in a header, in its order.
const NAMES: [&str; 4] = ["host", "app", "procid", "msgid"];

impl PartialEq for LineFormat {
    fn eq(&self, other: &Self) -> bool {
        self.description == other.description
    }
}

impl LineFormat {
    /// Compiles a description.
    ///
    /// # Errors
    /// Says of each part that is wrong why it is.
    pub fn new(description: Description) -> Result<Self, Vec<DescriptionError>> {
        let pattern = regex("pattern", &description.pattern, true)
            .and_then(|pattern| Groups::of(&pattern).map(|groups| (pattern, groups)));
        let start = start(&description.start);
        let is_timeless = pattern.as_ref().is_ok_and(|(_, groups)| groups.time.is_none());
        let time = match is_timeless && !description.time.is_empty() {
            true => Err("the pattern has no group `time` that would be written like this".to_owned()),
            false => TimeFormat::new(&description.time),
        };
        let time = time.map_err(|what| wrong("time", what));
        let names = [("host", &description.host), ("app", &description.app)];
        let names: Vec<_> = names.into_iter().filter_map(|(part, name)| header(part, name).err()).collect();
        match (pattern, start, time) {
            (Ok((pattern, groups)), Ok(start), Ok(time)) if names.is_empty() => {
                Ok(Self { description, pattern, start, time, groups })
            }
            (pattern, start, time) => {
                Err([pattern.err(), start.err(), time.err()].into_iter().flatten().chain(names).collect())
            }
        }
    }

    /// Whether a line is the first of a record.
    fn begins(&self, line: &[u8]) -> bool {
        self.start.as_ref().is_none_or(|start| start.is_match(Input::new(line).anchored(Anchored::Yes)))
    }
}

impl Groups {
    fn of(pattern: &meta::Regex) -> Result<Self, DescriptionError> {
        let (mut groups, mut message) = (Self::default(), None);
        let names = pattern.group_info().pattern_names(PatternID::ZERO).enumerate();
        for (index, name) in names.filter_map(|(index, name)| Some((index, name?))) {
            if let Some(place) = NAMES.iter().position(|known| *known == name) {
                if let Some(group) = groups.names.get_mut(place) {
                    *group = Some(index);
                }
            } else if name == "time" {
                groups.time = Some(index);
            } else if name == "msg" {
                message = Some(index);
            } else if name.len() > MAX_PARAM_NAME || name.contains(['[', ']']) || !name.is_ascii() {
                let what = format!("the group `{name}` has no name that structured data can bear");
                return Err(wrong("pattern", what));
            } else {
                groups.others.push((name.to_owned(), index));
            }
        }
        if groups.others.len() > limits::MAX_LINE_GROUPS {
            let what = format!("it has more than {} groups with names of their own", limits::MAX_LINE_GROUPS);
            return Err(wrong("pattern", what));
        }
        groups.message = message
            .ok_or_else(|| wrong("pattern", "it has no group `msg`, as in `(?<msg>.*)`, for the message"))?;
        Ok(groups)
    }
}

/// Compiles what the first line of a record begins with, if that is given.
fn start(text: &str) -> Result<Option<meta::Regex>, DescriptionError> {
    let start = (!text.is_empty()).then(|| regex("start", text, false)).transpose()?;
    if start.as_ref().is_some_and(|start| start.is_match("")) {
        return Err(wrong("start", "it matches every line, also an empty one"));
    }
    Ok(start)
}

/// Checks a name that stands in a header.
fn header(part: &'static str, name: &str) -> Result<(), DescriptionError> {
    let most = limits::MAX_HEADER_FIELD;
    if name.len() > most || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = format!("expected at most {most} printable ASCII characters without blanks");
        return Err(wrong(part, what));
    }
    Ok(())
}

fn wrong(part: &'static str, what: impl Into<String>) -> DescriptionError {
    DescriptionError { part, what: what.into() }
}

/// Compiles an expression over bytes; one that is `whole` matches all of its input or nothing.
fn regex(part: &'static str, text: &str, whole: bool) -> Result<meta::Regex, DescriptionError> {
    if text.len() > limits::MAX_LINE_PATTERN {
        return Err(wrong(part, format!("it is longer than {} bytes", limits::MAX_LINE_PATTERN)));
    }
    let mut parser = ParserBuilder::new();
    // What is matched may hold any bytes, and the line feeds of joined lines.
    parser.unicode(false).utf8(false).dot_matches_new_line(true);
    let parsed = parser.build().parse(text).map_err(|error| wrong(part, told(&error)))?;
    let expression = match whole {
        true => Hir::concat(vec![Hir::look(Look::Start), parsed, Hir::look(Look::End)]),
        false => parsed,
    };
    let size = limits::MAX_LINE_PATTERN_SIZE;
    let config = meta::Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(size))
        .onepass_size_limit(Some(size))
        .hybrid_cache_capacity(size);
    let built = meta::Builder::new().configure(config).build_from_hir(&expression);
    built.map_err(|error| match error.size_limit() {
        Some(limit) => wrong(part, format!("compiled it would take more than {limit} bytes")),
        None => wrong(part, error.to_string()),
    })
}

/// What is wrong with the text of an expression, on one line.
fn told(error: &regex_syntax::Error) -> String {
    let (what, at) = match error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span().start.offset),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span().start.offset),
        other => return other.to_string(),
    };
    format!("{what}, at its byte {at}")
}

#[cfg(test)]
mod tests;
