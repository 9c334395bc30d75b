//! Floor 4: what an operator says of mails: the server, the addresses, further headers.
//!
//! Invariant: no address and no header holds a line break, and no header is one that the handler writes itself.

use crate::credentials::{CredentialName, Given};
use crate::limits;
use lettre::Address;
use lettre::message::Mailbox;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Options of `type = "email"`.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The server that takes the mails.
    pub smtp: Option<Server>,
    /// A file of certificates that vouch for the server in place of the system's; a relative path is under the data
    /// directory.
    pub ca: Option<PathBuf>,
    /// Time within which the server has to answer each command.
    pub timeout: Duration,
    /// Who logs in, if anybody does.
    pub username: Option<Given>,
    /// The password.
    pub password: Option<CredentialName>,
    /// The sender.
    pub from: Option<Mailbox>,
    /// The recipients.
    pub to: Vec<Mailbox>,
    /// The recipients of copies.
    pub cc: Vec<Mailbox>,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<Mailbox>,
    /// Further headers, by name.
    pub headers: Vec<Line>,
    /// The directory of templates that replace the built-in ones; a relative path is under the data directory.
    pub templates: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            smtp: None,
            ca: None,
            timeout: limits::SMTP_TIMEOUT,
            username: None,
            password: None,
            from: None,
            to: Vec::new(),
            cc: Vec::new(),
            reply_to: None,
            headers: Vec::new(),
            templates: None,
        }
    }
}

impl Options {
    /// The credentials that it names.
    pub fn credentials(&self) -> Vec<&CredentialName> {
        let username = self.username.as_ref().and_then(Given::credential);
        username.into_iter().chain(&self.password).collect()
    }

    /// All recipients, each once.
    pub(super) fn recipients(&self) -> Vec<Address> {
        let mut all: Vec<Address> = Vec::new();
        for mailbox in self.to.iter().chain(&self.cc) {
            if !all.contains(&mailbox.email) {
                all.push(mailbox.email.clone());
            }
        }
        all
    }
}

/// A server that takes mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether TLS begins with the connection (`smtps`) rather than within it (`smtp`, STARTTLS).
    pub is_tls: bool,
}

/// Why a text names no server. It does not repeat the text, in which somebody may have put a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongServer {
    /// Neither `smtp` nor `smtps`.
    #[error("no URL of a mail server")]
    Scheme,
    /// There is a user name in it.
    #[error("a mail server's URL holds no user name and no password")]
    User,
    /// The host is none.
    #[error("a mail server's URL has a host name or an address, perhaps a port, and nothing else")]
    Host,
}

impl FromStr for Server {
    type Err = WrongServer;

    fn from_str(url: &str) -> Result<Self, WrongServer> {
        let (is_tls, rest) = match url.split_once("://") {
            Some(("smtps", rest)) => (true, rest),
            Some(("smtp", rest)) => (false, rest),
            _ => return Err(WrongServer::Scheme),
        };
        if rest.contains('@') {
            return Err(WrongServer::User);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or(WrongServer::Host)?)),
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_host = host.parse::<IpAddr>().is_ok() || (!host.is_empty() && host.chars().all(is_name));
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port > 0),
            None => Some(if is_tls { 465 } else { 587 }),
        };
        match port {
            Some(port) if is_host && host.len() <= limits::MAX_HEADER_FIELD => {
                Ok(Self { host: host.to_owned(), port, is_tls })
            }
            _ => Err(WrongServer::Host),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "smtps" } else { "smtp" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// Reads an address, alone or with a name before it: `Correlator <correlator@example.com>`.
///
/// # Errors
/// What is wrong with it.
pub fn mailbox(text: &str) -> Result<Mailbox, &'static str> {
    if text.chars().any(char::is_control) || text.len() > limits::MAX_MAILBOX {
        return Err("an address is one line, and not too long");
    }
    let mailbox: Mailbox = text.parse().map_err(|_| "no address")?;
    // Servers that take others are rare, and what such a mail needs differs from hop to hop.
    if !mailbox.email.to_string().is_ascii() {
        return Err("an address is ASCII; a domain with other letters has a form that begins with `xn--`");
    }
    Ok(mailbox)
}

/// A header that an operator adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    name: String,
    value: String,
}

/// What the handler writes itself, or what is a server's to write.
const OWN: [&str; 17] = [
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "sender",
    "references",
    "in-reply-to",
    "mime-version",
    "auto-submitted",
    "return-path",
    "received",
    "dkim-signature",
    "authentication-results",
];

/// Beginnings of such names.
const OWN_BEGINNINGS: [&str; 3] = ["content-", "x-correlator-", "resent-"];

impl Line {
    /// Takes a name and a value for a header.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(name: &str, value: &str) -> Result<Self, &'static str> {
        let lower = name.to_ascii_lowercase();
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > limits::MAX_MAIL_HEADER_NAME || !name.bytes().all(is_name) {
            return Err("the name of a header is of A-Z, a-z, 0-9, `-` and `_`, and not too long");
        }
        if OWN.contains(&lower.as_str()) || OWN_BEGINNINGS.iter().any(|own| lower.starts_with(own)) {
            return Err("this header is not the operator's to set");
        }
        if value.chars().any(char::is_control) || value.len() > limits::MAX_MAIL_HEADER {
            return Err("the value of a header is one line without control characters, and not too long");
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::tls;

    #[test]
    fn servers_are_urls_without_secrets() {
        for (url, expected, is_here) in [
            ("smtps://mail.example.com", "smtps://mail.example.com:465", false),
            ("smtp://mail.example.com:2525/", "smtp://mail.example.com:2525", false),
            ("smtp://localhost", "smtp://localhost:587", true),
            ("smtp://[::1]:25", "smtp://[::1]:25", true),
            ("smtp://127.9.9.9", "smtp://127.9.9.9:587", true),
        ] {
            let server: Server = url.parse().unwrap();
            assert_eq!(
                (server.to_string().as_str(), tls::is_this_machine(&server.host)),
                (expected, is_here)
            );
            assert_eq!(server.to_string().parse(), Ok(server));
        }
        for (url, why) in [
            ("mail.example.com", WrongServer::Scheme),
            ("http://mail.example.com", WrongServer::Scheme),
            ("smtp://me:hunter2@mail.example.com", WrongServer::User),
            ("smtp://", WrongServer::Host),
            ("smtp://mail:0", WrongServer::Host),
            ("smtp://mail:99999", WrongServer::Host),
            ("smtp://mail/path", WrongServer::Host),
            ("smtp://a b", WrongServer::Host),
            ("smtp://[::1]x", WrongServer::Host),
        ] {
            assert_eq!(url.parse::<Server>(), Err(why), "{url}");
        }
    }

    #[test]
    fn addresses_and_headers_carry_no_lines() {
        assert_eq!(mailbox("Wächter <ops@example.com>").unwrap().name.as_deref(), Some("Wächter"));
        for wrong in ["ops", "", "ops@example.com\nBcc: x@y.z", "a@b, c@d", "jörg@example.com"] {
            assert!(mailbox(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Line::new("X-Team", "Größe").unwrap().value(), "Größe");
        for (name, value) in [
            ("Bcc", "x@y.z"),
            ("content-type", "text/plain"),
            ("X-Correlator-Kind", "x"),
            ("X-A: b", "x"),
            ("X-A\r\nBcc", "x"),
            ("", "x"),
            ("X-A", "a\r\nBcc: x@y.z"),
        ] {
            assert!(Line::new(name, value).is_err(), "{name}");
        }
    }
}
