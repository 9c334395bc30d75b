//! Floor 8: `correlator replay`: the same as `serve`, over captures and logs.

use super::delivery::{self, Delivery, Sink};
use super::progress::Progress;
use super::value::{self, LinesArgs, YearArgs};
use super::{ConfigArgs, Exit, Failure, Format, credentials, logging};
use crate::batch::Sequenced;
use crate::capture;
use crate::causes::in_full;
use crate::config::{Handler, HandlerOptions, NamedZone, Settings};
use crate::correlate::{Correlator, End};
use crate::credentials::Secrets;
use crate::dispatch::{self, Apps, Target, TargetOptions};
use crate::event::Stamp;
use crate::handlers::{Environment, Occasion, RecentEvidence, log};
use crate::ingest::file::{self, Input, Trouble};
use crate::limits;
use crate::pipeline::{
    Backlog, Discard, Gate, Ledger, Options, Outputs, Pace, Pipeline, feed, resume, worker_threads,
};
use crate::time::{Timestamp, Zone};
use anyhow::Context;
use rkyv::util::AlignedVec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

/// Detect and correlate over captures, raw streams and log files, and print the events
///
/// What kind a file is, its content tells; it may be compressed with gzip or zstd. Events go to standard output, and to handlers only where --deliver names
/// them: all but those of type `log`, which would print each event a second time. The same inputs and configuration give the same events with the same ids.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Captures, raw streams or log files, in order; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Run this application only (may be given several times) [default: all]
    #[arg(long, value_name = "NAME")]
    app: Vec<String>,

    /// How events are printed; JSON is an object on each line
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Pace of time against the captured one, as in `10x` [default: as fast as possible]
    #[arg(long, value_name = "FACTOR", value_parser = value::speed)]
    speed: Option<f64>,

    /// Deliver the events to this handler too (may be given several times)
    #[arg(long, value_name = "NAME")]
    deliver: Vec<String>,

    #[command(flatten)]
    lines: LinesArgs,

    #[command(flatten)]
    year: YearArgs,

    /// Zone of times that name none, where no listener's is configured, as in `Europe/Berlin` [default: UTC]
    #[arg(long, value_name = "ZONE", value_parser = value::zone)]
    timezone: Option<NamedZone>,

    /// Worker threads [default: as configured]
    #[arg(long, value_name = "N", value_parser = value::workers)]
    workers: Option<NonZeroUsize>,

    /// Where the configuration comes from.
    #[command(flatten)]
    config: ConfigArgs,
}

/// Replays the files.
///
/// # Errors
/// Says which file could not be read, and why.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    let settings = args.config.load(&args.app, &[])?;
    logging::start(settings.server.log);
    let zone = args.timezone.clone().unwrap_or_default().zone;
    let deliver = args.deliver.iter().map(|name| named(name, &settings)).collect::<Result<Vec<_>, _>>()?;
    let secrets = credentials::find_all(&settings, deliver.iter().copied())?;
    let lines = args.lines.find(&settings.formats)?;
    let options =
        file::Options { year: args.year.year, zone: zone.clone(), lines, ..file::Options::default() };
    let mut passages: Vec<Vec<Input>> = Vec::new();
    for path in &args.files {
        let input = Input::open(path, &options).map_err(anyhow::Error::from)?;
        match passages.last_mut() {
            Some(passage) if is_plain(&input) && passage.iter().all(is_plain) => passage.push(input),
            _ => passages.push(vec![input]),
        }
    }
    let replay = Replay { args: &args, settings: &settings, deliver, secrets, zone };
    let mut exit = Exit::Done;
    for passage in passages {
        if replay.passage(passage)? == Exit::Environment {
            exit = Exit::Environment;
        }
    }
    Ok(exit)
}

/// The handler of a name that `--deliver` gives.
///
/// # Errors
/// When there is none, or it would print each event a second time.
fn named<'a>(name: &str, settings: &'a Settings) -> Result<&'a Handler, Failure> {
    let Some(handler) = settings.handlers.iter().find(|handler| handler.name == name) else {
        let names: Vec<&str> = settings.handlers.iter().map(|handler| handler.name.as_str()).collect();
        let names = names.join(", ");
        return Err(Failure::usage(format!("--deliver {name}: there is no such handler; there are {names}")));
    };
    if matches!(handler.options, HandlerOptions::Log(_)) {
        return Err(Failure::usage(format!(
            "--deliver {name}: a handler of type `log` writes to standard output, where a replay prints its events \
             already; leave it out, and say how they are printed with --format"
        )));
    }
    Ok(handler)
}

fn is_plain(input: &Input) -> bool {
    matches!(input, Input::Plain(_))
}

struct Replay<'a> {
    args: &'a Args,
    settings: &'a Settings,
    deliver: Vec<&'a Handler>,
    /// Of the handlers that deliver.
    secrets: Arc<Secrets>,
    /// Of records that name none, where no listener's zone is configured.
    zone: Zone,
}

impl Replay<'_> {
    /// Replays inputs that make one stream: a capture, or plain files that follow on each other.
    fn passage(&self, inputs: Vec<Input>) -> Result<Exit, Failure> {
        let apps = self.settings.modules();
        let modules = Correlator::modules(&apps);
        let streams: Vec<_> = inputs.iter().map(Input::stream).collect();
        let stream = file::joined(&streams);
        let run = inputs.first().map_or(0, Input::run);
        let end = inputs.last().map_or(capture::End::OfInput, Input::end);
        let beginning = inputs.first().map_or(Ok(None), Input::beginning);
        let stamp = Arc::new(Stamp { stream, run, modules: modules.clone() });
        let evidence = Arc::new(RecentEvidence::default());
        let targets = self.targets(Arc::clone(&evidence))?;
        let kept = (!self.deliver.is_empty()).then_some(evidence);
        let delivery = Delivery::start(targets, dispatch::Options { patience: None }, kept)?;
        let sink = delivery.sink();
        let workers = worker_threads(self.args.workers.or(self.settings.server.workers), 0);
        let (gate, permits) = Gate::for_thread(workers);
        let options = Options {
            workers,
            apps,
            stamp,
            zone: self.settings.server.timezone.zone.clone(),
            record_zones: super::serve::record_zones(self.settings),
            other_zone: self.zone.clone(),
            hosts: self.settings.hosts.clone(),
        };
        let (state, is_lost) = known(beginning, &options);
        let outputs =
            Outputs { events: Box::new(sink.clone()), recorder: None, rejects: Arc::new(Discard), state };
        let pipeline =
            Pipeline::start(options, gate, outputs).context("cannot start the pipeline's threads")?;

        let mut reading = Reading::new(inputs);
        let pace = self.args.speed.map_or(Pace::Full, Pace::Times);
        let is_wanted = || !is_unread(&sink);
        feed(&pipeline, &permits, pace, is_wanted, &mut reading);
        let damaged = reading.failed;
        drop(reading);
        let ledger = pipeline.finish(match end {
            capture::End::Closed(at) => End::At(at),
            capture::End::OfInput => End::OfInput,
            // A plain file's inputs are of run 0, and so are those of its capture.
            capture::End::Torn if run == 0 => End::OfInput,
            capture::End::Torn | capture::End::Full => End::CutOff,
        });
        let totals = delivery.finish(limits::AGES);
        tell_rejects(&ledger);
        if ledger.total.received == 0 {
            tracing::warn!("there are no records in {}", self.names());
        }
        // Whoever reads standard output may have seen enough and closed it, which is a failure for good; a handler that
        // was asked for must have all.
        let unwritten = totals.first().is_some_and(|output| output.temporary > 0);
        let mut failed = unwritten;
        for handler in totals.iter().skip(1) {
            tracing::info!("delivered {handler}");
            if let Some(undelivered) = handler.undelivered() {
                tracing::error!("{undelivered}");
                failed = true;
            }
        }
        Ok(if damaged || is_lost || failed { Exit::Environment } else { Exit::Done })
    }

    /// The files that are replayed.
    fn names(&self) -> String {
        let names: Vec<_> = self.args.files.iter().map(|path| path.display().to_string()).collect();
        names.join(", ")
    }

    /// Standard output, and the handlers that are to deliver.
    fn targets(&self, evidence: Arc<RecentEvidence>) -> Result<Vec<Target>, Failure> {
        let format = match self.args.format {
            Format::Text => log::Format::Text,
            Format::Json => log::Format::Json,
        };
        let options = log::Options { format, ..log::Options::default() };
        let environment = delivery::environment(self.settings, &self.secrets, evidence);
        let environment = Environment { occasion: Occasion::Replay, ..environment };
        let handler = log::build(options, &environment);
        let handler = handler.context("cannot write to standard output")?;
        let mut targets = vec![Target {
            name: "standard output".to_owned(),
            apps: Apps::All,
            handler,
            options: TargetOptions::default(),
        }];
        for handler in &self.deliver {
            targets.push(delivery::target(handler, self.settings, &environment)?);
        }
        Ok(targets)
    }
}

/// What was known of earlier runs, and whether it is lost, which is told.
fn known(
    beginning: Result<Option<AlignedVec>, capture::Damage>,
    options: &Options,
) -> (Option<(Correlator, Backlog)>, bool) {
    let resumed = beginning.map_err(|damage| damage.to_string()).and_then(|state| {
        let resumed = state.map(|state| resume(options, &state)).transpose();
        resumed.map_err(|error| in_full(&error))
    });
    match resumed {
        Ok(state) => (state, false),
        Err(why) => {
            tracing::error!(
                why,
                "what was known of earlier runs cannot be used; the replay begins without it"
            );
            (None, true)
        }
    }
}

/// Reads inputs one after another as one, tells what of them could not be read, and shows how far it is.
struct Reading {
    inputs: std::vec::IntoIter<Input>,
    current: Option<Input>,
    /// What the next file follows on: the number after the last, and its arrival.
    last: Option<(u64, Timestamp)>,
    /// The time that its last records were near.
    near: Option<Timestamp>,
    bar: Progress,
    done: u64,
    failed: bool,
}

impl Reading {
    fn new(inputs: Vec<Input>) -> Self {
        let total = inputs.iter().map(Input::total_bytes).sum();
        let bar = progress(total);
        let mut inputs = inputs.into_iter();
        Self { current: inputs.next(), inputs, last: None, near: None, bar, done: 0, failed: false }
    }
}

impl Iterator for Reading {
    type Item = Sequenced;

    fn next(&mut self) -> Option<Sequenced> {
        loop {
            let input = self.current.as_mut()?;
            match input.next() {
                Some(Ok(sequenced)) => {
                    self.bar.at(self.done + input.bytes_done());
                    self.last = Some((sequenced.first + sequenced.inputs(), sequenced.arrivals.last()));
                    return Some(sequenced);
                }
                Some(Err(Trouble::Capture(damage))) if damage.is_cut_off() => tracing::warn!("{damage}"),
                Some(Err(trouble)) => {
                    self.failed = true;
                    tracing::error!("{trouble}");
                }
                None => {
                    if let Input::Plain(file) = input {
                        self.near = file.near();
                    }
                    self.done += input.total_bytes();
                    self.current = self.inputs.next();
                    if let (Some(Input::Plain(file)), Some((next, arrival))) = (&mut self.current, self.last)
                    {
                        file.follow(next, arrival, self.near);
                    }
                }
            }
        }
    }
}

/// Whether standard output takes no more, so that going on is of no use: a write to it has failed, or nobody holds the
/// other end of its pipe any more.
fn is_unread(output: &Sink) -> bool {
    let stdout = io::stdout();
    let mut end = [PollFd::new(&stdout, PollFlags::empty())];
    let is_left = poll(&mut end, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
        && end.iter().any(|end| end.revents().contains(PollFlags::ERR));
    is_left || output.totals().first().is_some_and(|output| output.permanent > 0)
}

/// A bar, unless events go to the same terminal.
fn progress(total: u64) -> Progress {
    if io::stdout().is_terminal() { Progress::hidden() } else { Progress::new("replaying", total) }
}

/// Says how many records were not understood, and why.
fn tell_rejects(ledger: &Ledger) {
    for (reject, count) in &ledger.total.rejected {
        tracing::warn!(count, reason = reject.name(), "records rejected: {reject}");
    }
}
