//! Floor 2: the kinds of messages, and what an observation of each holds.
//!
//! Invariant: the documentation of a kind names every field of [`Observation`](super::Observation) that its messages
//! fill beyond those that all kinds share; `detail` is given by index.

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident)*) => {
        /// What kind of message a record is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The kind's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)* }
            }
        }
    };
}

kinds! {
    // Connection start, identification, key exchange.
    /// `Connection from ADDR port N on ADDR port N`: the best authority for an address. `addr`, `port`.
    ConnectionFrom
    /// `Connection from ADDR port N with IP opts: ...`. `addr`, `port`; 0: the options.
    IpOptions
    /// `Did not receive identification string from ADDR`, or the peer's end before it identified itself. `addr` and
    /// `port` in the older form; 0: the reason.
    NoIdentification
    /// A banner that is not SSH's. `addr` and `port` in the older form; 0: the reason, 1: the peer's banner.
    BadBanner
    /// Protocol versions that differ. `addr` and `port` in the older form; 0: the reason, 1: the versions.
    ProtocolMismatch
    /// `banner exchange: Connection from ...: ...`, `ssh_dispatch_run_fatal: Connection from ...: ...`, and the like.
    /// `user`, `addr`, `port`; 0: the reason.
    ProtocolError
    /// `probed from ...`, `scanned from ...`. `addr`, `port`; 0: `probed` or `scanned`, 1: the peer's banner.
    Scanned
    /// `Unable to negotiate with ...: no matching ... found`. `addr`, `port`; 0: the reason, 1: the peer's offer.
    NoMatch
    /// A packet that is malformed: `Bad packet length`, `Corrupted MAC on input`, and the like. 0: the reason.
    BadPacket
    /// A name whose address does not map back. `addr` or a claim; 0: the name.
    ReverseMismatch
    /// `refused connect from ...` of TCP wrappers. `addr`; 0: the client as the wrappers know it.
    WrapperRefused

    // Authentication.
    /// `Accepted METHOD for USER from ADDR port N`. `method`, `user`, `addr`, `port`; 0: the sub-method, 1: what
    /// follows `ssh2: `, for [`KeyInfo::parse`](super::KeyInfo::parse), 2: the method's text when it is
    /// [`Method::Other`](super::Method::Other).
    Accepted
    /// `Failed METHOD for [invalid user ]USER from ADDR port N`. As for `Accepted`.
    Failed
    /// `Partial METHOD for USER from ADDR port N`. As for `Accepted`.
    Partial
    /// `Postponed METHOD for USER from ADDR port N`. As for `Accepted`.
    Postponed
    /// `Invalid user USER from ADDR port N`. `user`, `addr`, `port`.
    InvalidUser
    /// `User USER from HOST not allowed because ...` and its kin. `user`, `addr` or a claim; 0: the reason.
    UserDenied
    /// `ROOT LOGIN REFUSED FROM ADDR port N`: valid credentials of root were shown. `addr`, `port`.
    RootRefused
    /// `Root login accepted for forced command.`.
    RootForcedCommand
    /// `maximum authentication attempts exceeded for ...`. `user`, `addr`, `port`; a claim if the user is invalid.
    MaxAuthTries
    /// `PAM: ERROR for [illegal user ]USER from HOST`. `user`, `addr` or a claim; 0: the error.
    PamError
    /// `Access denied for user USER by PAM account configuration`: the credentials were right. `user`.
    PamAccountDenied
    /// An account or password that has expired, as sshd itself sees it. `user`; 0: what is the matter.
    AccountExpired
    /// Files of a user that are not safe: `Authentication refused for ...: bad owner or modes`. `user` where given;
    /// 0: the reason.
    BadOwnership
    /// `Accepted key TYPE FP found at ...`. 0: `TYPE FP`.
    KeyFound
    /// `Accepted certificate ID ...`. 0: the key ID.
    CertificateFound
    /// A certificate that was refused. 0: the key ID where given, 1: the reason.
    CertificateRefused
    /// `Authentication tried for USER with correct key but not from a permitted host`. `user`, `addr`; 0: the pattern
    /// that the address should have matched.
    KeyWrongHost
    /// `Refused by key options`.
    KeyOptionsRefused
    /// A revoked key. `user` where given; 0: `TYPE FP` where given.
    KeyRevoked
    /// A signature without the touch or verification that its key demands. `user`, `addr`, `port`; 0: the reason,
    /// 1: `TYPE FP`.
    KeyTouchMissing
    /// A key or algorithm that is not accepted. 0: the text.
    KeyNotAccepted
    /// `Authorized to USER, krb5 principal P (krb5_kuserok)`. `user`; 0: the principal.
    Krb5Authorized
    /// Mismatches and acceptances of host-based authentication. 0: the text.
    Hostbased
    /// `administratively prohibited connection for ...`. `user`, `addr`, `port`; a claim if the user is invalid.
    Prohibited

    // PAM and its helpers.
    /// `authentication failure; ... rhost=HOST user=USER` of a PAM module: no failed login by itself. `user` where
    /// given, `addr` or a claim; 1: the module.
    PamAuthFailure
    /// `check pass; user unknown`. `user` where given; 1: the module.
    PamUserUnknown
    /// `PAM N more authentication failures; ...`, which comes after the connection's end. `user` where given, `addr` or a
    /// claim, `number`: N.
    PamMoreFailures
    /// `authentication success; ...` of a PAM module. `user` where given, `addr` or a claim; 1: the module.
    PamAuthSuccess
    /// `session opened for user USER`. `user`; 1: the module.
    PamSessionOpened
    /// `session closed for user USER`. `user`; 1: the module.
    PamSessionClosed
    /// An account that PAM refuses: expired, denied, not permitted. `user` where given; 0: the text, 1: the module.
    PamAccountRefused
    /// An account that PAM has locked after failures. `user`; 0: the text, 1: the module.
    PamLocked
    /// Any other message of a PAM module, or of sshd about PAM. `user` where given; 0: the text, 1: the module.
    PamOther
    /// `password check failed for user (USER)` of unix_chkpwd, whose process is its own. `user`.
    PasswordCheckFailed

    // The end of sessions and connections.
    /// `Connection closed by [WHO] ADDR port N`. `user`, `addr`, `port`; a claim if the user is invalid.
    ConnectionClosed
    /// `Connection reset by [WHO] ADDR port N`. As for `ConnectionClosed`.
    ConnectionReset
    /// `Disconnected from [WHO] ADDR port N`. As for `ConnectionClosed`.
    Disconnected
    /// `Disconnecting [WHO] ADDR port N: REASON`. `user`, `addr`, `port`; 0: the reason.
    Disconnecting
    /// `Received disconnect from ADDR port N:CODE: TEXT`. `addr`, `port`, `number`: the code; 0: the peer's text.
    ReceivedDisconnect
    /// `Connection from [WHO] ADDR port N timed out`, `Timeout, client not responding`, `terminating inactive`. `user`,
    /// `addr`, `port`; a claim if the user is invalid; 0: what timed out.
    ConnectionTimeout
    /// `Timeout before authentication for ...`. `addr`, `port` where given; `other_pid`: the session's process, which
    /// the listener names from 9.8 on.
    PreauthTimeout
    /// `Read error from remote host ...`. `addr`, `port`; 0: the error.
    ReadError
    /// `User child is on pid N`. `other_pid`: N.
    UserChild
    /// `Starting session: ...`. `user`, `addr`, `port`; 0: `shell`, `command`, `subsystem` or `forced-command`, 1: the
    /// subsystem's name or the command.
    SessionStarting
    /// `Close session: ...`. `user`, `addr`, `port`.
    SessionClosing
    /// `Transferred: sent N, received N bytes`. `number`: bytes sent; 0: bytes received, as text.
    Transferred
    /// `Closing connection to ADDR port N`. `addr`, `port`.
    ClosingConnection
    /// `subsystem request for NAME by user USER`. `user`; 0: the name.
    SubsystemRequest
    /// `session opened/closed for local user USER from [ADDR]` of the SFTP server. `user`, `addr` or a claim; flag
    /// `BEGIN` when opened.
    SftpSession
    /// A request within a session that was refused. `user`, `addr`, `port` where given; 0: the text.
    RequestRefused

    // The listener.
    /// `Server listening on ADDR port N.`. `number`: N; 0: the address as text.
    Listening
    /// `Received signal N; terminating.`, `Received SIGHUP; restarting.`. `number`: the signal; 0: the text.
    ServerSignal
    /// `drop connection #N from [ADDR]:PORT on ... REASON`. `addr`, `port`; 0: the reason.
    ConnectionDropped
    /// MaxStartups throttling: begins, goes on, ends, or what its logging left out. `number`: connections dropped;
    /// 0: the text; flag `BEGIN` when it begins.
    Throttling
    /// `srclimit_penalise: ...`. `number`: milliseconds; 0: the network, 1: the state, 2: the reason.
    Penalty
    /// A session process that crashed or ended abnormally. `addr` where given, `other_pid`: the process, `number`: the
    /// signal or 0; 0: the text.
    ChildCrash

    // Everything else.
    /// A message of sshd that is known and says nothing of logins.
    Noise
    /// A message of sshd that no pattern matches. 0: the message, normalised.
    Unrecognized
    /// A record of any program, for modules that want them all. `host`; the span of `user`: MSGID; `number`: the
    /// priority, or 0xFFFF where absent; 0: APP-NAME, 1: PROCID, 2: MSG; flag `OWN` when it is one of our own.
    Record
}
