//! Floor 2: messages of PAM modules in sshd, and of the helpers that log beside it.
//!
//! Invariant: PAM modules do not escape what the client sent, not even line feeds, so that a name may hold anything; it
//! always comes after the address.

use super::row::{Row, Trust, row};
use super::{Flags, Kind};
use crate::span::Span;
use memchr::memmem;

/// Where a PAM module's message begins, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'m> {
    /// The module; empty where the message does not name it.
    pub(super) module: &'m [u8],
    /// What the module says.
    pub(super) body: &'m [u8],
}

impl<'m> Message<'m> {
    /// Takes the prefix of a PAM module from a message: `pam_unix(sshd:auth): `, `(pam_unix) ` of old, or the bare
    /// `PAM ` that Linux-PAM itself writes. Nothing when the message is none of a module that serves sshd.
    pub(super) fn of(message: &'m [u8]) -> Option<Self> {
        if let Some(body) = message.strip_prefix(b"PAM ") {
            return Some(Self { module: b"", body });
        }
        if let Some(body) = message.strip_prefix(b"(pam_unix) ") {
            return Some(Self { module: message.get(1..9)?, body });
        }
        if !message.starts_with(b"pam_") {
            return None;
        }
        let open = memchr::memchr(b'(', message)?;
        let (module, rest) = message.split_at_checked(open)?;
        let rest = rest.get(1..)?;
        let close = memchr::memchr(b')', rest)?;
        let (service_and_phase, rest) = rest.split_at_checked(close)?;
        let service = service_and_phase.split(|&byte| byte == b':').next()?;
        let body = rest.strip_prefix(b"): ")?;
        let named = module.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        (named && (service == b"sshd" || service.starts_with(b"sshd-"))).then_some(Self { module, body })
    }
}

/// What Linux-PAM writes of the accounts from which somebody logs in, and what ends it.
const ACCOUNTS: [(&[u8], &[u8]); 2] = [(b" logname=", b" uid="), (b" ruser=", b" rhost=")];

/// Where the names of those accounts stand, as far as they are not empty, in a text up to the user whom it names. These
/// are what an application, and so perhaps a person, has called itself.
pub(super) fn account_names(text: &[u8]) -> impl Iterator<Item = Span> {
    ACCOUNTS.iter().filter_map(|(before, behind)| {
        let rest = text.get(memmem::find(text, before)? + before.len()..)?;
        let name = rest.get(..memmem::find(rest, behind).unwrap_or(rest.len()))?;
        (!name.is_empty()).then(|| Span::locate(text, name))
    })
}

/// What the modules of Linux-PAM and SSSD say, without their prefix.
pub(super) const ROWS: &[Row] = &[
    row(
        "pam-failure",
        Kind::PamAuthFailure,
        r"authentication failure; logname=\S* uid=\S* euid=\S* tty=\S* ruser=\S* rhost=(?P<host>\S*)(?:\s+user=(?P<user>.*?))?\s*",
        "authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9  user=alice",
    )
    .trust(Trust::Head),
    row(
        "pam-success",
        Kind::PamAuthSuccess,
        r"authentication success; logname=\S* uid=\S* euid=\S* tty=\S* ruser=\S* rhost=(?P<host>\S*)(?:\s+user=(?P<user>.*?))?\s*",
        "authentication success; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9 user=alice",
    )
    .trust(Trust::Head),
    row(
        "pam-more-failures",
        Kind::PamMoreFailures,
        r"(?P<number>\d+) more authentication failures?; logname=\S* uid=\S* euid=\S* tty=\S* ruser=\S* rhost=(?P<host>\S*)(?:\s+user=(?P<user>.*?))?\s*",
        "2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9  user=alice",
    )
    .trust(Trust::Head),
    row(
        "pam-user-unknown",
        Kind::PamUserUnknown,
        r"check pass; user (?:\((?P<user>.*)\) )?unknown",
        "check pass; user (nosuch) unknown",
    ),
    row(
        "pam-faillock-unknown",
        Kind::PamUserUnknown,
        "User unknown(?:: (?P<user>.*))?",
        "User unknown: nosuch",
    ),
    row(
        "pam-session-opened",
        Kind::PamSessionOpened,
        r"session opened for user (?P<user>.+?)(?:\(uid=(?:\d+|getpwnam error)\))?(?: by [^(]*\(uid=\d+\))?",
        "session opened for user alice(uid=2001) by alice(uid=0)",
    ),
    row(
        "pam-session-closed",
        Kind::PamSessionClosed,
        "session closed for user (?P<user>.+)",
        "session closed for user alice",
    ),
    row(
        "pam-account-expired",
        Kind::PamAccountRefused,
        r"(?P<text>account (?P<user>.*) has expired \(.*\))",
        "account carol has expired (account expired)",
    )
    .details(&["text"]),
    row(
        "pam-sss-denied",
        Kind::PamAccountRefused,
        r"(?P<text>Access denied for user {user}: \d+ \(.*\))",
        "Access denied for user carol: 6 (Permission denied)",
    )
    .details(&["text"]),
    row(
        "pam-access-denied",
        Kind::PamAccountRefused,
        "(?P<text>access denied for user [`'](?P<user>.*)' from [`'].*')",
        "access denied for user `carol' from `203.0.113.9'",
    )
    .details(&["text"]),
    row(
        "pam-limits",
        Kind::PamAccountRefused,
        r"(?P<text>Too many logins \(max \d+\) for (?P<user>.*))",
        "Too many logins (max 2) for carol",
    )
    .details(&["text"]),
    row(
        "pam-faillock",
        Kind::PamLocked,
        "(?P<text>Consecutive login failures for user (?P<user>.*) account temporarily locked)",
        "Consecutive login failures for user alice account temporarily locked",
    )
    .details(&["text"]),
    row(
        "pam-tally",
        Kind::PamLocked,
        r"(?P<text>user (?P<user>.*) \(\d+\) tally \d+, deny \d+)",
        "user alice (2001) tally 5, deny 3",
    )
    .details(&["text"]),
    row(
        "pam-sss-received",
        Kind::PamOther,
        r"(?P<text>received for user {user}: \d+ \(.*\))",
        "received for user alice: 7 (Authentication failure)",
    )
    .details(&["text"]),
    row(
        "pam-requirement",
        Kind::PamOther,
        r#"(?P<text>requirement ".*" (?:not|was) met by user "(?P<user>.*)")"#,
        r#"requirement "uid >= 1000" not met by user "root""#,
    )
    .details(&["text"]),
    row(
        "pam-no-user-information",
        Kind::PamOther,
        "(?P<text>error retrieving (?:information about|user name|user) (?:user )?(?P<user>.*))",
        "error retrieving information about user nosuch",
    )
    .details(&["text"]),
    row(
        "pam-expired-password",
        Kind::PamOther,
        r"(?P<text>expired password for user (?P<user>.*) \(.*\))",
        "expired password for user carol (root enforced)",
    )
    .details(&["text"]),
    row(
        "pam-username",
        Kind::PamOther,
        r"(?P<text>(?:username|bad username) \[(?P<user>.*)\](?: obtained)?)",
        "username [nosuch] obtained",
    )
    .details(&["text"]),
];

/// What programs beside sshd say.
pub(super) const HELPER_ROWS: &[Row] = &[
    row(
        "unix-chkpwd",
        Kind::PasswordCheckFailed,
        r"password check failed for user \((?P<user>.*)\)",
        "password check failed for user (alice)",
    ),
    row(
        "sftp-opened",
        Kind::SftpSession,
        r"session opened for local user (?P<user>.*) from \[{host}\]",
        "session opened for local user alice from [203.0.113.9]",
    )
    .flags(Flags::BEGIN),
    row(
        "sftp-closed",
        Kind::SftpSession,
        r"session closed for local user (?P<user>.*) from \[{host}\]",
        "session closed for local user alice from [203.0.113.9]",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_modules_that_serve_sshd() {
        let of = |text: &'static str| Message::of(text.as_bytes()).map(|m| (m.module, m.body));
        assert_eq!(of("pam_unix(sshd:auth): check pass"), Some((&b"pam_unix"[..], &b"check pass"[..])));
        assert_eq!(of("pam_sss(sshd-internal:auth): x"), Some((&b"pam_sss"[..], &b"x"[..])));
        assert_eq!(of("(pam_unix) session"), Some((&b"pam_unix"[..], &b"session"[..])));
        assert_eq!(of("PAM 2 more"), Some((&b""[..], &b"2 more"[..])));
        for foreign in
            ["pam_unix(sudo:auth): x", "pam_unix(sshdx:auth): x", "PAM: x", "pam_unix", "pam_a b(sshd:c): x"]
        {
            assert_eq!(of(foreign), None, "{foreign}");
        }
    }
}
