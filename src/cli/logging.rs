//! Floor 8: the program's own log, on standard error.

use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The variable that selects what is logged, as in `debug` or `correlator::ingest=debug`.
const VARIABLE: &str = "CORRELATOR_LOG";

/// Starts the log: `info` and above, unless the variable says otherwise.
pub(super) fn start() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var(VARIABLE)
        .from_env_lossy();
    // A log that cannot be written is lost; complaining about that on the same standard error would panic.
    let log = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    // A log that was started before goes on, which only tests in one process can bring about.
    log.try_init().ok();
}
