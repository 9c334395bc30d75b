//! Floor 2: sshd's messages on the start of a connection, on identification and key exchange.

use super::super::Kind;
use super::super::row::{Row, Scope, Trust, row};

pub(super) const ROWS: &[Row] = &[
    row(
        "connection-from",
        Kind::ConnectionFrom,
        r#"Connection from {addr}{port}(?: on \S+ port \d+(?: rdomain "[^"]*")?)?"#,
        r#"Connection from 203.0.113.9 port 54796 on 192.0.2.1 port 22 rdomain """#,
    ),
    row(
        "ip-options",
        Kind::IpOptions,
        "Connection from {addr}{port} with IP (?:opts|options): (?P<options>.*)",
        "Connection from 203.0.113.9 port 54796 with IP opts:  83 07 04",
    )
    .details(&["options"])
    .trust(Trust::Head),
    row(
        "no-identification",
        Kind::NoIdentification,
        "(?P<reason>Did not receive identification string) from {addr}{port?}",
        "Did not receive identification string from 203.0.113.9 port 54796",
    )
    .details(&["reason"]),
    row(
        "no-identification-kex",
        Kind::NoIdentification,
        "(?:kex|sshd?)_exchange_identification: (?P<reason>Connection closed by remote host|No SSH identification \
         string received.*|(?:read|write): .*)",
        "kex_exchange_identification: read: Connection reset by peer",
    )
    .details(&["reason"]),
    row(
        "bad-banner-old",
        Kind::BadBanner,
        "(?P<reason>Bad protocol version identification) '(?P<banner>.*)' from {addr}{port?}",
        "Bad protocol version identification 'GET / HTTP/1.1' from 203.0.113.9 port 54796",
    )
    .details(&["reason", "banner"]),
    row(
        "bad-banner-kex",
        Kind::BadBanner,
        r#"kex_exchange_identification: (?P<reason>client sent invalid protocol identifier) "(?P<banner>.*)""#,
        r#"kex_exchange_identification: client sent invalid protocol identifier "GET / HTTP/1.1""#,
    )
    .details(&["reason", "banner"]),
    row(
        "bad-banner-line",
        Kind::BadBanner,
        "kex_exchange_identification: (?P<reason>banner line (?:too long|contains invalid characters))",
        "kex_exchange_identification: banner line contains invalid characters",
    )
    .details(&["reason"]),
    row(
        "bad-banner-version",
        Kind::BadBanner,
        "(?P<reason>Bad remote protocol version identification): '(?P<banner>.*)'",
        "Bad remote protocol version identification: 'SSH-9.9-x'",
    )
    .details(&["reason", "banner"]),
    row(
        "protocol-mismatch",
        Kind::ProtocolMismatch,
        r"(?P<reason>Protocol major versions differ): (?P<versions>\d+ vs\. \d+)",
        "Protocol major versions differ: 2 vs. 1",
    )
    .details(&["reason", "versions"]),
    row(
        "protocol-mismatch-old",
        Kind::ProtocolMismatch,
        "(?P<reason>Protocol major versions differ) for {addr}{port?}: (?P<versions>.*)",
        "Protocol major versions differ for 203.0.113.9 port 54796: SSH-2.0-OpenSSH_7.4 vs. SSH-1.5-x",
    )
    .details(&["reason", "versions"])
    .trust(Trust::Head),
    // The tag is the function that failed, or what it was doing.
    row(
        "protocol-error",
        Kind::ProtocolError,
        "[a-z][a-z0-9_]*(?: [a-z]+)?: Connection (?:from|to) {id}: (?P<reason>.*)",
        "ssh_dispatch_run_fatal: Connection from authenticating user root 203.0.113.9 port 5: message \
         authentication code incorrect",
    )
    .details(&["reason"])
    .trust(Trust::Head),
    row(
        "scanned",
        Kind::Scanned,
        r"(?P<what>probed|scanned) from {addr}{port?} with (?P<banner>.*?)(?:\.  Don't panic\.)?",
        "scanned from 203.0.113.9 port 54796 with SSH-1.0-SSH_Version_Mapper.  Don't panic.",
    )
    .details(&["what", "banner"])
    .trust(Trust::Head),
    row(
        "no-match",
        Kind::NoMatch,
        r"Unable to negotiate with {id}: (?P<reason>[^.:]*)\.?(?: Their offer: (?P<offer>.*))?",
        "Unable to negotiate with 203.0.113.9 port 54796: no matching host key type found. Their offer: ssh-dss",
    )
    .details(&["reason", "offer"])
    .trust(Trust::Head),
    row(
        "no-match-old",
        Kind::NoMatch,
        "(?P<reason>no matching [a-z]+ found): client (?P<offer>.*) server .*",
        "no matching cipher found: client blowfish-cbc server aes256-ctr",
    )
    .details(&["reason", "offer"]),
    row(
        "no-match-kex-old",
        Kind::NoMatch,
        "(?P<reason>Unable to negotiate a key exchange method|no hostkey alg)",
        "Unable to negotiate a key exchange method",
    )
    .details(&["reason"]),
    row(
        "bad-packet",
        Kind::BadPacket,
        r"(?P<reason>Bad packet length \d+\.?|Corrupted (?:MAC|padlen|check bytes) .*|padding error: need .*)",
        "Bad packet length 1349676916.",
    )
    .details(&["reason"]),
    row(
        "discarding",
        Kind::BadPacket,
        "(?P<reason>Finished discarding) for {addr}{port?}",
        "Finished discarding for 203.0.113.9 port 54796",
    )
    .details(&["reason"]),
    // The name comes from the peer's DNS; ` - POSSIBLE BREAK-IN ATTEMPT!` was dropped in 7.3.
    row(
        "reverse-failed",
        Kind::ReverseMismatch,
        r"reverse mapping checking getaddrinfo for (?P<name>.*) \[{addr}\] failed\.?(?: - POSSIBLE BREAK-?IN ATTEMPT!)?",
        "reverse mapping checking getaddrinfo for host.example.com [203.0.113.9] failed - POSSIBLE BREAK-IN ATTEMPT!",
    )
    .details(&["name"]),
    row(
        "reverse-failed-no-address",
        Kind::ReverseMismatch,
        r"reverse mapping checking getaddrinfo for (?P<name>.*) failed\.?(?: - POSSIBLE BREAK-?IN ATTEMPT!)?",
        "reverse mapping checking getaddrinfo for host.example.com failed - POSSIBLE BREAKIN ATTEMPT!",
    )
    .details(&["name"]),
    row(
        "reverse-differs",
        Kind::ReverseMismatch,
        r"Address {addr} maps to (?P<name>.*), but this does not map back to the address\.?(?: - POSSIBLE BREAK-?IN ATTEMPT!)?",
        "Address 203.0.113.9 maps to host.example.com, but this does not map back to the address.",
    )
    .details(&["name"])
    .trust(Trust::Head),
    row(
        "reverse-nasty",
        Kind::ReverseMismatch,
        r#"Nasty PTR record "(?P<name>.*)" is set up for {addr}, ignoring"#,
        r#"Nasty PTR record "10.0.0.1" is set up for 203.0.113.9, ignoring"#,
    )
    .details(&["name"]),
    // TCP wrappers, which Debian keeps; the client may be text of an ident server of the peer's.
    row(
        "wrapper-refused",
        Kind::WrapperRefused,
        r"refused connect from (?P<client>.*) \({addr}\)",
        "refused connect from host.example.com (203.0.113.9)",
    )
    .details(&["client"]),
];

/// Messages whose tail was cut off.
pub(super) const CUT_ROWS: &[Row] = &[
    row(
        "bad-banner-kex-cut",
        Kind::BadBanner,
        r#"kex_exchange_identification: (?P<reason>client sent invalid protocol identifier) "(?P<banner>.*)"#,
        r#"kex_exchange_identification: client sent invalid protocol identifier "\026\003\001"#,
    )
    .details(&["reason", "banner"])
    .scope(Scope::Cut),
    row(
        "bad-banner-version-cut",
        Kind::BadBanner,
        "(?P<reason>Bad (?:remote )?protocol version identification):? '(?P<banner>.*)",
        r"Bad remote protocol version identification: 'SSH-9.9-\303",
    )
    .details(&["reason", "banner"])
    .scope(Scope::Cut),
];
