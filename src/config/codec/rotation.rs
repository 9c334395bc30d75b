//! Floor 7: when files are rotated.

use super::quantity::{parse_size, show_size};
use super::{Codec, Takes, text};
use crate::config::option::Sink;
use crate::config::tree::Node;
use crate::handlers::csv::Rotate;
use crate::limits;
use toml_edit::Value;

/// When files are rotated: a name, or the size that they may have.
pub(in crate::config) struct Rotation;

impl Takes for Rotation {
    fn takes() -> String {
        format!(
            "\"never\", \"start\", \"daily\", or a size from \"{}\" on, such as \"10MiB\"",
            show_size(limits::MIN_ROTATION_SIZE)
        )
    }
}

impl Codec<Rotate> for Rotation {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Rotate> {
        let rotate = match text(node, &Self::takes(), sink)? {
            "never" => Some(Rotate::Never),
            "start" => Some(Rotate::Start),
            "daily" => Some(Rotate::Daily),
            size => parse_size(size).filter(|size| *size >= limits::MIN_ROTATION_SIZE).map(Rotate::Size),
        };
        if rotate.is_none() {
            sink.expected(&Self::takes(), node);
        }
        rotate
    }

    fn show(value: &Rotate) -> Option<Value> {
        Some(match value {
            Rotate::Never => "never".into(),
            Rotate::Start => "start".into(),
            Rotate::Daily => "daily".into(),
            Rotate::Size(size) => show_size(*size).into(),
        })
    }
}
