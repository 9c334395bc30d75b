//! Floor 1: the fields that events have: one list gives each its name, type and meaning.
//!
//! Invariant: a field means the same in every kind that has it, and its code never changes once released.

use super::Cell;

/// The type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text, or bytes that are not UTF-8.
    Text,
    /// A number without a unit.
    Count,
    /// Yes or no.
    Flag,
    /// An instant.
    Time,
    /// A length of time.
    Duration,
    /// An IPv4 or IPv6 address.
    Addr,
    /// Several texts.
    Texts,
    /// Several addresses.
    Addrs,
}

impl FieldType {
    /// Whether a cell may stand in a field of this type.
    pub(super) fn admits(self, cell: &Cell) -> bool {
        matches!(
            (self, cell),
            (_, Cell::Null)
                | (Self::Text, Cell::Text(_))
                | (Self::Count, Cell::Count(_))
                | (Self::Flag, Cell::Bool(_))
                | (Self::Time, Cell::Time(_))
                | (Self::Duration, Cell::Duration(_))
                | (Self::Addr, Cell::Addr(_))
                | (Self::Texts | Self::Addrs, Cell::List(_))
        )
    }

    /// The name of the type, as documentation and listings have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Count => "number",
            Self::Flag => "flag",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Addr => "address",
            Self::Texts => "list of text",
            Self::Addrs => "list of addresses",
        }
    }
}

/// What a field is.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    /// The name in output and filters.
    pub name: &'static str,
    /// The type of its values.
    pub ty: FieldType,
    /// One phrase that says what it means.
    pub meaning: &'static str,
}

macro_rules! fields {
    ($($code:literal $field:ident $name:literal $ty:ident $meaning:literal)*) => {
        /// A field of an event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field {
            $(#[doc = $meaning] $field = $code,)*
        }

        impl Field {
            /// All fields.
            pub const ALL: &'static [Self] = &[$(Self::$field),*];

            /// What the field is.
            pub const fn spec(self) -> FieldSpec {
                match self {
                    $(Self::$field => FieldSpec { name: $name, ty: FieldType::$ty, meaning: $meaning },)*
                }
            }

            /// What precedes the field's value in a JSON object that has members already.
            pub(super) const fn json_key(self) -> &'static str {
                match self {
                    $(Self::$field => concat!(",\"", $name, "\":"),)*
                }
            }
        }
    };
}

fields! {
    // who, where
    1  Host           "host"            Text     "host that logged the record"
    2  Addr           "addr"            Addr     "client's address, proved by the messages"
    3  Port           "port"            Count    "client's port"
    4  User           "user"            Text     "user name as the client gave it, unescaped"
    5  InvalidUser    "invalid_user"    Flag     "whether sshd called the user invalid: unknown, or not allowed"
    6  Pid            "pid"             Count    "process that logged it, or the session's monitor"
    7  ClaimedAddr    "claimed_addr"    Text     "address that a message names without proving it"
    8  ClientName     "client_name"     Text     "name that sshd logged in place of the client's address"
    9  Trusted        "trusted"         Flag     "whether the source lies in trusted_networks"
    10 Suspicious     "suspicious"      Flag     "whether addresses of the messages contradict each other or a message was cut; of `SSHDInvalidUser`, whether the message was cut, or the name has ` from `, ` port ` or a control character in it, as if to imitate one"
    11 Source         "source"          Text     "source that counts as one: an IPv4 address, or an IPv6 network"
    // authentication
    20 Auth           "auth"            Text     "authentication method, with its sub-method after a slash"
    21 Methods        "methods"         Texts    "authentication methods tried"
    22 Key            "key"             Text     "key type and fingerprint"
    23 KeyType        "key_type"        Text     "key type, such as ED25519"
    24 Fingerprint    "fingerprint"     Text     "key fingerprint, such as SHA256:..."
    25 CertId         "cert_id"         Text     "key ID of the certificate"
    26 CertSerial     "cert_serial"     Count    "serial number of the certificate"
    27 CaKey          "ca_key"          Text     "type and fingerprint of the key that signed the certificate"
    28 Failures       "failures"        Count    "failed attempts, keys not counted"
    29 KeyFailures    "key_failures"    Count    "keys that were offered and refused"
    // spans of time
    40 Start          "start"           Time     "time of the first record"
    41 Finish         "finish"          Time     "time of the last record"
    42 Duration       "duration"        Duration "time from the login's acceptance, or else the first record, to the last"
    43 EndReason      "end_reason"      Text     "what ended it: disconnected (the client said so), closed, reset, timeout, grace_timeout, max_tries, refused, account_denied, protocol_error, crashed, lost (its process or port serves another), expired, evicted, end_of_input"
    44 BytesSent      "bytes_sent"      Count    "bytes that the server sent to the client"
    45 BytesReceived  "bytes_received"  Count    "bytes that the server received from the client"
    // counts over a window
    60 Count          "count"           Count    "how many were counted within the window"
    61 Limit          "limit"           Count    "number from which on the event is raised"
    62 Window         "window"          Duration "length of the window"
    63 Users          "users"           Texts    "user names, the first of them"
    64 DistinctUsers  "distinct_users"  Count    "how many different user names"
    65 Addrs          "addrs"           Addrs    "source addresses, the first of them"
    66 DistinctAddrs  "distinct_addrs"  Count    "how many different sources"
    // what sshd said
    80 Reason         "reason"          Text     "reason, as the message gives it"
    81 Detail         "detail"          Text     "text that the peer sent: an offer, a banner, a protocol error"
    82 Signal         "signal"          Count    "signal that killed the process"
    83 SessionPid     "session_pid"     Count    "process of the session that the message is about"
    84 Dropped        "dropped"         Count    "connections dropped"
    85 Network        "network"         Text     "network that is penalised"
    86 State          "state"           Text     "state, as the message gives it"
    87 Penalty        "penalty"         Duration "length of the penalty"
    88 Subsystem      "subsystem"       Text     "subsystem or command, such as sftp"
    89 PtrName        "ptr_name"        Text     "name that the reverse lookup gave"
    // any record
    100 Facility      "facility"        Text     "syslog facility"
    101 Level         "level"           Text     "syslog severity"
    102 AppName       "app_name"        Text     "program that logged the record"
    103 ProcId        "procid"          Text     "process ID or name that the record bears"
    104 MsgId         "msgid"           Text     "message type that the record bears"
    105 Message       "message"         Text     "message, cut at a word"
    // statistics
    120 Records       "records"         Count    "records that the module took"
    121 LoginSessions "login_sessions"  Count    "logins that ended"
    122 OpenSessions  "open_sessions"   Count    "logins that are still open"
    123 Denied        "denied"          Count    "connections that ended without a login after an attempt"
    124 Lockouts      "lockouts"        Count    "sources that went over the allowed attempts"
    125 Expired       "expired"         Count    "connections and sessions that were given up for age"
    126 Partial       "partial"         Count    "sessions whose beginning or end was not seen"
    127 Unparsed      "unparsed"        Count    "messages of sshd that no pattern matched"
    128 Truncated     "truncated"       Count    "messages that were cut on their way"
    129 Late          "late"            Count    "records too old for the window they belong to"
    130 Evicted       "evicted"         Count    "entries given up because a table was full"
    131 Ignored       "ignored"         Count    "records from ignore_networks"
    140 Received      "received"        Count    "records received"
    141 Parsed        "parsed"          Count    "records understood"
    142 Rejected      "rejected"        Count    "frames and records rejected"
    143 Observations  "observations"    Count    "observations made"
    144 Events        "events"          Count    "events raised"
    145 Own           "own"             Count    "records of our own, left out"
    // ourselves
    150 Handler       "handler"         Text     "handler that the event is about"
    151 Waiting       "waiting"         Count    "events that wait for the handler"
    152 Dead          "dead"            Count    "events that the handler could not deliver, and that were given up"
    153 Run           "run"             Count    "number of the run"
    154 Version       "version"         Text     "version of the program"
    155 Blind         "blind"           Duration "time from the end of the run before to the start of this one"
    156 Crashed       "crashed"         Flag     "whether the run before did not end as it should"
    157 Listener      "listener"        Text     "listener that the event is about"
    158 File          "file"            Text     "file that the event is about"
    159 Subject       "subject"         Text     "owner that a certificate names"
    160 Expires       "expires"         Time     "when a certificate expires"
    166 Shed          "shed"            Count    "records that were shed"
    167 KnownHosts    "known_hosts"     Count    "hosts that are known"
    // senders
    161 Peer          "peer"            Text     "sender: its address, with its verified name; or a process of this machine"
    162 OtherPeer     "other_peer"      Text     "another sender"
    163 Silence       "silence"         Duration "time without a record, to within a sixteenth of silent_after, or a second if that is more"
    164 Clock         "clock"           Text     "whether the clock is ahead or behind"
    165 Offset        "offset"          Duration "how far the clock is off, by one record"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_well_formed() {
        let names: HashSet<_> = Field::ALL.iter().map(|field| field.spec().name).collect();
        assert_eq!(names.len(), Field::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
