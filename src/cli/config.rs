//! Floor 8: `correlator config`: every option, its value, and where the value came from.
//!
//! Invariant: what is printed for people is itself a configuration, and means the same.

use super::text::{wrap, write_array};
use super::{ConfigArgs, Exit, Failure, Format};
use crate::config::{Listed, Row, Settings};
use std::io::{self, Write};
use toml_edit::Value;

/// Print every option with its value, where the value came from, its type, default and meaning
///
/// What is printed is itself a configuration that can be kept as a file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How the options are printed; JSON is one array, with an object for each option
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Columns that comments are broken at.
const WIDTH: usize = 100;

/// Prints the options.
///
/// # Errors
/// When the configuration is refused, or standard output cannot be written.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    let settings = args.config.load(&[], &[])?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        Format::Text => write_text(&mut out, &settings)?,
        Format::Json => write_json(&mut out, &settings)?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn write_text(out: &mut impl Write, settings: &Settings) -> io::Result<()> {
    writeln!(out, "# configuration: {}", settings.source)?;
    for Listed { path, rows } in &settings.listed {
        writeln!(out, "\n[{path}]")?;
        for row in rows {
            writeln!(out)?;
            for line in wrap(row.meaning, WIDTH - 2).chain(wrap(&takes(row), WIDTH - 2)) {
                writeln!(out, "# {line}")?;
            }
            match &row.value {
                Some(value) => writeln!(out, "{} = {}  # {}", row.name, plain(value), origin(row))?,
                None => writeln!(out, "# {} =", row.name)?,
            }
        }
    }
    Ok(())
}

/// What an option takes, and what it is when nothing is said.
fn takes(row: &Row) -> String {
    match &row.default {
        Some(default) => format!("Takes {}; default {}.", row.takes, plain(default)),
        None => format!("Takes {}.", row.takes),
    }
}

/// Where a value came from.
fn origin(row: &Row) -> String {
    match &row.place {
        // An argument may hold a line break, and the comment must not end there.
        Some(place) => place.to_string().escape_debug().to_string(),
        None => "default".to_owned(),
    }
}

/// A value as TOML, without the blanks that surround it in a file.
fn plain(value: &Value) -> String {
    value.to_string().trim().to_owned()
}

fn write_json(out: &mut impl Write, settings: &Settings) -> io::Result<()> {
    let rows =
        settings.listed.iter().flat_map(|Listed { path, rows }| rows.iter().map(move |row| (path, row)));
    let object = |(path, row): (&String, &Row)| {
        serde_json::json!({
            "option": format!("{path}.{}", row.name),
            "value": row.value.as_ref().map(json),
            "from": origin(row),
            "type": row.takes,
            "default": row.default.as_ref().map(json),
            "meaning": row.meaning,
        })
    };
    write_array(out, rows.map(object))
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.value().as_str().into(),
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => (*number.value()).into(),
        Value::Boolean(flag) => (*flag.value()).into(),
        Value::Datetime(datetime) => datetime.value().to_string().into(),
        Value::Array(values) => values.iter().map(json).collect(),
        Value::InlineTable(table) => table.iter().map(|(key, value)| (key.to_owned(), json(value))).collect(),
    }
}
