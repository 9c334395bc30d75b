//! Floor 4: a request that tells others that the server lives.
//!
//! That this program is dead somebody else has to notice: a service that expects this request from time to time, and
//! alarms people when it does not come.

use super::http::{self, Client, send};
use super::secrecy::Hushed;
use super::{Outcome, Trial};
use crate::credentials::Given;
use crate::limits;
use reqwest::Url;
use std::io;

/// Whether a URL that stands in the configuration seems to be a secret.
pub fn is_exposed(url: &Given) -> bool {
    http::is_exposed(url)
}

/// Tells a URL that the server lives.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    client: Client,
    url: Url,
    hushed: Hushed,
}

impl Heartbeat {
    /// Prepares requests to an http or https URL, which no note repeats: whoever knows it can say that we live.
    ///
    /// # Errors
    /// When it is none, or the system has no certificate authorities.
    pub fn new(text: &str) -> io::Result<Self> {
        let mut hushed = Hushed::default();
        let url = http::url(text);
        let url = url.ok_or_else(|| io::Error::other("it is no http or https URL"))?;
        hushed.add_url(text, &url);
        hushed.add_login_of(&url);
        Ok(Self { client: Client::new(None, limits::HEARTBEAT_DEADLINE)?, url, hushed })
    }

    /// Tries whether the server can be reached, without telling it that we live.
    pub async fn probe(&self) -> Vec<Trial> {
        self.client.reach(&self.url, true, &self.hushed).await.made()
    }

    /// Sends one GET; what came of it.
    pub async fn beat(&self) -> Outcome {
        match send(self.client.get(self.url.clone()), &self.hushed).await {
            Ok(answer) => answer.outcome(&self.hushed),
            Err(failed) => failed,
        }
    }
}
