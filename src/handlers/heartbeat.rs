//! Floor 4: a request that tells others that the server lives.
//!
//! That this program is dead somebody else has to notice: a service that expects this request from time to time, and
//! alarms people when it does not come.

use super::Outcome;
use super::http::{Client, Hushed, send};
use crate::limits;
use reqwest::Url;
use std::io;

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
    pub fn new(url: &str) -> io::Result<Self> {
        let mut hushed = Hushed::default();
        hushed.add(url);
        let url = Url::parse(url).map_err(io::Error::other)?;
        hushed.add(url.path());
        Ok(Self { client: Client::new(None, limits::HEARTBEAT_DEADLINE)?, url, hushed })
    }

    /// Sends one GET; what came of it.
    pub async fn beat(&self) -> Outcome {
        match send(self.client.get(self.url.clone())).await {
            Ok(answer) => answer.outcome(&self.hushed),
            Err(failed) => failed,
        }
    }
}
