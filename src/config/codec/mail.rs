//! Floor 7: mail servers, addresses of mails, and further headers.

use super::{Codec, Takes, items, text};
use crate::config::option::Sink;
use crate::config::tree::{Content, Node};
use crate::handlers::email::{Line, Mailbox, Server, mailbox};
use toml_edit::{Array, InlineTable, Value};

/// The URL of a mail server.
pub(in crate::config) struct MailServer;

impl Takes for MailServer {
    fn takes() -> String {
        "\"smtps://HOST\" or \"smtp://HOST\", perhaps with a port".to_owned()
    }
}

impl Codec<Option<Server>> for MailServer {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Option<Server>> {
        let Content::Text(url) = &node.content else {
            sink.expected(&Self::takes(), node);
            return None;
        };
        // What stands there is not repeated: it may hold a password.
        let hint =
            || format!("expected {}; `username` and `password` are options of their own", Self::takes());
        url.parse()
            .map_err(|error: crate::handlers::email::WrongServer| {
                sink.wrong(node, &error.to_string(), Some(hint()));
            })
            .ok()
            .map(Some)
    }

    fn show(value: &Option<Server>) -> Option<Value> {
        value.as_ref().map(|server| server.to_string().into())
    }
}

/// An address of a mail, perhaps with a name.
pub(in crate::config) struct MailAddress;

impl Takes for MailAddress {
    fn takes() -> String {
        "an address such as \"ops@example.com\" or \"Ops <ops@example.com>\"".to_owned()
    }
}

fn address(node: &Node, sink: &mut Sink<'_>) -> Option<Mailbox> {
    let given = text(node, &MailAddress::takes(), sink)?;
    match mailbox(given) {
        Ok(mailbox) => Some(mailbox),
        Err(why) => {
            sink.wrong(node, why, Some(format!("expected {}", MailAddress::takes())));
            None
        }
    }
}

impl Codec<Option<Mailbox>> for MailAddress {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Option<Mailbox>> {
        address(node, sink).map(Some)
    }

    fn show(value: &Option<Mailbox>) -> Option<Value> {
        value.as_ref().map(|mailbox| mailbox.to_string().into())
    }
}

/// Several of them; one may stand without brackets.
pub(in crate::config) struct MailAddresses;

impl Takes for MailAddresses {
    fn takes() -> String {
        "an address such as \"ops@example.com\", or a list of them".to_owned()
    }
}

impl Codec<Vec<Mailbox>> for MailAddresses {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<Mailbox>> {
        let read = items(node, sink, address)?;
        if read.is_empty() {
            sink.expected(&Self::takes(), node);
            return None;
        }
        if read.len() > crate::limits::MAX_RECIPIENTS {
            let message = format!("there are more than {} addresses", crate::limits::MAX_RECIPIENTS);
            sink.wrong(node, &message, Some("name a mailing list".to_owned()));
            return None;
        }
        Some(read)
    }

    fn show(value: &Vec<Mailbox>) -> Option<Value> {
        (!value.is_empty()).then(|| Value::Array(value.iter().map(ToString::to_string).collect::<Array>()))
    }
}

/// Headers of mails, by name.
pub(in crate::config) struct MailHeaders;

impl Takes for MailHeaders {
    fn takes() -> String {
        "a table from names of headers to text, as in { X-Team = \"blue\" }".to_owned()
    }
}

impl Codec<Vec<Line>> for MailHeaders {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<Line>> {
        let Content::Table(table) = &node.content else {
            sink.expected(&Self::takes(), node);
            return None;
        };
        let read: Vec<_> = table.iter().map(|(name, node)| line(name, node, sink)).collect();
        read.into_iter().collect()
    }

    fn show(value: &Vec<Line>) -> Option<Value> {
        let lines = value.iter().map(|line| (line.name(), line.value()));
        (!value.is_empty()).then(|| Value::InlineTable(lines.collect::<InlineTable>()))
    }
}

fn line(name: &str, node: &Node, sink: &mut Sink<'_>) -> Option<Line> {
    let value = text(node, "the text of a header", sink)?;
    match Line::new(name, value) {
        Ok(line) => Some(line),
        Err(why) => {
            sink.wrong(node, &format!("`{}`: {why}", name.escape_debug()), None);
            None
        }
    }
}
