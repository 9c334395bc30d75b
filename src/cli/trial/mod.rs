//! Floor 8: trials of handlers with a sample event: of one handler by itself, and of the whole way to all of them.
//!
//! Invariant: a trial is marked as one wherever people or programs read of it, and nothing of it is in the journal.

mod alert;
mod handler;

pub(super) use alert::{Args as AlertArgs, run as alert};
pub(super) use handler::{Args as HandlersArgs, run as handlers};

use super::{Failure, Format, delivery};
use crate::config::{Handler, HandlerOptions, Settings};
use crate::credentials::Secrets;
use crate::dispatch::{Routed, Target};
use crate::event::{Kind, Severity};
use crate::handlers::{Environment, NoEvidence, Occasion, Outcome};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::Arc;

/// The sample of a trial, unless another is asked for: what a handler is there for.
const KIND: Kind = Kind::SSHDSuccessAfterFailures;

/// What came of the trial of one handler.
struct Report<'a> {
    handler: &'a Handler,
    /// Nothing where it was not tried, because it writes where the report goes.
    routed: Option<Routed>,
}

impl Report<'_> {
    /// Whether the handler got the sample and delivered it.
    fn is_delivered(&self) -> bool {
        matches!(&self.routed, Some(Routed::Sent(outcome)) if outcome.is_delivered())
    }

    /// Whether the handler got the sample and failed.
    fn is_failed(&self) -> bool {
        matches!(&self.routed, Some(Routed::Sent(outcome)) if !outcome.is_delivered())
    }

    /// What came of it, for programs and in words.
    fn outcome(&self) -> (&'static str, &'static str) {
        match &self.routed {
            None => ("not_tried", "not tried: it writes to standard output"),
            Some(Routed::Filtered) => ("filtered", "left out by its filter"),
            Some(Routed::Gathered) => ("gathered", "would wait for the digest"),
            Some(Routed::Sent(outcome)) if outcome.is_delivered() => ("delivered", "delivered"),
            Some(Routed::Sent(Outcome::Temporary(_) | Outcome::Deferred(..))) => ("failed", "failed for now"),
            Some(Routed::Sent(_)) => ("dead", "failed for good"),
        }
    }

    /// What else there is to say.
    fn note(&self) -> Option<&str> {
        match &self.routed {
            Some(Routed::Sent(Outcome::Accepted(note) | Outcome::Partial { note, .. })) => {
                Some(note.as_str())
            }
            Some(Routed::Sent(outcome)) => outcome.failure(),
            _ => None,
        }
    }

    fn json(&self, kind: Kind, severity: Severity) -> Value {
        json!({
            "handler": self.handler.name,
            "type": self.handler.options.type_name(),
            "kind": kind.spec().name,
            "severity": severity.name(),
            "outcome": self.outcome().0,
            "note": self.note(),
        })
    }
}

/// Writes what came of trials with a sample.
fn write(reports: &[Report<'_>], kind: Kind, severity: Severity, format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if format == Format::Json {
        return super::text::write_array(&mut out, reports.iter().map(|report| report.json(kind, severity)));
    }
    writeln!(out, "a test: sample of {} {severity}", kind.spec().name)?;
    let width = reports.iter().map(|report| report.handler.name.len()).max().unwrap_or_default();
    for report in reports {
        let Report { handler, .. } = report;
        let mut line =
            format!("{:width$}  {:7}  {}", handler.name, handler.options.type_name(), report.outcome().1);
        if let Some(note) = report.note() {
            line.push_str(": ");
            line.push_str(&super::text::readable(note));
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Whether a handler writes to standard output, where the report goes.
fn is_log(handler: &Handler) -> bool {
    matches!(handler.options, HandlerOptions::Log(_))
}

/// Builds a handler for a trial.
fn target(handler: &Handler, settings: &Settings, secrets: &Arc<Secrets>) -> Result<Target, Failure> {
    let environment = delivery::environment(settings, secrets, Arc::new(NoEvidence));
    delivery::target(handler, settings, &Environment { occasion: Occasion::Test, ..environment })
}
