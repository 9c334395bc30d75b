//! Floor 2: sshd's messages on keys and certificates.

use super::super::Kind;
use super::super::row::{Row, Scope, Trust, row};

pub(super) const ROWS: &[Row] = &[
    row(
        "key-found",
        Kind::KeyFound,
        r"Accepted key (?P<key>\S+ \S+) found at .*",
        "Accepted key ED25519 SHA256:XV4VWHNcdZmiLNC found at /home/alice/.ssh/authorized_keys:1",
    )
    .details(&["key"]),
    row(
        "key-found-old",
        Kind::KeyFound,
        r"Found matching (?P<key>\S+ key: \S+)",
        "Found matching RSA key: 0d:c5:f1:1b:9e:0a:44:7b:69:ca:25:3c:6b:2d:5b:8e",
    )
    .details(&["key"]),
    row(
        "certificate-found",
        Kind::CertificateFound,
        r#"Accepted certificate ID "(?P<id>.*)" (?:\(serial \d+\) )?signed by .*"#,
        r#"Accepted certificate ID "alice@ca" (serial 7) signed by ED25519 CA SHA256:qWbC via /etc/ssh/ca.pub"#,
    )
    .details(&["id"]),
    row(
        "certificate-refused",
        Kind::CertificateRefused,
        r#"Refusing certificate ID "(?P<id>.*)" serial=\d+ signed by \S+ CA \S+(?: via .*?)?: (?P<reason>.*)"#,
        r#"Refusing certificate ID "evil" serial=0 signed by RSA CA SHA256:qWbC via /etc/ssh/ca.pub: expired"#,
    )
    .details(&["id", "reason"]),
    row(
        "certificate-invalid",
        Kind::CertificateRefused,
        "Certificate invalid: (?P<reason>.*)",
        "Certificate invalid: name is not a listed principal",
    )
    .details(&["id", "reason"]),
    // The place of the key (`FILE:LINE: `) comes first since 7.7. A host name has no blanks, so that it cannot hold
    // what follows it.
    row(
        "key-wrong-host",
        Kind::KeyWrongHost,
        r"(?:[/(][^:]*:\d+: )?Authentication tried for {user} with correct key but not from a permitted host \(host=\S*, ip={addr}, required=(?P<required>.*)\)\.?",
        "/home/alice/.ssh/authorized_keys:2: Authentication tried for alice with correct key but not from a \
         permitted host (host=client.example.com, ip=203.0.113.9, required=10.9.9.9).",
    )
    .details(&["required"]),
    row(
        "certificate-wrong-host",
        Kind::KeyWrongHost,
        r"(?:[/(][^:]*:\d+: )?Authentication tried for {user} with valid certificate but not from a permitted (?:source address|host) \({addr}\)\.?",
        "Authentication tried for alice with valid certificate but not from a permitted source address (203.0.113.9).",
    ),
    row(
        "key-options-refused",
        Kind::KeyOptionsRefused,
        "Refused by (?:key|certificate) options(?: at .*)?",
        "Refused by key options at /home/alice/.ssh/authorized_keys:2",
    ),
    row(
        "key-revoked",
        Kind::KeyRevoked,
        r"Authentication key (?P<key>\S+ \S+) revoked by file .*",
        "Authentication key ED25519 SHA256:XV4VWHNcdZmiLNC revoked by file /etc/ssh/revoked",
    )
    .details(&["key"]),
    row(
        "key-revoked-of-user",
        Kind::KeyRevoked,
        "WARNING: revoked key for {user} attempted authentication",
        "WARNING: revoked key for alice attempted authentication",
    ),
    row(
        "key-touch-missing",
        Kind::KeyTouchMissing,
        r"public key (?P<key>\S+(?: \S+)?) signature for {invalid}{user} from {addr}{port} rejected: (?P<reason>user (?:presence|verification).*?) ?",
        "public key ED25519-SK SHA256:XV4V signature for alice from 203.0.113.9 port 5555 rejected: user presence \
         (authenticator touch) requirement not met ",
    )
    .details(&["reason", "key"])
    .trust(Trust::Head),
    row(
        "key-not-accepted",
        Kind::KeyNotAccepted,
        r"(?:userauth_(?:pubkey|hostbased): )?(?P<text>signature algorithm .* not in .*|(?:signature for )?key type .* not in .*|refusing previously-used .* key|unsupported public key algorithm.*)",
        "userauth_pubkey: signature algorithm ssh-rsa not in PubkeyAcceptedAlgorithms",
    )
    .details(&["text"]),
];

/// Messages whose tail was cut off.
pub(super) const CUT_ROWS: &[Row] = &[row(
    "certificate-refused-cut",
    Kind::CertificateRefused,
    r#"Refusing certificate ID "(?P<id>.*)"#,
    r#"Refusing certificate ID "aaaaaaaaaaaaaaaaaaaaa"#,
)
.details(&["id"])
.scope(Scope::Cut)];
