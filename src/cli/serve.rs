//! Floor 8: `correlator serve`: receive, detect, deliver.

use super::{ConfigArgs, Exit, Failure};
use std::path::PathBuf;

/// Receive records, detect what they mean, deliver events to handlers
///
/// Listens until it is told to stop: SIGTERM or an interrupt makes it stop accepting, process what has arrived and
/// deliver what was raised; a second one ends it at once. Standard output belongs to the handler `log`; standard
/// error tells the addresses it listens on, its own log, and at the end the totals.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Run this application only (may be given several times) [default: all]
    #[arg(long, value_name = "NAME")]
    pub app: Vec<String>,

    /// Listen here in place of the configured listeners, as in `tcp://[::]:5140` (may be given several times)
    #[arg(long, value_name = "URL")]
    pub listen: Vec<String>,

    /// Write what is received to this capture, for `replay` and `capture`
    #[arg(long, value_name = "PATH")]
    pub capture: Option<PathBuf>,

    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// Says why it could not start, or why it had to end.
pub fn run(_args: Args) -> Result<Exit, Failure> {
    Err(anyhow::anyhow!("`serve` is not part of this build").into())
}
