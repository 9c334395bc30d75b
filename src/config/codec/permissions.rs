//! Floor 7: permissions and owners of files.

use super::{Codec, Takes, text};
use crate::config::option::Sink;
use crate::config::tree::Node;
use toml_edit::Value;

/// Permissions, in octal digits.
pub(in crate::config) struct FileMode;

impl Takes for FileMode {
    fn takes() -> String {
        "permissions in octal digits, such as \"0660\"".to_owned()
    }
}

impl Codec<u32> for FileMode {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<u32> {
        let given = text(node, &Self::takes(), sink)?;
        let digits = (3..=4).contains(&given.len()) && given.bytes().all(|digit| digit.is_ascii_digit());
        let mode = digits.then(|| u32::from_str_radix(given, 8).ok()).flatten().filter(|mode| *mode <= 0o777);
        if mode.is_none() {
            sink.expected(&Self::takes(), node);
        }
        mode
    }

    fn show(value: &u32) -> Option<Value> {
        Some(format!("{value:04o}").into())
    }
}

/// A user or a group; nothing for that of the process.
pub(in crate::config) struct Owner;

impl Takes for Owner {
    fn takes() -> String {
        "a name or a number".to_owned()
    }
}

impl Codec<Option<String>> for Owner {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Option<String>> {
        let given = text(node, &Self::takes(), sink)?;
        if given.is_empty() || given.contains('\0') {
            sink.expected(&Self::takes(), node);
            return None;
        }
        Some(Some(given.to_owned()))
    }

    fn show(value: &Option<String>) -> Option<Value> {
        value.as_deref().map(Value::from)
    }
}
