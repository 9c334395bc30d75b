//! Floor 4: texts of others that may repeat our secrets: an error page that shows the address, for instance.
//!
//! Invariant: what is hushed holds none of the secrets, neither as they are nor in base64, in which logins travel.

use crate::credentials::Secret;
use crate::event::render;
use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// What stands in place of a secret.
const MARK: &str = "[secret]";

/// Secrets that must not come back in notes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hushed(Vec<Secret>);

impl Hushed {
    /// Adds a secret, and its base64.
    pub(crate) fn add(&mut self, secret: &str) {
        self.add_form(secret.to_owned());
        // Without what fills up the end: not everybody writes it.
        self.add_form(STANDARD_NO_PAD.encode(secret));
    }

    /// Adds a URL that is a secret: all of it and its parts, the name of its host among them.
    pub(crate) fn add_url(&mut self, text: &str, url: &Url) {
        for part in [text.trim(), url.as_str(), url.path(), url.path().trim_matches('/'), url.username()] {
            self.add(part);
        }
        url.path_segments().into_iter().flatten().for_each(|segment| self.add(segment));
        let host = url.host_str().map(|host| host.trim_matches(['[', ']']));
        for part in [url.query(), host].into_iter().flatten() {
            self.add(part);
        }
        url.query_pairs().for_each(|(_, value)| self.add(&value));
    }

    /// Adds the password in a URL, if there is one, and the login as a request bears it (RFC 7617 section 2).
    pub(crate) fn add_login_of(&mut self, url: &Url) {
        let Some(written) = url.password() else { return };
        let plain = |text| percent_decode_str(text).decode_utf8_lossy();
        let (name, password) = (plain(url.username()), plain(written));
        self.add(written);
        self.add(&password);
        self.add(&format!("{name}:{password}"));
    }

    /// Adds a form of a secret. One that is so short that it stands in any text would only make notes unreadable.
    fn add_form(&mut self, form: String) {
        if form.len() >= limits::MIN_HUSHED_SECRET {
            self.0.push(Secret::new(form));
            // The longest first, so that none is left over from a longer one that holds it.
            self.0.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        }
    }

    /// A text without the secrets.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret.expose()) {
                text = text.replace(secret.expose(), MARK);
            }
        }
        text
    }

    /// The beginning of a text as one line, without the secrets.
    pub(crate) fn line(&self, text: &[u8]) -> String {
        let text = self.text(&String::from_utf8_lossy(text));
        let words: Vec<_> = text.split_whitespace().collect();
        let line = words.join(" ");
        let cut = line.char_indices().nth(limits::MAX_NOTE_EXCERPT).map(|(at, _)| at);
        let mut out = Vec::new();
        match cut.and_then(|at| line.get(..at)) {
            Some(head) => {
                render::readable(&mut out, head.as_bytes());
                out.extend_from_slice("…".as_bytes());
            }
            None => render::readable(&mut out, line.as_bytes()),
        }
        String::from_utf8(out).unwrap_or_default()
    }
}

/// Services that let whoever knows a URL of theirs post to it; a name is that of a host, or what it ends in.
const TELLING_HOSTS: [&str; 7] = [
    "hooks.slack.com",
    "discord.com",
    "discordapp.com",
    "outlook.office.com",
    ".webhook.office.com",
    ".logic.azure.com",
    "hc-ping.com",
];

/// Parameters of URLs that prove who sends a request.
const TELLING_PARAMETERS: [&str; 9] =
    ["token", "access_token", "key", "api_key", "apikey", "secret", "sig", "signature", "password"];

/// Whether a URL seems to hold a secret: a password, a parameter that proves who sends, or a place at a service where
/// that is the whole of the proof.
pub(crate) fn is_telling(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let is_of = |known: &str| host == known || known.starts_with('.') && host.ends_with(known);
    let proves = |name: &str| TELLING_PARAMETERS.iter().any(|telling| name.eq_ignore_ascii_case(telling));
    url.password().is_some()
        || url.path() != "/" && TELLING_HOSTS.into_iter().any(is_of)
        || url.query_pairs().any(|(name, _)| proves(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_seem_to_hold_secrets_are_told_from_others() {
        let is = |url: &str| is_telling(&Url::parse(url).unwrap());
        for url in [
            "https://hooks.slack.com/services/T0/B0/k",
            "https://u:p@h.example/",
            "https://h.example/hook?channel=ops&Token=t",
            "https://acme.webhook.office.com/webhookb2/x",
            "https://discord.com/api/webhooks/1/k",
            "https://hc-ping.com/5f0e",
        ] {
            assert!(is(url), "{url}");
        }
        for url in ["https://u@h.example/", "https://h.example/hook?channel=ops", "https://notdiscord.com/a"]
        {
            assert!(!is(url), "{url}");
        }
    }

    #[test]
    fn an_answer_that_repeats_a_secret_does_not_spread_it() {
        let mut hushed = Hushed::default();
        for secret in ["/services/T0/B0/k3y", "https://h.example/services/T0/B0/k3y", "abc"] {
            hushed.add(secret);
        }
        let page = b"<pre>Cannot POST /services/T0/B0/k3y\n\n\tabc \x1b[2J</pre>";
        assert_eq!(hushed.line(page), r"<pre>Cannot POST [secret] abc \x1b[2J</pre>");
        assert_eq!(hushed.line(b"at https://h.example/services/T0/B0/k3y?"), "at [secret]?");
        let mut hushed = Hushed::default();
        let url = Url::parse("https://me:p%40ss%20word@host.example/").unwrap();
        hushed.add_login_of(&url);
        assert_eq!(
            hushed.text("Basic bWU6cEBzcyB3b3Jk, p@ss word, p%40ss%20word"),
            "Basic [secret], [secret], [secret]"
        );
        hushed.add_url(url.as_str(), &url);
        assert_eq!(hushed.text("not valid for name \"host.example\""), "not valid for name \"[secret]\"");
        let long = hushed.line("é".repeat(5_000).as_bytes());
        assert_eq!(long.chars().count(), limits::MAX_NOTE_EXCERPT + 1);
    }
}
