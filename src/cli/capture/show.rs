//! Floor 8: `correlator capture show`: records in full.

use super::super::progress::Progress;
use super::super::value::Numbers;
use super::super::{Exit, Failure, Format};
use super::row::{Row, rows};
use super::{Wanted, each_batch, open};
use crate::event::render;
use std::io::{self, Write};
use std::path::PathBuf;

/// Print records in full: header fields, message, and the bytes where they are not text
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The capture
    #[arg(value_name = "CAPTURE")]
    capture: PathBuf,

    /// Numbers of records, or ranges of them, as in `5-7`
    #[arg(required = true, value_name = "NUMBER")]
    numbers: Vec<Numbers>,

    /// How records are shown; JSON is an object on each line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut reader = open(&args.capture)?;
    let mut out = io::stdout().lock();
    let (mut exit, mut missing) = (Exit::Done, Vec::new());
    for numbers in &args.numbers {
        let Numbers(wanted) = numbers;
        let mut found = false;
        reader.seek(*wanted.start());
        let ended = each_batch(&mut reader, &Progress::hidden(), |batch| {
            let mut text = Vec::new();
            for row in rows(&batch).filter(|row| wanted.contains(&row.number)) {
                match args.format {
                    Format::Text => write_text(&mut text, &row)?,
                    Format::Json => row.json(&mut text),
                }
            }
            found |= !text.is_empty();
            out.write_all(&text)?;
            let next = batch.first.saturating_add(batch.inputs());
            Ok(if next <= *wanted.end() { Wanted::More } else { Wanted::NoMore })
        })?;
        if ended != Exit::Done {
            exit = ended;
        }
        if !found {
            missing.push(numbers.to_string());
        }
    }
    out.flush()?;
    if missing.is_empty() {
        return Ok(exit);
    }
    let (path, numbers) = (args.capture.display(), missing.join(", "));
    Err(anyhow::anyhow!("{path} holds no record with number {numbers}").into())
}

fn write_text(out: &mut Vec<u8>, row: &Row<'_>) -> io::Result<()> {
    let mut line = |name: &str, value: &[u8]| -> io::Result<()> {
        if value.is_empty() {
            return Ok(());
        }
        write!(out, "{name:<10} ")?;
        render::readable(out, value);
        out.push(b'\n');
        Ok(())
    };
    line("number", row.number.to_string().as_bytes())?;
    line("arrival", row.arrival.to_string().as_bytes())?;
    line("listener", row.origin.listener.as_bytes())?;
    line("peer", row.origin.peer.as_bytes())?;
    if row.truncated {
        line("truncated", b"yes")?;
    }
    match &row.record {
        Err(reject) => line("rejected", reject.to_string().as_bytes())?,
        Ok(record) => {
            line("format", record.format.name().as_bytes())?;
            if let Some(priority) = record.priority {
                let name = format!("{}.{}", priority.facility_name(), priority.severity_name());
                line("priority", name.as_bytes())?;
            }
            let time = record.timestamp.map(|time| time.to_string()).unwrap_or_default();
            line("time", time.as_bytes())?;
            line("host", record.hostname.unwrap_or_default())?;
            line("app", record.app_name.unwrap_or_default())?;
            line("procid", record.procid.unwrap_or_default())?;
            line("msgid", record.msgid.unwrap_or_default())?;
            line("message", record.msg)?;
        }
    }
    if is_text(row.frame) {
        line("frame", row.frame)?;
    } else {
        hex(out, row.frame)?;
    }
    out.push(b'\n');
    Ok(())
}

/// Whether all of it can be shown as it stands.
fn is_text(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// Appends bytes as hexadecimal numbers, sixteen to a line, with what is ASCII in them beside.
fn hex(out: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    for (index, part) in bytes.chunks(16).enumerate() {
        let name = if index == 0 { "frame" } else { "" };
        write!(out, "{name:<10} {:06x} ", index * 16)?;
        for byte in part {
            write!(out, " {byte:02x}")?;
        }
        write!(out, "{:width$}  ", "", width = 3 * (16 - part.len()))?;
        out.extend(part.iter().map(|byte| if (b' '..0x7f).contains(byte) { *byte } else { b'.' }));
        out.push(b'\n');
    }
    Ok(())
}
