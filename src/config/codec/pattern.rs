//! Floor 7: files that are followed, as paths with wildcards.

use super::{Codec, Takes, items, text};
use crate::config::option::Sink;
use crate::config::tree::Node;
use crate::ingest::follow::Pattern;
use toml_edit::{Array, Value};

/// Files to follow.
pub(in crate::config) struct Patterns;

impl Takes for Patterns {
    fn takes() -> String {
        "an absolute path such as \"/var/log/auth.log\", in which `*`, `?`, `[a-z]` and `{a,b}` may stand for parts of a name, \
         or a list of them"
            .to_owned()
    }
}

impl Codec<Vec<Pattern>> for Patterns {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<Pattern>> {
        let read = items(node, sink, |node, sink| {
            let parsed = Pattern::parse(text(node, &Self::takes(), sink)?);
            parsed.map_err(|wrong| sink.wrong(node, &wrong, None)).ok()
        })?;
        if read.is_empty() {
            sink.expected(&Self::takes(), node);
            return None;
        }
        Some(read)
    }

    fn show(value: &Vec<Pattern>) -> Option<Value> {
        let texts: Vec<_> = value.iter().map(ToString::to_string).collect();
        match texts.as_slice() {
            [] => None,
            [one] => Some(one.as_str().into()),
            several => Some(Value::Array(several.iter().map(String::as_str).collect::<Array>())),
        }
    }
}
