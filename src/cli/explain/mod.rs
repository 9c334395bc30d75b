//! Floor 8: `correlator explain`: how a line is read, and what it means.
//!
//! Invariant: every line of the input, also an empty one or one that is no record, gives one answer, in order; so does every
//! record of a format in which they are no lines of syslog.

mod json;
mod records;
mod words;

use self::records::{Answers, Form};
use super::value::{self, LinesArgs, YearArgs};
use super::{ConfigArgs, Exit, Failure, Format};
use crate::capture;
use crate::config::NamedZone;
use crate::detect::{Detector, Interest, Observations, Scratch, Subject};
use crate::time::{Clock, SystemClock, Timestamp};
use crate::wire::{Record, Reject};
use anyhow::Context;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Explain how each line of a file is understood
///
/// Lines are taken as they are: a number at their beginning is never a count. For each line, in order, or for each record
/// where there is another format: how it was read, which pattern matched, and what each field is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File to read; `-` is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,

    /// How each line is explained; JSON is an object on each line
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    lines: LinesArgs,

    #[command(flatten)]
    year: YearArgs,

    /// Zone of times that name none, as in `Europe/Berlin` [default: UTC]
    #[arg(long, value_name = "ZONE", value_parser = value::zone)]
    timezone: Option<NamedZone>,

    /// Where the configuration comes from.
    #[command(flatten)]
    config: ConfigArgs,
}

/// What explains lines.
struct Explainer {
    detector: Detector,
    scratch: Scratch,
    observations: Observations,
    /// What the year of a record without one is found by.
    reference: Timestamp,
    zone: NamedZone,
}

/// How one line was understood.
struct Understood<'a> {
    /// What it was written in, where that is no form of syslog.
    written: Option<&'a str>,
    record: Result<Record<'a>, Reject>,
    line: &'a [u8],
    observations: &'a Observations,
    explainer: &'a Explainer,
}

/// Explains every line.
///
/// # Errors
/// When the input cannot be read, or standard output cannot be written.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    let described = match args.lines.is_given() {
        true => args.lines.find_named(&args.config.load(&[], &[])?.formats)?,
        false => None,
    };
    let zone = args.timezone.unwrap_or_default();
    let (mut input, modified) = open(&args.file)?;
    let name = args.file.display();
    let start = input.fill_buf().with_context(|| format!("cannot read {name}"))?;
    if capture::recognises(start) {
        return Err(Failure::new(
            Exit::Environment,
            anyhow::anyhow!(
                "{name} is a capture, which has no lines: `correlator capture show {name} NUMBER` explains its records, \
                 `capture list` lists them, and `replay` tells the events"
            ),
        ));
    }
    let form = Form::of(described, start);
    let reference = args.year.year.map_or(modified, |year| {
        // A day before the end of the year, because parsing allows for a day.
        zone.zone.instant(Timestamp::from_civil(i64::from(year), 12, 31, 0, -1))
    });
    let detector = Detector::new(Interest { sshd: true, records: false });
    let scratch = detector.scratch();
    let observations = Observations::default();
    let mut explainer = Explainer { detector, scratch, observations, reference, zone };
    let write = match args.format {
        Format::Json => json::write,
        Format::Text => words::write,
    };
    let out = io::BufWriter::new(io::stdout().lock());
    let mut answers = Answers { out, write: &write, text: Vec::new() };
    records::explain(&mut explainer, &mut input, form, &mut answers)
        .with_context(|| format!("explaining {name}"))?;
    Ok(Exit::Done)
}

impl Explainer {
    /// Understands a line, or what another format was converted to, and tells it.
    fn record(
        &mut self,
        written: Option<&str>,
        (line, truncated): (&[u8], bool),
        tell: impl FnOnce(&Understood<'_>),
    ) {
        let mut observations = std::mem::take(&mut self.observations);
        observations.clear();
        let record = Record::parse(line, self.reference, &self.zone.zone);
        if let Ok(record) = &record {
            let subject =
                Subject { record, bytes: line, frame: 0, truncated, arrival: self.reference, host: None };
            self.detector.observe(&mut self.scratch, subject, &mut observations);
        }
        tell(&Understood { written, record, line, observations: &observations, explainer: self });
        self.observations = observations;
    }
}

/// Opens the input, and tells when it was last changed.
fn open(path: &Path) -> anyhow::Result<(BufReader<Box<dyn Read>>, Timestamp)> {
    if path == Path::new("-") {
        return Ok((BufReader::new(Box::new(io::stdin())), SystemClock.now()));
    }
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot)?;
    let modified = file.metadata().and_then(|metadata| metadata.modified()).with_context(cannot)?;
    Ok((BufReader::new(Box::new(file)), modified.into()))
}
