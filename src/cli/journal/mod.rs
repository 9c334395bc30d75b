//! Floor 8: `correlator journal`: looks after the journal of a data directory.

mod verify;

use super::{Exit, Failure};
use clap::Subcommand;

/// Check the journal of a data directory
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    Verify(verify::Args),
}

/// Runs one of the commands about the journal.
///
/// # Errors
/// Says what could not be read, and why.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    match args.action {
        Action::Verify(args) => verify::run(&args),
    }
}
