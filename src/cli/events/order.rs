//! Floor 8: `correlator events retry` and `drop`: what operators ask of the running server's handlers.

use super::{audit, load, show};
use crate::cli::control::{Answer, Ask, Done, Which, ask};
use crate::cli::{ConfigArgs, Exit, Failure};
use crate::event::render;
use crate::limits;
use std::io::{self, Write};

/// Deliver dead letters again
///
/// Asks the running server, and ends at once: `events show` tells what came of it. With `--handler` alone, what fails
/// there at present is tried at once, too, or as soon as a limit or the receiver allows.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RetryArgs {
    #[command(flatten)]
    which: WhichArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Give up events: dead letters, or what waits for a handler
///
/// Asks the running server. The events stay in the journal, and the reason with them. With `--handler` alone, everything
/// that waits there is given up, too, also where the handler is not configured any more. An event that waits behind others
/// cannot be given up alone.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DropArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// Why
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true).args(["id", "dead", "handler"]))]
struct WhichArgs {
    /// This event
    #[arg(value_name = "ID", conflicts_with = "dead")]
    id: Option<String>,

    /// All dead letters
    #[arg(long)]
    dead: bool,

    /// Of this handler only
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
}

fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("expected some words that say why".to_owned());
    }
    let fits = text.len() <= limits::MAX_REASON;
    if fits { Ok(text.to_owned()) } else { Err(format!("it is longer than {} bytes", limits::MAX_REASON)) }
}

/// Has dead letters delivered again.
///
/// # Errors
/// When no server answers, or it cannot do it.
pub(super) fn retry(args: &RetryArgs) -> Result<Exit, Failure> {
    let none = "no dead letters, and nothing that fails";
    order(&args.config, &args.which, none, "to be delivered again", |which| Ask::Retry { which })
}

/// Gives events up.
///
/// # Errors
/// When no server answers, or it cannot do it.
pub(super) fn give_up(args: &DropArgs) -> Result<Exit, Failure> {
    let ask = |which| Ask::Drop { which, reason: args.reason.clone() };
    order(&args.config, &args.which, "nothing to drop", "given up", ask)
}

fn order(
    config: &ConfigArgs,
    which: &WhichArgs,
    none: &str,
    what: &str,
    question: impl FnOnce(Which) -> Ask,
) -> Result<Exit, Failure> {
    let settings = load(config)?;
    let WhichArgs { id, dead, handler } = which.clone();
    let event = id.map(|id| Ok::<_, Failure>(show::find(&audit(&settings)?, &id)?.1)).transpose()?;
    let Answer { done, .. } = ask(&settings.server.data_dir, question(Which { handler, event, dead }))?;
    let mut out = Vec::new();
    for Done { handler, events, hastened, error } in &done {
        render::readable(&mut out, handler.as_bytes());
        let parts = [
            (*events, what),
            (*hastened, "waiting, to be tried at once or when a limit or the receiver allows"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts = parts
            .map(|(count, what)| format!("{count} {} {what}", if *count == 1 { "event" } else { "events" }));
        // Writing to a vector cannot fail.
        write!(out, ": {}", parts.collect::<Vec<_>>().join(", ")).unwrap_or_default();
        if let Some(error) = error {
            out.extend_from_slice(b"; last failure: ");
            render::readable(&mut out, error.as_bytes());
        }
        out.push(b'\n');
    }
    if done.is_empty() {
        writeln!(out, "{none}").unwrap_or_default();
    }
    io::stdout().lock().write_all(&out)?;
    Ok(Exit::Done)
}
