//! Floor 7: `[server]`.

use super::codec::{AbsolutePath, Choice, Count, Lasting, OneOf, Size, ZoneName};
use super::option::{Opt, options};
use super::section::Section;
use super::zone::NamedZone;
use crate::capture;
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

/// What `[server]` says.
#[derive(Clone, Debug)]
pub(super) struct ServerOptions {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) timezone: NamedZone,
    pub(super) workers: usize,
    pub(super) max_connections: usize,
    pub(super) handler_patience: Duration,
    pub(super) log: LogOptions,
    pub(super) capture: capture::Options,
}

impl Section for ServerOptions {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        data_dir = data_dir as AbsolutePath,
            "Directory for data. Without it: `$STATE_DIRECTORY`, `/var/lib/correlator` for root, else \
             `$XDG_STATE_HOME/correlator` or `~/.local/state/correlator`. `--data-dir` is stronger.";
        timezone = timezone as ZoneName,
            "Time zone of what people read, of midnight and of daily rotation. JSON stays in UTC.";
        workers = workers as Count<0, { limits::MAX_WORKERS as u64 }>,
            "Threads that parse and detect; 0 means as many as there are cores.";
        max_connections = max_connections as Count<0, 1_000_000>,
            "Connections at once, over all listeners; 0 means what the limit of open files allows.";
        handler_patience = handler_patience as Lasting<0, 3600>,
            "How long a handler that does not keep up may hold back everything before its events are counted as lost.";
        log_level = log.level as OneOf<LevelFilter>,
            "What Correlator logs of itself to standard error: this and what is more severe. The variable \
             `CORRELATOR_LOG` is stronger, and can name modules.";
        log_format = log.format as OneOf<LogFormat>,
            "How that is written: lines for people, or a JSON object on each line, also for what `serve` tells at its start \
             and end.";
        capture_segment_size = capture.segment_size as
            Size<{ limits::MIN_CAPTURE_SIZE }, { limits::MAX_CAPTURE_SEGMENT_SIZE }>,
            "Length at which `serve --capture` closes a file and goes on in the next one.";
        capture_total_size = capture.total_size as
            Size<{ limits::MIN_CAPTURE_SIZE }, { limits::MAX_CAPTURE_TOTAL_SIZE }>,
            "Length of all files of a capture together at which it ends; the server goes on without it.";
    };
    const LATER: &'static [&'static str] =
        &["durability", "retention", "max_size", "heartbeat", "metrics", "credentials"];

    fn defaults() -> Self {
        Self {
            data_dir: None,
            timezone: NamedZone::default(),
            workers: 0,
            max_connections: 0,
            handler_patience: limits::HANDLER_PATIENCE,
            log: LogOptions::default(),
            capture: capture::Options::default(),
        }
    }
}
