//! Floor 8: `correlator test-alert`: the whole way to all handlers.

use super::{KIND, Report, is_log, target, write};
use crate::cli::delivery::on_runtime;
use crate::cli::{ConfigArgs, Exit, Failure, Format, credentials, value};
use crate::event::{Kind, Severity, sample_of};
use crate::time::{Clock, SystemClock};
use std::io::{self, Write};
use tokio::runtime::Runtime;

/// Send a sample event the way that real ones go, through the filters of all handlers, and show who got it
///
/// For each handler the sample is one of the first application that names it. It is marked as a test: `[test]` stands
/// before subjects and texts. It goes out for real, to everybody whom such an event would reach. The exit code is 1
/// when a handler could not deliver it, or nobody got it.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// How severe the sample is
    #[arg(long, value_name = "SEVERITY", value_parser = value::severity, default_value = "CRITICAL")]
    severity: Severity,

    /// The kind of event
    #[arg(long, value_name = "KIND", value_parser = value::kind, default_value = KIND.spec().name)]
    kind: Kind,

    /// For the handlers of this application only (may be given several times) [default: all]
    #[arg(long, value_name = "NAME")]
    app: Vec<String>,

    /// How outcomes are shown; JSON is an array with an object for each handler
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Tries the way to all handlers.
///
/// # Errors
/// When the configuration is refused, or a handler cannot be built.
pub(in crate::cli) fn run(args: &Args) -> Result<Exit, Failure> {
    let settings = args.config.load(&args.app, &[])?;
    let ready = credentials::find_for_handlers(&settings)?;
    let route = |handler, runtime: &Runtime| -> Result<Report<'_>, Failure> {
        let mut report = Report { handler, routed: None };
        if !is_log(handler) {
            let mut target = target(handler, &settings, &ready.secrets)?;
            let now = SystemClock.now();
            let app = settings.apps.iter().find(|app| app.handlers.contains(&handler.name));
            let app = app.map_or("", |app| app.app.name.as_str());
            let event = sample_of(app, args.kind, args.severity, now);
            report.routed = Some(runtime.block_on(target.route(event, now)));
        }
        Ok(report)
    };
    let all = |runtime: &Runtime| settings.active_handlers().map(|handler| route(handler, runtime)).collect();
    let reports: Vec<_> = on_runtime::<Result<_, _>>(all)??;
    write(&reports, args.kind, args.severity, args.format)?;
    let is_told = reports.iter().any(Report::is_delivered);
    if !is_told && args.format == Format::Text {
        writeln!(io::stdout().lock(), "nobody was told of it")?;
    }
    Ok(if is_told && !reports.iter().any(Report::is_failed) { Exit::Done } else { Exit::Failed })
}
