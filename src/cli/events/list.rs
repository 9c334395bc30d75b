//! Floor 8: `correlator events list`: events with what became of them.

use super::pick::{Pick, PickArgs};
use super::{audit, load, paint, row, warn};
use crate::cli::{ConfigArgs, Exit, Failure, Format};
use crate::config::Settings;
use crate::event::render::LocalTime;
use crate::journal::{Audit, Chapter, Fate};
use crate::limits;
use crate::time::{Clock, SystemClock};
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Write};

/// List events, the oldest first, with what became of each in every handler
///
/// A state is one of delivered, filtered (the handler's filter left it out), suppressed (within the cool-down of one like
/// it), digested (part of a digest), dead (given up), dropped (by an operator), and waiting. The exit code is 3 when
/// part of the journal cannot be read or is missing: that is told, and everything else is listed.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pick: PickArgs,

    /// Only those that were to go to this handler
    #[arg(long, value_name = "NAME", help_heading = "Which events")]
    handler: Option<String>,

    /// Only those that are in this state, in the handler or in any
    #[arg(long, value_name = "STATE", value_parser = STATES, help_heading = "Which events")]
    state: Option<String>,

    /// Only so many, the newest of them
    #[arg(long, value_name = "N", value_parser = limit, help_heading = "Which events")]
    limit: Option<usize>,

    /// How they are listed; JSON is an object on each line
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    config: ConfigArgs,
}

/// The states that an event can be in.
const STATES: [&str; 7] = ["delivered", "filtered", "suppressed", "digested", "dead", "dropped", "waiting"];

fn limit(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=limits::MAX_LISTED_EVENTS).contains(number));
    number.ok_or_else(|| format!("expected a whole number from 1 to {}", limits::MAX_LISTED_EVENTS))
}

/// Lists events.
///
/// # Errors
/// When there is no journal, or it or standard output fails.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let settings = load(&args.config)?;
    let zone = settings.server.timezone.zone.clone();
    let pick = args.pick.pick(SystemClock.now(), zone.clone());
    let audit = audit(&settings)?;
    if let Some(handler) = &args.handler {
        known(handler, &audit, &settings)?;
    }
    let (mut parts, missing) = audit.segments(pick.since()).map_err(anyhow::Error::from)?;
    let mut exit = warn(&missing);
    let mut listing = Listing { args, pick, times: LocalTime::new(zone) };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let Some(limit) = args.limit else {
        for part in parts {
            for line in listing.segment(&audit, part, &mut exit)? {
                out.write_all(&line)?;
            }
            out.flush()?;
        }
        return Ok(exit);
    };
    // The newest are in the last segments: the others need not be read.
    let mut lines: VecDeque<Vec<u8>> = VecDeque::new();
    while lines.len() < limit
        && let Some(part) = parts.pop()
    {
        for line in listing.segment(&audit, part, &mut exit)?.into_iter().rev().take(limit - lines.len()) {
            lines.push_front(line);
        }
    }
    lines.iter().try_for_each(|line| out.write_all(line))?;
    out.flush()?;
    Ok(exit)
}

/// Makes sure that there is a handler of this name, configured or with a place in the journal.
fn known(name: &str, audit: &Audit, settings: &Settings) -> Result<(), Failure> {
    let configured = settings.handlers.iter().map(|handler| handler.name.as_str());
    let names: BTreeSet<&str> = audit.standings().keys().map(String::as_str).chain(configured).collect();
    if names.contains(name) {
        return Ok(());
    }
    let names: Vec<&str> = names.into_iter().collect();
    Err(Failure::usage(format!("--handler {name}: there is no such handler; there are {}", names.join(", "))))
}

/// What is listed.
struct Listing<'a> {
    args: &'a Args,
    pick: Pick,
    times: LocalTime,
}

impl Listing<'_> {
    /// The events of a segment that are wanted, each as it is listed.
    fn segment(&mut self, audit: &Audit, part: u32, exit: &mut Exit) -> Result<Vec<Vec<u8>>, Failure> {
        let mut chapter = audit.read(part).map_err(anyhow::Error::from)?;
        if warn(&chapter.flaws) != Exit::Done {
            *exit = Exit::Environment;
        }
        let wanted: Vec<u64> =
            chapter.events().filter(|(_, event)| self.pick.takes(*event)).map(|e| e.0).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        audit.follow_up(&mut chapter).map_err(anyhow::Error::from)?;
        let wanted = wanted.into_iter().filter(|seq| self.args.wants(&chapter, *seq));
        let wanted: Vec<u64> = wanted.collect();
        Ok(wanted.into_iter().filter_map(|seq| self.line(&chapter, seq)).collect())
    }

    fn line(&mut self, chapter: &Chapter, seq: u64) -> Option<Vec<u8>> {
        let (event, mut line) = (chapter.event(seq)?, Vec::new());
        match self.args.format {
            Format::Text => row::text(&mut line, event, chapter.fates(seq), &mut self.times, paint()),
            Format::Json => row::json(&mut line, event, chapter.fates(seq)),
        }
        Some(line)
    }
}

impl Args {
    /// Whether an event is wanted for what became of it.
    fn wants(&self, chapter: &Chapter, seq: u64) -> bool {
        let is_wanted = |(handler, fate): (&str, Fate<'_>)| {
            row::is_shown(&fate)
                && self.handler.as_deref().is_none_or(|wanted| wanted == handler)
                && self.state.as_deref().is_none_or(|wanted| wanted == row::state_name(&fate))
        };
        (self.handler.is_none() && self.state.is_none()) || chapter.fates(seq).any(is_wanted)
    }
}
