//! Floor 7: how values are written: one type for each way, which reads a node and shows a value.
//!
//! Invariant: what a codec shows, it reads back as the same value.

mod address;
mod choice;
mod credential;
mod filter;
mod http;
mod mail;
mod network;
mod pattern;
mod permissions;
mod program;
mod quantity;
mod rotation;
mod syslog;
mod text;
mod tls;

pub(super) use address::{Addresses, parse_address};
pub(super) use choice::{Choice, Flag, OneOf, Raises, Several, Switches};
pub(super) use credential::{Credential, TextOrCredential, TextsOrCredentials};
pub(super) use filter::{Fields, FilterText};
pub(super) use http::{Headers, HttpUrl, UrlOrCredential, WebhookBody};
pub(super) use mail::{MailAddress, MailAddresses, MailHeaders, MailServer};
pub(super) use network::{HostName, Networks};
pub(super) use pattern::Patterns;
pub(super) use permissions::{FileMode, Owner};
pub(super) use program::{Command, ExitCodes};
pub(super) use quantity::{Count, Lasting, Size};
pub(super) use rotation::Rotation;
pub(super) use syslog::{AppName, SyslogAddress};
pub(super) use text::{AbsolutePath, AbsolutePaths, DelimiterText, FilePath, Names, Text, ZoneName};
pub(super) use tls::{Fingerprints, HostNames, NamePatterns};

use super::option::Sink;
use super::tree::{Content, Node};
use toml_edit::Value;

/// Says in words what values it takes.
pub(super) trait Takes {
    fn takes() -> String;
}

/// Reads and shows values of `T`.
pub(super) trait Codec<T>: Takes {
    /// Reads a value, or says what is wrong with it.
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<T>;

    /// Shows a value; nothing when there is none.
    fn show(value: &T) -> Option<Value>;
}

/// The text of a node, or a problem.
fn text<'a>(node: &'a Node, what: &str, sink: &mut Sink<'_>) -> Option<&'a str> {
    match &node.content {
        Content::Text(text) => Some(text),
        _ => {
            sink.expected(what, node);
            None
        }
    }
}

/// Reads a list, or a single item that stands for a list of one. An item that `read` refuses, it has complained of.
fn items<T>(
    node: &Node,
    sink: &mut Sink<'_>,
    read: impl Fn(&Node, &mut Sink<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    // All of them are read, so that all are complained of.
    let read: Vec<_> = node.items().iter().map(|node| read(node, sink)).collect();
    read.into_iter().collect()
}

/// Values of a list of which there may be so many.
fn bounded<T>(values: Vec<T>, most: usize, node: &Node, sink: &mut Sink<'_>) -> Option<Vec<T>> {
    if values.len() > most {
        sink.wrong(node, &format!("more than {most} are too many"), None);
        return None;
    }
    Some(values)
}

#[cfg(test)]
mod tests;
