//! Floor 4, tests: docs/messages.md shows what each handler makes of one event, as it leaves the process. `BLESS=1 cargo
//! test reference` brings it up to date.

use super::http::server::{Reply, Request, Server};
use super::privacy::{Privacy, UnknownUsers};
use super::{Environment, Handler, Outcome, Selection, csv, email, exec, sms, syslog, webhook};
use crate::credentials::{CredentialName, Secret, Secrets};
use crate::event::{Kind, render, sample};
use crate::time::{Clock, Timestamp, Zone};
use mail_parser::MessageParser;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/messages.md");

const HEAD: &str = "\
# What handlers send

One event, an address that has failed too often, as each handler tells it by default. `correlator handlers test NAME` sends
such a sample through a handler of yours.

`log` and `csv` write on this machine and show names as they were typed; what leaves it has the names of unknown users
[masked](privacy.md).
";

/// When the event happened.
const TIME: Timestamp = Timestamp::from_civil(2026, 7, 1, 43_200, 0);

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        TIME
    }
}

fn event() -> Selection {
    Selection::all(Arc::new(sample(Kind::SSHDAttemptsExceeded, TIME)))
}

fn environment(home: &Path) -> Environment {
    let mut secrets = Secrets::default();
    secrets.insert(CredentialName::new("token").unwrap(), Secret::new("token".to_owned()));
    let environment = Environment::new(Arc::new(Stopped), Zone::UTC, home);
    Environment { secrets: Arc::new(secrets), ..environment }
}

/// Delivers as a handler does by default that leaves the machine.
async fn deliver_masked(handler: Box<dyn Handler>) {
    deliver(Privacy { unknown_users: UnknownUsers::Mask }.handler(handler)).await;
}

async fn deliver(mut handler: Box<dyn Handler>) {
    let outcomes = handler.deliver(&event()).await;
    assert!(outcomes.iter().all(Outcome::is_delivered), "{outcomes:?}");
}

fn line(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

async fn of_csv(environment: &Environment) -> String {
    deliver(csv::build(csv::Options::default(), environment).unwrap()).await;
    fs::read_to_string(environment.directory.join("csv/test-SSHDAttemptsExceeded.csv")).unwrap()
}

/// Takes one mail, and gives it as it came.
async fn mail(listener: TcpListener) -> Vec<u8> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 ready\r\n").await.unwrap();
    let mut mail = Vec::new();
    loop {
        let mut command = String::new();
        stream.read_line(&mut command).await.unwrap();
        if !command.starts_with("DATA") {
            stream.write_all(b"250 fine\r\n").await.unwrap();
            continue;
        }
        stream.write_all(b"354 go on\r\n").await.unwrap();
        while !mail.ends_with(b"\r\n.\r\n") {
            stream.read_until(b'\n', &mut mail).await.unwrap();
        }
        stream.write_all(b"250 fine\r\n").await.unwrap();
        return mail;
    }
}

async fn of_email(environment: &Environment) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let smtp = format!("smtp://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let options = email::Options {
        smtp: Some(smtp.parse().unwrap()),
        from: Some(email::mailbox("correlator@example.com").unwrap()),
        to: vec![email::mailbox("oncall@example.com").unwrap()],
        ..email::Options::default()
    };
    let handler = email::build(&options, environment).unwrap();
    let (bytes, ()) = tokio::join!(mail(listener), deliver_masked(handler));
    let mail = MessageParser::default().parse(&bytes).unwrap();
    let text = mail.body_text(0).unwrap().replace("\r\n", "\n");
    format!("Subject: {}\n\n{}\n", mail.subject().unwrap(), text.trim_end())
}

/// The request that a webhook makes.
async fn of_webhook(environment: &Environment, template: webhook::Body) -> Request {
    let server = Server::start(|_| Reply::status(200)).await;
    let url = Some(server.url("/").as_str().into());
    let options = webhook::Options { url, template, ..Default::default() };
    deliver_masked(webhook::build(&options, environment).unwrap()).await;
    server.requests().remove(0)
}

async fn of_sms(environment: &Environment) -> String {
    let server = Server::start(|_| Reply::with(201, r#"{"sid": "SM1"}"#)).await;
    let options = sms::Options {
        account_sid: Some("AC1".into()),
        auth_token: Some(CredentialName::new("token").unwrap()),
        from: Some("+49".into()),
        to: vec!["+49".into()],
        api_url: server.url(""),
        ..sms::Options::default()
    };
    deliver_masked(sms::build(&options, environment).unwrap()).await;
    let body = server.requests().remove(0).body;
    let text = form_urlencoded::parse(&body).find(|(name, _)| name == "Body").unwrap().1.into_owned();
    format!("{text}\n")
}

async fn of_syslog(environment: &Environment) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (transport, port) = (syslog::Transport::Tcp, listener.local_addr().unwrap().port());
    let address = Some(syslog::Address { transport, host: "127.0.0.1".to_owned(), port });
    let options = syslog::Options { address, ..syslog::Options::default() };
    deliver_masked(syslog::build(&options, environment).unwrap()).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    // Behind the count and the time stand the host and the process, which are others each time.
    let (_, record) = text.split_once(' ').unwrap();
    let mut words: Vec<_> = record.split(' ').collect();
    (words[2], words[4]) = ("gate", "711");
    format!("{}\n", words.join(" "))
}

async fn of_exec(environment: &Environment) -> String {
    let script = "env -0 | grep -z ^CORRELATOR_ | sort -z | tr '\\0' '\\n' > told; echo >> told; cat >> told";
    let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let options = exec::Options { command, ..exec::Options::default() };
    deliver_masked(exec::build(&options, environment).unwrap()).await;
    fs::read_to_string(environment.directory.join("told")).unwrap()
}

async fn page() -> String {
    let home = tempfile::tempdir().unwrap();
    let environment = environment(home.path());
    let event = event();
    let event = event.events().next().unwrap();
    let mut times = render::LocalTime::new(Zone::UTC);
    let slack = of_webhook(&environment, webhook::Body::Slack).await;
    let ntfy = of_webhook(&environment, webhook::Body::Ntfy).await;
    let headers: Vec<_> = ["title", "priority", "tags"]
        .iter()
        .map(|name| format!("{name}: {}\n", ntfy.header(name).unwrap()))
        .collect();
    let text = line(|out| render::line(out, event, &mut times, render::Paint::Plain));
    let parts = [
        ("`log`, as text", format!("{text}\n")),
        ("`log`, as JSON", format!("{}\n", line(|out| render::json(out, event)))),
        ("`csv`", of_csv(&environment).await),
        ("`email`", of_email(&environment).await),
        ("`sms`", of_sms(&environment).await),
        (
            "`webhook`, as JSON",
            format!("{}\n", of_webhook(&environment, webhook::Body::Json).await.text().trim_end()),
        ),
        ("`webhook`, for Slack", format!("{}\n", slack.text())),
        ("`webhook`, for ntfy", format!("{}\n{}\n", headers.concat(), ntfy.text().trim_end())),
        ("`syslog`", of_syslog(&environment).await),
        ("`exec`, in the environment and on standard input", of_exec(&environment).await),
    ];
    let mut page = HEAD.to_owned();
    for (title, text) in parts {
        write!(page, "\n## {title}\n\n```text\n{text}```\n").unwrap();
    }
    page
}

#[tokio::test]
async fn the_reference_is_current() {
    let page = page().await;
    if std::env::var_os("BLESS").is_some() {
        fs::write(FILE, &page).unwrap();
    } else {
        let written = fs::read_to_string(FILE).unwrap_or_default();
        assert!(written == page, "BLESS=1 cargo test reference brings docs/messages.md up to date:\n{page}");
    }
}
