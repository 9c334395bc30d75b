//! Floor 2: messages of sshd's listener, whose process outlives every connection.

use super::super::row::{Row, Trust, row};
use super::super::{Flags, Kind};

pub(super) const ROWS: &[Row] = &[
    row(
        "listening",
        Kind::Listening,
        r"Server listening on (?P<address>\S+) port (?P<number>\d+)(?: rdomain \S+)?\.",
        "Server listening on :: port 22.",
    )
    .details(&["address"]),
    row(
        "terminating",
        Kind::ServerSignal,
        r"(?P<text>Received signal (?P<number>\d+); terminating\.)",
        "Received signal 15; terminating.",
    )
    .details(&["text"]),
    row(
        "restarting",
        Kind::ServerSignal,
        r"(?P<text>Received SIGHUP; restarting\.)",
        "Received SIGHUP; restarting.",
    )
    .details(&["text"])
    .number(1),
    row(
        "connection-dropped",
        Kind::ConnectionDropped,
        r"drop connection #\d+ from \[{addr}\]:(?P<port>\d{1,5}) on \[[^\]]*\]:\d+ (?P<reason>.*)",
        "drop connection #0 from [203.0.113.9]:38426 on [192.0.2.1]:22 penalty: failed authentication",
    )
    .details(&["reason"])
    .trust(Trust::Head),
    row(
        "throttling-begins",
        Kind::Throttling,
        "(?P<text>beginning MaxStartups throttling)",
        "beginning MaxStartups throttling",
    )
    .details(&["text"])
    .flags(Flags::BEGIN),
    row(
        "throttling",
        Kind::Throttling,
        r"(?P<text>(?:in MaxStartups throttling for|exited MaxStartups throttling after) .*, (?P<number>\d+) connections? dropped)",
        "exited MaxStartups throttling after 00:05:12, 74 connections dropped",
    )
    .details(&["text"]),
    row(
        "drops-not-logged",
        Kind::Throttling,
        r"(?P<text>(?:PerSourcePenalties|Max[Ss]tartups) logging rate-limited: additional (?P<number>\d+) connections? dropped)",
        "PerSourcePenalties logging rate-limited: additional 12 connections dropped",
    )
    .details(&["text"]),
    row(
        "penalty",
        Kind::Penalty,
        r"srclimit_penalise: ipv[46]: new (?P<network>\S+) (?P<state>active|deferred) penalty of (?P<seconds>\d+(?:\.\d+)?) seconds for (?:penalty: )?(?P<reason>.*)",
        "srclimit_penalise: ipv4: new 203.0.113.9/32 active penalty of 20.500 seconds for penalty: failed authentication",
    )
    .details(&["network", "state", "reason"]),
    row(
        "penalty-activated",
        Kind::Penalty,
        r"srclimit_penalise: (?P<network>\S+): (?P<state>activating) ipv[46] penalty of (?P<seconds>\d+(?:\.\d+)?) seconds for (?:penalty: )?(?P<reason>.*)",
        "srclimit_penalise: 203.0.113.9/32: activating ipv4 penalty of 15 seconds for penalty: failed authentication",
    )
    .details(&["network", "state", "reason"]),
    row(
        "session-killed",
        Kind::ChildCrash,
        r"session process (?P<pid>\d+) for connection from {addr} to \S+ (?P<text>killed by signal (?P<number>\d+).*)",
        "session process 176 for connection from 203.0.113.9 to 192.0.2.1 killed by signal 11",
    )
    .details(&["text"])
    .number(0),
    row(
        "session-abnormal",
        Kind::ChildCrash,
        r"session process (?P<pid>\d+) for connection from {addr} to \S+ (?P<text>terminated abnormally.*)",
        "session process 176 for connection from 203.0.113.9 to 192.0.2.1 terminated abnormally",
    )
    .details(&["text"])
    .number(0),
    row(
        "session-child-crash",
        Kind::ChildCrash,
        r"Session process (?P<pid>\d+) (?P<text>unpriv child crash) for connection from {addr} to \S+",
        "Session process 176 unpriv child crash for connection from 203.0.113.9 to 192.0.2.1",
    )
    .details(&["text"])
    .number(0),
];
