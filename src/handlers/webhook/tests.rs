//! Webhooks against a server that checks signatures, and that misbehaves.

use super::super::http::server::{Reply, Request, Server};
use super::super::port::Port;
use super::*;
use crate::credentials::{Secret, Secrets};
use crate::event::{EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp, StreamId};
use crate::handlers::{Digest, Occasion};
use crate::time::{Timestamp, Zone};
use std::fs;

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_900_000)
    }
}

fn credential(name: &str) -> CredentialName {
    CredentialName::new(name).unwrap()
}

fn environment(secrets: &[(&str, &str)]) -> Environment {
    let mut found = Secrets::default();
    for (name, value) in secrets {
        found.insert(credential(name), Secret::new((*value).to_owned()));
    }
    Environment { secrets: Arc::new(found), ..Environment::new(Arc::new(Still), Zone::UTC, "/nowhere") }
}

fn events(count: u64) -> Selection {
    let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }));
    for number in 0..count {
        let (kind, severity, time) = (Kind::SSHDUserDenied, Severity::Warning, Timestamp::EPOCH);
        block
            .push(Head { number, ordinal: 0, module: 0, kind, severity, time })
            .text(Field::User, b"<!channel> & *x* http://evil.example")
            .text(Field::Host, b"web1")
            .text(Field::Reason, b"locked");
    }
    Selection::all(Arc::new(block))
}

fn gathered(events: &Selection) -> Gathered {
    let mut digest = Digest::default();
    (0..).zip(events.events()).for_each(|(seq, event)| digest.add(seq, event, false));
    Gathered { digest, shown: vec![events.clone()] }
}

fn options(url: &str) -> Options {
    Options { url: Some(url.into()), ..Options::default() }
}

fn handler(options: &Options) -> Box<dyn Handler> {
    build(options, &environment(&[])).unwrap()
}

/// The one request of one event, and what became of it.
async fn one(template: Body, reply: Reply) -> (Request, Outcome) {
    let server = Server::start(move |_| reply.clone()).await;
    let mut handler = handler(&Options { template, ..options(&server.url("/hook")) });
    let outcomes = handler.deliver(&events(1)).await;
    (server.requests().remove(0), outcomes[0].clone())
}

#[tokio::test]
async fn an_event_is_a_post_of_its_json_with_its_id() {
    let (request, outcome) = one(Body::Json, Reply::status(204)).await;
    assert_eq!(outcome, Outcome::Delivered);
    assert_eq!(request.path, "/hook");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("idempotency-key"), Some("0000000000001.1.0.fleet.openssh.0"));
    assert_eq!(request.header("x-correlator-signature"), None);
    assert!(request.header("user-agent").unwrap().starts_with("correlator/"));
    let event = request.json();
    assert_eq!((&event["kind"], &event["fields"]["host"]), (&"SSHDUserDenied".into(), &"web1".into()));
}

#[tokio::test]
async fn a_digest_is_one_request_with_all_counts() {
    let server = Server::start(|_| Reply::status(200)).await;
    let mut handler = handler(&options(&server.url("/")));
    let many = events(250);
    let gathered = Gathered { shown: vec![events(3)], ..gathered(&many) };
    assert_eq!(handler.digest(&gathered).await, Outcome::Delivered);
    let requests = server.requests();
    let digest = requests[0].json();
    assert_eq!((requests.len(), &digest["digest"]["count"]), (1, &250.into()));
    assert_eq!(digest["digest"]["groups"][0]["kind"], "SSHDUserDenied");
    assert_eq!(digest["events"].as_array().unwrap().len(), 3);
    assert_eq!(requests[0].header("idempotency-key"), Some("0000000000001.1.0.fleet.openssh.0+250"));
}

#[tokio::test]
async fn secrets_sign_and_authorise_and_do_not_come_back() {
    let server =
        Server::start(|request| Reply::with(401, &format!("{} {:?}", request.path, request.headers))).await;
    let url = server.url("/services/T000/B000/k3yk3y?token=t0k3nt0k3n");
    let options = Options {
        url: Some(Given::Credential(credential("slack/url"))),
        headers: vec![
            ("Authorization".into(), Given::Credential(credential("hook/token"))),
            ("Content-Type".into(), "application/vnd.x+json".into()),
        ],
        hmac_secret: Some(credential("hook/key")),
        ..Options::default()
    };
    assert_eq!(options.credentials().len(), 3);
    let secrets =
        environment(&[("slack/url", &url), ("hook/token", "Bearer s3cr3ts3cr3t"), ("hook/key", "hmac-k3y")]);
    let outcomes = build(&options, &secrets).unwrap().deliver(&events(1)).await;
    let request = server.requests().remove(0);
    assert_eq!(request.header("authorization"), Some("Bearer s3cr3ts3cr3t"));
    assert_eq!(request.header("content-type"), Some("application/vnd.x+json"));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"hmac-k3y");
    let timestamp = request.header("x-correlator-timestamp").unwrap();
    assert_eq!(timestamp, "1700000000");
    let signed = [timestamp.as_bytes(), b".", &request.body].concat();
    let hex = request.header("x-correlator-signature").unwrap().strip_prefix("sha256=").unwrap();
    let tag: Vec<_> = (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    ring::hmac::verify(&key, &signed, &tag).unwrap();
    let Outcome::Permanent(note) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(note.starts_with("it answered 401: [secret]"), "{note}");
    for secret in ["k3yk3y", "t0k3n", "s3cr3t", "hmac-k3y"] {
        assert!(!note.contains(secret), "{note}");
    }
}

#[tokio::test]
async fn a_login_is_no_note_in_base64_and_neither_is_the_host_of_a_secret_url() {
    let server = Server::start(|request| {
        let credentials = request.header("authorization").unwrap_or_default();
        let token = credentials.split(' ').next_back().unwrap_or_default();
        Reply::with(401, &format!("not {token}"))
    })
    .await;
    let place = server.url("/");
    let with_login = place.replace("http://", "http://me:p%40ss%20w0rd@");
    let url = |name: &str| Options { url: Some(Given::Credential(credential(name))), ..Options::default() };
    let header = ("Authorization".into(), Given::Credential(credential("token")));
    let secrets = environment(&[
        ("login", &with_login),
        ("plain", &place),
        ("token", "Bearer t0k3nt0k3n"),
        ("away", "https://s3cr3t-host.invalid/"),
    ]);
    for options in [
        url("login"),
        Options { url: Some(with_login.as_str().into()), ..Options::default() },
        Options { headers: vec![header], ..url("plain") },
    ] {
        let outcomes = build(&options, &secrets).unwrap().deliver(&events(1)).await;
        let note = outcomes[0].failure().unwrap();
        assert!(
            note == "it answered 401: not [secret]" || note == "it answered 401: not [secret]==",
            "{note}"
        );
    }
    let mut handler = build(&url("away"), &secrets).unwrap();
    let outcomes = handler.deliver(&events(1)).await;
    let told = format!("{outcomes:?} {:?}", handler.probe().await);
    assert!(!told.contains("s3cr3t-host"), "{told}");
}

#[tokio::test]
async fn a_certificate_for_another_name_does_not_tell_the_host_of_a_secret_url() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_tls(dir.path(), |_| Reply::status(204)).await;
    let url = server.url("/").replace("localhost", "127.0.0.1");
    let secrets = environment(&[("url", &url)]);
    let options = Options {
        url: Some(Given::Credential(credential("url"))),
        ca: Some(dir.path().join("ca.pem")),
        ..Options::default()
    };
    let mut handler = build(&options, &secrets).unwrap();
    let outcomes = handler.deliver(&events(1)).await;
    let told = format!("{outcomes:?} {:?}", handler.probe().await);
    assert!(told.contains("[secret]") && !told.contains("127.0.0.1"), "{told}");
}

#[test]
fn secrets_in_plain_are_noticed() {
    let exposed = |url: Given, header: Given| {
        let headers = vec![("Authorization".to_owned(), header), ("X-Team".to_owned(), "a".into())];
        Options { url: Some(url), headers, ..Options::default() }.exposed()
    };
    let credential = || Given::Credential(credential("a"));
    assert_eq!(exposed("https://hooks.slack.com/services/T0/B0/k".into(), credential()), ["url"]);
    assert_eq!(exposed("https://u:p@h.example/".into(), "Bearer t".into()), ["url", "headers.Authorization"]);
    assert!(exposed("https://u@h.example/".into(), credential()).is_empty());
    assert!(exposed(credential(), credential()).is_empty());
}

#[test]
fn without_its_credentials_it_is_not_built() {
    let options = Options { url: Some(Given::Credential(credential("slack/url"))), ..Options::default() };
    let error = build(&options, &environment(&[])).err().unwrap().to_string();
    assert_eq!(error, "the credential `slack/url` is missing");
    let error = build(&options, &environment(&[("slack/url", "xoxb-not-a-url")])).err().unwrap().to_string();
    assert_eq!(error, "`url`, or the credential that it names, is no http or https URL");
}

#[tokio::test]
async fn each_event_is_answered_for_itself() {
    let server = Server::start(|request| match request.json()["id"].as_str().unwrap() {
        id if id.contains(".1.0.") => Reply::status(500),
        id if id.contains(".1.1.") => Reply::with(400, "no such channel"),
        _ => Reply::status(200),
    })
    .await;
    let outcomes = handler(&options(&server.url("/"))).deliver(&events(3)).await;
    assert_eq!(
        outcomes,
        [
            Outcome::Temporary("it answered 500 Internal Server Error".into()),
            Outcome::Permanent("it answered 400: no such channel".into()),
            Outcome::Delivered,
        ]
    );
}

#[tokio::test]
async fn a_server_that_is_away_or_wants_rest_is_asked_once() {
    let port = Port::hold();
    let url = format!("http://127.0.0.1:{}/", port.number);
    let outcomes = handler(&options(&url)).deliver(&events(3)).await;
    assert!(matches!(&outcomes[2], Outcome::Temporary(why) if why.contains("refused")), "{outcomes:?}");
    assert_eq!(outcomes, vec![outcomes[0].clone(); 3]);
    let server = Server::start(|_| Reply::status(429).header("Retry-After", "30")).await;
    let outcomes = handler(&options(&server.url("/"))).deliver(&events(3)).await;
    let deferred = Outcome::Deferred("it answered 429 Too Many Requests".into(), Duration::from_secs(30));
    assert_eq!((outcomes, server.requests().len()), (vec![deferred; 3], 1));
}

#[tokio::test]
async fn slack_shows_hostile_names_as_text() {
    let (request, _) = one(Body::Slack, Reply::with(200, "ok")).await;
    let message = request.json();
    let text = message["text"].as_str().unwrap();
    let user = "&lt;!channel&gt; &amp; *x* http://evil.example";
    assert_eq!(text, format!("WARNING: user {user} not allowed on web1: locked"));
    assert_eq!((&message["mrkdwn"], &message["unfurl_links"]), (&false.into(), &false.into()));
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["color"], "#f9a825");
    let fields = &attachment["blocks"][0]["fields"];
    assert_eq!(fields[0], serde_json::json!({ "type": "mrkdwn", "text": "*user*" }));
    assert_eq!(fields[1], serde_json::json!({ "type": "plain_text", "text": user, "emoji": false }));
    // What is marked up is ours alone.
    let marked = |field: &&serde_json::Value| field["type"] == "mrkdwn";
    let names = fields.as_array().unwrap().iter().filter(marked).map(|field| field["text"].as_str().unwrap());
    assert!(names.clone().count() >= 3 && names.clone().all(|name| !name.contains("evil")), "{fields}");
}

#[tokio::test]
async fn slack_gets_a_digest_of_a_storm_within_its_limits() {
    let server = Server::start(|_| Reply::status(200)).await;
    let mut handler = handler(&Options { template: Body::Slack, ..options(&server.url("/")) });
    handler.digest(&gathered(&events(100))).await;
    let message = server.requests()[0].json();
    let blocks = message["attachments"][0]["blocks"].as_array().unwrap();
    assert_eq!(message["text"], "WARNING: 100 events: 100 SSHDUserDenied (WARNING)");
    assert_eq!(blocks.len(), limits::MAX_CHAT_EVENTS + 1);
    assert_eq!(blocks.last().unwrap()["elements"][0]["text"], "and 80 more");
    assert!(blocks.iter().take(limits::MAX_CHAT_EVENTS).all(|block| block["text"]["type"] == "plain_text"));
}

#[tokio::test]
async fn ntfy_gets_a_title_and_a_priority() {
    let (request, _) = one(Body::Ntfy, Reply::status(200)).await;
    assert_eq!(request.header("title"), Some("WARNING SSHDUserDenied"));
    assert_eq!((request.header("priority"), request.header("tags")), (Some("3"), Some("warning")));
    assert!(
        request
            .text()
            .starts_with("user <!channel> & *x* http://evil.example not allowed on web1: locked\n\n")
    );
    assert!(request.text().contains("\nhost: web1\n"));
}

#[tokio::test]
async fn a_template_says_what_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("teams.json");
    fs::write(&file, r#"{"title": "{{ kind }}", "text": "{{ summary }}"}"#).unwrap();
    let (request, _) = one(Body::File(file.clone()), Reply::status(200)).await;
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.json()["title"], "SSHDUserDenied");
    fs::write(&file, r#"{"title": "{{ kid }}"}"#).unwrap();
    let wrong = Options { template: Body::File(file), ..options("http://localhost/") };
    let error = build(&wrong, &environment(&[])).err().unwrap().to_string();
    assert!(error.starts_with("the template fails for SSHDSessionStarted: "), "{error}");
}

#[tokio::test]
async fn an_event_whose_template_fails_is_sent_in_the_default_form() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("message.txt");
    // Neither fails for the samples: their host is another, and there are fewer of them.
    let text = "{% if fields.host == \"web1\" %}{{ fields.users[40] }}{% endif %}\
                {% if digest %}{% if digest.count == 11 %}{{ digest.groups[40].kind }}{% endif %}{% endif %}";
    fs::write(&file, text).unwrap();
    let (request, outcome) = one(Body::File(file.clone()), Reply::status(204)).await;
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.json()["kind"], "SSHDUserDenied");
    let note = "its body is that of the template `json`: the template cannot be filled in: ";
    assert!(matches!(&outcome, Outcome::Accepted(said) if said.starts_with(note)), "{outcome:?}");
    let (_, outcome) = one(Body::File(file.clone()), Reply::with(400, "no text")).await;
    let refused = format!("it answered 400: no text; {note}");
    assert!(matches!(&outcome, Outcome::Permanent(why) if why.starts_with(&refused)), "{outcome:?}");

    let server = Server::start(|_| Reply::status(204)).await;
    let mut handler = handler(&Options { template: Body::File(file), ..options(&server.url("/")) });
    let outcome = handler.digest(&gathered(&events(11))).await;
    assert!(matches!(&outcome, Outcome::Accepted(said) if said.starts_with(note)), "{outcome:?}");
    assert_eq!(server.requests().remove(0).json()["digest"]["count"], 11);
}

#[test]
fn what_proves_who_sends_is_not_to_go_in_the_clear() {
    let secret = || Given::Credential(credential("hook/token"));
    let is = |url: &str| {
        let headers = vec![("Authorization".to_owned(), secret())];
        Options { headers, ..options(url) }.unencrypted()
    };
    assert_eq!(is("http://hook.example/"), Some("url"));
    assert_eq!(is("http://[2001:db8::1]/"), Some("url"));
    for fine in ["https://hook.example/", "http://localhost:8080/", "http://127.0.0.2/", "http://[::1]/"] {
        assert_eq!(is(fine), None, "{fine}");
    }
    assert_eq!(options("http://hook.example/").unencrypted(), None, "nothing of it is a secret");
    let signed = Options { hmac_secret: Some(credential("hook/key")), ..options("http://hook.example/") };
    assert_eq!(signed.unencrypted(), Some("url"));
}

/// Evidence of one record.
struct One;

impl Evidence for One {
    fn of(&self, _: crate::event::Event<'_>) -> Vec<crate::handlers::EvidenceRecord> {
        vec![crate::handlers::EvidenceRecord {
            position: 7,
            arrival: Timestamp::EPOCH,
            listener: "lan".into(),
            peer: "192.0.2.1".into(),
            bytes: b"<38>a \"record\"\xff".to_vec(),
            truncated: true,
        }]
    }
}

#[tokio::test]
async fn the_records_that_an_event_rests_on_are_sent_where_they_are_asked_for() {
    let server = Server::start(|_| Reply::status(204)).await;
    for (template, expected) in [
        (Body::Json, serde_json::Value::Null),
        (
            Body::Records,
            serde_json::json!([{
                "position": 7, "arrival": "1970-01-01T00:00:00.000000Z", "truncated": true, "listener": "lan",
                "peer": "192.0.2.1", "record": "<38>a \"record\"\\xff",
            }]),
        ),
    ] {
        let options = Options { template, ..options(&server.url("/")) };
        let environment = Environment { evidence: Arc::new(One), ..environment(&[]) };
        let mut handler = build(&options, &environment).unwrap();
        assert_eq!(handler.deliver(&events(1)).await, [Outcome::Delivered]);
        let body = server.requests().pop().unwrap().json();
        assert_eq!((&body["kind"], &body["records"]), (&"SSHDUserDenied".into(), &expected));
    }
}

#[tokio::test]
async fn a_test_is_marked_for_programs_and_people() {
    let server = Server::start(|_| Reply::status(204)).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("message.txt");
    fs::write(&file, "{{ occasion }}: {{ summary }}").unwrap();
    for (template, marked) in [
        (Body::Json, ""),
        (Body::Slack, "[test] WARNING: "),
        (Body::Ntfy, "[test] WARNING SSHDUserDenied"),
        (Body::File(file), "test: [test] "),
    ] {
        let options = Options { template, ..options(&server.url("/")) };
        let environment = Environment { occasion: Occasion::Test, ..environment(&[]) };
        let mut handler = build(&options, &environment).unwrap();
        assert_eq!(handler.deliver(&events(1)).await, [Outcome::Delivered]);
        let request = server.requests().pop().unwrap();
        assert_eq!(request.header("x-correlator-occasion"), Some("test"));
        assert!(request.text().contains(marked) || request.header("title") == Some(marked), "{request:?}");
    }
}
