//! Floor 4: where requests go, with what they bear besides their body.
//!
//! Invariant: what a credential holds leaves this file in a request only.

use super::message::Message;
use super::signature::{SIGNATURE, Signer, TIMESTAMP};
use super::{Client, Options};
use crate::credentials::{Given, Missing};
use crate::handlers::secrecy::Hushed;
use crate::handlers::{Environment, Trial, http};
use crate::time::{MICROS_PER_SECOND, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Url};

/// What tells a receiver that it has had an event already (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What tells a receiver that nothing of the kind happens just now.
const OCCASION: HeaderName = HeaderName::from_static("x-correlator-occasion");

/// Where requests go.
pub(super) struct Target {
    url: Url,
    is_secret: bool,
    headers: HeaderMap,
    signer: Option<Signer>,
    /// What must not come back in notes.
    pub(super) hushed: Hushed,
}

/// Why there is nowhere to send to. The values of options are not told: they may be secrets.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    #[error(transparent)]
    Missing(#[from] Missing),
    #[error("`url`, or the credential that it names, is no http or https URL")]
    Url,
    #[error("the header `{0}`, or the credential that it names, cannot be sent in a request")]
    Header(String),
}

impl Target {
    pub(super) fn new(options: &Options, environment: &Environment) -> Result<Self, TargetError> {
        let secrets = &environment.secrets;
        let mut hushed = Hushed::default();
        let given = options.url.as_ref().ok_or(TargetError::Url)?;
        let text = secrets.resolve(given)?;
        let url = http::url(text.expose()).ok_or(TargetError::Url)?;
        let is_secret = given.credential().is_some();
        if is_secret {
            hushed.add_url(text.expose(), &url);
        }
        hushed.add_login_of(&url);
        let occasion = environment.occasion.name();
        let occasion = occasion.map(|name| (OCCASION, HeaderValue::from_static(name)));
        let mut headers: HeaderMap = occasion.into_iter().collect();
        for (name, given) in &options.headers {
            let wrong = || TargetError::Header(name.clone());
            let value = secrets.resolve(given)?;
            let name = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
            let mut sent = HeaderValue::from_str(value.expose()).map_err(|_| wrong())?;
            if matches!(given, Given::Credential(_)) {
                sent.set_sensitive(true);
                hushed.add(value.expose());
                // What comes behind the scheme, as in `Bearer token`, may be repeated alone.
                value.expose().split_once(' ').into_iter().for_each(|(_, token)| hushed.add(token));
            }
            headers.insert(name, sent);
        }
        let key = options.hmac_secret.as_ref().map(|name| secrets.get(name)).transpose()?;
        let signer = key.map(|key| {
            hushed.add(key.expose());
            Signer::new(key.expose().as_bytes())
        });
        Ok(Self { url, is_secret, headers, signer, hushed })
    }

    /// Tries whether the server can be reached. What a request would tell people, nobody can know.
    pub(super) async fn reach(&self, client: &Client) -> Vec<Trial> {
        client.reach(&self.url, self.is_secret, &self.hushed).await.made()
    }

    /// Makes a request of a message, signed with the present time.
    pub(super) fn request(&self, client: &Client, message: Message, now: Timestamp) -> RequestBuilder {
        let mut headers = message.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(message.content_type));
        // An id is made of names and numbers.
        if let Ok(id) = HeaderValue::from_str(&message.id) {
            headers.insert(IDEMPOTENCY_KEY, id);
        }
        headers.extend(self.headers.clone());
        if let Some(signer) = &self.signer {
            let seconds = now.as_micros().div_euclid(MICROS_PER_SECOND);
            headers.insert(TIMESTAMP, HeaderValue::from(seconds));
            if let Ok(signature) = HeaderValue::try_from(signer.sign(seconds, &message.body)) {
                headers.insert(SIGNATURE, signature);
            }
        }
        client.post(self.url.clone()).headers(headers).body(message.body)
    }
}
