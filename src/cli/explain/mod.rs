//! Floor 8: `correlator explain`: how a line is read, and what it means.
//!
//! Invariant: every line of the input, also an empty one or one that is no record, gives one answer, in order.

mod json;
mod words;

use super::value::{self, YearArgs};
use super::{Exit, Failure, Format};
use crate::capture;
use crate::config::NamedZone;
use crate::detect::{Detector, Interest, Observations, Scratch, Subject};
use crate::limits;
use crate::time::{Clock, SystemClock, Timestamp};
use crate::wire::{Record, Reject};
use anyhow::Context;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// Explain how each line of a file is understood
///
/// Lines are taken as they are: a number at their beginning is never a count. For each line, in order: how it was
/// read, which pattern matched, and what each field is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File to read; `-` is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,

    /// How each line is explained; JSON is an object on each line
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    year: YearArgs,

    /// Zone of times that name none, as in `Europe/Berlin` [default: UTC]
    #[arg(long, value_name = "ZONE", value_parser = value::zone)]
    timezone: Option<NamedZone>,
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
    let zone = args.timezone.unwrap_or_default();
    let (mut input, modified) = open(&args.file)?;
    let name = args.file.display();
    if capture::recognises(input.fill_buf().with_context(|| format!("cannot read {name}"))?) {
        return Err(Failure::new(
            Exit::Environment,
            anyhow::anyhow!(
                "{name} is a capture, which has no lines: `correlator capture show {name} NUMBER` explains its records, \
                 `capture list` lists them, and `replay` tells the events"
            ),
        ));
    }
    let reference = args.year.year.map_or(modified, |year| {
        // A day before the end of the year, because parsing allows for a day.
        zone.zone.instant(Timestamp::from_civil(i64::from(year), 12, 31, 0, -1))
    });
    let detector = Detector::new(Interest { sshd: true, records: false });
    let scratch = detector.scratch();
    let observations = Observations::default();
    let mut explainer = Explainer { detector, scratch, observations, reference, zone };
    explain(&mut explainer, input, args.format).with_context(|| format!("explaining {name}"))?;
    Ok(Exit::Done)
}

fn explain(explainer: &mut Explainer, mut input: BufReader<Box<dyn Read>>, format: Format) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut line = Vec::new();
    let mut text = Vec::new();
    while let Some(truncated) = read_line(&mut input, &mut line)? {
        text.clear();
        explainer.line(&line, truncated, |understood| match format {
            Format::Json => json::write(&mut text, understood),
            Format::Text => words::write(&mut text, understood),
        });
        out.write_all(&text)?;
        // Whoever feeds line by line wants to read line by line.
        if input.buffer().is_empty() {
            out.flush()?;
        }
    }
    out.flush()
}

impl Explainer {
    /// Understands a line and tells it.
    fn line(&mut self, line: &[u8], truncated: bool, tell: impl FnOnce(&Understood<'_>)) {
        let mut observations = std::mem::take(&mut self.observations);
        observations.clear();
        let record = Record::parse(line, self.reference, &self.zone.zone);
        if let Ok(record) = &record {
            let subject = Subject { record, bytes: line, frame: 0, truncated, arrival: self.reference };
            self.detector.observe(&mut self.scratch, subject, &mut observations);
        }
        tell(&Understood { record, line, observations: &observations, explainer: self });
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

/// Reads the next line without its LF or CRLF, up to the largest size of a message; whether more of it was left out, or nothing
/// at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let most = limits::MAX_MESSAGE_SIZE;
    let read = input.by_ref().take(most as u64 + 1).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        // As the framing of a log file has it.
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        return Ok(Some(false));
    }
    if read <= most {
        return Ok((read > 0).then_some(false));
    }
    line.truncate(most);
    input.skip_until(b'\n')?;
    Ok(Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8]) -> Vec<(usize, bool)> {
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while let Some(truncated) = read_line(&mut input, &mut line).unwrap() {
            lines.push((line.len(), truncated));
        }
        lines
    }

    #[test]
    fn every_line_is_one_however_long() {
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"a\n\nbc"), [(1, false), (0, false), (2, false)]);
        assert_eq!(lines(b"\n"), [(0, false)]);
        assert_eq!(lines(b"ab\r\n\r\nc\rd\n"), [(2, false), (0, false), (3, false)]);
        let most = limits::MAX_MESSAGE_SIZE;
        let long = [vec![b'x'; most], vec![b'\n'], vec![b'y'; most + 5], b"\nz".to_vec()].concat();
        assert_eq!(lines(&long), [(most, false), (most, true), (1, false)]);
        assert_eq!(lines(&vec![b'x'; most + 1]), [(most, true)]);
    }
}
