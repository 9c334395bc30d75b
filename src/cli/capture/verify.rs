//! Floor 8: `correlator capture verify`: whether a capture is as it was written.

use super::super::progress::Progress;
use super::super::text::{readable, shown};
use super::super::{Exit, Failure};
use crate::capture::{End, OpenError, Reader};
use crate::causes::in_full;
use crate::correlate::Correlator;
use crate::segment;
use crate::time::Zone;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Check every checksum, and say where a capture is damaged
///
/// The exit code is 1 when anything is damaged, missing or cut off, and 0 when every capture is sound.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Captures
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for path in &args.captures {
        let (report, is_sound) = verify(path)?;
        io::stdout().lock().write_all(report.as_bytes())?;
        if !is_sound {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

/// Reads all of a capture: what to say of it, and whether it is sound.
fn verify(path: &Path) -> Result<(String, bool), Failure> {
    let mut reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error @ OpenError::Segment(segment::OpenError::Header { .. })) => {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            return Ok((format!("{}: {}\n", shown(path), readable(&cause)), false));
        }
        Err(error) => return Err(Failure::new(Exit::Environment, error)),
    };
    let progress = Progress::new("verifying", reader.total_bytes());
    let mut report = String::new();
    let (mut records, mut ticks, mut damages) = (0, 0, 0_u64);
    while let Some(item) = reader.next() {
        progress.at(reader.bytes_done());
        match item {
            Ok(batch) => {
                records += batch.batch.frames.len();
                ticks += usize::from(batch.is_tick());
            }
            Err(damage) => {
                damages += 1;
                // Writing to a string cannot fail.
                writeln!(report, "{}", readable(&damage.to_string())).unwrap_or_default();
            }
        }
    }
    let identity = reader.identity();
    let blocks: usize = reader.segments().map(|segment| segment.steps().len()).sum();
    let beginning = reader.beginning();
    let restored = beginning.as_ref().ok().and_then(Option::as_ref);
    if let Some(Err(error)) = restored.map(|state| Correlator::restore(&[], Zone::UTC, state)) {
        damages += 1;
        let (path, why) = (shown(path), in_full(&error));
        writeln!(report, "{path}: what was known of earlier runs cannot be used: {why}").unwrap_or_default();
    }
    // What is damaged has been told of.
    let earlier = if beginning.map_or(true, |state| state.is_some()) {
        ", which goes on from earlier ones"
    } else {
        ""
    };
    let verdict = if damages == 0 { "sound" } else { "damaged" };
    let end = match reader.end() {
        End::Closed(at) => format!("closed at {at}"),
        End::OfInput => "from a file".to_owned(),
        End::Full => "ended at its greatest length".to_owned(),
        End::Torn => "not closed".to_owned(),
    };
    writeln!(
        report,
        "{}: {verdict}: {}, {}, {}, {}; stream {}, run {}{earlier}, begun {}, {end}, by {}",
        shown(path),
        counted(records, "record"),
        counted(ticks, "tick"),
        counted(blocks, "block"),
        counted(reader.segments().count(), "segment"),
        identity.stream,
        identity.run,
        identity.created,
        reader.program(),
    )
    .unwrap_or_default();
    Ok((report, damages == 0))
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
