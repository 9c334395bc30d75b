//! Floor 8: `correlator serve`: receive, detect, deliver.

mod backend;
mod certificates;
mod control;
mod ending;
pub(super) mod heartbeat;
mod report;
mod service;
mod shed;
mod signals;

use self::backend::Backend;
use self::control::{Control, Desk};
use self::ending::{Ending, Stop};
use self::service::Service;
use self::signals::Signals;
use super::text::{exposure, lacking, lacking_room, secrets_in_plain};
use super::{ConfigArgs, Exit, Failure, credentials, logging};
use crate::capture::{self, CreateError, Writer};
use crate::config::{Files, Listener, Settings};
use crate::correlate::Correlator;
use crate::dispatch::Totals;
use crate::event::Stamp;
use crate::ingest::{Address, Inherited};
use crate::journal::Identity;
use crate::limits;
use crate::pipeline::{
    BUSY_BESIDE, Backlog, CaptureFate, CaptureThread, Listening, Live, Options, Outputs, Recorder,
    RejectFile, beginning, worker_threads,
};
use crate::time::{Clock, SystemClock, Zone};
use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};

/// Receive records, detect what they mean, deliver events to handlers
///
/// Listens until it is told to stop: SIGTERM or an interrupt makes it stop accepting, process what has arrived and
/// deliver what was raised; a second one ends it at once, with the totals so far. Standard output belongs to the handler `log`; standard
/// error tells the addresses it listens on, its own log, and at the end the totals. What a handler could not deliver
/// stays in the journal, and the exit code is 0; without a journal (`durability = "none"`) it is lost, and the exit
/// code is 3. It is 4 when nobody can know any more what is durable, or when what came in did not reach the journal
/// in time.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Args {
    /// Run this application only (may be given several times) [default: all]
    #[arg(long, value_name = "NAME")]
    app: Vec<String>,

    /// Listen here in place of the configured listeners, as in `tcp://[::]:5140` (may be given several times)
    ///
    /// The options of such a listener are the defaults: `--set listeners.NAME...` beside it is refused.
    #[arg(long, value_name = "URL")]
    listen: Vec<String>,

    /// Follow this log file in place of the configured files; `*` may stand for parts of names (may be given several times)
    ///
    /// Its options are the defaults: `--set files.NAME...` beside it is refused.
    #[arg(long, value_name = "PATH")]
    follow: Vec<String>,

    /// Write what is received to this capture, for `replay` and `capture`
    ///
    /// Where PATH exists, as after a restart, the run gets a capture of its own beside it, PATH.runN.
    #[arg(long, value_name = "PATH")]
    capture: Option<PathBuf>,

    /// Where the configuration comes from.
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// Says why it could not start.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    // First of all, while there is one thread.
    let inherited = Inherited::take();
    // Before anything that takes time: one that comes while the server starts stops it in good order, too.
    let (hang_up, hang_ups) = crossbeam_channel::bounded(1);
    let stop = Stop::watch(Signals::new(hang_up)?)?;
    let settings = args.config.load_following(&args.app, &args.listen, &args.follow)?;
    logging::start(settings.server.log);
    let credentials::Ready { secrets, waiting } = credentials::find(&settings)?;
    let lacking = lacking(&settings).map(|lacks| format!("{lacks}; its events wait until that is put right"));
    for warning in secrets_in_plain(&settings).chain(waiting).chain(lacking) {
        tracing::warn!("{warning}");
    }
    if let Some(lacking) = lacking_room(&settings) {
        tracing::error!("{lacking}");
    }
    let heartbeat = heartbeat::prepare(&settings, &secrets)?;
    let identity = Identity::claim(&settings.server.data_dir).map_err(backend::failure)?;
    let apps = settings.modules();
    let stamp = Stamp { stream: identity.stream, run: identity.run, modules: Correlator::modules(&apps) };

    let bound = listening(&settings, inherited).bind().map_err(anyhow::Error::from)?;
    let capture = args.capture.map(|path| capture(path, &identity, settings.server.capture)).transpose()?;
    let (writer, capture) = capture.unzip();
    let rejects = Arc::new(rejects(&settings.server.data_dir)?);

    let options = Options {
        workers: worker_threads(settings.server.workers, BUSY_BESIDE),
        apps,
        stamp: Arc::new(stamp),
        zone: settings.server.timezone.zone.clone(),
        record_zones: record_zones(&settings),
        other_zone: Zone::UTC,
        hosts: settings.hosts.clone(),
    };
    service::starting("reading the journal");
    let (backend, ends) = Backend::start(&settings, &identity, &options, &secrets)?;
    let recorder = writer.map(|writer| recorder(writer, ends.state.as_ref())).transpose()?;
    let (recorder, fate) = recorder.unzip();
    let outputs =
        Outputs { events: ends.events, recorder, rejects: Arc::clone(&rejects) as _, state: ends.state };
    let bound = bound.with_answering(ends.answering);
    let mut known = stop.known();
    let live =
        Live::start(bound, options, outputs, SystemClock, ends.reading).map_err(anyhow::Error::from)?;
    let ending = Arc::new(ending(&settings, &live, &backend, Arc::clone(&rejects)));
    *known = Some(Arc::clone(&ending));
    drop(known);
    certificates::watch(live.papers().to_vec(), hang_ups, backend.errands())?;
    shed::watch(Arc::clone(live.notices()), backend.errands(), backend.runtime());
    let desk = desk(&settings, &identity, &live, (&backend, Arc::clone(&rejects), fate));
    let control = Control::start(desk, backend.runtime())?;
    report::started(&settings, &identity, live.addresses(), capture.flatten().as_deref());
    if let Some(heartbeat) = heartbeat {
        let (every, vitals) = (settings.server.heartbeat_interval, backend.vitals(live.pulse()));
        heartbeat::start(heartbeat, every, vitals, backend.errands(), backend.runtime());
    }
    let service = Service::ready(&report::listening(live.addresses()), backend.vitals(live.pulse()))?;

    stop.told();
    service.stopping();
    tracing::info!("stopping: reading what has arrived, delivering what was raised");
    drop(control);
    live.stop_and(|| {
        backend.runtime().block_on(shed::tell_rest(&ending.notices, backend.errands().as_ref()));
    });
    rejects.finish(rejects.flush(), limits::LAST_WORD_TIME);
    let (totals, is_final) = backend.finish();
    if !ending.is_mine() {
        // The other thread is about to end the process.
        loop {
            std::thread::park();
        }
    }
    let ledger = ending.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
    report::ended(&ledger, &ending.notices.totals(), &totals, ending.format);
    Ok(say_what_is_left(&totals, is_final))
}

/// What is to be told of a server that ends before it gets to its end.
fn ending(settings: &Settings, live: &Live, backend: &Backend, rejects: Arc<RejectFile>) -> Ending {
    Ending {
        ledger: live.ledger(),
        notices: Arc::clone(live.notices()),
        rejects,
        handlers: backend.handlers(),
        before: backend.before(),
        reach: live.reach(),
        format: settings.server.log.format,
        is_told: AtomicBool::new(false),
    }
}

/// What commands are answered by.
fn desk(
    settings: &Settings,
    identity: &Identity,
    live: &Live,
    (backend, rejects, capture): (&Backend, Arc<RejectFile>, Option<Arc<CaptureFate>>),
) -> Desk {
    let listening = |(name, address): &(String, Address)| super::control::Listening {
        name: name.clone(),
        address: address.to_string(),
    };
    Desk {
        data: settings.server.data_dir.clone(),
        stream: identity.stream.to_string(),
        run: identity.run,
        started: SystemClock.now(),
        listeners: live.addresses().iter().map(listening).collect(),
        ledger: live.ledger(),
        notices: Arc::clone(live.notices()),
        board: Arc::clone(live.board()),
        rejects,
        capture,
        handlers: backend.handlers(),
        damage: backend.damage(),
    }
}

/// Says what was not delivered: lost, or left in the journal for the next start.
fn say_what_is_left(totals: &[Totals], is_final: bool) -> Exit {
    if !is_final {
        for waits in totals.iter().filter_map(Totals::waits) {
            tracing::warn!("{waits}");
        }
        return Exit::Done;
    }
    let undelivered: Vec<_> = totals.iter().filter_map(Totals::undelivered).collect();
    for undelivered in &undelivered {
        tracing::error!("{undelivered}");
    }
    if undelivered.is_empty() { Exit::Done } else { Exit::Environment }
}

/// Begins the capture, whose path may have been used by an earlier run; tells where it is. Where there is no room for it the
/// server goes on without it, as it does where there is none any more.
fn capture(
    path: PathBuf,
    identity: &Identity,
    options: capture::Options,
) -> Result<(Result<Writer, CreateError>, Option<PathBuf>), Failure> {
    if path.exists() && !path.is_file() {
        return Err(anyhow::anyhow!("--capture {}: it is there, and no file", path.display()).into());
    }
    let created = SystemClock.now();
    let identity = capture::Identity { stream: identity.stream, run: identity.run, created };
    let mut of_run = OsString::from(&path);
    of_run.push(format!(".run{}", identity.run));
    let (writer, path) = match Writer::create(&path, identity, options) {
        // A capture holds one run: what another has written is closed, or torn, and stays as it is.
        Err(CreateError::Exists(_)) => (Writer::create(of_run.as_ref(), identity, options), of_run.into()),
        created => (created, path),
    };
    match writer {
        Err(error) if error.is_full() => Ok((Err(error), None)),
        writer => Ok((Ok(writer.map_err(anyhow::Error::from)?), Some(path))),
    }
}

/// Begins to write the capture, first what is known of earlier runs; gives what tells how it gets on, too.
fn recorder(
    writer: Result<Writer, CreateError>,
    state: Option<&(Correlator, Backlog)>,
) -> Result<(Box<dyn Recorder>, Arc<CaptureFate>), Failure> {
    let beginning = beginning(state).unwrap_or_else(|error| {
        tracing::error!(%error, "the capture lacks what is known of earlier runs, and so will a replay of it");
        None
    });
    let thread = CaptureThread::start(writer, beginning).context("cannot start the capture's thread")?;
    let fate = thread.fate();
    Ok((Box::new(thread), fate))
}

/// Begins to keep what is rejected.
fn rejects(data: &Path) -> Result<RejectFile, Failure> {
    let opened = RejectFile::open(RejectFile::path(data), Arc::new(SystemClock));
    Ok(opened.context("cannot start a thread")?)
}

/// The zones of records that name none.
pub(super) fn record_zones(settings: &Settings) -> Vec<(String, Zone)> {
    let listeners = settings.listeners.iter().map(|listener| (&listener.name, &listener.timezone));
    let files = settings.files.iter().map(|files| (&files.name, &files.timezone));
    listeners.chain(files).map(|(name, timezone)| (name.clone(), timezone.zone.clone())).collect()
}

/// What is listened on, with as many connections as the limit of open files allows.
fn listening(settings: &Settings, inherited: Inherited) -> Listening {
    let files = raise_file_limit();
    let follows = settings.files.iter().map(Files::options).collect::<Vec<_>>();
    let left = files.saturating_sub(limits::RESERVED_FILES).max(1);
    let followed = if follows.is_empty() { 0 } else { limits::MAX_FOLLOWED_FILES.min(left.div_ceil(2)) };
    let allowed = (left - followed).max(1);
    let wanted = settings.server.max_connections.unwrap_or(usize::MAX);
    if wanted != usize::MAX && wanted > allowed {
        tracing::warn!(
            wanted,
            allowed,
            "the limit of open files allows fewer connections than max_connections"
        );
    }
    for exposure in settings.listeners.iter().filter_map(exposure) {
        tracing::warn!("{exposure}");
    }
    let listeners = settings.listeners.iter().flat_map(Listener::options).collect();
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    Listening {
        listeners,
        inherited,
        max_connections: wanted.min(allowed),
        threads,
        files: (follows, followed),
    }
}

/// Raises the soft limit of open files to the hard one, and tells it.
fn raise_file_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit = raised,
            Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
        }
    }
    limit.current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX)
}
