//! Floor 8: `correlator flood`: tries how much a server takes, and whether it tells all of it.

mod check;
mod send;

use super::{Exit, Failure};
use clap::Subcommand;

/// Send records to a syslog server for a capacity test, and check what came of them
///
/// The records are those of a fleet of hosts, with logins and failed logins among them, so that it is known which
/// events must come of them; or those of a capture.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    Send(Box<send::Args>),
    Check(check::Args),
}

/// Runs one of the flood commands.
///
/// # Errors
/// Says what could not be opened, read or written, and why.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    match args.action {
        Action::Send(args) => send::run(*args),
        Action::Check(args) => check::run(&args),
    }
}
