//! Floor 8: `correlator apps`: what applications there are.

use super::text::write_array;
use super::{ConfigArgs, Exit, Failure, Format};
use crate::config::{App, Settings};
use crate::correlate::ModuleOptions;
use std::io::{self, Write};

/// List the applications with their modules and handlers
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How they are listed; JSON is one array, with an object for each application
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Lists the applications.
///
/// # Errors
/// When the configuration is refused, or standard output cannot be written.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    let settings = args.config.load(&[], &[])?;
    let mut out = io::stdout().lock();
    match args.format {
        Format::Text => write_text(&mut out, &settings)?,
        Format::Json => write_array(&mut out, settings.apps.iter().map(json))?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn write_text(out: &mut impl Write, settings: &Settings) -> io::Result<()> {
    for (index, app) in settings.apps.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", app.app.name)?;
        if !app.description.is_empty() {
            writeln!(out, "    {}", app.description)?;
        }
        writeln!(out, "    modules   {}", modules(app))?;
        writeln!(out, "    handlers  {}", handlers(app, settings))?;
    }
    Ok(())
}

/// The modules of an application, each with its type.
pub(super) fn modules(app: &App) -> String {
    let modules = app.app.modules.iter().map(|(name, options)| format!("{name} ({})", module_type(options)));
    modules.collect::<Vec<_>>().join(", ")
}

/// The handlers of an application, each with its type.
pub(super) fn handlers(app: &App, settings: &Settings) -> String {
    let named = settings.handlers.iter().filter(|handler| app.handlers.contains(&handler.name));
    let shown: Vec<_> = named.map(|h| format!("{} ({})", h.name, h.options.type_name())).collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}

fn module_type(options: &ModuleOptions) -> &'static str {
    match options {
        ModuleOptions::Sshd(_) => "sshd",
        ModuleOptions::Report(_) => "report",
    }
}

fn json(app: &App) -> serde_json::Value {
    let modules = app.app.modules.iter();
    let modules =
        modules.map(|(name, options)| serde_json::json!({ "name": name, "type": module_type(options) }));
    serde_json::json!({
        "name": app.app.name,
        "description": app.description,
        "modules": modules.collect::<Vec<_>>(),
        "handlers": app.handlers,
    })
}
