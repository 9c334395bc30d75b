//! Floor 7: values that may be credentials, and values that must be.
//!
//! Invariant: a secret that somebody has written into the configuration is refused, and not repeated in the message.

use super::{Codec, Takes, items};
use crate::config::option::Sink;
use crate::config::tree::{Content, Node};
use crate::credentials::{CredentialName, Given};
use toml_edit::{Array, InlineTable, Value};

/// How a credential is named.
const EXAMPLE: &str = "{ credential = \"NAME\" }";

/// A text, or the credential that holds it.
pub(in crate::config) struct TextOrCredential;

/// Several texts or credentials; one may stand for a list of one.
pub(in crate::config) struct TextsOrCredentials;

/// A credential: a secret that no file may hold.
pub(in crate::config) struct Credential;

impl Takes for TextOrCredential {
    fn takes() -> String {
        format!("text, or {EXAMPLE}")
    }
}

impl Takes for TextsOrCredentials {
    fn takes() -> String {
        format!("text, or {EXAMPLE}, or a list of these")
    }
}

impl Takes for Credential {
    fn takes() -> String {
        EXAMPLE.to_owned()
    }
}

/// Reads a text, or the name of the credential that holds it.
pub(super) fn given(node: &Node, sink: &mut Sink<'_>) -> Option<Given> {
    match &node.content {
        Content::Text(text) => Some(Given::Plain(text.clone())),
        Content::Table(_) => named(node, sink).map(Given::Credential),
        _ => {
            sink.expected(&TextOrCredential::takes(), node);
            None
        }
    }
}

/// Reads a table that names a credential, and nothing else.
fn named(node: &Node, sink: &mut Sink<'_>) -> Option<CredentialName> {
    let Content::Table(table) = &node.content else { return None };
    let mut keys = table.iter();
    let (Some(("credential", name)), None) = (keys.next(), keys.next()) else {
        sink.expected(EXAMPLE, node);
        return None;
    };
    let Content::Text(text) = &name.content else {
        sink.expected("the name of a credential", name);
        return None;
    };
    CredentialName::new(text).map_err(|error| sink.wrong(name, &error.to_string(), None)).ok()
}

fn show_name(name: &CredentialName) -> Value {
    Value::InlineTable(InlineTable::from_iter([("credential", name.as_str())]))
}

/// Shows a value, or the name of the credential that holds it.
pub(super) fn show_given(value: &Given) -> Value {
    match value {
        Given::Plain(text) => text.as_str().into(),
        Given::Credential(name) => show_name(name),
    }
}

impl Codec<Option<Given>> for TextOrCredential {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Option<Given>> {
        given(node, sink).map(Some)
    }

    fn show(value: &Option<Given>) -> Option<Value> {
        value.as_ref().map(show_given)
    }
}

impl Codec<Vec<Given>> for TextsOrCredentials {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<Given>> {
        items(node, sink, given)
    }

    fn show(value: &Vec<Given>) -> Option<Value> {
        (!value.is_empty()).then(|| Value::Array(value.iter().map(show_given).collect::<Array>()))
    }
}

impl Codec<Option<CredentialName>> for Credential {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Option<CredentialName>> {
        match &node.content {
            Content::Table(_) => named(node, sink).map(Some),
            _ => {
                let remedy = format!(
                    "name a credential, {EXAMPLE}, and keep it with `correlator credentials set NAME`"
                );
                sink.wrong(node, "secrets do not belong into the configuration", Some(remedy));
                None
            }
        }
    }

    fn show(value: &Option<CredentialName>) -> Option<Value> {
        value.as_ref().map(show_name)
    }
}
