//! Floor 7: TOML documents as one tree in which every value knows where it was written.
//!
//! Invariant: what a layer says of a key stands in the tree once; a layer of a higher rank replaces it, and a layer
//! of the same rank that says it again is a problem.

use super::problem::{Place, Problem, Problems};
use std::sync::Arc;
use toml_edit::{Document, Item, Key, TableLike, Value};

/// Characters of a text that a message shows.
const SHOWN: usize = 64;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) content: Content,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Table(Table),
    List(Vec<Node>),
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    Datetime(String),
}

/// Named nodes, in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Vec<(String, Node)>);

impl Node {
    /// The items of a list; a value that is none stands for a list of one.
    pub(super) fn items(&self) -> &[Self] {
        match &self.content {
            Content::List(nodes) => nodes,
            _ => std::slice::from_ref(self),
        }
    }

    /// What it holds, in words, for messages.
    pub(super) fn found(&self) -> String {
        match &self.content {
            Content::Table(_) => "a table".to_owned(),
            Content::List(nodes) if nodes.is_empty() => "an empty list".to_owned(),
            Content::List(_) => "a list".to_owned(),
            Content::Text(text) => match text.char_indices().nth(SHOWN) {
                Some((end, _)) => format!("\"{}...\"", text.get(..end).unwrap_or_default().escape_debug()),
                None => format!("\"{}\"", text.escape_debug()),
            },
            Content::Integer(number) => number.to_string(),
            Content::Float(number) => number.to_string(),
            Content::Flag(flag) => flag.to_string(),
            Content::Datetime(datetime) => datetime.clone(),
        }
    }
}

impl Table {
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, node)| node)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// Adds what a layer of the same rank says. Tables of one name become one.
    pub(super) fn join(&mut self, other: Self, problems: &mut Problems) {
        for (name, node) in other.0 {
            match (self.slot(&name), node.content) {
                (None, content) => self.0.push((name, Node { at: node.at, content })),
                (Some(Node { content: Content::Table(ours), .. }), Content::Table(theirs)) => {
                    ours.join(theirs, problems);
                }
                (Some(first), _) => problems.push(
                    Problem::new(&node.at, format!("`{name}` is set a second time"))
                        .hint(format!("first set at {}", first.at)),
                ),
            }
        }
    }

    /// Puts what a layer of a higher rank says over what is there.
    pub(super) fn override_with(&mut self, other: Self) {
        for (name, node) in other.0 {
            match (self.slot(&name), node.content) {
                (None, content) => self.0.push((name, Node { at: node.at, content })),
                (Some(Node { content: Content::Table(ours), .. }), Content::Table(theirs)) => {
                    ours.override_with(theirs);
                }
                (Some(slot), content) => *slot = Node { at: node.at, content },
            }
        }
    }

    /// Adds a node of another table, if it has one of that name.
    pub(super) fn add_missing(&mut self, mut other: Self, name: &str) {
        if let Some(node) = other.remove(name) {
            self.0.push((name.to_owned(), node));
        }
    }

    /// Takes a node out.
    pub(super) fn remove(&mut self, name: &str) -> Option<Node> {
        let index = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(index).1)
    }

    fn slot(&mut self, name: &str) -> Option<&mut Node> {
        self.0.iter_mut().find(|(key, _)| key == name).map(|(_, node)| node)
    }
}

/// Reads the text of a file.
///
/// # Errors
/// Where the text is not TOML.
pub(super) fn parse_file(file: &str, text: &str) -> Result<Table, Problem> {
    let file: Arc<str> = file.into();
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', text.as_bytes()).collect();
    let place = |span: Option<std::ops::Range<usize>>| {
        let start = span.map_or(0, |span| span.start);
        Place::File { file: file.clone(), line: 1 + ends.partition_point(|end| *end < start) }
    };
    let document = Document::parse(text).map_err(|error| {
        let message = error.message().trim_end().replace('\n', ", ");
        let twice = error.span().filter(|_| message == "duplicate key").and_then(|span| text.get(span));
        let twice = twice.map(|key| format!(" `{}`", key.escape_debug())).unwrap_or_default();
        Problem::new(&place(error.span()), format!("not TOML: {message}{twice}"))
    })?;
    Ok(table(document.as_table(), &|key, item| place(key.and_then(Key::span).or_else(|| item.span()))))
}

/// Reads `KEY=VALUE` as `--set` has it: a key with dots, and TOML or, failing that, plain text.
///
/// # Errors
/// Where there is no key.
pub(super) fn parse_set(argument: &str) -> Result<Table, Problem> {
    let at = Place::Argument(format!("--set {argument}").into());
    let wrong =
        |message: &str| Problem::new(&at, message).hint("expected KEY=VALUE, as in `server.timezone=UTC`");
    let (key, value) = argument.split_once('=').ok_or_else(|| wrong("no `=` in the option to set"))?;
    let path = Key::parse(key.trim()).map_err(|_| wrong("no key before the `=`"))?;
    let value = value.trim().parse().unwrap_or_else(|_| Value::from(value));
    let mut node = node(&Item::Value(value), at.clone(), &|_, _| at.clone());
    for key in path.iter().rev() {
        node = Node { at: at.clone(), content: Content::Table(Table(vec![(key.get().to_owned(), node)])) };
    }
    match node.content {
        Content::Table(table) => Ok(table),
        _ => Err(wrong("no key before the `=`")),
    }
}

type PlaceOf<'a> = &'a dyn Fn(Option<&Key>, &Item) -> Place;

fn table(table: &dyn TableLike, place: PlaceOf<'_>) -> Table {
    let entries = table.iter().map(|(name, item)| {
        let at = place(table.key(name), item);
        (name.to_owned(), node(item, at, place))
    });
    Table(entries.collect())
}

fn node(item: &Item, at: Place, place: PlaceOf<'_>) -> Node {
    let content = match item {
        Item::None => Content::Table(Table::default()),
        Item::Table(inner) => Content::Table(table(inner, place)),
        Item::ArrayOfTables(tables) => {
            let nodes = tables.iter().map(|inner| {
                let at = place(None, &Item::Table(inner.clone()));
                Node { at, content: Content::Table(table(inner, place)) }
            });
            Content::List(nodes.collect())
        }
        Item::Value(value) => value_content(value, place),
    };
    Node { at, content }
}

fn value_content(value: &Value, place: PlaceOf<'_>) -> Content {
    match value {
        Value::String(text) => Content::Text(text.value().clone()),
        Value::Integer(number) => Content::Integer(*number.value()),
        Value::Float(number) => Content::Float(*number.value()),
        Value::Boolean(flag) => Content::Flag(*flag.value()),
        Value::Datetime(datetime) => Content::Datetime(datetime.value().to_string()),
        Value::InlineTable(inner) => Content::Table(table(inner, place)),
        Value::Array(values) => {
            let nodes = values.iter().map(|value| {
                let item = Item::Value(value.clone());
                node(&item, place(None, &item), place)
            });
            Content::List(nodes.collect())
        }
    }
}
