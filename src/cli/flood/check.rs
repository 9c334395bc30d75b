//! Floor 8: `correlator flood check`: whether the events say what the flood made true.

use crate::cli::text::readable;
use crate::cli::{Exit, Failure, Format};
use crate::flood::{Side, Tally, Truth, Verdict};
use anyhow::Context;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Compare events with what a flood made true
///
/// Every login that began, every one that ended, and every login that failed must have one event, and no more. Events
/// of other kinds are not looked at. The exit code is 1 when an event is missing, is there twice, or tells what never
/// happened.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// What `flood send --truth` wrote
    #[arg(value_name = "TRUTH")]
    truths: PathBuf,

    /// The events, as `events list --format json` or `replay --format json` prints them; `-` is standard input
    #[arg(value_name = "EVENTS", default_value = "-")]
    events: PathBuf,

    /// How the outcome is shown; JSON is one object
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Compares.
///
/// # Errors
/// Says which file cannot be read, and why.
pub(in crate::cli) fn run(args: &Args) -> Result<Exit, Failure> {
    let verdict = Verdict::of(open(&args.truths)?, open(&args.events)?).map_err(|(side, error)| {
        let path = if side == Side::Truths { &args.truths } else { &args.events };
        anyhow::Error::from(error).context(format!("cannot check by {}", path.display()))
    })?;
    let mut out = io::stdout().lock();
    if args.format == Format::Json {
        serde_json::to_writer(&mut out, &verdict).context("cannot write the outcome")?;
        writeln!(out)?;
    } else {
        write(&mut out, &verdict)?;
    }
    Ok(if verdict.is_well() { Exit::Done } else { Exit::Failed })
}

fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Box::new(BufReader::new(file)))
}

fn write(out: &mut impl Write, verdict: &Verdict) -> io::Result<()> {
    writeln!(
        out,
        "{:24} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "kind", "expected", "found", "missing", "repeated", "unexpected"
    )?;
    for (kind, tally) in &verdict.kinds {
        let Tally { expected, found, missing, repeated, unexpected } = tally;
        writeln!(out, "{kind:24} {expected:10} {found:10} {missing:10} {repeated:10} {unexpected:10}")?;
    }
    for (what, truths) in [("missing", &verdict.missing), ("too often", &verdict.surplus)] {
        for Truth { kind, user, host, addr, port } in truths {
            let line = format!("{what}: {kind} of {user} on {host} from {addr} port {port}");
            writeln!(out, "{}", readable(&line))?;
        }
    }
    Ok(())
}
