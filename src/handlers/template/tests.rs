//! Templates of operators, and hostile values in them.

use super::*;
use std::fs;

fn load(name: &str, text: &str) -> Result<Template, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(name);
    fs::write(&file, text).unwrap();
    Template::load(&file).map_err(|error| error.to_string())
}

fn full(kind: Kind) -> Context {
    let block = sample::events(kind);
    event(block.iter().next().unwrap(), Occasion::Live, &mut render::LocalTime::new(Zone::UTC))
}

#[test]
fn all_of_an_event_can_be_named() {
    let text = "{{ severity }} {{ kind }} {{ app }}/{{ module }} {{ time }} {{ fields.addr }} {{ fields.count }} \
                {% if fields.trusted %}trusted {% endif %}{% for row in table %}{{ row.name }};{% endfor %}";
    let template = Template::new(text, Escape::Not).unwrap();
    let text = template.render(&full(Kind::SSHDUserEnumeration)).unwrap();
    assert_eq!(
        text,
        "WARNING SSHDUserEnumeration fleet/openssh 2026-07-01T12:00:00.000Z 203.0.113.9 5 trusted \
         addr;source;host;distinct_users;limit;window;users;count;start;finish;trusted;"
    );
}

#[test]
fn one_template_serves_events_and_digests() {
    let text = "{{ severity }}: {{ summary }}{% if digest %} [{{ digest.count }}, {{ digest.late }} late]\
                {% for event in events %} {{ event.kind }}{% endfor %}{% endif %}";
    let template = Template::new(text, Escape::Not).unwrap();
    template.check().unwrap();
    let text = template
        .render(&digest(&sample::gathered(), Occasion::Live, &mut render::LocalTime::new(Zone::UTC)))
        .unwrap();
    assert_eq!(
        text,
        "CRITICAL: 6 events, 1 of them late: 2 SSHDChildCrash (CRITICAL), 2 SSHDAttemptsExceeded (WARNING), 2 \
         ReportRecord (INFO) [6, 1 late] SSHDAttemptsExceeded SSHDAttemptsExceeded SSHDChildCrash SSHDChildCrash \
         ReportRecord ReportRecord"
    );
}

#[test]
fn hostile_values_break_neither_json_nor_html() {
    let json = load("a.json.tera", r#"{"text": "{{ summary }}", "all": {{ json | safe }}}"#).unwrap();
    let parsed: serde_json::Value =
        serde_json::from_str(&json.render(&full(Kind::SSHDUserDenied)).unwrap()).unwrap();
    assert!(parsed["text"].as_str().unwrap().contains(r#""quoted""#));
    assert_eq!(parsed["all"]["kind"], "SSHDUserDenied");
    let text = json
        .render(&digest(&sample::gathered(), Occasion::Live, &mut render::LocalTime::new(Zone::UTC)))
        .unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed["all"]["digest"]["count"], 6);
    let html = Template::new("{{ fields.user }}", Escape::Html).unwrap();
    let text = html.render(&full(Kind::SSHDUserDenied)).unwrap();
    assert!(text.contains("&lt;b&gt; &amp;") && !text.contains('\n'), "{text}");
}

#[test]
fn what_fails_for_one_kind_is_told_when_it_is_loaded() {
    let error = load("a.txt", "{{ summary }} {{ user }}").unwrap_err();
    assert!(
        error.starts_with("the template fails for SSHDSessionStarted: ") && error.contains("user"),
        "{error}"
    );
    let error = load("a.txt", "{% if digest %}{{ nothing }}{% endif %}").unwrap_err();
    assert!(error.starts_with("the template fails for a digest: "), "{error}");
    let error = load("a.json", r#"{"text": {{ summary }}}"#).unwrap_err();
    assert!(error.contains("what it gives is no JSON"), "{error}");
    let error = load("a.txt", "{% if %}").unwrap_err();
    assert!(error.starts_with("the template is wrong: "), "{error}");
    let error = load("a.txt", &"x".repeat(300_000)).unwrap_err();
    assert!(error.ends_with("is larger than 262144 bytes"), "{error}");
    let error = load("a.txt", "{% for i in range(end=100000) %}{{ i }}{% endfor %}").unwrap_err();
    assert!(error.contains("the text is longer than 262144 bytes"), "{error}");
}
