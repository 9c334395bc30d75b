//! Floor 7: filters, and the fields of events.

use super::{Codec, Takes, items, text};
use crate::config::option::Sink;
use crate::config::tree::Node;
use crate::dispatch::Filter;
use crate::event::Field;
use crate::suggest::did_you_mean;
use std::sync::Arc;
use toml_edit::{Array, Value};

/// An expression that says which events are wanted.
pub(in crate::config) struct FilterText;

/// Names of fields of events.
pub(in crate::config) struct Fields;

impl Takes for FilterText {
    fn takes() -> String {
        "an expression, such as \"severity >= WARNING\"".to_owned()
    }
}

impl Codec<Option<Arc<Filter>>> for FilterText {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Option<Arc<Filter>>> {
        match Filter::compile(text(node, &Self::takes(), sink)?) {
            Ok(filter) => Some(Some(Arc::new(filter))),
            Err(error) => {
                sink.wrong(node, error.message(), error.remedy().map(str::to_owned));
                None
            }
        }
    }

    fn show(value: &Option<Arc<Filter>>) -> Option<Value> {
        value.as_ref().map(|filter| filter.source().into())
    }
}

impl Takes for Fields {
    fn takes() -> String {
        "a list of fields of events (docs/events.md)".to_owned()
    }
}

impl Codec<Vec<Field>> for Fields {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<Field>> {
        items(node, sink, |node, sink| {
            let name = text(node, "the name of a field", sink)?;
            let found = Field::ALL.iter().copied().find(|field| field.spec().name == name);
            if found.is_none() {
                let hint = did_you_mean(name, Field::ALL.iter().map(|field| field.spec().name));
                sink.wrong(node, &format!("events have no field `{}`", name.escape_debug()), hint);
            }
            found
        })
    }

    fn show(value: &Vec<Field>) -> Option<Value> {
        Some(Value::Array(value.iter().map(|field| field.spec().name).collect::<Array>()))
    }
}
