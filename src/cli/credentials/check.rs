//! Floor 8: `correlator credentials check`: whether everything is there that the configuration names.

use super::need::{all, look};
use crate::cli::{ConfigArgs, Exit, Failure};
use std::io::{self, Write};

/// Check that every credential that the configuration names can be had
///
/// Asks the stores as `serve` does, also for handlers that are not required. The exit code is 1 when something is missing,
/// or a store that may have it cannot be asked.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Checks the credentials.
///
/// # Errors
/// When the configuration is refused, or standard output cannot be written.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let settings = args.config.load(&[], &[])?;
    let needs = look(&settings, all(&settings));
    let lacking: Vec<_> = needs.iter().filter_map(|need| need.lack(&settings)).collect();
    let mut out = io::stdout().lock();
    match (needs.len(), lacking.len()) {
        (0, _) => writeln!(out, "credentials: the configuration names none")?,
        (all, 0) => writeln!(out, "credentials: all {all} can be had")?,
        (all, lack) => {
            writeln!(out, "credentials: {lack} of {all} cannot be had:{}", lacking.concat())?;
            return Ok(Exit::Failed);
        }
    }
    Ok(Exit::Done)
}
