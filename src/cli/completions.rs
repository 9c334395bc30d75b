//! Floor 8: `correlator completions`: completions for shells.

use super::{Cli, Exit, Failure};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::{self, Write};

/// Print completions for a shell
///
/// For bash, for instance: `correlator completions bash > /etc/bash_completion.d/correlator`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    // The generator panics where its writer fails, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "correlator", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Exit::Done)
}
