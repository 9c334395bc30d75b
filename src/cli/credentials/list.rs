//! Floor 8: `correlator credentials list`: where each credential is found.

use super::need::{Need, look};
use crate::cli::text::write_array;
use crate::cli::{ConfigArgs, Exit, Failure, Format};
use crate::credentials::Status;
use std::io::{self, Write};

/// List the credentials that handlers name, and where each is found
///
/// Values are not shown. What is not found is `missing`; `locked`, `refused` and `unreachable` tell of stores that may
/// have it and cannot be asked.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// How they are listed; JSON is one array, with an object for each credential
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Lists the credentials.
///
/// # Errors
/// When the configuration is refused, or standard output cannot be written.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let settings = args.config.load(&[], &[])?;
    let needs = look(&settings, &settings.handlers);
    let mut out = io::stdout().lock();
    match args.format {
        Format::Text => write_text(&mut out, &needs)?,
        Format::Json => write_array(&mut out, needs.iter().map(json))?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn handlers(need: &Need<'_>) -> Vec<String> {
    need.by.iter().map(|handler| handler.name.clone()).collect()
}

fn write_text(out: &mut impl Write, needs: &[Need<'_>]) -> io::Result<()> {
    let width = |text: fn(&Need<'_>) -> String| needs.iter().map(|need| text(need).len()).max().unwrap_or(0);
    let names = width(|need| need.name.to_string());
    let users = width(|need| handlers(need).join(", "));
    for need in needs {
        let (name, by) = (need.name.as_str(), handlers(need).join(", "));
        match &need.looked {
            Ok(found) => writeln!(out, "{name:names$}  {by:users$}  found in {}", found.place)?,
            Err(answers) if answers.status() == Status::Missing => {
                writeln!(out, "{name:names$}  {by:users$}  missing")?;
            }
            Err(answers) => writeln!(out, "{name:names$}  {by:users$}  {}  ({answers})", need.status())?,
        }
    }
    Ok(())
}

fn json(need: &Need<'_>) -> serde_json::Value {
    let found = need.looked.as_ref().ok();
    let answers = need.looked.as_ref().err().map(|answers| &answers.0);
    let answers = answers.into_iter().flatten();
    let answers = answers.map(|(place, lack)| serde_json::json!({ "place": place, "says": lack.what }));
    serde_json::json!({
        "name": need.name.as_str(),
        "handlers": handlers(need),
        "required": need.is_required(),
        "status": need.status(),
        "store": found.map(|found| found.kind.name()),
        "place": found.map(|found| found.place.as_str()),
        "answers": answers.collect::<Vec<_>>(),
    })
}
