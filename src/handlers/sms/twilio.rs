//! Floor 4: Twilio's REST API: a message is created by a POST to the account's `Messages.json`.
//!
//! Invariant: neither the token nor a recipient that is a secret is in a note.

use super::{Options, Settled};
use crate::credentials::{Given, Missing, Secret, Secrets};
use crate::handlers::http::{self, Answer, Class, Client};
use crate::handlers::secrecy::Hushed;
use crate::handlers::{Outcome, Trial};
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;

/// An account at Twilio, and who gets messages from it.
pub(super) struct Account {
    url: Url,
    sid: Secret,
    token: Secret,
    /// The parameter that says who sends, and its value.
    sender: (&'static str, Secret),
    pub(super) recipients: Vec<Secret>,
    hushed: Hushed,
}

/// Why there is no account to send from.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccountError {
    #[error(transparent)]
    Missing(#[from] Missing),
    #[error("`api_url` is no URL that paths can be added to")]
    Url,
    #[error("`{0}` is not given")]
    Absent(&'static str),
}

/// What of an answer matters: the message's name, or the error.
#[derive(Debug, Default, Deserialize)]
struct Body {
    sid: Option<String>,
    code: Option<u64>,
    message: Option<String>,
}

impl Account {
    pub(super) fn new(options: &Options, secrets: &Secrets) -> Result<Self, AccountError> {
        let mut hushed = Hushed::default();
        let mut secret = |given: &Given| {
            let value = secrets.resolve(given)?;
            if given.credential().is_some() {
                hushed.add(value.expose());
            }
            Ok::<_, AccountError>(value)
        };
        let sid = secret(options.account_sid.as_ref().ok_or(AccountError::Absent("account_sid"))?)?;
        let token = options.auth_token.clone().ok_or(AccountError::Absent("auth_token"))?;
        let token = secret(&Given::Credential(token))?;
        let login = format!("{}:{}", sid.expose(), token.expose());
        let sender = match (&options.messaging_service_sid, &options.from) {
            (Some(service), _) => ("MessagingServiceSid", secret(service)?),
            (None, Some(from)) => ("From", secret(from)?),
            (None, None) => return Err(AccountError::Absent("from")),
        };
        let recipients = options.to.iter().map(secret).collect::<Result<_, _>>()?;
        hushed.add(&login);
        let mut url = Url::parse(&options.api_url).map_err(|_| AccountError::Url)?;
        url.path_segments_mut().map_err(|()| AccountError::Url)?.pop_if_empty().extend([
            "2010-04-01",
            "Accounts",
            sid.expose(),
            "Messages.json",
        ]);
        Ok(Self { url, sid, token, sender, recipients, hushed })
    }

    /// Tries whether the API can be reached, and takes the login: asks for the account, which tells nobody anything.
    pub(super) async fn probe(&self, client: &Client) -> Vec<Trial> {
        let mut trials = client.reach(&self.url, false, &self.hushed).await;
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().pop().push(&format!("{}.json", self.sid.expose()));
        }
        let ask = async {
            let request = client.get(url).basic_auth(self.sid.expose(), Some(self.token.expose()));
            let answer = http::send(request, &self.hushed).await;
            let answer = answer.map_err(|outcome| outcome.failure().unwrap_or_default().to_owned())?;
            match answer.status.as_u16() {
                200..=299 => Ok("the account is known"),
                401 | 403 | 500..=599 => Err(answer.note(&self.hushed)),
                // Not all that speak as Twilio does know of accounts.
                _ => Ok("the answer says nothing of the account"),
            }
        };
        trials.attempt("GET of the account", ask, |said| (*said).to_owned()).await;
        trials.made()
    }

    /// Sends a text to one recipient.
    ///
    /// # Errors
    /// A temporary outcome, when trying again may help.
    pub(super) async fn send(&self, client: &Client, to: &Secret, text: &str) -> Result<Settled, Outcome> {
        let (sender, from) = &self.sender;
        let parameters = [("To", to.expose()), (*sender, from.expose()), ("Body", text)];
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = client.post(self.url.clone()).basic_auth(self.sid.expose(), Some(self.token.expose()));
        let request = request.header(CONTENT_TYPE, form_type).body(form);
        let answer = http::send(request, &self.hushed).await?;
        let body: Body = serde_json::from_slice(&answer.body).unwrap_or_default();
        match answer.class() {
            Class::Delivered => {
                let sid = body.sid.map(|sid| self.hushed.line(sid.as_bytes()));
                Ok(Settled::Sent(sid.unwrap_or_else(|| "a message without a SID".to_owned())))
            }
            Class::Temporary => Err(answer.failed_for_now(self.note(&answer, &body))),
            Class::Permanent => Ok(Settled::Refused(self.note(&answer, &body))),
        }
    }

    /// What Twilio says of an error, or else what HTTP does.
    fn note(&self, answer: &Answer, body: &Body) -> String {
        match (body.code, &body.message) {
            (Some(code), Some(message)) => {
                format!("Twilio error {code}: {}", self.hushed.line(message.as_bytes()))
            }
            _ => answer.note(&self.hushed),
        }
    }
}
