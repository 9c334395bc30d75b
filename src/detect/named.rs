//! Floor 2: the users whom a message names, and whether the message is proof that the host knows that user.
//!
//! People type passwords where a name is asked for. Whoever shows messages to others asks here which part of one may
//! be such a name.
//!
//! Invariant: a name is [`NamedUser::known`] only where sshd or PAM logs the message of existing users alone.

use super::reader::{App, Message};
use super::{Detector, Flags, Kind, pam};
use crate::limits::SSHD_MESSAGE_CUT;
use crate::span::Span;

/// A user whom a message names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedUser {
    /// Where the name stands in the message.
    pub span: Span,
    /// The name, unescaped.
    pub name: Vec<u8>,
    /// Whether the message proves that the host knows the user.
    pub known: bool,
}

impl Detector {
    /// The users whom a program's message names, in the order in which they stand in it, none over another; `truncated`
    /// says whether its end may be missing. Where a message is not understood, or cut in its middle, and speaks of a
    /// user, all that follows the word is taken for the name. Nothing when the program is not one whose messages are
    /// known.
    pub fn named_users(&self, app_name: &[u8], text: &[u8], truncated: bool) -> Vec<NamedUser> {
        let Some(app) = App::of(app_name) else { return Vec::new() };
        let cut = truncated || text.len() >= SSHD_MESSAGE_CUT;
        let named = self.named_user(Message { app, whole: text, text, cut });
        let mut users = Vec::new();
        if app != App::Helper {
            let end = named.as_ref().map_or(text.len(), |user| user.span.start as usize);
            users.extend(pam::account_names(text.get(..end).unwrap_or_default()).map(|span| NamedUser {
                span,
                name: span.of(text).to_vec(),
                known: false,
            }));
        }
        users.extend(named);
        users
    }

    /// The user whom a message is about.
    fn named_user(&self, message: Message<'_>) -> Option<NamedUser> {
        let Message { text, cut, .. } = message;
        let reading = self.reader()?.read(self.scratch().caches.as_mut()?, message)?.reading;
        let Some(span) = reading.user else {
            let vague = cut || matches!(reading.kind, Kind::Noise | Kind::Unrecognized | Kind::PamOther);
            return vague.then(|| after_user(text)).flatten();
        };
        let relayed = reading.flags.has(Flags::PREAUTH);
        let mut derived = Vec::new();
        let (name, _) = self.user(span, message, reading.escaped, relayed, &mut derived);
        let name = name.span.of(if name.derived { &derived } else { text }).to_vec();
        Some(NamedUser { span, name, known: is_proof(reading.kind, reading.flags) })
    }
}

/// Whether messages of a kind are logged only of users that the host knows. PAM's modules log failures of anybody: some
/// leave the names of the unknown out, others do not.
fn is_proof(kind: Kind, flags: Flags) -> bool {
    let of_anybody = matches!(
        kind,
        Kind::InvalidUser
            | Kind::PamAuthFailure
            | Kind::PamMoreFailures
            | Kind::PamUserUnknown
            | Kind::PamOther
            | Kind::PasswordCheckFailed
            | Kind::Noise
            | Kind::Unrecognized
    );
    !of_anybody && !flags.has(Flags::INVALID_USER)
}

/// What follows the first word that begins with `user`, whatever its case, and stands by itself, as a name.
fn after_user(text: &[u8]) -> Option<NamedUser> {
    const WORD: &[u8] = b"user";
    let is_apart = |byte: &u8| b" :=('\"[`".contains(byte);
    let places = text.windows(WORD.len()).enumerate().filter(|(_, word)| word.eq_ignore_ascii_case(WORD));
    let mut rests = places.filter_map(|(at, _)| {
        let rest = text.get(at..)?;
        let word = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        rest.get(word..).filter(|rest| rest.first().is_some_and(is_apart))
    });
    let rest = rests.next()?;
    let name = rest.get(rest.iter().take_while(|byte| is_apart(byte)).count()..)?.trim_ascii_end();
    (!name.is_empty()).then(|| NamedUser {
        span: Span::locate(text, name),
        name: name.to_vec(),
        known: false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Interest;
    use super::*;

    fn named(app: &str, msg: &[u8], truncated: bool) -> Option<(String, String, bool)> {
        let detector = Detector::new(Interest { sshd: true, records: false });
        let user = detector.named_users(app.as_bytes(), msg, truncated).pop()?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Some((text(user.span.of(msg)), text(&user.name), user.known))
    }

    #[test]
    fn only_messages_of_existing_users_vouch_for_a_name() {
        for (msg, name, known) in [
            ("Invalid user hunter2 from 203.0.113.9 port 5555", "hunter2", false),
            ("Failed password for invalid user hunter2 from 203.0.113.9 port 5555 ssh2", "hunter2", false),
            ("Failed password for alice from 203.0.113.9 port 5555 ssh2", "alice", true),
            ("Accepted password for alice from 203.0.113.9 port 5555 ssh2", "alice", true),
            ("Connection closed by invalid user a from b 203.0.113.9 port 5555 [preauth]", "a from b", false),
            ("Connection closed by authenticating user alice 203.0.113.9 port 5555 [preauth]", "alice", true),
            (
                "pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= \
                 rhost=203.0.113.9 user=hunter2",
                "hunter2",
                false,
            ),
            ("pam_sss(sshd:auth): received for user hunter2: 10 (User not known)", "hunter2", false),
            ("pam_unix(sshd:session): session closed for user alice", "alice", true),
        ] {
            assert_eq!(
                named("sshd", msg.as_bytes(), false),
                Some((name.into(), name.into(), known)),
                "{msg}"
            );
        }
        assert_eq!(named("sshd", b"pam_unix(sshd:auth): check pass; user unknown", false), None);
        assert_eq!(named("sshd", b"User child is on pid 99", false), None);
        assert_eq!(named("cron", b"Invalid user hunter2 from 203.0.113.9 port 5555", false), None);
    }

    #[test]
    fn the_names_that_pam_was_told_are_named_too() {
        let detector = Detector::new(Interest { sshd: true, records: false });
        let rest = "rhost=203.0.113.9";
        for (msg, expected) in [
            (
                format!(
                    "authentication failure; logname=s3cret uid=0 euid=0 tty=ssh ruser=hunter2 {rest}  user=alice"
                ),
                &["s3cret", "hunter2", "alice"][..],
            ),
            (
                format!("authentication failure; logname= uid=0 euid=0 tty=ssh ruser=hunter2 {rest}"),
                &["hunter2"],
            ),
            (
                format!("authentication success; logname=a uid=0 euid=0 tty=ssh ruser= {rest} user=b"),
                &["a", "b"],
            ),
            (format!("2 more authentication failures; logname=x uid=0 euid=0 tty=ssh ruser= {rest}"), &["x"]),
            // No name moves what is taken for one, and what is not understood hides no less.
            (
                format!(
                    "authentication failure; logname=a uid=0 euid=0 tty=ssh ruser=b {rest}  user=c ruser=d logname=e"
                ),
                &["a", "b", "c ruser=d logname=e"],
            ),
            (
                "authentication failure; logname=my secret uid=0 euid=0 tty=ssh ruser=other one rhost=x y"
                    .to_owned(),
                &["my secret", "other one rhost=x y"],
            ),
            ("authentication failure; logname=cut of".to_owned(), &["cut of"]),
        ] {
            let msg = format!("pam_unix(sshd:auth): {msg}");
            let users = detector.named_users(b"sshd", msg.as_bytes(), false);
            let names: Vec<_> = users.iter().map(|user| str::from_utf8(&user.name).unwrap()).collect();
            assert_eq!(names, expected, "{msg}");
            assert!(users.is_sorted_by_key(|user| user.span.start));
        }
    }

    #[test]
    fn a_name_is_unescaped_and_its_place_is_that_of_its_escapes() {
        let msg = br"Invalid user h\303\274nter2 from 203.0.113.9 port 5555";
        assert_eq!(named("sshd", msg, false), Some((r"h\303\274nter2".into(), "h\u{fc}nter2".into(), false)));
    }

    #[test]
    fn what_is_not_understood_or_cut_is_a_name_to_its_end() {
        for (msg, expected) in [
            ("input_userauth_request: invalid user hunter2 [preauth]", "hunter2 [preauth]"),
            (
                "debug1: userauth-request for user hunter2 service ssh-connection",
                "hunter2 service ssh-connection",
            ),
            ("Denied login of USER=\"hunter2\" for now", "hunter2\" for now"),
            ("pam_new(sshd:auth): no such username [hunter2]", "hunter2]"),
        ] {
            let (found, _, known) = named("sshd", msg.as_bytes(), false).unwrap();
            assert_eq!((found.as_str(), known), (expected, false), "{msg}");
        }
        let cut = named("sshd", b"Invalid user hunter2 fr", true).unwrap();
        assert_eq!((cut.0.as_str(), cut.2), ("hunter2 fr", false));
        let long = format!("Connection closed by invalid user {}", "x".repeat(470));
        assert_eq!(named("sshd", long.as_bytes(), false).unwrap().0, "x".repeat(470));
    }
}
