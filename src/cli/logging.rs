//! Floor 8: the program's own log, on standard error.

use crate::config::{LogFormat, LogOptions};
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// The variable that selects what is logged, as in `debug` or `correlator::ingest=debug`.
const VARIABLE: &str = "CORRELATOR_LOG";

/// Starts the log as the options say, unless the variable says otherwise.
pub(super) fn start(options: LogOptions) {
    let filter = EnvFilter::builder()
        .with_default_directive(options.level.into())
        .with_env_var(VARIABLE)
        .from_env_lossy();
    // A log that cannot be written is lost; complaining about that on the same standard error would panic.
    let log = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    let started = match options.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    // A log that was started before goes on, which only tests in one process can bring about.
    started.ok();
}
