//! Floor 4: requests to other people's servers: what `webhook` and `sms` share.
//!
//! Redirects are not followed: they would take events and secrets to where nobody configured them to go. Of an answer,
//! no more is read than a note can use.
//!
//! Invariant: no secret is in a note, not even where the answer repeats it.

mod answer;

#[cfg(test)]
pub(super) mod server;

pub(super) use answer::{Answer, Class};

use super::probe::{Place, Trials};
use super::secrecy::{Hushed, is_telling};
use super::{Outcome, tls};
use crate::causes::in_full;
use crate::credentials::Given;
use crate::limits;
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, Url};
use rustls::ClientConfig;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Sends requests, over connections that are used again.
#[derive(Clone, Debug)]
pub(super) struct Client {
    client: reqwest::Client,
    tls: Arc<ClientConfig>,
    timeout: Duration,
}

impl Client {
    /// Makes a client that trusts the authorities in the file `ca`, or else the system's, and waits so long for an
    /// answer, from the first look-up to the last byte.
    ///
    /// # Errors
    /// When the file does not hold what it should.
    pub(super) fn new(ca: Option<&Path>, timeout: Duration) -> io::Result<Self> {
        let mut tls = tls::client(ca, None)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("correlator/", env!("CARGO_PKG_VERSION")))
            .pool_idle_timeout(limits::HTTP_IDLE)
            .timeout(timeout)
            .build();
        let client = client.map_err(|error| io::Error::other(in_full(&error.without_url())))?;
        Ok(Self { client, tls: Arc::new(tls), timeout })
    }

    /// Begins a POST.
    pub(super) fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url)
    }

    /// Begins a GET.
    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    /// Tries whether the server of a URL can be reached, and is who it should be. Nothing is sent to it. Each trial may take as
    /// long as a request.
    pub(super) async fn reach(&self, url: &Url, is_secret: bool, hushed: &Hushed) -> Trials {
        let mut trials = Trials::within(self.timeout).hushing(hushed);
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return trials };
        let host = host.trim_matches(['[', ']']);
        let place = Place { host, port, shown: if is_secret { "of a URL that is a secret" } else { host } };
        trials.resolve(place).await;
        let tls = (url.scheme() == "https").then(|| Arc::clone(&self.tls));
        trials.connect(place, tls).await;
        trials
    }
}

/// An http or https URL; nothing for what is none.
pub(super) fn url(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// Whether a URL that stands in the configuration seems to hold a secret.
pub(super) fn is_exposed(given: &Given) -> bool {
    matches!(given, Given::Plain(text) if url(text).is_some_and(|url| is_telling(&url)))
}

/// Whether what goes to a URL can be read on its way to another machine.
pub(super) fn is_readable(text: &str) -> bool {
    url(text).is_some_and(|url| {
        let host = url.host_str().unwrap_or_default();
        url.scheme() == "http" && !tls::is_this_machine(host.trim_matches(['[', ']']))
    })
}

/// Scheme, host and port of a URL: what may be told of one that has a password, or a path that nobody else is to know.
pub(super) fn origin(url: &str) -> String {
    Url::parse(url.trim()).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// Sends a request and reads what it is answered.
///
/// # Errors
/// A temporary outcome, when there is no answer.
pub(super) async fn send(request: RequestBuilder, hushed: &Hushed) -> Result<Answer, Outcome> {
    let failed = |error: reqwest::Error| {
        let error = error.without_url();
        let why = if error.is_timeout() { "it gave no answer in time".to_owned() } else { in_full(&error) };
        Outcome::Temporary(hushed.text(&why))
    };
    let response = request.send().await.map_err(failed)?;
    let (status, retry_after) = (response.status(), answer::retry_after(response.headers()));
    // The status has been told: how the body ends changes nothing of it.
    let body = body(response).await;
    Ok(Answer { status, retry_after, body })
}

/// The beginning of a body.
async fn body(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = limits::MAX_ANSWER_BYTES.saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        if chunk.len() >= room {
            break;
        }
    }
    body
}

#[cfg(test)]
mod tests;
