//! Floor 7: texts, names, paths, zones, delimiters.

use super::{Codec, Takes, items, text};
use crate::config::option::Sink;
use crate::config::tree::Node;
use crate::config::zone::NamedZone;
use crate::limits;
use std::path::{Path, PathBuf};
use toml_edit::{Array, Value};

/// Any text.
pub(in crate::config) struct Text;

impl Takes for Text {
    fn takes() -> String {
        "text".to_owned()
    }
}

impl Codec<String> for Text {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<String> {
        text(node, "text", sink).map(str::to_owned)
    }

    fn show(value: &String) -> Option<Value> {
        (!value.is_empty()).then(|| value.as_str().into())
    }
}

/// A path, which may be relative.
pub(in crate::config) struct FilePath;

impl Takes for FilePath {
    fn takes() -> String {
        "a path; a relative one is under the data directory".to_owned()
    }
}

fn path(node: &Node, sink: &mut Sink<'_>) -> Option<PathBuf> {
    let path = text(node, "a path", sink)?;
    if path.is_empty() || path.contains('\0') {
        sink.expected("a path", node);
        return None;
    }
    Some(path.into())
}

impl Codec<Option<PathBuf>> for FilePath {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Option<PathBuf>> {
        path(node, sink).map(Some)
    }

    fn show(value: &Option<PathBuf>) -> Option<Value> {
        value.as_deref().map(show_path)
    }
}

impl Codec<PathBuf> for FilePath {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<PathBuf> {
        path(node, sink)
    }

    fn show(value: &PathBuf) -> Option<Value> {
        Some(show_path(value))
    }
}

/// An absolute path.
pub(in crate::config) struct AbsolutePath;

impl Takes for AbsolutePath {
    fn takes() -> String {
        "an absolute path".to_owned()
    }
}

fn absolute(node: &Node, sink: &mut Sink<'_>) -> Option<PathBuf> {
    let path = Path::new(text(node, "an absolute path", sink)?);
    if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
        sink.expected("an absolute path", node);
        return None;
    }
    Some(path.to_owned())
}

impl Codec<Option<PathBuf>> for AbsolutePath {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Option<PathBuf>> {
        absolute(node, sink).map(Some)
    }

    fn show(value: &Option<PathBuf>) -> Option<Value> {
        value.as_deref().map(show_path)
    }
}

/// Absolute paths, in an order; one may stand for a list of one.
pub(in crate::config) struct AbsolutePaths;

impl Takes for AbsolutePaths {
    fn takes() -> String {
        "a list of absolute paths".to_owned()
    }
}

impl Codec<Vec<PathBuf>> for AbsolutePaths {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<PathBuf>> {
        items(node, sink, absolute)
    }

    fn show(value: &Vec<PathBuf>) -> Option<Value> {
        Some(Value::Array(value.iter().map(|path| show_path(path)).collect::<Array>()))
    }
}

fn show_path(path: &Path) -> Value {
    path.to_string_lossy().into_owned().into()
}

/// Names of things that the configuration defines elsewhere.
pub(in crate::config) struct Names;

impl Takes for Names {
    fn takes() -> String {
        "a list of names".to_owned()
    }
}

impl Codec<Vec<String>> for Names {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<String>> {
        items(node, sink, |node, sink| text(node, "a name, or a list of names", sink).map(str::to_owned))
    }

    fn show(value: &Vec<String>) -> Option<Value> {
        Some(Value::Array(value.iter().map(String::as_str).collect::<Array>()))
    }
}

/// The name of a time zone.
pub(in crate::config) struct ZoneName;

impl Takes for ZoneName {
    fn takes() -> String {
        "a time zone, such as \"Europe/Berlin\"".to_owned()
    }
}

impl Codec<NamedZone> for ZoneName {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<NamedZone> {
        let name = text(node, &Self::takes(), sink)?;
        match NamedZone::find(name) {
            Ok(zone) => Some(zone),
            Err(wrong) => {
                sink.wrong(node, &wrong.unknown.to_string(), Some(wrong.hint));
                None
            }
        }
    }

    fn show(value: &NamedZone) -> Option<Value> {
        Some(value.name.as_str().into())
    }
}

/// What ends a delimited frame.
pub(in crate::config) struct DelimiterText;

const DELIMITERS: [(&str, &[u8]); 3] = [("LF", b"\n"), ("CRLF", b"\r\n"), ("NUL", b"\0")];

impl Takes for DelimiterText {
    fn takes() -> String {
        format!("\"LF\", \"CRLF\", \"NUL\", or the delimiter itself, 1 to {} bytes", limits::MAX_DELIMITER)
    }
}

impl Codec<Vec<u8>> for DelimiterText {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<u8>> {
        let given = text(node, &Self::takes(), sink)?;
        let named = DELIMITERS.iter().find(|(name, _)| *name == given);
        let bytes = named.map_or(given.as_bytes(), |(_, bytes)| bytes);
        if bytes.is_empty() || bytes.len() > limits::MAX_DELIMITER {
            sink.expected(&Self::takes(), node);
            return None;
        }
        Some(bytes.to_owned())
    }

    fn show(value: &Vec<u8>) -> Option<Value> {
        let named = DELIMITERS.iter().find(|(_, bytes)| bytes == value);
        Some(
            named.map_or_else(
                || String::from_utf8_lossy(value).into_owned().into(),
                |(name, _)| (*name).into(),
            ),
        )
    }
}
