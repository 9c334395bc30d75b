//! Floor 7: `[handlers.NAME]` with `type = "webhook"`.

use crate::config::codec::{AbsolutePath, Credential, Headers, Lasting, UrlOrCredential, WebhookBody};
use crate::config::option::{Opt, options};
use crate::config::section::Section;
use crate::handlers::webhook::Options;

impl Section for Options {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        (required) url = url as UrlOrCredential,
            "Where events are sent, one POST for each.";
        template = template as WebhookBody,
            "What a request says: the event as JSON, with its records or without, a message for Slack or ntfy, or what a template gives \
             (docs/handlers/webhook.md).";
        headers = headers as Headers,
            "Headers of each request, over those that the template sets.";
        hmac_secret = hmac_secret as Credential,
            "The key by which each request is signed with HMAC-SHA256.";
        ca = ca as AbsolutePath,
            "A PEM file with the authorities that vouch for the server, in place of the system's.";
        timeout = timeout as Lasting<1, 300>,
            "The time within which a request must be answered in full.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}
