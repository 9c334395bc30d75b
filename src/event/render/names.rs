//! Floor 1: what the renderings of all events of a block have in common, made once: their stream and their modules.

use super::sheet::Piece;
use super::{csv, escape};
use crate::event::{ModuleName, Severity, Stamp};
use std::sync::Arc;

/// An identity around its numbers: `STREAM.RUN.` stands before that of the input, `.APP.MODULE.` before the ordinal.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) lead: Box<[Piece]>,
    pub(super) names: Box<[Piece]>,
    /// What stands behind it.
    pub(super) tail: Box<[Piece]>,
}

/// The texts of one module.
#[derive(Clone, Debug)]
pub(in crate::event) struct Names {
    /// From the beginning of a JSON object to that of the time.
    pub(super) json_id: Identity,
    /// From the end of the severity to the beginning of the summary.
    pub(super) json: Box<[Piece]>,
    /// From the end of the severity in a line for people to its kind.
    pub(super) line: Box<[Piece]>,
    /// A cell of CSV with the comma behind it.
    pub(super) csv_id: Identity,
}

impl Names {
    /// The texts of a stamp's modules, by their indices.
    pub(in crate::event) fn of(stamp: &Stamp) -> Arc<[Self]> {
        stamp.modules.iter().map(|module| Self::new(stamp, module)).collect()
    }

    /// The texts of a module that the stamp lacks.
    #[cold]
    pub(super) fn unknown(stamp: &Stamp) -> Self {
        Self::new(stamp, &ModuleName { app: String::new(), module: String::new() })
    }

    fn new(stamp: &Stamp, module: &ModuleName) -> Self {
        let (stream, run) = (stamp.stream.text(), stamp.run.to_string());
        let around = |start: &[u8], [app, name]: [&[u8]; 2], end: &[u8]| Identity {
            lead: pieces(&[start, &stream, b".", run.as_bytes(), b"."]),
            names: pieces(&[b".", app, b".", name, b"."]),
            tail: pieces(&[end]),
        };
        let (app, name) = (json(&module.app), json(&module.module));
        let texts = [module.app.as_bytes(), module.module.as_bytes()];
        let [shown_app, shown_name] = texts.map(readable);
        // One name that needs quotes puts the whole identity into them.
        let [quoted_app, quoted_name] = texts.map(csv::in_quotes);
        let quote: &[u8] = if quoted_app.is_some() || quoted_name.is_some() { b"\"" } else { b"" };
        let csv_app = quoted_app.as_deref().map_or(texts[0], inside);
        let csv_name = quoted_name.as_deref().map_or(texts[1], inside);
        Self {
            json_id: around(b"{\"id\":\"", [&app, &name], b"\",\"time\":\""),
            json: pieces(&[b"\",\"app\":\"", &app, b"\",\"module\":\"", &name, b"\",\"summary\":\""]),
            line: pieces(&[b" ", &shown_app, b"/", &shown_name, b" "]),
            csv_id: around(quote, [csv_app, csv_name], &[quote, b","].concat()),
        }
    }
}

/// What stands between quotes.
fn inside(quoted: &[u8]) -> &[u8] {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}

/// A severity's name.
pub(super) fn severity(severity: Severity) -> &'static Piece {
    const fn piece(severity: Severity) -> Piece {
        Piece::whole(&[severity.name().as_bytes()])
    }
    match severity {
        Severity::Info => &const { piece(Severity::Info) },
        Severity::Notice => &const { piece(Severity::Notice) },
        Severity::Warning => &const { piece(Severity::Warning) },
        Severity::Error => &const { piece(Severity::Error) },
        Severity::Critical => &const { piece(Severity::Critical) },
    }
}

/// The inside of a JSON string.
fn json(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    escape::json(&mut out, text.as_bytes());
    out
}

/// Text for people.
fn readable(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    escape::readable(&mut out, text);
    out
}

fn pieces(parts: &[&[u8]]) -> Box<[Piece]> {
    Piece::of(&parts.concat()).collect()
}
