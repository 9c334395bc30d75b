//! Floor 7: programs to run, and what their exit codes say.

use super::{Codec, Takes, items, text};
use crate::config::option::Sink;
use crate::config::tree::{Content, Node};
use std::path::Path;
use toml_edit::{Array, Value};

/// A program and its arguments.
pub(in crate::config) struct Command;

impl Takes for Command {
    fn takes() -> String {
        "a list of a program and its arguments; the program by its absolute path, or by its name in PATH"
            .to_owned()
    }
}

impl Codec<Vec<String>> for Command {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<String>> {
        let words = items(node, sink, |node, sink| {
            let word = text(node, &Self::takes(), sink)?;
            if word.contains('\0') {
                sink.wrong(node, "a NUL cannot be passed to a program", None);
                return None;
            }
            Some(word.to_owned())
        })?;
        match words.first() {
            Some(program) if program.contains('/') && !Path::new(program).is_absolute() => {
                sink.wrong(node, &format!("the path `{}` is not absolute", program.escape_debug()), None);
            }
            // What looks like a line for a shell would be looked for as one odd name.
            Some(program) if words.len() == 1 && program.contains(' ') => {
                let parts: Vec<_> = program.split(' ').map(|part| format!("{part:?}")).collect();
                let hint = format!("there is no shell: write [{}]", parts.join(", "));
                sink.wrong(node, "the arguments are to be items of their own", Some(hint));
            }
            Some(program) if !program.is_empty() => return Some(words),
            _ => sink.expected(&Self::takes(), node),
        }
        None
    }

    fn show(value: &Vec<String>) -> Option<Value> {
        (!value.is_empty()).then(|| Value::Array(value.iter().map(String::as_str).collect::<Array>()))
    }
}

/// Exit codes other than 0.
pub(in crate::config) struct ExitCodes;

impl Takes for ExitCodes {
    fn takes() -> String {
        "a list of whole numbers from 1 to 255".to_owned()
    }
}

impl Codec<Vec<u8>> for ExitCodes {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<u8>> {
        items(node, sink, |node, sink| {
            let code = match node.content {
                Content::Integer(number) => u8::try_from(number).ok().filter(|code| *code > 0),
                _ => None,
            };
            if code.is_none() {
                sink.expected(&Self::takes(), node);
            }
            code
        })
    }

    fn show(value: &Vec<u8>) -> Option<Value> {
        Some(Value::Array(value.iter().map(|code| i64::from(*code)).collect::<Array>()))
    }
}
