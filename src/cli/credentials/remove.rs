//! Floor 8: `correlator credentials remove`: forgets a secret.

use crate::cli::text::readable;
use crate::cli::{ConfigArgs, Exit, Failure};
use crate::credentials::{CredentialName, StoreKind, Stores, Why};
use std::io::{self, Write};

/// Remove a secret from every store that has it
///
/// The exit code is 1 when no store had it, and 3 when one could not be asked.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The credential's name
    #[arg(value_name = "NAME", value_parser = CredentialName::new)]
    name: CredentialName,

    /// Remove it from stores of this type only
    #[arg(long, value_name = "STORE")]
    store: Option<StoreKind>,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Forgets a secret.
///
/// # Errors
/// When the configuration is refused.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let settings = args.config.load(&[], &[])?;
    let name = &args.name;
    let (mut removed, mut failed) = (false, false);
    let mut err = io::stderr().lock();
    for (place, result) in Stores::new(&settings.credentials).remove(name, args.store) {
        match result {
            Ok(()) => {
                removed = true;
                writeln!(io::stdout(), "{name}: removed from {place}")?;
            }
            Err(lack) if matches!(lack.why, Why::Nothing | Why::Absent) => {}
            Err(lack) => {
                failed = true;
                writeln!(err, "error: {}", readable(&format!("{place}: {lack}")))?;
            }
        }
    }
    if failed {
        return Ok(Exit::Environment);
    }
    if !removed {
        writeln!(err, "error: no store has `{name}`")?;
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}
