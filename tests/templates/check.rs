//! What must hold of a text that a template gives, whatever an attacker put into the fields of an event; shared with the
//! fuzz target.
//!
//! The templates are an operator's, with every name that they can use, and those of mails that are built in.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code: it fails by panicking")]

use correlator::event::render::LocalTime;
use correlator::event::{EventBlock, EventWriter, Field, FieldType, Head, Kind, ModuleName, Stamp, StreamId};
use correlator::handlers::email::{EventView, Rendered, Templates};
use correlator::handlers::template::{self, Escape, Template};
use correlator::handlers::{EvidenceRecord, Occasion};
use correlator::limits;
use correlator::time::{Timestamp, Zone};
use std::sync::Arc;
use std::time::Duration;

const TIME: Timestamp = Timestamp::from_civil(2026, 7, 1, 43_200, 0);

const HTML: &str = "<h1 title=\"{{ summary }}\">{{ severity }} {{ kind }}</h1><p title='{{ id }}'>{{ app }}/{{ module }} \
    {{ time }} {{ meaning }}</p><pre>{{ json }}</pre>{% for row in table %}<b>{{ row.name }}</b> <i \
    title=\"{{ row.value }}\">{{ row.value }}</i>{% endfor %}{% for name, value in fields %}<u>{{ name }} \
    {{ value }}</u>{% endfor %}";
const JSON: &str = "{\"text\": \"{{ severity }}: {{ summary }}\", \"event\": {{ json | safe }}, \"rows\": [{% for row in table \
    %}\"{{ row.name }}={{ row.value }}\", {% endfor %}\"\"], \"fields\": \"{% for name, value in fields %}{{ name }}={{ \
    value }};{% endfor %}\"}";
const TEXT: &str = "{{ severity }}: {{ summary }}\n{% for row in table %}{{ row.name }}: {{ row.value }}\n{% endfor %}{{ json }}";

/// The templates, made once.
pub(crate) struct Checker {
    html: Template,
    json: Template,
    text: Template,
    mails: Templates,
}

impl Checker {
    /// Makes the templates, which pass the check of the start.
    pub(crate) fn new() -> Self {
        let template = |text, escape| {
            let template = Template::new(text, escape).unwrap();
            template.check().unwrap();
            template
        };
        Self {
            html: template(HTML, Escape::Html),
            json: template(JSON, Escape::Json),
            text: template(TEXT, Escape::Not),
            mails: Templates::load(None, &Zone::UTC).unwrap(),
        }
    }

    /// Fills the templates in for an event of a kind, of which every text is hostile.
    ///
    /// # Panics
    /// Panics if a text is too long, holds what could deceive a reader, or is not the markup that it would be of harmless
    /// texts.
    pub(crate) fn check(&self, kind: Kind, hostile: &[u8]) {
        // What is empty may be left out of a text.
        if hostile.is_empty() {
            return;
        }
        let [block, harmless] = [event(kind, hostile), event(kind, b"x")];
        let render = |template: &Template, block: &EventBlock| {
            let mut times = LocalTime::new(Zone::UTC);
            let context = template::event(block.get(0).unwrap(), Occasion::Live, &mut times);
            // Too long a text is refused.
            template.render(&context).ok().inspect(|text| assert!(text.len() <= limits::MAX_RENDERED_SIZE))
        };
        if let Some(html) = render(&self.html, &block) {
            assert_eq!(markup(&html), markup(&render(&self.html, &harmless).unwrap()), "{html}");
            assert_harmless(&html);
        }
        if let Some(json) = render(&self.json, &block) {
            let parsed = serde_json::from_str::<serde_json::Value>(&json);
            assert!(parsed.is_ok(), "{parsed:?}: {json}");
            assert_harmless(&json);
        }
        if let Some(text) = render(&self.text, &block) {
            assert_harmless(&text);
        }
        let [mail, usual] =
            [(&block, hostile), (&harmless, &b"x"[..])].map(|(block, text)| self.mail(block, text));
        assert!(mail.subject.chars().count() <= limits::MAX_SUBJECT + 1 && !mail.subject.contains('\n'));
        assert!(mail.text.len() <= limits::MAX_MAIL_PART + '…'.len_utf8());
        assert_eq!(mail.text.lines().count(), usual.text.lines().count(), "{}", mail.text);
        assert_harmless(&mail.subject);
        assert_harmless(&mail.text);
        if let Some(html) = mail.html {
            assert!(html.len() <= limits::MAX_MAIL_PART);
            assert_eq!(markup(&html), markup(&usual.html.unwrap()), "{html}");
            assert_harmless(&html);
        }
    }

    fn mail(&self, block: &EventBlock, text: &[u8]) -> Rendered {
        let record = EvidenceRecord {
            position: 1,
            arrival: TIME,
            listener: "lan".to_owned(),
            peer: String::from_utf8_lossy(text).into_owned(),
            bytes: text.to_vec(),
            truncated: false,
        };
        let mut times = LocalTime::new(Zone::UTC);
        self.mails.event(&EventView::new(block.get(0).unwrap(), vec![record], &mut times))
    }
}

/// An event of a kind with all of its fields.
fn event(kind: Kind, text: &[u8]) -> EventBlock {
    let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }));
    let head = Head { number: 1, ordinal: 0, module: 0, kind, severity: kind.spec().severity, time: TIME };
    let mut writer = block.push(head);
    kind.spec().fields.iter().for_each(|field| fill(&mut writer, *field, text));
    block
}

fn fill(event: &mut EventWriter<'_>, field: Field, text: &[u8]) {
    let addr = [203, 0, 113, 9].into();
    match field.spec().ty {
        FieldType::Text => event.text(field, text),
        FieldType::Count => event.count(field, 5),
        FieldType::Flag => event.flag(field, true),
        FieldType::Time => event.time(field, TIME),
        FieldType::Duration => event.duration(field, Duration::from_secs(300)),
        FieldType::Addr => event.addr(field, addr),
        FieldType::Texts => event.texts(field, [text, b"root"]),
        FieldType::Addrs => event.addrs(field, [addr]),
    };
}

/// What of HTML is markup: its tags without what stands in quotes, and all quotes and brackets.
fn markup(html: &str) -> String {
    let (mut markup, mut quote, mut in_tag) = (String::new(), None, false);
    for c in html.chars() {
        match c {
            '<' | '>' => in_tag = c == '<',
            '"' | '\'' if quote == Some(c) => quote = None,
            '"' | '\'' if in_tag && quote.is_none() => quote = Some(c),
            '"' | '\'' => {}
            _ if in_tag && quote.is_none() => {}
            _ => continue,
        }
        markup.push(c);
    }
    markup
}

/// Nothing in a text moves the cursor, or turns the direction of reading.
fn assert_harmless(text: &str) {
    let deceives = |c: char| {
        c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(deceives), "{}", text.escape_debug());
}
