//! Floor 8: `correlator capture`: looks into capture files, and makes them.

use super::{Exit, Failure};

/// List, show, cut, import, export and verify captures
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs one of the capture commands.
///
/// # Errors
/// Says which file could not be read or written, and why.
pub fn run(_args: Args) -> Result<Exit, Failure> {
    Err(anyhow::anyhow!("`capture` is not part of this build").into())
}
