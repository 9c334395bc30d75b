//! `correlator check --online` against servers on loopback that work, and others that do not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: its helpers fail by panicking"
)]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;
#[path = "credentials/house.rs"]
#[allow(dead_code, reason = "the tests of credentials need more of it")]
mod house;
#[path = "support/http.rs"]
#[allow(dead_code, reason = "the tests of credentials need more of it")]
mod http;
#[path = "support/port.rs"]
mod port;
#[path = "email/server.rs"]
#[allow(dead_code, reason = "the tests of mails need more of it")]
mod server;

use house::{CANARY, House, Said};
use http::Hook;
use port::Port;
use server::{Server, Tls, certificate};
use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

const LOGIN: (&str, &str) = ("correlator", CANARY);

/// A server that does nothing but to prove who it is.
async fn prover(certified: Arc<ServerConfig>) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Who does not trust it goes away.
            TlsAcceptor::from(Arc::clone(&certified)).accept(stream).await.ok();
        }
    });
    port
}

/// A configuration with a handler for each of these servers.
fn configure(house: &House, mail: u16, sms: &str, tls: u16, syslog: u16) {
    let ca = house.path().join("ca.pem");
    let configuration = format!(
        r#"
[credentials]
stores = ["directory"]
[server]
heartbeat = {{ credential = "watch" }}
[handlers.mail]
type = "email"
smtp = "smtp://localhost:{mail}"
ca = "{ca}"
username = "correlator"
password = {{ credential = "smtp" }}
from = "correlator@example.com"
to = ["oncall@example.com"]
[handlers.pager]
type = "sms"
account_sid = "AC1"
auth_token = {{ credential = "twilio" }}
api_url = "{sms}"
from = "+4930"
to = ["+49170"]
[handlers.hook]
type = "webhook"
url = {{ credential = "hook" }}
[handlers.siem]
type = "syslog"
address = "tcp://127.0.0.1:{syslog}"
[handlers.proved]
type = "syslog"
address = "tls://localhost:{tls}"
ca = "{ca}"
[handlers.secure]
type = "webhook"
url = "https://localhost:{tls}/"
ca = "{secure_ca}"
[handlers.console]
type = "log"
[apps.fleet]
handlers = ["mail", "pager", "hook", "siem", "proved", "secure", "console"]
[apps.fleet.modules.openssh]
type = "sshd"
"#,
        ca = ca.display(),
        secure_ca = house.path().join("secure.pem").display(),
    );
    fs::write(house.path().join("c.toml"), configuration).unwrap();
}

fn set(house: &House, name: &str, value: &str) {
    let said = house::feed(&mut house.correlator(&["credentials", "set", name]), value);
    assert_eq!(said.code, Some(0), "{said:?}");
}

async fn check(house: &House) -> Said {
    let mut command = house.correlator(&["check", "--online"]);
    let output = tokio::task::spawn_blocking(move || child::output(&mut command)).await.unwrap();
    Said::of(output)
}

/// The lines of what was tried.
fn tried(said: &Said) -> Vec<&str> {
    said.out.lines().filter_map(|line| line.strip_prefix("online         ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_work_are_reached_and_nothing_is_sent_to_anybody() {
    let house = House::new("[]", "");
    let certified = certificate(&["localhost"], &house.path().join("ca.pem"));
    fs::copy(house.path().join("ca.pem"), house.path().join("secure.pem")).unwrap();
    let tls = prover(Arc::clone(&certified)).await;
    let mut mail = Server::start(Tls::Upgrade, certified, Some(LOGIN)).await;
    let (api, hook, siem) = (Hook::start(), Hook::start(), TcpListener::bind("127.0.0.1:0").unwrap());
    configure(&house, mail.address.port(), &api.url, tls, siem.local_addr().unwrap().port());
    set(&house, "smtp", CANARY);
    set(&house, "twilio", &format!("{CANARY}-token"));
    set(&house, "hook", &format!("{}/{CANARY}-path", hook.url));
    set(&house, "watch", &format!("{}/{CANARY}-ping", hook.url));
    let said = check(&house).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let tried = tried(&said);
    let port = mail.address.port();
    for expected in [
        "mail  DNS localhost: ok, ".to_owned(),
        format!("mail  SMTP localhost: ok, port {port}, STARTTLS, logged in"),
        "pager  TCP 127.0.0.1, port ".to_owned(),
        "pager  GET of the account: ok, the account is known".to_owned(),
        "hook  TCP of a URL that is a secret, port ".to_owned(),
        "server.heartbeat  TCP of a URL that is a secret, port ".to_owned(),
        format!("proved  syslog tls://localhost:{tls}: ok, connected, and the certificate is good"),
        "secure  TLS localhost: ok, the certificate is good".to_owned(),
        format!("siem  syslog tcp://{}: ok, connected", siem.local_addr().unwrap()),
    ] {
        assert!(tried.iter().any(|line| line.starts_with(&expected)), "{expected}: {said:?}");
    }
    assert!(!said.out.contains(CANARY) && !said.err.contains(CANARY), "{said:?}");

    assert!(mail.commands().iter().all(|command| !command.starts_with("MAIL")), "{:?}", mail.commands());
    assert_eq!(mail.taken().len(), 0);
    let asked = api.until_now();
    assert!(asked.len() == 1 && asked[0].starts_with("GET /2010-04-01/Accounts/AC1.json "), "{asked:?}");
    assert_eq!(hook.until_now(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_is_told_with_the_reason() {
    let house = House::new("[]", "");
    let certified = certificate(&["localhost"], &house.path().join("ca.pem"));
    // Of somebody else.
    certificate(&["localhost"], &house.path().join("secure.pem"));
    let tls = prover(Arc::clone(&certified)).await;
    let mail = Server::start(Tls::Upgrade, certified, Some(LOGIN)).await;
    let api = Hook::answering(|_, request| (500, request.to_owned()));
    let port = Port::hold();
    let closed = port.number;
    configure(&house, mail.address.port(), &api.url, tls, closed);
    set(&house, "smtp", "wrong");
    set(&house, "twilio", &format!("{CANARY}-token"));
    set(&house, "hook", "https://no-such-host.invalid/x");
    set(&house, "watch", &format!("http://127.0.0.1:{closed}/{CANARY}-ping"));
    let said = check(&house).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let tried = tried(&said);
    for (expected, why) in [
        ("mail  SMTP localhost: failed, cannot log in to ", "535"),
        ("pager  GET of the account: failed, it answered 500", ""),
        ("hook  DNS of a URL that is a secret: failed, ", "lookup"),
        ("siem  syslog tcp://127.0.0.1:", "refused"),
        ("server.heartbeat  TCP of a URL that is a secret, port ", "refused"),
        ("secure  TLS localhost: failed, ", "certificate"),
    ] {
        let line = tried.iter().find(|line| line.starts_with(expected));
        assert!(line.is_some_and(|line| line.contains(why)), "{expected}: {said:?}");
    }
    assert!(!said.out.contains("no-such-host") && !said.out.contains(CANARY), "{said:?}");
    assert!(!tried.iter().any(|line| line.starts_with("hook  TCP")), "{said:?}");
    // Nobody has asked for that, and nothing needs it.
    let offline = house.run(&["check"]);
    assert!(offline.code == Some(0) && !offline.out.contains("online"), "{offline:?}");
}
