//! Floor 8: `correlator events show`: one event in full: its fields, the records that it rests on, and everything that
//! happened to it in each handler.

use super::row::{self, string_or_null};
use super::{audit, load, warn};
use crate::cli::{ConfigArgs, Exit, Failure, Format};
use crate::config::Settings;
use crate::event::Event;
use crate::event::render::{self, Fraction, LocalTime};
use crate::journal::{self, Audit, Chapter, EvidenceRecord, Fate, Settled, State};
use crate::limits;
use std::io::{self, Write};

/// Show an event in full, with the records that it rests on, and what happened to it in each handler
///
/// ID is what `events list` prints, and what `id` is in JSON.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The event's identity
    #[arg(value_name = "ID")]
    id: String,

    /// How it is shown; JSON is the object of `events list`, with `records` and `history`, on one line
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    config: ConfigArgs,
}

/// What there is to show.
struct Shown<'a> {
    event: Event<'a>,
    records: Vec<EvidenceRecord>,
    fates: Vec<(&'a str, Fate<'a>)>,
    trail: Vec<Settled>,
}

/// Shows an event.
///
/// # Errors
/// When there is no such event, or the journal or standard output fails.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let settings = load(&args.config)?;
    let audit = audit(&settings)?;
    let (mut chapter, seq) = find(&audit, &args.id)?;
    let exit = warn(&chapter.flaws);
    audit.follow_up(&mut chapter).map_err(anyhow::Error::from)?;
    let event = chapter.event(seq).ok_or_else(|| anyhow::anyhow!("{} is not there", args.id))?;
    let records = journal::evidence(&settings.server.data_dir, event.evidence());
    let shown = Shown {
        event,
        records: records.map_err(anyhow::Error::from)?,
        fates: chapter.fates(seq).collect(),
        trail: audit.trail(&chapter, seq).map_err(anyhow::Error::from)?,
    };
    let mut out = Vec::new();
    match args.format {
        Format::Text => shown.text(&mut out, &settings),
        Format::Json => shown.json(&mut out),
    }
    io::stdout().lock().write_all(&out)?;
    Ok(exit)
}

/// Finds an event by its identity.
///
/// # Errors
/// When it is not there.
pub(super) fn find(audit: &Audit, id: &str) -> Result<(Chapter, u64), Failure> {
    let found = audit.find(id).map_err(anyhow::Error::from)?;
    found.ok_or_else(|| {
        anyhow::anyhow!(
            "the journal holds no event {id}: `events list` prints the identities of those it holds"
        )
        .into()
    })
}

impl Shown<'_> {
    fn text(&self, out: &mut Vec<u8>, settings: &Settings) {
        let mut times = LocalTime::new(settings.server.timezone.zone.clone());
        render::line(out, self.event, &mut times, super::paint());
        out.extend_from_slice(b"\n\nid  ");
        render::readable(out, self.event.id().to_string().as_bytes());
        out.extend_from_slice(b"\n\n");
        let spec = self.event.kind().spec();
        out.extend_from_slice(format!("{}: {}\n", spec.name, spec.meaning).as_bytes());
        render::write_table(out, &render::table(self.event, &mut times));
        self.records_text(out, &mut times);
        for (handler, fate) in self.fates.iter().filter(|(_, fate)| row::is_shown(fate)) {
            out.extend_from_slice(b"\nhandler ");
            render::readable(out, handler.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(row::state_name(fate).as_bytes());
            out.push(b'\n');
            for settled in self.trail.iter().filter(|settled| *settled.handler == **handler) {
                entry(out, settled, &mut times);
            }
        }
        if self.trail.len() >= limits::MAX_AUDIT_ENTRIES {
            out.extend_from_slice(b"\nwhat happened after that is not shown\n");
        }
    }

    fn records_text(&self, out: &mut Vec<u8>, times: &mut LocalTime) {
        let evidence = self.event.evidence();
        if evidence.is_empty() {
            return;
        }
        out.extend_from_slice(b"\nrecords that it rests on\n");
        for record in &self.records {
            // Writing to a vector cannot fail.
            write!(out, "  {}  ", record.position).unwrap_or_default();
            times.write(out, record.arrival, Fraction::Millis);
            for text in [&record.listener, &record.peer] {
                out.extend_from_slice(b"  ");
                render::readable(out, text.as_bytes());
            }
            out.extend_from_slice(if record.truncated { b"  (cut)\n    " } else { b"\n    " });
            render::readable(out, &record.bytes);
            out.push(b'\n');
        }
        let lacking = evidence.len().saturating_sub(self.records.len());
        if lacking > 0 {
            let text = format!("  {lacking} of {} are not in the journal, or not any more\n", evidence.len());
            out.extend_from_slice(text.as_bytes());
        }
    }

    fn json(&self, out: &mut Vec<u8>) {
        row::json(out, self.event, self.fates.iter().copied());
        // The object is opened again for more members.
        out.truncate(out.len().saturating_sub(2));
        out.extend_from_slice(b",\"records\":");
        journal::write_records(out, &self.records);
        out.extend_from_slice(b",\"history\":[");
        for (index, settled) in
            self.trail.iter().filter(|settled| settled.state != State::Skipped).enumerate()
        {
            let comma = if index > 0 { "," } else { "" };
            out.extend_from_slice(format!("{comma}{{\"time\":\"{}\",\"handler\":", settled.time).as_bytes());
            render::json_string(out, settled.handler.as_bytes());
            let happened = happened(settled);
            let attempt = format!(",\"happened\":\"{happened}\",\"attempts\":{},\"note\":", settled.attempts);
            out.extend_from_slice(attempt.as_bytes());
            string_or_null(out, settled.note.as_deref());
            out.push(b'}');
        }
        out.extend_from_slice(b"]}\n");
    }
}

/// Appends what happened at one time in one handler.
fn entry(out: &mut Vec<u8>, settled: &Settled, times: &mut LocalTime) {
    out.extend_from_slice(b"  ");
    times.write(out, settled.time, Fraction::Millis);
    out.extend_from_slice(b"  ");
    out.extend_from_slice(happened(settled).as_bytes());
    if settled.attempts > 0 {
        out.extend_from_slice(format!(", attempt {}", settled.attempts).as_bytes());
    }
    if let Some(note) = &settled.note {
        out.extend_from_slice(b": ");
        render::readable(out, note.as_bytes());
    }
    out.push(b'\n');
}

/// What happened to an event. One whose digest failed is still gathered, but that is not what happened.
fn happened(settled: &Settled) -> &'static str {
    match settled.state {
        _ if settled.is_failure() => "failed",
        State::Gathered => "gathered",
        State::Requeued => "requeued",
        settled => settled.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Timestamp, Zone};

    #[test]
    fn a_digest_that_fails_is_told_as_failing_and_not_as_gathered_again() {
        let told = |state, attempts| {
            let (time, note) = (Timestamp::EPOCH, Some("connection refused".to_owned()));
            let settled = Settled { handler: "pager".into(), events: 0..1, state, attempts, time, note };
            let mut out = Vec::new();
            entry(&mut out, &settled, &mut LocalTime::new(Zone::UTC));
            String::from_utf8(out).unwrap()
        };
        assert!(told(State::Gathered, 2).ends_with("  failed, attempt 2: connection refused\n"));
        assert!(told(State::Failed, 2).ends_with("  failed, attempt 2: connection refused\n"));
        assert!(told(State::Gathered, 0).ends_with("  gathered: connection refused\n"));
    }
}
