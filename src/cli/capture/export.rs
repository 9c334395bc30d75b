//! Floor 8: `correlator capture export`: messages of a capture for other programs.

use super::super::progress::Progress;
use super::super::{Exit, Failure};
use super::{Wanted, each_batch, open};
use crate::capture::{self, export_record};
use crate::segment::create_private;
use anyhow::Context;
use clap::ValueEnum;
use std::io::{self, Write};
use std::path::PathBuf;

/// Write the messages as lines, or octet-counted as syslog travels over TCP
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The capture
    #[arg(value_name = "CAPTURE")]
    capture: PathBuf,

    /// The new file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How messages are told apart
    #[arg(long, value_enum, default_value_t)]
    framing: Framing,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Framing {
    /// One on each line; a line feed within a message becomes `#012`
    #[default]
    Lines,
    /// Each behind its count of bytes: exact, whatever is in them
    OctetCounted,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut reader = open(&args.capture)?;
    let framing = match args.framing {
        Framing::Lines => capture::Framing::Lines,
        Framing::OctetCounted => capture::Framing::OctetCounted,
    };
    let (mut out, progress): (Box<dyn Write>, _) = match &args.output {
        None => (Box::new(io::stdout().lock()), Progress::hidden()),
        Some(path) => {
            let file = create_private(path).with_context(|| format!("cannot create {}", path.display()))?;
            (Box::new(file), Progress::new("exporting", reader.total_bytes()))
        }
    };
    let mut bytes = Vec::new();
    let exit = each_batch(&mut reader, &progress, |batch| {
        for frame in &batch.batch.frames {
            export_record(&mut bytes, framing, frame.span.of(&batch.batch.bytes))?;
        }
        out.write_all(&bytes)?;
        bytes.clear();
        Ok(Wanted::More)
    })?;
    out.flush()?;
    Ok(exit)
}
