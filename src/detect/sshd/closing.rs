//! Floor 2: sshd's messages on sessions and on the end of connections.

use super::super::Kind;
use super::super::row::{Row, Scope, Trust, row};

pub(super) const ROWS: &[Row] = &[
    row(
        "connection-closed",
        Kind::ConnectionClosed,
        "Connection closed by {id}",
        "Connection closed by authenticating user root 203.0.113.9 port 54408",
    )
    .trust(Trust::TailUnlessInvalid),
    row(
        "connection-reset",
        Kind::ConnectionReset,
        "Connection reset by {id}",
        "Connection reset by invalid user x 203.0.113.9 port 54408",
    )
    .trust(Trust::TailUnlessInvalid),
    row(
        "disconnected",
        Kind::Disconnected,
        "Disconnected from {id}",
        "Disconnected from user alice 203.0.113.9 port 54408",
    )
    .trust(Trust::TailUnlessInvalid),
    row(
        "received-disconnect",
        Kind::ReceivedDisconnect,
        r"Received disconnect from {addr}{port}:(?P<number>\d+): (?P<text>.*)",
        "Received disconnect from 203.0.113.9 port 54796:11: disconnected by user",
    )
    .details(&["text"])
    .trust(Trust::Head),
    row(
        "received-disconnect-old",
        Kind::ReceivedDisconnect,
        r"Received disconnect from {addr}: (?:(?P<number>\d+): )?(?P<text>.*)",
        "Received disconnect from 203.0.113.9: 11: Bye Bye",
    )
    .details(&["text"])
    .trust(Trust::Head),
    row(
        "disconnecting",
        Kind::Disconnecting,
        "Disconnecting {id}: (?P<reason>.*)",
        "Disconnecting invalid user x 203.0.113.9 port 5: Too many authentication failures",
    )
    .details(&["reason"])
    .trust(Trust::Head),
    // Up to 6.7 the name stood at the end, where it could imitate the tail that 6.7 appended.
    row(
        "disconnecting-tries-6.7",
        Kind::Disconnecting,
        "Disconnecting: (?P<reason>Too many authentication failures) for {invalid}{user} from {addr}{port}(?: ssh[12])?",
        "Disconnecting: Too many authentication failures for root from 203.0.113.9 port 5 ssh2",
    )
    .details(&["reason"])
    .trust(Trust::Claim),
    row(
        "disconnecting-tries-old",
        Kind::Disconnecting,
        "Disconnecting: (?P<reason>Too many authentication failures) for {invalid}{user}",
        "Disconnecting: Too many authentication failures for root",
    )
    .details(&["reason"]),
    row(
        "disconnecting-old",
        Kind::Disconnecting,
        "Disconnecting: (?P<reason>.*)",
        "Disconnecting: Change of username or service not allowed",
    )
    .details(&["reason"]),
    row(
        "connection-timeout",
        Kind::ConnectionTimeout,
        "Connection (?:from|to) {id} (?P<what>timed out(?: while waiting to (?:read|write))?)",
        "Connection from authenticating user root 203.0.113.9 port 5 timed out",
    )
    .details(&["what"])
    .trust(Trust::TailUnlessInvalid),
    row(
        "client-timeout",
        Kind::ConnectionTimeout,
        "(?P<what>Timeout, client not responding|terminating inactive connection) from {id}",
        "Timeout, client not responding from user alice 203.0.113.9 port 5",
    )
    .details(&["what"])
    .trust(Trust::TailUnlessInvalid),
    row(
        "client-timeout-old",
        Kind::ConnectionTimeout,
        r"(?P<what>Timeout, client not responding)\.?",
        "Timeout, client not responding.",
    )
    .details(&["what"]),
    row(
        "preauth-timeout",
        Kind::PreauthTimeout,
        r"Timeout before authentication for connection from {addr} to \S+, pid = (?P<pid>\d+)(?: \([a-z ]+\))?",
        "Timeout before authentication for connection from 203.0.113.9 to 192.0.2.1, pid = 176",
    ),
    row(
        "preauth-timeout-old",
        Kind::PreauthTimeout,
        "Timeout before authentication for {host}{port?}",
        "Timeout before authentication for 203.0.113.9 port 54796",
    ),
    row(
        "read-error",
        Kind::ReadError,
        "Read error from remote host {id}: (?P<error>.*)",
        "Read error from remote host 203.0.113.9 port 5: Connection timed out",
    )
    .details(&["error"])
    .trust(Trust::Head),
    row(
        "user-child",
        Kind::UserChild,
        r"User child is on pid (?P<pid>\d+)",
        "User child is on pid 4711",
    ),
    row(
        "session-starting",
        Kind::SessionStarting,
        r"Starting session: (?P<type>shell|command)(?: on \S+)? for {user} from {addr}{port?}(?: id \d+)?",
        "Starting session: shell on pts/0 for alice from 203.0.113.9 port 5 id 0",
    )
    .details(&["type"]),
    // A subsystem's name, which the client chooses, or a command that a user may have written (authorized_keys): both
    // of up to 900 bytes, which can imitate the tail and push it out.
    row(
        "session-starting-subsystem",
        Kind::SessionStarting,
        r"Starting session: (?P<type>subsystem) '(?P<command>.*)'(?: on \S+)? for {user} from {addr}{port?}(?: id \d+)?",
        "Starting session: subsystem 'sftp' for alice from 203.0.113.9 port 5 id 0",
    )
    .details(&["type", "command"])
    .trust(Trust::Claim),
    row(
        "session-starting-forced",
        Kind::SessionStarting,
        r"Starting session: (?P<type>forced-command) \((?:config|key-option)\) '(?P<command>.*)'(?: on \S+)? for {user} from {addr}{port?}(?: id \d+)?",
        "Starting session: forced-command (key-option) 'rrsync /srv' for alice from 203.0.113.9 port 5 id 0",
    )
    .details(&["type", "command"])
    .trust(Trust::Claim),
    row(
        "session-closing",
        Kind::SessionClosing,
        r"Close session: user {user} from {addr}{port?} id \d+",
        "Close session: user alice from 203.0.113.9 port 5 id 0",
    ),
    row(
        "transferred",
        Kind::Transferred,
        r"Transferred: sent (?P<number>\d+), received (?P<received>\d+) bytes",
        "Transferred: sent 2560, received 1824 bytes",
    )
    .details(&["received"]),
    row(
        "closing-connection",
        Kind::ClosingConnection,
        "Closing connection to {addr}{port?}",
        "Closing connection to 203.0.113.9 port 5",
    ),
    row(
        "subsystem-failed",
        Kind::SubsystemRequest,
        "subsystem request for (?P<name>.*) by user {user} failed, .*",
        "subsystem request for netconf by user alice failed, subsystem not found",
    )
    .details(&["name"]),
    row(
        "subsystem",
        Kind::SubsystemRequest,
        "subsystem request for (?P<name>.*) by user {user}",
        "subsystem request for sftp by user alice",
    )
    .details(&["name"]),
    row(
        "subsystem-old",
        Kind::SubsystemRequest,
        "subsystem request for (?P<name>.*)",
        "subsystem request for sftp",
    )
    .details(&["name"]),
    row(
        "refused-session",
        Kind::RequestRefused,
        "Connection from {id}: (?P<text>refusing .*)",
        "Connection from user alice 203.0.113.9 port 5: refusing non-sftp session",
    )
    .details(&["text"])
    .trust(Trust::Head),
    row(
        "refused-forward",
        Kind::RequestRefused,
        "Received request from {addr}{port?} to (?P<text>connect to .*)",
        "Received request from 203.0.113.9 port 5 to connect to host 10.0.0.1 port 25, but the request was denied.",
    )
    .details(&["text"])
    .trust(Trust::Head),
    row(
        "refused-forward-old",
        Kind::RequestRefused,
        "(?P<text>Received request to connect to .*|refused (?:local|remote|streamlocal) port forward: .*)",
        "refused local port forward: originator 127.0.0.1 port 5, target 10.0.0.1 port 25",
    )
    .details(&["text"]),
    row(
        "login-records",
        Kind::Noise,
        "(?:syslogin_perform_logout|lastlog_openseek|lastlog_perform_login|lastlog_write_entry): .*",
        "syslogin_perform_logout: logout() returned an error",
    ),
];

/// Messages whose tail was cut off: they end their connections all the same.
pub(super) const CUT_ROWS: &[Row] = &[
    row(
        "connection-closed-cut",
        Kind::ConnectionClosed,
        "Connection closed by (?:(?P<authenticating>authenticating ?)|(?P<invalid>invalid ?))?user .*",
        r"Connection closed by invalid user \303\251\303",
    )
    .scope(Scope::Cut),
    row(
        "connection-reset-cut",
        Kind::ConnectionReset,
        "Connection reset by (?:(?P<authenticating>authenticating ?)|(?P<invalid>invalid ?))?user .*",
        r"Connection reset by invalid user \303\251\303",
    )
    .scope(Scope::Cut),
    row(
        "disconnected-cut",
        Kind::Disconnected,
        "Disconnected from (?:(?P<authenticating>authenticating ?)|(?P<invalid>invalid ?))?user .*",
        r"Disconnected from invalid user \303\251\303",
    )
    .scope(Scope::Cut),
    row(
        "disconnecting-cut",
        Kind::Disconnecting,
        "Disconnecting (?:(?P<authenticating>authenticating ?)|(?P<invalid>invalid ?))?user .*",
        r"Disconnecting invalid user \303\251\303",
    )
    .scope(Scope::Cut),
    row(
        "connection-timeout-cut",
        Kind::ConnectionTimeout,
        "Connection (?:from|to) (?:(?P<authenticating>authenticating ?)|(?P<invalid>invalid ?))?user .*",
        r"Connection from invalid user \303\251\303",
    )
    .scope(Scope::Cut),
];
