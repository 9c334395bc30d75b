//! Floor 8: `correlator capture import`: a capture from logs and raw streams.

use super::super::progress::Progress;
use super::super::value::{self, LinesArgs, YearArgs};
use super::super::{ConfigArgs, Exit, Failure};
use crate::capture::{Identity, Options, Writer};
use crate::config::NamedZone;
use crate::ingest::file::{self, Input, PlainFile};
use crate::time::Timestamp;
use crate::wire::framing::Mode;
use clap::ValueEnum;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Make a capture from log files and raw streams
///
/// The records arrive at their own times, as in a replay of the file itself: a replay of the capture gives the same
/// events. Where records name no zone, as those of RFC 3164, the replay needs the same `--timezone`: the capture holds
/// them as they are. Several files are one after the other; name the oldest first. Files may be compressed with gzip or
/// zstd. Of a file that is damaged, what stands before the damage is imported, and the exit code is 3.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Log files or raw streams; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The new capture
    #[arg(long, short, value_name = "CAPTURE")]
    output: PathBuf,

    #[command(flatten)]
    lines: LinesArgs,

    #[command(flatten)]
    year: YearArgs,

    /// Zone of times that name none, as in `Europe/Berlin` [default: UTC]
    #[arg(long, value_name = "ZONE", value_parser = value::zone)]
    timezone: Option<NamedZone>,

    /// How frames are told apart [default: as the content says]
    #[arg(long, value_enum)]
    framing: Option<Framing>,

    /// Where the configuration comes from.
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Framing {
    /// One on each line
    Lines,
    /// Each behind its count of bytes
    OctetCounted,
    /// Frame by frame: behind a count, or on a line
    Auto,
}

pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    let failed = |error| Failure::new(Exit::Environment, error);
    let lines = match args.lines.is_given() {
        true => args.lines.find(&args.config.load(&[], &[])?.formats)?,
        false => None,
    };
    let options = file::Options {
        lines,
        year: args.year.year,
        zone: args.timezone.clone().unwrap_or_default().zone,
        framing: args.framing.map(|framing| match framing {
            Framing::Lines => Mode::Delimited,
            Framing::OctetCounted => Mode::OctetCounted,
            Framing::Auto => Mode::Auto,
        }),
        ..file::Options::default()
    };
    let files = args.files.iter().map(|path| open(path, &options)).collect::<Result<Vec<_>, _>>()?;
    let streams: Vec<_> = files.iter().map(PlainFile::stream).collect();
    let identity = Identity { stream: file::joined(&streams), run: 0, created: SystemTime::now().into() };
    let mut writer = Writer::create(&args.output, identity, Options::unlimited())
        .map_err(|error| Failure::new(Exit::Environment, error))?;
    let progress = Progress::new("importing", files.iter().map(PlainFile::total_bytes).sum());
    let (mut done, mut records, mut exit) = (0, 0, Exit::Done);
    let mut before: Option<(u64, Timestamp)> = None;
    let mut near = None;
    for mut file in files {
        if let Some((next, arrival)) = before {
            file.follow(next, arrival, near);
        }
        while let Some(batch) = file.next() {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    exit = Failure::new(Exit::Environment, error).report(&mut io::stderr().lock());
                    continue;
                }
            };
            writer.append(&batch).map_err(failed)?;
            progress.at(done + file.bytes_done());
            records += batch.inputs();
            before = Some((batch.first.saturating_add(batch.inputs()), batch.arrivals.last()));
        }
        (done, near) = (done + file.total_bytes(), file.near());
    }
    writer.finish(None).map_err(failed)?;
    progress.say(&format!("{records} records in {}, stream {}", args.output.display(), identity.stream));
    Ok(exit)
}

fn open(path: &Path, options: &file::Options) -> Result<PlainFile, Failure> {
    match Input::open(path, options).map_err(|error| Failure::new(Exit::Environment, error))? {
        Input::Plain(file) => Ok(*file),
        Input::Capture(_) => Err(Failure::usage(format!("{} is a capture already", path.display()))),
    }
}
