//! Floor 7: reading sections: a table of options whose keys are all accounted for.
//!
//! Invariant: every key of a configuration is read by exactly one section, or is a problem.

use super::option::{Opt, Row, Sink, join, list, rows, unknown_key, unsupported};
use super::problem::{Place, Problem, Problems};
use super::tree::{Content, Node, Table};
use crate::limits;
use crate::suggest::did_you_mean;

/// Plain options that a section of the configuration fills.
pub(super) trait Section: Sized + 'static {
    /// What can be set.
    const OPTIONS: &'static [Opt<Self>];
    /// Keys that a later version knows.
    const LATER: &'static [&'static str] = &[];

    /// The options when nothing is said.
    fn defaults() -> Self;
}

/// A section as it is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name with dots, as a TOML header has it.
    pub path: String,
    /// Its options.
    pub rows: Vec<Row>,
}

/// A table under way to its options.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    /// Its name with dots.
    pub(super) path: &'a str,
    /// Where it begins.
    pub(super) at: &'a Place,
    pub(super) table: &'a Table,
}

/// Reads sections, and keeps what is wrong with them and how they are listed.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) problems: Problems,
    pub(super) listed: Vec<Listed>,
}

impl Reader {
    /// Reads a section of the type of `S`. Keys in `others` are somebody else's to read.
    pub(super) fn section<S: Section>(&mut self, given: Given<'_>, others: &[&str]) -> S {
        let mut target = S::defaults();
        for (key, node) in given.table.iter() {
            if let Some(option) = S::OPTIONS.iter().find(|option| option.name == key) {
                let path = join(given.path, key);
                (option.set)(&mut target, node, &mut Sink { path: &path, problems: &mut self.problems });
            } else if S::LATER.contains(&key) {
                self.problems.push(unsupported(&node.at, &format!("`{key}`")));
            } else if !others.contains(&key) {
                let known = S::OPTIONS.iter().map(|option| option.name).chain(others.iter().copied());
                self.problems.push(unknown_key(key, &node.at, known));
            }
        }
        for option in S::OPTIONS.iter().filter(|option| option.required) {
            if given.table.get(option.name).is_none() {
                let message = format!("`{}` lacks `{}`", given.path, option.name);
                let hint = format!("expected {}", (option.takes)());
                self.problems.push(Problem::new(given.at, message).hint(hint).absence());
            }
        }
        let rows = rows(S::OPTIONS, &target, &S::defaults(), Some(given.table));
        self.listed.push(Listed { path: given.path.to_owned(), rows });
        target
    }

    /// Reads the rest of a section of which a part has just been read: the options of `S` over these defaults. All other
    /// keys are accounted for.
    pub(super) fn more<S: Section + Clone>(&mut self, given: Given<'_>, defaults: S) -> S {
        let mut target = defaults.clone();
        for option in S::OPTIONS {
            if let Some(node) = given.table.get(option.name) {
                let path = join(given.path, option.name);
                (option.set)(&mut target, node, &mut Sink { path: &path, problems: &mut self.problems });
            }
        }
        if let Some(section) = self.listed.last_mut() {
            section.rows.extend(rows(S::OPTIONS, &target, &defaults, Some(given.table)));
        }
        target
    }

    /// Reads a section whose `type` says what it is, and lists the type with it.
    pub(super) fn typed<T: Copy>(
        &mut self,
        given: Given<'_>,
        types: &'static [(&'static str, T)],
        later: &[&str],
    ) -> Option<T> {
        let names: Vec<_> = types.iter().map(|(name, _)| *name).collect();
        let supported = format!("supported: {}", list(&names));
        let Some(node) = given.table.get("type") else {
            let message = format!("`{}` lacks `type`", given.path);
            self.problems.push(Problem::new(given.at, message).hint(supported).absence());
            return None;
        };
        let path = join(given.path, "type");
        let Content::Text(name) = &node.content else {
            Sink { path: &path, problems: &mut self.problems }.expected("the name of a type", node);
            return None;
        };
        let found = types.iter().find(|(known, _)| known == name);
        if found.is_none() {
            let problem = if later.contains(&name.as_str()) {
                unsupported(&node.at, &format!("type `{name}`")).hint(supported)
            } else {
                let near = did_you_mean(name, names.iter().chain(later).copied());
                let hint = near.unwrap_or(supported);
                Problem::new(&node.at, format!("`{path}`: unknown type `{}`", name.escape_debug())).hint(hint)
            };
            self.problems.push(problem);
        }
        found.map(|(_, found)| *found)
    }

    /// Puts the type first among the options of the section that was read last.
    pub(super) fn list_type<T>(&mut self, given: Given<'_>, types: &[(&str, T)]) {
        if let (Some(section), Some(node)) = (self.listed.last_mut(), given.table.get("type"))
            && let Content::Text(name) = &node.content
        {
            section.rows.insert(0, type_row(types, name, &node.at));
        }
    }

    /// The tables in a table of named ones, such as `[handlers.NAME]`.
    pub(super) fn named<'a>(
        &mut self,
        path: &str,
        node: &'a Node,
    ) -> Vec<(String, &'a str, &'a Node, &'a Table)> {
        let Some(table) = self.table(path, node) else { return Vec::new() };
        let mut found = Vec::new();
        for (name, node) in table.iter() {
            let full = join(path, name);
            if !is_name(name) {
                let message = format!("`{}` is no name for a part of `{path}`", name.escape_debug());
                let hint = format!("names are 1 to {} of A-Z, a-z, 0-9, `_` and `-`", limits::MAX_NAME);
                self.problems.push(Problem::new(&node.at, message).hint(hint));
            }
            if let Some(table) = self.table(&full, node) {
                found.push((full, name, node, table));
            }
        }
        found
    }

    /// The table that a node must be.
    pub(super) fn table<'a>(&mut self, path: &str, node: &'a Node) -> Option<&'a Table> {
        match &node.content {
            Content::Table(table) => Some(table),
            _ => {
                Sink { path, problems: &mut self.problems }
                    .expected(&format!("a table, as in `[{path}]`"), node);
                None
            }
        }
    }
}

/// The row of a section's `type`.
fn type_row<T>(types: &[(&str, T)], name: &str, place: &Place) -> Row {
    let quoted: Vec<_> = types.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    Row {
        name: "type",
        takes: quoted.join(" or "),
        meaning: "What it is.",
        required: true,
        default: None,
        value: Some(name.into()),
        place: Some(place.clone()),
    }
}

/// Whether a name may stand in ids and paths, whose parts are joined by dots.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=limits::MAX_NAME).contains(&name.len()) && name.bytes().all(plain)
}
