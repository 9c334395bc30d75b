//! Floor 4: texts of others that may repeat our secrets: an error page that shows the address, for instance.
//!
//! Invariant: what is hushed holds none of the secrets, and is one short line.

use crate::credentials::Secret;
use crate::event::render;
use crate::limits;

/// What stands in place of a secret.
const MARK: &str = "[secret]";

/// Secrets that must not come back in notes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hushed(Vec<Secret>);

impl Hushed {
    /// Adds a secret. One that is so short that it stands in any text would only make notes unreadable.
    pub(crate) fn add(&mut self, secret: &str) {
        if secret.len() >= limits::MIN_HUSHED_SECRET {
            self.0.push(Secret::new(secret.to_owned()));
            // The longest first, so that none is left over from a longer one that holds it.
            self.0.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        }
    }

    /// The beginning of a text as one line, without the secrets.
    pub(crate) fn line(&self, text: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(text).into_owned();
        for secret in &self.0 {
            if text.contains(secret.expose()) {
                text = text.replace(secret.expose(), MARK);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_repeats_a_secret_does_not_spread_it() {
        let mut hushed = Hushed::default();
        for secret in ["/services/T0/B0/k3y", "https://h.example/services/T0/B0/k3y", "abc"] {
            hushed.add(secret);
        }
        let page = b"<pre>Cannot POST /services/T0/B0/k3y\n\n\tabc \x1b[2J</pre>";
        assert_eq!(hushed.line(page), r"<pre>Cannot POST [secret] abc \x1b[2J</pre>");
        assert_eq!(hushed.line(b"at https://h.example/services/T0/B0/k3y?"), "at [secret]?");
        let long = hushed.line("é".repeat(5_000).as_bytes());
        assert_eq!(long.chars().count(), limits::MAX_NOTE_EXCERPT + 1);
    }
}
