//! Floor 8: `correlator handlers test`: one handler by itself.

use super::{KIND, Report, is_log, target, write};
use crate::cli::delivery::on_runtime;
use crate::cli::{ConfigArgs, Exit, Failure, Format, credentials, value};
use crate::dispatch::Routed;
use crate::event::{Kind, sample};
use crate::time::{Clock, SystemClock};
use clap::Subcommand;

/// Try handlers
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    Test(TestArgs),
}

/// Send a sample event through a handler, whatever its filter says, and show what came of it
///
/// The sample is marked as a test: `[test]` stands before subjects and texts, and its application is `sample`. It goes
/// out for real, once, to everybody who gets the handler's messages. The exit code is 1 when it was not delivered.
#[derive(Clone, Debug, clap::Args)]
struct TestArgs {
    /// The handler's name in the configuration
    #[arg(value_name = "NAME")]
    name: String,

    /// The kind of event
    #[arg(long, value_name = "KIND", value_parser = value::kind, default_value = KIND.spec().name)]
    kind: Kind,

    /// How the outcome is shown; JSON is an array of one object
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Tries a handler.
///
/// # Errors
/// When there is no such handler, or it cannot be built.
pub(in crate::cli) fn run(args: Args) -> Result<Exit, Failure> {
    let Action::Test(args) = args.action;
    let settings = args.config.load(&[], &[])?;
    let names: Vec<_> = settings.handlers.iter().map(|handler| handler.name.as_str()).collect();
    let Some(handler) = settings.handlers.iter().find(|handler| handler.name == args.name) else {
        let what = value::unknown("a handler", &args.name, names.iter().copied());
        return Err(Failure::usage(format!("{what}; there are {}", names.join(", "))));
    };
    if is_log(handler) {
        let name = &args.name;
        return Err(Failure::usage(format!(
            "`{name}` writes to standard output, where the outcome goes: there is nothing to try"
        )));
    }
    let secrets = credentials::find_all(&settings, [handler])?;
    let mut target = target(handler, &settings, &secrets)?;
    let event = sample(args.kind, SystemClock.now());
    let outcome = on_runtime(|runtime| runtime.block_on(target.send(event)))?;
    let report = Report { handler, routed: Some(Routed::Sent(outcome)) };
    let exit = if report.is_delivered() { Exit::Done } else { Exit::Failed };
    write(&[report], args.kind, args.kind.spec().severity, args.format)?;
    Ok(exit)
}
