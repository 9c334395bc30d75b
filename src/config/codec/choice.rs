//! Floor 7: yes or no, one of several names or some of them, and switches of event kinds.

use super::{Codec, Takes, items, text};
use crate::config::option::Sink;
use crate::config::tree::{Content, Node};
use crate::correlate::sshd::Switch;
use crate::event::{Kind, Severity};
use crate::suggest::did_you_mean;
use std::marker::PhantomData;
use toml_edit::{Array, InlineTable, Value};

/// A type whose values the configuration names.
pub(in crate::config) trait Choice: Copy + PartialEq + 'static {
    /// The values and their names.
    const NAMES: &'static [(&'static str, Self)];
}

/// One of the names of a [`Choice`].
pub(in crate::config) struct OneOf<T>(PhantomData<T>);

impl<T: Choice> Takes for OneOf<T> {
    fn takes() -> String {
        let names: Vec<_> = T::NAMES.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        names.join(" or ")
    }
}

impl<T: Choice> Codec<T> for OneOf<T> {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<T> {
        let given = text(node, &Self::takes(), sink)?;
        let chosen = T::NAMES.iter().find(|(name, _)| *name == given);
        if chosen.is_none() {
            sink.expected(&Self::takes(), node);
        }
        chosen.map(|(_, value)| *value)
    }

    fn show(value: &T) -> Option<Value> {
        T::NAMES.iter().find(|(_, choice)| choice == value).map(|(name, _)| (*name).into())
    }
}

/// Some names of a [`Choice`], in an order; one may stand for a list of one.
pub(in crate::config) struct Several<T>(PhantomData<T>);

impl<T: Choice> Takes for Several<T> {
    fn takes() -> String {
        format!("a list of {}", OneOf::<T>::takes())
    }
}

impl<T: Choice> Codec<Vec<T>> for Several<T> {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<T>> {
        let chosen = items(node, sink, OneOf::<T>::read)?;
        let mut rest = chosen.as_slice();
        while let Some((first, others)) = rest.split_first() {
            if others.contains(first) {
                sink.wrong(node, "each may stand there once", None);
                return None;
            }
            rest = others;
        }
        if chosen.is_empty() {
            sink.expected(&Self::takes(), node);
            return None;
        }
        Some(chosen)
    }

    fn show(value: &Vec<T>) -> Option<Value> {
        Some(Value::Array(value.iter().filter_map(OneOf::<T>::show).collect::<Array>()))
    }
}

/// Yes or no.
pub(in crate::config) struct Flag;

impl Takes for Flag {
    fn takes() -> String {
        "true or false".to_owned()
    }
}

impl Codec<bool> for Flag {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<bool> {
        let Content::Flag(given) = &node.content else {
            sink.expected(&Self::takes(), node);
            return None;
        };
        Some(*given)
    }

    fn show(value: &bool) -> Option<Value> {
        Some((*value).into())
    }
}

/// Which kinds of events are raised, and how severe they are: a table from kinds, whose names begin with the module's
/// prefix, to switches.
pub(in crate::config) struct Switches<M>(PhantomData<M>);

/// The prefix of the kinds that a module raises.
pub(in crate::config) trait Raises {
    const PREFIX: &'static str;
}

const TAKES: &str = "\"off\", \"on\", \"INFO\", \"NOTICE\", \"WARNING\", \"ERROR\" or \"CRITICAL\"";

impl<M: Raises> Takes for Switches<M> {
    fn takes() -> String {
        format!("a table from kinds of events ({}...) to {TAKES}", M::PREFIX)
    }
}

impl<M: Raises> Codec<Vec<(Kind, Switch)>> for Switches<M> {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<(Kind, Switch)>> {
        let Content::Table(table) = &node.content else {
            sink.expected(&Self::takes(), node);
            return None;
        };
        let read: Vec<_> = table.iter().map(|(name, node)| switch::<M>(name, node, sink)).collect();
        read.into_iter().collect()
    }

    fn show(value: &Vec<(Kind, Switch)>) -> Option<Value> {
        let show = |&(kind, switch): &(Kind, Switch)| {
            let switch = match switch {
                Switch::Off => "off",
                Switch::On => "on",
                Switch::Severity(severity) => severity.name(),
            };
            (kind.spec().name, switch)
        };
        Some(Value::InlineTable(value.iter().map(show).collect::<InlineTable>()))
    }
}

fn switch<M: Raises>(name: &str, node: &Node, sink: &mut Sink<'_>) -> Option<(Kind, Switch)> {
    let kind = Kind::from_name(name).filter(|kind| kind.spec().name.starts_with(M::PREFIX));
    if kind.is_none() {
        let known = Kind::ALL.iter().map(|kind| kind.spec().name).filter(|name| name.starts_with(M::PREFIX));
        let near = did_you_mean(name, known);
        let hint = near.unwrap_or_else(|| format!("its kinds begin with `{}`", M::PREFIX));
        sink.wrong(node, &format!("the module raises no kind `{}`", name.escape_debug()), Some(hint));
    }
    let switch = match &node.content {
        Content::Text(text) if text == "off" => Some(Switch::Off),
        Content::Text(text) if text == "on" => Some(Switch::On),
        Content::Text(text) => text.parse::<Severity>().ok().map(Switch::Severity),
        _ => None,
    };
    if switch.is_none() {
        sink.wrong(
            node,
            &format!("`{}`: expected {TAKES}, found {}", name.escape_debug(), node.found()),
            None,
        );
    }
    Some((kind?, switch?))
}
