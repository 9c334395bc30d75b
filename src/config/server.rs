//! Floor 7: `[server]`.

use super::codec::{AbsolutePath, Choice, Count, Lasting, OneOf, Size, UrlOrCredential, ZoneName};
use super::option::{Opt, options};
use super::section::Section;
use super::zone::NamedZone;
use crate::capture;
use crate::credentials::Given;
use crate::limits;
use std::path::PathBuf;
use std::time::Duration;
use tracing::level_filters::LevelFilter;

/// How the program logs of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// What is logged: this and what is more severe.
    pub level: LevelFilter,
    /// How it is written.
    pub format: LogFormat,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { level: LevelFilter::INFO, format: LogFormat::Text }
    }
}

/// How the program's own log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object on each line.
    Json,
}

impl Choice for LogFormat {
    const NAMES: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

impl Choice for LevelFilter {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("error", Self::ERROR),
        ("warn", Self::WARN),
        ("info", Self::INFO),
        ("debug", Self::DEBUG),
        ("trace", Self::TRACE),
    ];
}

/// What survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Everything.
    Observations,
    /// What was raised.
    Events,
    /// Nothing.
    None,
}

impl Choice for Durability {
    const NAMES: &'static [(&'static str, Self)] =
        &[("observations", Self::Observations), ("events", Self::Events), ("none", Self::None)];
}

/// How the journal is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// What survives a crash.
    pub durability: Durability,
    /// For how long the journal is kept.
    pub retention: Duration,
    /// Bytes that it may take.
    pub max_size: u64,
    /// Length of a file of inputs, and what comes in between two snapshots.
    pub segment_size: u64,
    /// Time between two snapshots.
    pub snapshot_interval: Duration,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Observations,
            retention: limits::JOURNAL_RETENTION_AGE,
            max_size: limits::JOURNAL_RETENTION_SIZE,
            segment_size: limits::INPUTS_SEGMENT_SIZE,
            snapshot_interval: limits::SNAPSHOT_INTERVAL,
        }
    }
}

/// What `[server]` says.
#[derive(Clone, Debug)]
pub(super) struct ServerOptions {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) timezone: NamedZone,
    pub(super) workers: usize,
    pub(super) max_connections: usize,
    pub(super) handler_patience: Duration,
    pub(super) heartbeat: Option<Given>,
    pub(super) heartbeat_interval: Duration,
    pub(super) log: LogOptions,
    pub(super) capture: capture::Options,
    pub(super) journal: JournalOptions,
}

impl Section for ServerOptions {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        data_dir = data_dir as AbsolutePath,
            "Directory for data. Without it: `$STATE_DIRECTORY`, `/var/lib/correlator` for root, else \
             `$XDG_STATE_HOME/correlator` or `~/.local/state/correlator`. `--data-dir` is stronger.";
        timezone = timezone as ZoneName,
            "Time zone of what people read, of midnight and of daily rotation. JSON stays in UTC.";
        workers = workers as Count<0, { limits::MAX_WORKERS as u64 }>,
            "Threads that parse and detect; 0 means as many as there are cores: in a server, those that the threads that \
             read and correlate leave. Where they leave none, the correlator's thread does it.";
        max_connections = max_connections as Count<0, 1_000_000>,
            "Connections at once, over all listeners; 0 means what the limit of open files allows.";
        handler_patience = handler_patience as Lasting<0, 3600>,
            "How long a handler that does not keep up may hold back everything before its events are counted as lost.";
        heartbeat = heartbeat as UrlOrCredential,
            "A URL that is asked for again and again while the server takes input and gets on with it, so that whoever \
             expects that can alarm people when it does not come.";
        heartbeat_interval = heartbeat_interval as Lasting<5, 86_400>,
            "Time between two heartbeats.";
        log_level = log.level as OneOf<LevelFilter>,
            "What Correlator logs of itself to standard error: this and what is more severe. The variable \
             `CORRELATOR_LOG` is stronger, and can name modules.";
        log_format = log.format as OneOf<LogFormat>,
            "How that is written: lines for people, or a JSON object on each line, also for what `serve` tells at its start \
             and end.";
        durability = journal.durability as OneOf<Durability>,
            "What survives a crash. `observations`: everything, the state of sessions and counts among it. `events`: what was \
             raised and is to be delivered; counts fall back to the last snapshot. `none`: nothing, for benchmarks.";
        retention = journal.retention as Lasting<3600, { 3650 * 86_400 }>,
            "For how long the journal of inputs and events is kept.";
        max_size = journal.max_size as Size<{ limits::MIN_JOURNAL_SIZE }, { 1 << 50 }>,
            "Bytes that the journal may take before its oldest parts go; what a handler has still to deliver stays.";
        journal_segment_size = journal.segment_size as
            Size<{ limits::MIN_JOURNAL_SEGMENT_SIZE }, { limits::MAX_JOURNAL_SEGMENT_SIZE }>,
            "Length of a file of the journal, which is allocated whole. After so many bytes of inputs a snapshot is taken.";
        snapshot_interval = journal.snapshot_interval as Lasting<1, 86_400>,
            "Time after which a snapshot of the state is taken at the latest.";
        capture_segment_size = capture.segment_size as
            Size<{ limits::MIN_CAPTURE_SIZE }, { limits::MAX_CAPTURE_SEGMENT_SIZE }>,
            "Length at which `serve --capture` closes a file and goes on in the next one.";
        capture_total_size = capture.total_size as
            Size<{ limits::MIN_CAPTURE_SIZE }, { limits::MAX_CAPTURE_TOTAL_SIZE }>,
            "Length of all files of a capture together at which it ends, without the state at its beginning; the server goes on without \
             it.";
    };
    const LATER: &'static [&'static str] = &["metrics"];

    fn defaults() -> Self {
        Self {
            data_dir: None,
            timezone: NamedZone::default(),
            workers: 0,
            max_connections: 0,
            handler_patience: limits::HANDLER_PATIENCE,
            heartbeat: None,
            heartbeat_interval: limits::HEARTBEAT_INTERVAL,
            log: LogOptions::default(),
            capture: capture::Options::default(),
            journal: JournalOptions::default(),
        }
    }
}
