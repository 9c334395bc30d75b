//! Floor 8: `correlator capture list`: a numbered line for each record.

use super::super::progress::Progress;
use super::super::{Exit, Failure, Format};
use super::row::rows;
use super::{Wanted, each_batch, open};
use crate::event::render::LocalTime;
use crate::time::Zone;
use std::io::{self, Write};
use std::path::PathBuf;

/// Print a numbered line for each record
///
/// A line holds the number, the arrival, the peer, the host and the program, and how the message begins. `capture cut
/// --listing` takes the lines back: put `#` before what is to be left out.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The capture
    #[arg(value_name = "CAPTURE")]
    capture: PathBuf,

    /// How records are listed; JSON is an object on each line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut reader = open(&args.capture)?;
    let mut times = LocalTime::new(Zone::UTC);
    let mut out = io::stdout().lock();
    let mut lines = Vec::new();
    let exit = each_batch(&mut reader, &Progress::hidden(), |batch| {
        for row in rows(&batch) {
            match args.format {
                Format::Text => row.text(&mut lines, &mut times),
                Format::Json => row.json(&mut lines),
            }
        }
        out.write_all(&lines)?;
        lines.clear();
        Ok(Wanted::More)
    })?;
    out.flush()?;
    Ok(exit)
}
