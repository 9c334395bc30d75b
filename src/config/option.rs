//! Floor 7: what an option is: one row that names it, reads it, shows it and says what it means.
//!
//! Invariant: the row is the only place that knows an option; parsing, the listing of `correlator config`, the
//! reference in docs/configuration.md and the suggestions for misspelt keys all come from it. A default is what the
//! owner's `Default` says, and stands nowhere else.

use super::problem::{Place, Problem, Problems};
use super::tree::{Node, Table};
use crate::suggest::did_you_mean;
use toml_edit::Value;

/// One option of a section, whose plain options are a `T`.
pub(super) struct Opt<T: 'static> {
    /// Its key.
    pub(super) name: &'static str,
    /// What values it takes, in words.
    pub(super) takes: fn() -> String,
    /// What it means, in a sentence.
    pub(super) meaning: &'static str,
    /// Whether a section without it is incomplete.
    pub(super) required: bool,
    /// Reads it; says what is wrong instead where it cannot.
    pub(super) set: fn(&mut T, &Node, &mut Sink<'_>),
    /// Shows it; nothing where it has no value.
    pub(super) get: fn(&T) -> Option<Value>,
}

/// Makes rows: the key, the field it fills, how its values are written, and what it means.
macro_rules! options {
    ($target:ty: $($(($required:ident))? $name:ident = $($field:ident).+ as $codec:ty, $meaning:literal;)*) => {
        &[$($crate::config::option::Opt::<$target> {
            name: stringify!($name),
            takes: <$codec as $crate::config::codec::Takes>::takes,
            meaning: $meaning,
            required: $crate::config::option::options!(@required $($required)?),
            set: |target, node, sink| {
                if let Some(value) = <$codec as $crate::config::codec::Codec<_>>::read(node, sink) {
                    target.$($field).+ = value;
                }
            },
            get: |target| <$codec as $crate::config::codec::Codec<_>>::show(&target.$($field).+),
        },)*]
    };
    (@required) => { false };
    (@required required) => { true };
}
pub(super) use options;

/// Takes what is wrong with the value of one option.
pub(super) struct Sink<'a> {
    /// The option's full name.
    pub(super) path: &'a str,
    pub(super) problems: &'a mut Problems,
}

impl Sink<'_> {
    /// Says that a value is not what the option takes.
    pub(super) fn expected(&mut self, what: &str, node: &Node) {
        self.expected_as_in(what, node, None);
    }

    /// Says that a value is not what the option takes, and how such values are written.
    pub(super) fn expected_as_in(&mut self, what: &str, node: &Node, example: Option<&str>) {
        let message = format!("`{}`: expected {what}, found {}", self.path, node.found());
        self.problems.push(Problem::new(&node.at, message).hint_if(example.map(str::to_owned)));
    }

    /// Says what else is wrong with a value, and perhaps what would be right.
    pub(super) fn wrong(&mut self, node: &Node, message: &str, hint: Option<String>) {
        let message = format!("`{}`: {message}", self.path);
        self.problems.push(Problem::new(&node.at, message).hint_if(hint));
    }
}

/// One option with its value, as it is listed.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its key within the section.
    pub name: &'static str,
    /// What values it takes, in words.
    pub takes: String,
    /// What it means.
    pub meaning: &'static str,
    /// Whether a section without it is incomplete.
    pub required: bool,
    /// Its value when nothing is said.
    pub default: Option<Value>,
    /// Its value.
    pub value: Option<Value>,
    /// Where the value was given; nothing for a default.
    pub place: Option<Place>,
}

/// Lists a section's options: as they are in `target`, with the places that `table` knows.
pub(super) fn rows<T>(options: &[Opt<T>], target: &T, default: &T, table: Option<&Table>) -> Vec<Row> {
    let row = |option: &Opt<T>| Row {
        name: option.name,
        takes: (option.takes)(),
        meaning: option.meaning,
        required: option.required,
        default: (option.get)(default),
        value: (option.get)(target),
        place: table.and_then(|table| table.get(option.name)).map(|node| node.at.clone()),
    };
    options.iter().map(row).collect()
}

/// A key that nothing reads.
pub(super) fn unknown_key<'a>(key: &str, at: &Place, known: impl Iterator<Item = &'a str>) -> Problem {
    let known: Vec<_> = known.collect();
    let near = did_you_mean(key, known.iter().copied());
    let hint = near.unwrap_or_else(|| format!("known here: {}", list(&known)));
    Problem::new(at, format!("unknown key `{}`", key.escape_debug())).hint(hint)
}

/// Something that a later version brings.
pub(super) fn unsupported(at: &Place, what: &str) -> Problem {
    Problem::new(at, format!("{what} is not supported by this version"))
}

/// A path one key further down.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Asks whether the name most like a wrong one was meant; says what there is where none is like it.
pub(super) fn near_or_all(given: &str, names: &[impl AsRef<str>]) -> String {
    let near = did_you_mean(given, names.iter().map(AsRef::as_ref));
    near.unwrap_or_else(|| format!("there are {}", list(names)))
}

/// Names in a row, each in backquotes.
pub(super) fn list(names: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    quoted.join(", ")
}
