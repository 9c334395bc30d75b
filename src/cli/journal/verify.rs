//! Floor 8: `correlator journal verify`: whether a journal is as it was written.

use crate::causes::in_full;
use crate::cli::events::load;
use crate::cli::text::{readable, shown};
use crate::cli::{ConfigArgs, Exit, Failure, Format};
use crate::journal::{Report, verify};
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;

/// Check every block, snapshot and cursor of a journal
///
/// Says where it is damaged. The end of a block that a crash has cut off is sound: nobody was told of what it would have
/// held; it is said. The server may run meanwhile. The exit code is 1 when anything is not sound.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// How it is told; JSON is one object
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Verifies a journal.
///
/// # Errors
/// When there is none, or it cannot be listed.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let settings = load(&args.config)?;
    let report = verify(&settings.server.data_dir).map_err(anyhow::Error::from)?;
    let mut out = io::stdout().lock();
    match args.format {
        Format::Text => text(&mut out, &report, &settings.server.data_dir)?,
        Format::Json => writeln!(out, "{}", object(&report))?,
    }
    out.flush()?;
    Ok(if report.flaws.is_empty() { Exit::Done } else { Exit::Failed })
}

fn text(out: &mut impl Write, report: &Report, data: &Path) -> io::Result<()> {
    for flaw in &report.flaws {
        writeln!(out, "{}", readable(&in_full(flaw)))?;
    }
    for (path, bytes) in &report.torn {
        writeln!(
            out,
            "{}: a crash has cut off a block of which nobody was told; {bytes} bytes do not count",
            shown(path)
        )?;
    }
    let verdict = if report.flaws.is_empty() { "sound" } else { "damaged" };
    let Report { segments, blocks, inputs, events, snapshots, .. } = report;
    writeln!(
        out,
        "{}: {verdict}: {segments} segments with {blocks} blocks, {inputs} inputs, {events} events, {snapshots} snapshots",
        shown(data)
    )
}

fn object(report: &Report) -> serde_json::Value {
    let torn =
        report.torn.iter().map(|(path, bytes)| json!({ "path": path.display().to_string(), "bytes": bytes }));
    json!({
        "sound": report.flaws.is_empty(),
        "segments": report.segments,
        "blocks": report.blocks,
        "inputs": report.inputs,
        "events": report.events,
        "snapshots": report.snapshots,
        "flaws": report.flaws.iter().map(|flaw| in_full(flaw)).collect::<Vec<_>>(),
        "torn": torn.collect::<Vec<_>>(),
    })
}
