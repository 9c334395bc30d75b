//! Floor 7: how requests to other servers are configured: URLs, headers, templates.

use super::credential::{given, show_given};
use super::{Codec, Takes, text};
use crate::config::option::Sink;
use crate::config::tree::{Content, Node};
use crate::credentials::Given;
use crate::handlers::webhook::Body;
use crate::suggest::did_you_mean;
use reqwest::Url;
use reqwest::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use toml_edit::{InlineTable, Value};

/// An http or https URL, or the credential that holds it.
pub(in crate::config) struct UrlOrCredential;

impl Takes for UrlOrCredential {
    fn takes() -> String {
        "an http or https URL, or { credential = \"NAME\" }".to_owned()
    }
}

impl Codec<Option<Given>> for UrlOrCredential {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Option<Given>> {
        let value = given(node, sink)?;
        match &value {
            Given::Plain(text) if http_url(text).is_none() => {
                sink.wrong(
                    node,
                    &format!("expected {}; what stands there may be a secret", Self::takes()),
                    None,
                );
                None
            }
            _ => Some(Some(value)),
        }
    }

    fn show(value: &Option<Given>) -> Option<Value> {
        value.as_ref().map(show_given)
    }
}

/// An http or https URL.
pub(in crate::config) struct HttpUrl;

impl Takes for HttpUrl {
    fn takes() -> String {
        "an http or https URL without a login".to_owned()
    }
}

impl Codec<String> for HttpUrl {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<String> {
        let given = text(node, &Self::takes(), sink)?;
        if !http_url(given).is_some_and(|url| url.username().is_empty() && url.password().is_none()) {
            // What stands there is not shown: it may be a secret.
            sink.wrong(node, &format!("expected {}", Self::takes()), None);
            return None;
        }
        Some(given.to_owned())
    }

    fn show(value: &String) -> Option<Value> {
        Some(value.as_str().into())
    }
}

fn http_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Headers of a request.
pub(in crate::config) struct Headers;

impl Takes for Headers {
    fn takes() -> String {
        "a table from names of headers to text, or { credential = \"NAME\" }".to_owned()
    }
}

impl Codec<Vec<(String, Given)>> for Headers {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Vec<(String, Given)>> {
        let Content::Table(table) = &node.content else {
            sink.expected(&Self::takes(), node);
            return None;
        };
        let read: Vec<_> = table.iter().map(|(name, node)| header(name, node, sink)).collect();
        read.into_iter().collect()
    }

    fn show(value: &Vec<(String, Given)>) -> Option<Value> {
        let shown = value.iter().map(|(name, given)| (name.as_str(), show_given(given)));
        (!value.is_empty()).then(|| Value::InlineTable(shown.collect::<InlineTable>()))
    }
}

/// Headers that the transfer of a request is made of.
const TRANSFER: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];

fn header(name: &str, node: &Node, sink: &mut Sink<'_>) -> Option<(String, Given)> {
    let shown = name.escape_debug();
    match HeaderName::try_from(name) {
        Ok(parsed) if TRANSFER.contains(&parsed) => {
            sink.wrong(node, &format!("the header `{shown}` is not for the configuration to set"), None);
        }
        Ok(_) => {
            let value = given(node, sink)?;
            match &value {
                Given::Plain(text) if HeaderValue::from_str(text).is_err() => {
                    sink.wrong(node, &format!("the value of `{shown}` cannot be sent in a header"), None);
                }
                _ => return Some((name.to_owned(), value)),
            }
        }
        Err(_) => sink.wrong(node, &format!("`{shown}` is no name of a header"), None),
    }
    None
}

/// What a webhook says: one of the built-in forms, or a template in a file.
pub(in crate::config) struct WebhookBody;

const BODIES: [(&str, Body); 4] =
    [("json", Body::Json), ("records", Body::Records), ("slack", Body::Slack), ("ntfy", Body::Ntfy)];

impl Takes for WebhookBody {
    fn takes() -> String {
        "\"json\", \"records\", \"slack\", \"ntfy\", or the path of a template; a relative one is under the data directory"
            .to_owned()
    }
}

impl Codec<Body> for WebhookBody {
    fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Body> {
        let given = text(node, &Self::takes(), sink)?;
        if let Some((_, body)) = BODIES.iter().find(|(name, _)| *name == given) {
            return Some(body.clone());
        }
        // A word without a slash or a dot is a name that is wrong rather than a file.
        if !given.contains(['/', '.']) || given.contains('\0') {
            let hint = did_you_mean(given, BODIES.iter().map(|(name, _)| *name));
            sink.wrong(node, &format!("expected {}, found {}", Self::takes(), node.found()), hint);
            return None;
        }
        Some(Body::File(given.into()))
    }

    fn show(value: &Body) -> Option<Value> {
        if let Body::File(path) = value {
            return Some(path.to_string_lossy().into_owned().into());
        }
        BODIES.iter().find(|(_, body)| body == value).map(|(name, _)| (*name).into())
    }
}
