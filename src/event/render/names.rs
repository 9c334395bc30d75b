//! Floor 1: what the renderings of all events of a block have in common, made once: their stream and their modules.

use super::escape;
use super::sheet::Piece;
use crate::event::{ModuleName, Stamp};

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
}

impl Names {
    /// The texts of a stamp's modules, by their indices.
    pub(in crate::event) fn of(stamp: &Stamp) -> Box<[Self]> {
        stamp.modules.iter().map(|module| Self::new(stamp, module)).collect()
    }

    /// The texts of a module that the stamp lacks.
    #[cold]
    pub(super) fn unknown(stamp: &Stamp) -> Self {
        Self::new(stamp, &ModuleName { app: String::new(), module: String::new() })
    }

    fn new(stamp: &Stamp, module: &ModuleName) -> Self {
        let (app, name) = (json(&module.app), json(&module.module));
        let json_id = Identity {
            lead: pieces(&[
                b"{\"id\":\"",
                &stamp.stream.text(),
                b".",
                stamp.run.to_string().as_bytes(),
                b".",
            ]),
            names: pieces(&[b".", &app, b".", &name, b"."]),
            tail: pieces(&[b"\",\"time\":\""]),
        };
        let json = pieces(&[b"\",\"app\":\"", &app, b"\",\"module\":\"", &name, b"\",\"summary\":\""]);
        Self { json_id, json }
    }
}

/// The inside of a JSON string.
fn json(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    escape::json(&mut out, text.as_bytes());
    out
}

fn pieces(parts: &[&[u8]]) -> Box<[Piece]> {
    Piece::of(&parts.concat()).collect()
}
