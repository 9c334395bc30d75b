//! Floor 8: `correlator capture cut`: a new capture from a part of another.

use super::super::progress::Progress;
use super::super::value::civil;
use super::super::{Exit, Failure};
use super::{Wanted, each_batch, open};
use crate::capture::{End, Listing, Options, Pick, Writer};
use crate::time::{MICROS_PER_DAY, Timestamp};
use anyhow::Context;
use std::fs;
use std::path::PathBuf;

/// Make a new capture from a part of another
///
/// What is kept keeps its number, arrival and peer, and the capture its stream and run: a replay of it gives events
/// with the ids of the original. What the run knew of earlier ones is left out, unless --keep-state is given. All conditions must hold; where no record meets them, nothing is made and the exit code is 1. Where the capture's end is cut off, the new one ends like a
/// file: a replay ends what is still open at its last record.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The capture
    #[arg(value_name = "CAPTURE")]
    capture: PathBuf,

    /// The new capture
    #[arg(long, short, value_name = "NEW")]
    output: PathBuf,

    /// From the record with this number on
    #[arg(long, value_name = "NUMBER")]
    from: Option<u64>,

    /// Up to the record with this number
    #[arg(long, value_name = "NUMBER")]
    to: Option<u64>,

    /// From this arrival on, as in 2026-02-01T12:00:00Z or 2026-02-01 (UTC where no zone is given)
    #[arg(long, value_name = "TIME", value_parser = parse_first)]
    since: Option<Timestamp>,

    /// Up to this arrival; a date is all of its day
    #[arg(long, value_name = "TIME", value_parser = parse_last)]
    until: Option<Timestamp>,

    /// Records of this host only (may be given several times)
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,

    /// Records of this program only (may be given several times)
    #[arg(long, value_name = "NAME")]
    app: Vec<String>,

    /// Records that this peer sent only (may be given several times)
    #[arg(long, value_name = "ADDRESS")]
    peer: Vec<String>,

    /// Records that this edited output of `capture list` keeps: those with neither `#` before them nor missing
    #[arg(long, value_name = "FILE")]
    listing: Option<PathBuf>,

    /// Keep what the run knew of earlier ones, which tells of hosts, users and addresses whose records are left out
    #[arg(long)]
    keep_state: bool,
}

pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    let listing = args.listing.as_ref().map(|path| -> Result<Listing, Failure> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Listing::parse(&text).with_context(|| path.display().to_string())?)
    });
    let pick = Pick {
        from: args.from,
        to: args.to,
        since: args.since,
        until: args.until,
        hosts: args.host,
        apps: args.app,
        peers: args.peer,
        listing: listing.transpose()?,
    };
    let mut reader = open(&args.capture)?;
    let failed = |error| Failure::new(Exit::Environment, error);
    // Before anything is made: where it is damaged nothing is.
    let state = if args.keep_state { reader.beginning() } else { Ok(None) };
    let state = state.map_err(|error| Failure::new(Exit::Environment, anyhow::Error::new(error)))?;
    let mut writer = Writer::create(&args.output, reader.identity(), Options::unlimited())
        .map_err(|error| Failure::new(Exit::Environment, error))?;
    let progress = Progress::new("cutting", reader.total_bytes());
    if let Some(state) = state {
        writer.begin_with(&state).map_err(failed)?;
    } else if args.keep_state {
        progress.say("there is no state to keep: the capture does not say what was known of earlier runs");
    }
    let (mut records, mut past) = (0, false);
    let exit = each_batch(&mut reader, &progress, |batch| {
        for part in pick.of(&batch) {
            records += part.batch.frames.len();
            writer.append(&part).map_err(failed)?;
        }
        let last = batch.first.saturating_add(batch.inputs().saturating_sub(1));
        past = pick.is_past(last, batch.arrivals.last());
        Ok(if past { Wanted::NoMore } else { Wanted::More })
    })?;
    let closed_at = match reader.end() {
        End::Closed(at) if !past => Some(at),
        _ => None,
    };
    writer.finish(closed_at).map_err(failed)?;
    let output = args.output.display();
    if records == 0 {
        // It is one segment, which this command has created.
        fs::remove_file(&args.output).with_context(|| format!("cannot remove {output}, which is empty"))?;
        let error = anyhow::anyhow!("no record meets all conditions; {output} was not made");
        return Err(Failure::new(if exit == Exit::Done { Exit::Failed } else { exit }, error));
    }
    progress.say(&format!("{records} records in {output}"));
    Ok(exit)
}

/// An instant, or the first of a day.
fn parse_first(text: &str) -> Result<Timestamp, String> {
    parse(text).map(|(instant, _)| instant)
}

/// An instant, or the last of a day.
fn parse_last(text: &str) -> Result<Timestamp, String> {
    parse(text).map(|(instant, is_day)| {
        let rest = if is_day { MICROS_PER_DAY - 1 } else { 0 };
        Timestamp::from_micros(instant.as_micros().saturating_add(rest))
    })
}

/// An instant, and whether it is only a date. What names no zone is in UTC.
fn parse(text: &str) -> Result<(Timestamp, bool), String> {
    let instant = text.parse::<jiff::Timestamp>().ok();
    instant
        .map(|instant| (Timestamp::from_micros(instant.as_microsecond()), false))
        .or_else(|| civil(text))
        .ok_or_else(|| "expected a time such as `2026-02-01T12:00:00Z` or `2026-02-01`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_instants_or_days() {
        let first = |text: &str| parse_first(text).unwrap().to_string();
        let last = |text: &str| parse_last(text).unwrap().to_string();
        assert_eq!(first("2026-02-01"), "2026-02-01T00:00:00.000000Z");
        assert_eq!(last("2026-02-01"), "2026-02-01T23:59:59.999999Z");
        for time in
            ["2026-02-01T12:30:00Z", "2026-02-01T13:30:00+01:00", "2026-02-01 12:30", "2026-02-01T12:30:00"]
        {
            assert_eq!(first(time), "2026-02-01T12:30:00.000000Z", "{time}");
            assert_eq!(last(time), "2026-02-01T12:30:00.000000Z", "{time}");
        }
        for bad in ["", "yesterday", "12:30", "2026-13-01"] {
            assert!(parse_first(bad).is_err(), "{bad}");
        }
    }
}
