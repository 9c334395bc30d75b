//! Floor 4: messages for Slack: a line that notifies, and the details beside a bar in the colour of the severity.
//!
//! Invariant: text of a peer is text: it mentions nobody, links nowhere and changes no form. It stands in plain text
//! only, where Slack gives `*`, `_`, `~` and backticks no meaning; `&`, `<` and `>`, which begin Slack's control sequences,
//! are escaped all the same, as Slack wants it of any text. Only our own words are marked up.

use crate::event::render::{self, Fraction, LocalTime, TableRow};
use crate::event::{Event, Severity};
use crate::handlers::{self, Gathered, Occasion};
use crate::limits;
use serde_json::{Value, json};

/// The most rows that a section may have: of its ten fields, which Slack shows in two columns, each takes two.
const SECTION_ROWS: usize = 5;

/// The message for an event.
pub(super) fn event(occasion: Occasion, event: Event<'_>, times: &mut LocalTime) -> Vec<u8> {
    let (app, module) = event.module();
    let severity = event.head().severity;
    let mut summary = Vec::new();
    render::summary(&mut summary, event);
    let mut time = Vec::new();
    times.write(&mut time, event.head().time, Fraction::Millis);
    let [summary, time] = [summary, time].map(|text| String::from_utf8(text).unwrap_or_default());
    let rows = render::table(event, times);
    let mut blocks: Vec<_> = rows.chunks(SECTION_ROWS).map(section).collect();
    blocks.push(context(&format!("{time}  {app}/{module} {}  {}", event.kind().spec().name, event.id())));
    message(occasion, severity, &summary, blocks)
}

/// The message for a digest.
pub(super) fn digest(occasion: Occasion, gathered: &Gathered, times: &mut LocalTime) -> Vec<u8> {
    let severity = gathered.digest.severity();
    let mut blocks = Vec::new();
    let mut line = Vec::new();
    for event in gathered.events().take(limits::MAX_CHAT_EVENTS) {
        line.clear();
        render::line(&mut line, event, times, render::Paint::Plain);
        let text = format!("{}\n", cut(&String::from_utf8_lossy(&line)));
        blocks.push(json!({ "type": "section", "text": plain(&text) }));
    }
    let shown = blocks.len();
    let more = gathered.digest.count().saturating_sub(shown as u64);
    if more > 0 {
        blocks.push(context(&format!("and {more} more")));
    }
    message(occasion, severity, &handlers::digest::summary(&gathered.digest), blocks)
}

fn message(occasion: Occasion, severity: Severity, summary: &str, blocks: Vec<Value>) -> Vec<u8> {
    let message = json!({
        "text": format!("{}{severity}: {}", occasion.mark(), escaped(summary)),
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "attachments": [{ "color": color(severity), "blocks": blocks }],
    });
    message.to_string().into_bytes()
}

fn section(rows: &[TableRow]) -> Value {
    let name = |row: &TableRow| json!({ "type": "mrkdwn", "text": format!("*{}*", row.name) });
    let fields = rows.iter().flat_map(|row| [name(row), plain(&cut(&row.value))]);
    json!({ "type": "section", "fields": fields.collect::<Vec<_>>() })
}

fn context(text: &str) -> Value {
    json!({ "type": "context", "elements": [plain(text)] })
}

/// Text in which Slack looks for nothing.
fn plain(text: &str) -> Value {
    // An empty text is refused.
    let text = if text.is_empty() { " ".to_owned() } else { escaped(text) };
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// Cuts a value that would make a message too long for Slack.
fn cut(text: &str) -> String {
    match text.char_indices().nth(limits::MAX_CHAT_VALUE).and_then(|(at, _)| text.get(..at)) {
        Some(head) => format!("{head}…"),
        None => text.to_owned(),
    }
}

/// Escapes what begins a control sequence, and only that.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "#2e7d32",
        Severity::Notice => "#0277bd",
        Severity::Warning => "#f9a825",
        Severity::Error => "#d84315",
        Severity::Critical => "#b71c1c",
    }
}
