//! Floor 2: sshd's messages on authentication, other than those on keys.

use super::super::row::{Row, Scope, Trust, row};
use super::super::{Flags, Kind};

/// What auth_log() (auth.c) writes after the verb: one format since 3.9 with parts that came and went.
macro_rules! auth_log {
    ($verb:literal) => {
        concat!(
            $verb,
            r" (?P<method>[\w.@-]+)(?:/(?P<submethod>[\w.-]+))? for {invalid}{user} from {addr}{port?}",
            r"(?: ssh[12])?(?:: (?P<info>.*))?"
        )
    };
}

pub(super) const ROWS: &[Row] = &[
    row(
        "accepted",
        Kind::Accepted,
        auth_log!("Accepted"),
        "Accepted publickey for alice from 203.0.113.9 port 54802 ssh2: ED25519 SHA256:XV4VWHNcdZmiLNC",
    )
    .details(&["submethod", "info"])
    .trust(Trust::AuthLog)
    .scope(Scope::Monitor),
    row(
        "failed",
        Kind::Failed,
        auth_log!("Failed"),
        "Failed keyboard-interactive/pam for invalid user x from 2001:db8::7 port 22 ssh2",
    )
    .details(&["submethod", "info"])
    .trust(Trust::AuthLog),
    row(
        "partial",
        Kind::Partial,
        auth_log!("Partial"),
        "Partial publickey for alice from 203.0.113.9 port 38408 ssh2: RSA SHA256:2Fh3",
    )
    .details(&["submethod", "info"])
    .trust(Trust::AuthLog)
    .scope(Scope::Monitor),
    row(
        "postponed",
        Kind::Postponed,
        auth_log!("Postponed"),
        "Postponed publickey-hostbound-v00@openssh.com for alice from 203.0.113.9 port 60204 ssh2",
    )
    .details(&["submethod", "info"])
    .trust(Trust::AuthLog),
    row(
        "invalid-user",
        Kind::InvalidUser,
        "(?:Invalid|Illegal) user {user} from {addr}{port?}",
        "Invalid user nosuch from 203.0.113.9 port 60930",
    )
    .flags(Flags::INVALID_USER),
    row(
        "invalid-user-child",
        Kind::Noise,
        "input_userauth_request: (?:invalid|illegal) user .*",
        "input_userauth_request: invalid user nosuch",
    ),
    row(
        "user-denied",
        Kind::UserDenied,
        "User {account} from {host} not allowed because (?P<reason>listed in DenyUsers|not listed in AllowUsers|\
         not in any group|a group is listed in DenyGroups|none of user's groups are listed in AllowGroups)",
        "User bob from 203.0.113.9 not allowed because none of user's groups are listed in AllowGroups",
    )
    .details(&["reason"]),
    row(
        "user-denied-no-host",
        Kind::UserDenied,
        r"User {account} not allowed because (?P<reason>listed in DenyUsers|not listed in AllowUsers|not in any group|a group is listed in DenyGroups|none of user's groups are listed in AllowGroups|account is locked|shell \S+ (?:does not exist|is not executable)|\S+ exists)",
        "User bob not allowed because shell /bin/none does not exist",
    )
    .details(&["reason"]),
    row(
        "root-refused",
        Kind::RootRefused,
        "ROOT LOGIN REFUSED FROM {addr}{port?}",
        "ROOT LOGIN REFUSED FROM 203.0.113.9 port 38410",
    ),
    row(
        "root-forced-command",
        Kind::RootForcedCommand,
        r"Root login accepted for forced command\.",
        "Root login accepted for forced command.",
    ),
    row(
        "max-auth-tries",
        Kind::MaxAuthTries,
        "maximum authentication attempts exceeded for {invalid}{user} from {addr}{port}(?: ssh[12])?",
        "maximum authentication attempts exceeded for root from 203.0.113.9 port 5555 ssh2",
    )
    .trust(Trust::TailUnlessInvalid),
    row(
        "prohibited",
        Kind::Prohibited,
        "administratively prohibited connection for {invalid}{user} from {addr}{port}",
        "administratively prohibited connection for invalid user x from 203.0.113.9 port 5555",
    )
    .trust(Trust::TailUnlessInvalid),
    // sshpam_query() (auth-pam.c). One error of PAM itself holds " for "; macOS appends the address behind a name.
    row(
        "pam-error",
        Kind::PamError,
        r"PAM: (?P<error>Have exhausted maximum number of retries for service|[^:]+?) for {invalid}{user} from {host}(?: via \S+)?\s*",
        "PAM: Authentication failure for illegal user x from 203.0.113.9",
    )
    .details(&["error"]),
    row(
        "pam-account-denied",
        Kind::PamAccountDenied,
        "Access denied for user {user} by PAM account configuration",
        "Access denied for user carol by PAM account configuration",
    ),
    row(
        "pam-account-denied-old",
        Kind::PamAccountDenied,
        r"Access denied for user {user}\.",
        "Access denied for user carol.",
    ),
    row(
        "account-expired",
        Kind::AccountExpired,
        "Account {user} (?P<text>has expired)",
        "Account carol has expired",
    )
    .details(&["text"]),
    row(
        "password-expired",
        Kind::AccountExpired,
        r"User {account} (?P<text>password has expired \((?:root forced|password aged)\))",
        "User carol password has expired (password aged)",
    )
    .details(&["text"]),
    row(
        "bad-ownership-of-user",
        Kind::BadOwnership,
        "Authentication refused for {user}: (?P<reason>.*)",
        "Authentication refused for alice: bad owner or modes for /home/alice/.shosts",
    )
    .details(&["reason"]),
    row(
        "bad-ownership",
        Kind::BadOwnership,
        "Authentication refused: (?P<reason>.*)",
        "Authentication refused: bad ownership or modes for directory /home/alice",
    )
    .details(&["reason"]),
    row(
        "bad-file",
        Kind::BadOwnership,
        "(?P<reason>Could not open user '(?P<user>[^':]*)' .*)",
        "Could not open user 'alice' authorized keys '/home/alice/.ssh/authorized_keys': Permission denied",
    )
    .details(&["reason"]),
    row(
        "irregular-file",
        Kind::BadOwnership,
        "(?P<reason>User '(?P<user>[^':]*)' .* is not a regular file)",
        "User 'alice' authorized keys '/home/alice/.ssh/authorized_keys' is not a regular file",
    )
    .details(&["reason"]),
    row(
        "username-too-long",
        Kind::ProtocolError,
        "(?P<reason>Username too long) from {addr}{port?}",
        "Username too long from 203.0.113.9 port 5555",
    )
    .details(&["reason"]),
    row(
        "krb5-authorized",
        Kind::Krb5Authorized,
        r"Authorized to {user}, krb5 principal (?P<principal>.*) \(krb5_kuserok\)",
        "Authorized to alice, krb5 principal alice@EXAMPLE.COM (krb5_kuserok)",
    )
    .details(&["principal"]),
    row(
        "hostbased",
        Kind::Hostbased,
        r"(?P<text>userauth_hostbased mismatch: .*|Accepted \S+ public key \S+ from .*@.*)",
        "Accepted ED25519 public key SHA256:XV4VWHNcdZmiLNC from alice@client.example.com",
    )
    .details(&["text"]),
];

/// Messages whose tail was cut off, and what else sshd says of PAM.
pub(super) const CUT_ROWS: &[Row] = &[
    row(
        "failed-cut",
        Kind::Failed,
        r"Failed (?P<method>[\w.@-]+)(?:/(?P<submethod>[\w.-]+))? for (?P<invalid>(?:invalid|illegal) user ).*",
        r"Failed keyboard-interactive/pam for invalid user \303\251\30",
    )
    .details(&["submethod", "info"])
    .scope(Scope::Cut),
    row(
        "postponed-cut",
        Kind::Postponed,
        r"Postponed (?P<method>[\w.@-]+)(?:/(?P<submethod>[\w.-]+))? for (?P<invalid>(?:invalid|illegal) user ).*",
        r"Postponed keyboard-interactive for invalid user \\303\\251\\30",
    )
    .details(&["submethod", "info"])
    .scope(Scope::Cut),
    row(
        "max-auth-tries-cut",
        Kind::MaxAuthTries,
        "maximum authentication attempts exceeded for {invalid}.*",
        r"maximum authentication attempts exceeded for invalid user \\303\\251\\30",
    )
    .scope(Scope::Cut),
    row(
        "prohibited-cut",
        Kind::Prohibited,
        "administratively prohibited connection for {invalid}.*",
        r"administratively prohibited connection for invalid user \303\25",
    )
    .scope(Scope::Cut),
    row(
        "pam-error-cut",
        Kind::PamError,
        "PAM: (?P<error>[^:]+?) for (?P<invalid>(?:invalid|illegal) user ).*",
        r"PAM: User not known to the underlying authentication module for illegal user \303\251",
    )
    .details(&["error"])
    .scope(Scope::Cut),
    row("pam-of-sshd", Kind::PamOther, "PAM: (?P<text>.*)", "PAM: pam_open_session(): Permission denied").details(&["text"]),
];
