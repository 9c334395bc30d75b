//! Floor 7: `[formats.NAME]`: how the lines of logs are read that are in no form of syslog.

use super::codec::Text;
use super::option::{Opt, near_or_all, options};
use super::problem::{Place, Problem, Problems};
use super::section::{Given, Reader, Section};
use super::tree::Table;
use crate::wire::lines::{Description, DescriptionError, LineFormat};
use std::sync::Arc;

/// The formats that are described, by name; one that is wrong has only its name.
#[derive(Clone, Debug, Default)]
pub struct Formats(Vec<(String, Option<Arc<LineFormat>>)>);

impl Section for Description {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        (required) pattern = pattern as Text,
            "A regular expression for a whole record. Its groups `time`, `host`, `app`, `procid`, `msgid` and `msg` are what they \
             are called; all others become structured data.";
        start = start as Text,
            "A regular expression for the beginning of a record's first line; a line that it does not match belongs to the \
             record before. Without it each line is a record.";
        time = time as Text,
            "How times are written, in the conversions of strftime, as in \"%Y-%m-%d %H:%M:%S,%3f\"; without it, as in RFC 3339.";
        host = host as Text,
            "The host of records that name none.";
        app = app as Text,
            "The program of records that name none.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}

impl Formats {
    /// Reads and compiles the formats of a tree.
    pub(super) fn read(tree: &Table, reader: &mut Reader) -> Self {
        let mut formats = Vec::new();
        let Some(node) = tree.get("formats") else { return Self(formats) };
        for (path, name, node, table) in reader.named("formats", node) {
            let description: Description = reader.section(Given { path: &path, at: &node.at, table }, &[]);
            // That it lacks its pattern has been said.
            let compiled = table.get("pattern").map(|_| LineFormat::new(description)).transpose();
            let format = compiled.unwrap_or_else(|errors| {
                for DescriptionError { part, what } in errors {
                    let place = table.get(part).map_or(&node.at, |node| &node.at);
                    reader.problems.push(Problem::new(place, format!("`{path}.{part}`: {what}")));
                }
                None
            });
            formats.push((name.to_owned(), format.map(Arc::new)));
        }
        Self(formats)
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The format of a name; nothing where it is wrong.
    ///
    /// # Errors
    /// Says that there is none, and what there is.
    pub fn get(&self, name: &str) -> Result<Option<Arc<LineFormat>>, UnknownFormat> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, format)| format.clone()).ok_or_else(|| {
            let names: Vec<_> = self.names().collect();
            let hint = if names.is_empty() {
                format!("expected `[formats.{name}]` with a `pattern`")
            } else {
                near_or_all(name, &names)
            };
            UnknownFormat { name: name.to_owned(), hint }
        })
    }

    /// The format that a section names; says what is wrong where there is none.
    pub(super) fn named(
        &self,
        name: &str,
        (path, place): (&str, &Place),
        problems: &mut Problems,
    ) -> Option<Arc<LineFormat>> {
        if name.is_empty() {
            return None;
        }
        match self.get(name) {
            Ok(format) => format,
            Err(UnknownFormat { name, hint }) => {
                let message =
                    format!("`{path}` names a format `{}` that does not exist", name.escape_debug());
                problems.push(Problem::new(place, message).hint(hint).absence());
                None
            }
        }
    }
}

/// A name that no format has, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no format `{}`; {hint}", name.escape_debug())]
pub struct UnknownFormat {
    name: String,
    hint: String,
}
