//! Floor 4: what requests say, by the template of the handler.

use super::{Body, ntfy, slack};
use crate::event::Event;
use crate::event::render::{self, LocalTime};
use crate::handlers::template::{self, Escape, Template, TemplateError};
use crate::handlers::{Environment, EvidenceRecord, Gathered, Occasion, digest};
use crate::journal;
use reqwest::header::HeaderMap;
use tera::Context;

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// What is sent.
#[derive(Debug)]
pub(super) struct Message {
    /// What tells it from others, at each attempt.
    pub(super) id: String,
    pub(super) content_type: &'static str,
    /// Headers that are a part of what it says.
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Why it says what the template `json` gives, where another was asked for.
    pub(super) failed: Option<TemplateError>,
}

/// Makes messages.
#[derive(Debug)]
pub(super) enum Format {
    Json,
    Records,
    Slack(Occasion),
    Ntfy(Occasion),
    Template(Occasion, Box<Template>),
}

impl Format {
    /// Reads the template, if there is one; a relative path is under the data directory.
    ///
    /// # Errors
    /// When the template cannot be used.
    pub(super) fn new(body: &Body, environment: &Environment) -> Result<Self, TemplateError> {
        let Environment { directory, occasion, .. } = environment;
        Ok(match body {
            Body::Json => Self::Json,
            Body::Records => Self::Records,
            Body::Slack => Self::Slack(*occasion),
            Body::Ntfy => Self::Ntfy(*occasion),
            Body::File(path) => Self::Template(*occasion, Box::new(Template::load(&directory.join(path))?)),
        })
    }

    /// The message for an event that rests on these records. Where a template fails it is the default one.
    pub(super) fn event(
        &self,
        event: Event<'_>,
        records: &[EvidenceRecord],
        times: &mut LocalTime,
    ) -> Message {
        let id = event.id().to_string();
        match self {
            Self::Json => Message::new(id, JSON, event_json(event)),
            Self::Records => {
                let mut body = event_json(event);
                // The object is opened again for one more member.
                body.pop();
                body.extend_from_slice(b",\"records\":");
                journal::write_records(&mut body, records);
                body.push(b'}');
                Message::new(id, JSON, body)
            }
            Self::Slack(occasion) => Message::new(id, JSON, slack::event(*occasion, event, times)),
            Self::Ntfy(occasion) => ntfy::event(id, *occasion, event, times),
            Self::Template(occasion, template) => {
                let context = template::event(event, *occasion, times);
                of_template(id, template, *occasion, context, || event_json(event))
            }
        }
    }

    /// The message for a digest. Where a template fails it is the default one.
    pub(super) fn digest(&self, gathered: &Gathered, times: &mut LocalTime) -> Message {
        let id = gathered.id();
        match self {
            Self::Json | Self::Records => Message::new(id, JSON, digest_json(gathered)),
            Self::Slack(occasion) => Message::new(id, JSON, slack::digest(*occasion, gathered, times)),
            Self::Ntfy(occasion) => ntfy::digest(id, *occasion, gathered, times),
            Self::Template(occasion, template) => {
                let context = template::digest(gathered, *occasion, times);
                of_template(id, template, *occasion, context, || digest_json(gathered))
            }
        }
    }
}

impl Message {
    pub(super) fn new(id: String, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { id, content_type, headers: HeaderMap::new(), body, failed: None }
    }
}

fn event_json(event: Event<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    render::json(&mut body, event);
    body
}

fn digest_json(gathered: &Gathered) -> Vec<u8> {
    let mut body = Vec::new();
    digest::json(&mut body, gathered);
    body
}

/// What a template gives, or else what is given by default. A text for people nearly always shows the summary, so that
/// this is what bears the mark.
fn of_template(
    id: String,
    template: &Template,
    occasion: Occasion,
    mut context: Context,
    default: impl FnOnce() -> Vec<u8>,
) -> Message {
    if let Some(summary) = context.get("summary").and_then(|summary| summary.as_str()) {
        let marked = format!("{}{summary}", occasion.mark());
        context.insert("summary", &marked);
    }
    let content_type = match template.escape() {
        Escape::Not => TEXT,
        Escape::Json => JSON,
        Escape::Html => HTML,
    };
    match template.render(&context) {
        Ok(text) => Message::new(id, content_type, text.into_bytes()),
        Err(error) => Message { failed: Some(error), ..Message::new(id, JSON, default()) },
    }
}
