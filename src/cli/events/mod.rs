//! Floor 8: `correlator events`: what the journal holds, what became of it, and what operators do about that.

mod follow;
mod list;
mod order;
mod pick;
mod row;
mod show;

use super::text::readable;
use super::{ConfigArgs, Exit, Failure};
use crate::causes::in_full;
use crate::config::Settings;
use crate::event::render::Paint;
use crate::journal::{self, Audit, Flaw};
use anyhow::Context;
use clap::Subcommand;
use std::io::{self, IsTerminal};

/// List, follow and show the events of the journal, with what became of each in every handler, and act on that
///
/// The journal of a server's data directory is read, whether the server runs or not. What is to be delivered again or
/// given up, the running server is asked.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    List(list::Args),
    Follow(follow::Args),
    Show(show::Args),
    Retry(order::RetryArgs),
    Drop(order::DropArgs),
}

/// Runs one of the commands about events.
///
/// # Errors
/// Says what could not be read, and why.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    match args.action {
        Action::List(args) => list::run(&args),
        Action::Follow(args) => follow::run(&args),
        Action::Show(args) => show::run(&args),
        Action::Retry(args) => order::retry(&args),
        Action::Drop(args) => order::give_up(&args),
    }
}

/// Loads the configuration, for where the data lie and what the zone of times is.
///
/// # Errors
/// When it is refused, or there is no journal.
pub(super) fn load(config: &ConfigArgs) -> Result<Settings, Failure> {
    let settings = config.load(&[], &[])?;
    let data = &settings.server.data_dir;
    if journal::exists(data).with_context(|| format!("cannot read the journal in {}", data.display()))? {
        return Ok(settings);
    }
    let data = data.display();
    Err(anyhow::anyhow!(
        "there is no journal in {data}: no server has run there, or its durability is `none`"
    )
    .into())
}

/// Opens the audit trail.
///
/// # Errors
/// When the journal cannot be listed.
fn audit(settings: &Settings) -> Result<Audit, Failure> {
    Audit::open(&settings.server.data_dir).map_err(|error| anyhow::Error::from(error).into())
}

/// Warns of what cannot be read; with how that ends a command that has read everything else.
fn warn(flaws: &[Flaw]) -> Exit {
    for flaw in flaws {
        let text = format!("warning: {}\n", readable(&in_full(flaw)));
        // Where standard error is closed, the exit code must do.
        io::Write::write_all(&mut io::stderr(), text.as_bytes()).ok();
    }
    if flaws.is_empty() { Exit::Done } else { Exit::Environment }
}

/// Whether severities have their colours.
fn paint() -> Paint {
    let wanted = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    if wanted { Paint::Coloured } else { Paint::Plain }
}
