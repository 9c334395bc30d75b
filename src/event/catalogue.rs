//! Floor 1: the kinds of events: one list gives each its name, defaults, meaning, summary and schema.
//!
//! A kind's row is all that there is to write for it here; the module that raises it puts the facts it has, and the
//! schema selects. `own` marks what is about this program itself, or its senders. In a summary, `{field}` is a field's value, and a part in brackets is left out when a field in it
//! is null or a count of zero.
//!
//! Invariant: a kind's code never changes once released, and a schema only ever grows at its end.

use super::{Field, Severity};

/// What a kind is.
#[derive(Clone, Copy, Debug)]
pub struct KindSpec {
    /// The name in output, filters and configuration.
    pub name: &'static str,
    /// Whether events of this kind are raised by default.
    pub on: bool,
    /// The severity by default; a rule may raise or lower it for one event.
    pub severity: Severity,
    /// One sentence that says when it is raised.
    pub meaning: &'static str,
    /// The template of its one-line summary.
    pub summary: &'static str,
    /// Its schema.
    pub fields: &'static [Field],
    /// Whether such events are about this program itself, or about its senders, and so every handler's.
    pub own: bool,
}

macro_rules! kinds {
    ($($code:literal $kind:ident $on:ident $severity:ident $($own:ident)? $meaning:literal $summary:literal [$($field:ident)*])*) => {
        /// A kind of event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $(#[doc = $meaning] $kind = $code,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// What the kind is.
            pub const fn spec(self) -> &'static KindSpec {
                match self {
                    $(Self::$kind => &KindSpec {
                        name: stringify!($kind),
                        on: kinds!(@switch $on),
                        severity: Severity::$severity,
                        meaning: $meaning,
                        summary: $summary,
                        fields: &[$(Field::$field),*],
                        own: kinds!(@own $($own)?),
                    },)*
                }
            }

            /// Where each field stands in the schema, by the field's code.
            pub(super) const fn places(self) -> &'static Places {
                match self {
                    $(Self::$kind => const { &Places::new(&[$(Field::$field),*]) },)*
                }
            }
        }
    };
    (@switch on) => { true };
    (@switch off) => { false };
    (@own own) => { true };
    (@own) => { false };
}

/// Where each field stands in a schema, by the field's code.
#[derive(Debug)]
pub(super) struct Places([u8; 256]);

/// Marks a field that a schema lacks.
const ABSENT: u8 = u8::MAX;

impl Places {
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "evaluated at compile time"
    )]
    const fn new(fields: &[Field]) -> Self {
        let mut places = [ABSENT; 256];
        let mut index = 0;
        while index < fields.len() {
            places[fields[index] as usize] = index as u8;
            index += 1;
        }
        Self(places)
    }

    /// Where a field stands; nothing where the schema lacks it.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a table of 256 entries, indexed by a byte")]
    pub(super) fn of(&self, field: Field) -> Option<usize> {
        let place = self.0[usize::from(field as u8)];
        (place != ABSENT).then_some(usize::from(place))
    }
}

impl Kind {
    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.spec().name == name)
    }

    /// Where a field stands in the schema.
    #[inline]
    pub fn place(self, field: Field) -> Option<usize> {
        self.places().of(field)
    }
}

kinds! {
    // sessions
    1 SSHDSessionStarted on Info "A login was accepted."
        "{user} logged in to {host}[ from {addr}][ port {port}] by {auth}[, key {key}]"
        [User Auth Host Addr Port Pid Key KeyType Fingerprint CertId CertSerial CaKey Failures KeyFailures Start Trusted Suspicious ClaimedAddr]
    2 SSHDLoginSucceeded on Info "A login session ended."
        "{user} was logged in to {host}[ from {addr}][ by {auth}][ for {duration}][, {failures} failures before][ ({end_reason})]"
        [User Auth Host Addr Port Pid Key KeyType Fingerprint CertId CertSerial CaKey Failures KeyFailures Start Finish Duration EndReason BytesSent BytesReceived Trusted Suspicious ClaimedAddr]
    3 SSHDLoginFailed on Notice "A connection ended without a login, after at least one attempt."
        "login[ as {user}] to {host}[ from {addr}] failed[, {failures} failures][, {key_failures} keys refused][ ({end_reason})]"
        [User InvalidUser Host Addr Port Pid Methods Failures KeyFailures Start Finish Duration EndReason Trusted Suspicious ClaimedAddr]
    // thresholds
    10 SSHDAttemptsExceeded on Warning "A source reached the limit of failed attempts within the window."
        "{source} made {count} failed attempts within {window}[, {distinct_users} users]"
        [Addr Source Host Count Limit Window Users DistinctUsers Start Finish Trusted]
    11 SSHDSuccessAfterFailures on Critical "A login was accepted from a source that had failed before."
        "{user} logged in to {host}[ from {addr}] by {auth} after {count} failures[ for {distinct_users} users]"
        [User Auth Host Addr Port Pid Key Count Users DistinctUsers Window Trusted Suspicious]
    12 SSHDUserEnumeration on Warning "A source tried many different user names."
        "{source} tried {distinct_users} user names within {window}"
        [Addr Source Host DistinctUsers Limit Window Users Count Start Finish Trusted]
    13 SSHDDistributedBruteForce on Warning "Many sources failed for one existing user."
        "{distinct_addrs} sources failed as {user} within {window}"
        [User Host DistinctAddrs Limit Window Addrs Count Start Finish]
    // what one message says
    20 SSHDRootLoginRefused on Error "A valid credential for root was shown, and root may not log in."
        "root login with a valid credential refused on {host}[ from {addr}]"
        [Host Addr Port Pid Trusted Suspicious]
    21 SSHDKeyMisuse on Error "A key was used that may not be: revoked, from the wrong host, or without a touch."
        "{reason}[ as {user}] on {host}[ from {addr}][, key {key}]"
        [User Host Addr Port Pid Reason Key KeyType Fingerprint CertId CertSerial CaKey Detail ClaimedAddr Trusted]
    22 SSHDAccountDenied on Warning "A correct credential was shown for an account that may not log in."
        "account[ {user}] denied on {host}[ from {addr}][: {reason}]"
        [User Host Addr Port Pid Reason Trusted]
    23 SSHDAccountLocked on Warning "An account was locked after failed attempts."
        "account[ {user}] locked on {host}[ from {addr}]"
        [User Host Addr Port Pid Reason Trusted]
    24 SSHDThrottled on Warning "sshd drops connections because there are too many."
        "sshd on {host} drops connections[: {reason}][, {dropped} dropped][, last from {addr}]"
        [Host Addr Port Pid Reason Dropped Trusted]
    25 SSHDLogInjectionSuspected on Warning "A message contradicts what is known of its connection, or was cut."
        "message on {host} may be forged: {reason}[, claims {claimed_addr}][, really {addr}]"
        [Host Addr Port ClaimedAddr User Pid Reason Trusted]
    26 SSHDUserDenied on Notice "A user was refused by sshd's configuration or the account's state."
        "user[ {user}] not allowed on {host}[ from {addr}]: {reason}"
        [User Host Addr Port ClientName Pid Reason Trusted]
    27 SSHDChildCrash on Critical "A process of sshd crashed, which may be an attempt to exploit it."
        "a process of sshd on {host} crashed[ by signal {signal}][, serving {addr}]"
        [Host Addr Port Pid SessionPid Signal Reason Trusted]
    28 SSHDInvalidUser off Info "A user that does not exist was tried."
        "invalid user {user} on {host}[ from {addr}]"
        [User Host Addr Port Pid Trusted Suspicious]
    29 SSHDMaxAuthTries off Info "A connection used up its attempts."
        "too many authentication attempts[ as {user}] on {host}[ from {addr}]"
        [User InvalidUser Host Addr Port Pid ClaimedAddr Trusted]
    30 SSHDProtocolProbe off Info "A connection ended before authentication, or did not speak SSH."
        "connection to {host}[ from {addr}] ended before authentication: {reason}[ ({detail})]"
        [Host Addr Port Pid Reason Detail Trusted]
    31 SSHDPreauthTimeout off Info "A connection did not authenticate in time."
        "connection to {host}[ from {addr}] did not authenticate in time"
        [Host Addr Port Pid SessionPid Count Window Trusted]
    32 SSHDPenalty off Info "sshd penalised a network."
        "sshd on {host} penalises {network}[ for {penalty}][: {reason}]"
        [Host Network Addr Pid State Penalty Reason Trusted]
    33 SSHDMfaPartial off Info "One of several authentication methods succeeded."
        "{user} passed {auth} on {host}[ from {addr}], more is required"
        [User Auth Host Addr Port Pid Key KeyType Fingerprint Trusted]
    34 SSHDSubsystem off Info "A session started a subsystem, a shell or a command, or its SFTP server ended."
        "{subsystem} {state}[ by {user}] on {host}[ from {addr}]"
        [User Host Addr Port Pid Subsystem State Trusted]
    35 SSHDReverseDnsMismatch off Info "The name of a client's address does not lead back to it."
        "reverse lookup on {host}[ of {addr}] gave {ptr_name}, which does not lead back"
        [Host Addr Port PtrName ClaimedAddr Pid Trusted]
    36 SSHDServerLifecycle off Info "sshd started to listen, or ended."
        "sshd on {host}: {state}[ {detail}]"
        [Host Pid State Detail Signal]
    37 SSHDStats on Info "Statistics of an sshd module, at midnight and at the end."
        "{login_sessions} logins ended, {open_sessions} open, {denied} denied, {lockouts} lockouts, {expired} expired, {partial} partial"
        [Start Finish Records LoginSessions OpenSessions Denied Lockouts Expired Partial Unparsed Truncated Late Evicted Ignored]
    // any record
    60 ReportRecord on Info "A record was received."
        "{host}[ {app_name}][ {procid}]: {message}"
        [Host AppName ProcId MsgId Facility Level Message]
    61 ReportStats on Info "Statistics of a report module, at midnight and at the end."
        "{records} records reported[, {own} of our own left out]"
        [Start Finish Records Own]
    // ourselves
    80 ServerStats on Info own "Totals of the run, at the end."
        "{received} received, {parsed} parsed, {rejected} rejected, {observations} observations, {events} events"
        [Start Finish Received Parsed Rejected Own Observations Events]
    81 ServerStarted on Info own "The server has started again; `blind` tells for how long it saw nothing. Not raised at the first start of a data directory."
        "correlator {version} started, run {run}[, {blind} after the run before ended]"
        [Start Run Version Blind Crashed]
    82 ServerDiskLow on Error own "The disk is nearly full, or full; then the server takes no input until there is room. At most once an hour for each of the two."
        "the disk fills up: {reason}"
        [Reason]
    83 ServerHandlerFailing on Error own "A handler has failed three times in a row, or could not deliver an event for 15 minutes, as under a limit; its events wait. At most once an hour for each handler."
        "handler {handler} fails, {waiting} events waiting: {reason}"
        [Handler Waiting Reason]
    84 ServerDeadLetters on Error own "Events were given up, because a handler could not deliver them. At most once an hour for each handler."
        "handler {handler} has given up {dead} events: {reason}"
        [Handler Dead Waiting Reason]
    85 ServerLedgerUnbalanced on Critical own "What came in is not what was parsed, rejected and failed, or what was raised is not what was delivered, held back and given up, and what waits: a fault of this program."
        "the books[ of handler {handler}] do not add up: {reason}"
        [Handler Reason]
    86 ServerCertificateExpiring on Warning own "A certificate of a listener, or of an authority that it trusts, expires soon. At the start and 30 days, 7 days and 1 day before, and when it has expired."
        "the certificate of {subject} for listener {listener} expires at {expires}: {file}"
        [Listener File Subject Expires]
    87 ServerRecordsShed on Warning own "A listener shed records: a sender or a host sent more than it may, or there was no room. What was counted between `start` and `finish` may be too little. Raised when that is over, and while it lasts after a minute and every 10 minutes."
        "listener {listener} shed {shed} records: {reason}[, of {peer} most]; counts from {start} to {finish} may be too low"
        [Listener Reason Shed Peer Start Finish]
    88 ServerHostsFull on Warning own "There is no room to know more hosts, as when a sender makes names up: of further ones nobody is told that they fall silent, share a name or have a wrong clock. Once until there has been room for many again."
        "{known_hosts} hosts are known, and there is no room to know more"
        [KnownHosts]
    // hosts and their senders
    90 HostForged on Warning own "A sender named a host that it may not speak for (`[sources.NAME]`); its records of that host are rejected. Once a day for a sender and a host, and for 16 hosts of one sender at most."
        "{peer} may not speak for {host}: its records are rejected"
        [Host Peer Listener]
    91 HostShared on Warning own "Two senders, each of which speaks for one host alone, name the same host: their sessions are taken for those of one machine. Once for each further sender."
        "{peer} and {other_peer} both name themselves {host}"
        [Host Peer OtherPeer]
    92 HostSilent on Warning own "A host that used to speak has not for `silent_after`."
        "nothing has come from {host} for {silence}"
        [Host Finish Silence]
    93 HostBack on Notice own "A host that was silent speaks again."
        "{host} is back after {silence}"
        [Host Peer Silence]
    94 HostClockWrong on Warning own "A record's time lies too far ahead of its arrival, or behind it. Once a day for a host."
        "the clock of {host} is {offset} {clock}"
        [Host Peer Clock Offset]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn schemas_name_each_field_once_and_summaries_only_their_own() {
        for kind in Kind::ALL {
            let spec = kind.spec();
            let fields: HashSet<_> = spec.fields.iter().collect();
            assert_eq!(fields.len(), spec.fields.len(), "{}", spec.name);
            for part in spec.summary.split('{').skip(1) {
                let name = part.split('}').next().unwrap();
                assert!(
                    spec.fields.iter().any(|field| field.spec().name == name),
                    "{}: {{{name}}}",
                    spec.name
                );
            }
        }
    }

    #[test]
    fn places_agree_with_schemas() {
        for kind in Kind::ALL {
            for field in Field::ALL {
                assert_eq!(kind.place(*field), kind.spec().fields.iter().position(|f| f == field));
            }
            assert_eq!(Kind::from_name(kind.spec().name), Some(*kind));
        }
    }
}
