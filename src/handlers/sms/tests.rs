//! Text messages through a server that plays Twilio's API.

use super::super::http::server::{Reply, Request, Server};
use super::*;
use crate::credentials::{Secret, Secrets};
use crate::event::{EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp, StreamId};
use crate::time::{Timestamp, Zone};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

/// A clock that is set by hand, in seconds.
#[derive(Default)]
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(SeqCst) * 1_000_000)
    }
}

/// The parameters of a request.
fn form(request: &Request) -> HashMap<String, String> {
    form_urlencoded::parse(&request.body).into_owned().collect()
}

fn created(sid: &str) -> Reply {
    Reply::with(201, &format!(r#"{{"sid": "{sid}", "status": "queued", "error_code": null}}"#))
}

fn error(status: u16, code: u32, message: &str) -> Reply {
    let info = format!("https://www.twilio.com/docs/errors/{code}");
    let body = serde_json::json!({ "code": code, "message": message, "more_info": info, "status": status });
    Reply::with(status, &body.to_string())
}

fn events(users: &[&str]) -> Selection {
    let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }));
    for (number, user) in (0..).zip(users) {
        let (kind, severity, time) = (Kind::SSHDUserDenied, Severity::Critical, Timestamp::EPOCH);
        block
            .push(Head { number, ordinal: 0, module: 0, kind, severity, time })
            .text(Field::User, user.as_bytes())
            .text(Field::Host, b"web1")
            .text(Field::Reason, b"locked");
    }
    Selection::all(Arc::new(block))
}

fn options(server: &Server, to: &[&str]) -> Options {
    Options {
        account_sid: Some("AC123".into()),
        auth_token: Some(CredentialName::new("twilio/token").unwrap()),
        from: Some("+4930123".into()),
        to: to.iter().map(|to| Given::from(*to)).collect(),
        api_url: server.url(""),
        ..Options::default()
    }
}

fn handler(options: &Options, clock: Arc<dyn Clock>) -> Box<dyn Handler> {
    let mut secrets = Secrets::default();
    secrets.insert(CredentialName::new("twilio/token").unwrap(), Secret::new("t0k3nt0k3n".to_owned()));
    secrets.insert(CredentialName::new("oncall/phone").unwrap(), Secret::new("+49170999999".to_owned()));
    let environment =
        Environment { secrets: Arc::new(secrets), ..Environment::new(clock, Zone::UTC, "/nowhere") };
    build(options, &environment).unwrap()
}

#[tokio::test]
async fn a_message_is_created_as_the_api_wants_it() {
    let server = Server::start(|_| created("SM0a1b")).await;
    let mut handler = handler(&options(&server, &["+49170111"]), Arc::new(Hands::default()));
    assert_eq!(handler.deliver(&events(&["root & co"])).await, [Outcome::Accepted("SM0a1b".into())]);
    let request = server.requests().remove(0);
    assert_eq!(request.path, "/2010-04-01/Accounts/AC123/Messages.json");
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    // AC123:t0k3nt0k3n
    assert_eq!(request.header("authorization"), Some("Basic QUMxMjM6dDBrM250MGszbg=="));
    let form = form(&request);
    assert_eq!((form["To"].as_str(), form["From"].as_str()), ("+49170111", "+4930123"));
    assert_eq!(form["Body"], "CRITICAL: user root & co not allowed on web1: locked");
}

#[tokio::test]
async fn a_service_sends_in_place_of_a_number_and_long_texts_are_cut() {
    let server = Server::start(|_| created("SM1")).await;
    let service = Some("MG1".into());
    let options = Options {
        messaging_service_sid: service,
        max_segments: 1,
        template: "{% for _ in range(end=9) %}{{ summary }} {% endfor %}".into(),
        ..options(&server, &["+1"])
    };
    handler(&options, Arc::new(Hands::default())).deliver(&events(&["root"])).await;
    let form = form(&server.requests()[0]);
    assert_eq!((form["MessagingServiceSid"].as_str(), form.get("From")), ("MG1", None));
    assert_eq!(segments::count(&form["Body"]), 1);
    assert!(form["Body"].ends_with("..."), "{}", form["Body"]);
}

#[tokio::test]
async fn a_retry_goes_only_to_those_who_have_not_had_it() {
    let calls: Arc<Mutex<HashMap<String, u32>>> = Arc::default();
    let server = Server::start(move |request| {
        let to = form(request)["To"].clone();
        let mut calls = calls.lock().unwrap();
        let call = calls.entry(to.clone()).or_default();
        *call += 1;
        match (to.as_str(), *call) {
            ("+2", 1) => error(503, 20503, "try again").header("Retry-After", "9"),
            ("+3", _) => error(400, 21211, "The 'To' number +3 is not a valid phone number."),
            (to, call) => created(&format!("SM{to}-{call}")),
        }
    })
    .await;
    let mut handler = handler(&options(&server, &["+1", "+2", "+3"]), Arc::new(Hands::default()));
    let first = handler.deliver(&events(&["root"])).await;
    let why = "Twilio error 20503: try again".to_owned();
    assert_eq!(first, [Outcome::Deferred(why, Duration::from_secs(9))]);
    let second = handler.deliver(&events(&["root"])).await;
    let note =
        "SM+1-1, SM+2-2; recipient 3: Twilio error 21211: The 'To' number +3 is not a valid phone number.";
    let refused = "recipient 3: Twilio error 21211: The 'To' number +3 is not a valid phone number.";
    assert_eq!(second, [Outcome::Partial { note: note.into(), refused: refused.into() }]);
    let to: Vec<_> = server.requests().iter().map(|request| form(request)["To"].clone()).collect();
    assert_eq!(to, ["+1", "+2", "+3", "+2"]);
}

#[tokio::test]
async fn what_twilio_refuses_is_told_without_secrets() {
    let server = Server::start(|request| {
        error(400, 21211, &format!("The 'To' number {} is invalid.", form(request)["To"]))
    })
    .await;
    let phone = Given::Credential(CredentialName::new("oncall/phone").unwrap());
    let options = Options { to: vec![phone], ..options(&server, &[]) };
    assert_eq!(options.credentials().len(), 2);
    let outcomes = handler(&options, Arc::new(Hands::default())).deliver(&events(&["root"])).await;
    let note = "recipient 1: Twilio error 21211: The 'To' number [secret] is invalid.";
    assert_eq!(outcomes, [Outcome::Permanent(note.into())]);
    let server =
        Server::start(|_| Reply::with(429, r#"{"code": 20429, "message": "Too many requests"}"#)).await;
    let outcomes =
        handler(&self::options(&server, &["+1"]), Arc::new(Hands::default())).deliver(&events(&["a"])).await;
    assert_eq!(outcomes, [Outcome::Temporary("Twilio error 20429: Too many requests".into())]);
}

#[tokio::test]
async fn over_the_limit_one_message_says_so_and_events_wait() {
    let server = Server::start(|_| created("SM1")).await;
    let clock = Arc::new(Hands::default());
    let options = Options { max_per_hour: 2, ..options(&server, &["+1"]) };
    let mut handler = handler(&options, Arc::clone(&clock) as Arc<dyn Clock>);
    clock.0.store(600, SeqCst);
    let outcomes = handler.deliver(&events(&["a", "b", "c", "d"])).await;
    let why = "the limit of 2 messages an hour is reached; the next may go at 1970-01-01T01:10:00.000Z";
    let waits = Outcome::Deferred(why.into(), Duration::from_secs(3_600));
    assert_eq!(outcomes[1..], [Outcome::Accepted("SM1".into()), waits.clone(), waits]);
    let texts: Vec<_> = server.requests().iter().map(|request| form(request)["Body"].clone()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert_eq!(
        texts[2],
        "Correlator has sent 2 messages an hour, which is its limit. What comes waits until 1970-01-01T01:10:00.000Z."
    );
    clock.0.store(600 + 3_600, SeqCst);
    assert!(handler.deliver(&events(&["c"])).await[0].is_delivered());
}

#[tokio::test]
async fn an_event_whose_template_fails_is_told_in_the_built_in_words() {
    let server = Server::start(|_| created("SM1")).await;
    // It does not fail for the samples, whose host is another.
    let template = "{% if fields.host == \"web1\" %}{{ fields.users[40] }}{% endif %}".to_owned();
    let options = Options { template, ..options(&server, &["+49170111"]) };
    let outcome = handler(&options, Arc::new(Hands::default())).deliver(&events(&["root"])).await.remove(0);
    let note = "SM1; the text is the built-in one: the template cannot be filled in: ";
    assert!(matches!(&outcome, Outcome::Accepted(said) if said.starts_with(note)), "{outcome:?}");
    let body = form(&server.requests()[0])["Body"].clone();
    assert_eq!(body, "CRITICAL: user root not allowed on web1: locked");
}

#[test]
fn the_token_is_not_to_go_in_the_clear() {
    let of = |api_url: &str| Options { api_url: api_url.to_owned(), ..Options::default() }.unencrypted();
    assert_eq!(of("http://sms.example/"), Some("api_url"));
    assert_eq!((of("http://127.0.0.1:8080"), of("https://sms.example/")), (None, None));
}
