//! Floor 8: `correlator credentials list`: where each credential is found.

use super::need::{Need, all, look};
use crate::cli::text::write_array;
use crate::cli::{ConfigArgs, Exit, Failure, Format};
use crate::credentials::Status;
use std::io::{self, Write};

/// List the credentials that the configuration names, and where each is found
///
/// Values are not shown. What is not found is `missing`; `locked` and `refused` tell of stores that may have it and
/// cannot be asked, and `no store` that there is none here.
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
    let needs = look(&settings, all(&settings));
    let mut out = io::stdout().lock();
    match args.format {
        Format::Text => write_text(&mut out, &needs)?,
        Format::Json => write_array(&mut out, needs.iter().map(json))?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn users<'a>(need: &Need<'a>) -> Vec<&'a str> {
    need.by.iter().map(|user| user.name).collect()
}

fn write_text(out: &mut impl Write, needs: &[Need<'_>]) -> io::Result<()> {
    let width = |text: fn(&Need<'_>) -> String| needs.iter().map(|need| text(need).len()).max().unwrap_or(0);
    let names = width(|need| need.name.to_string());
    let width_of_users = width(|need| users(need).join(", "));
    for need in needs {
        let (name, by) = (need.name.as_str(), users(need).join(", "));
        match &need.looked {
            Ok(found) => writeln!(out, "{name:names$}  {by:width_of_users$}  found in {}", found.place)?,
            Err(answers) if answers.status() == Status::Missing => {
                writeln!(out, "{name:names$}  {by:width_of_users$}  missing")?;
            }
            Err(answers) => {
                writeln!(out, "{name:names$}  {by:width_of_users$}  {}  ({answers})", need.status())?
            }
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
        "used_by": users(need),
        "required": need.is_required(),
        "status": need.status(),
        "store": found.map(|found| found.kind.name()),
        "place": found.map(|found| found.place.as_str()),
        "answers": answers.collect::<Vec<_>>(),
    })
}
