//! Floor 0: the caps of what comes before and around the records of a connection.

use std::time::Duration;

/// How long a sender may send at its limit all at once.
pub const RATE_BURST: Duration = Duration::from_secs(10);

/// How long a stream rests at most, however far one read went beyond its limit.
pub const MAX_RATE_REST: Duration = Duration::from_secs(60);

/// Senders, and hosts, of one listener whose rates are known; further ones have one together.
pub const MAX_RATE_BUCKETS: usize = 16_384;

/// How often room is looked for among these when there is none.
pub const RATE_ROOM_INTERVAL: Duration = Duration::from_millis(100);

/// Datagrams of authentication that one socket keeps while the pipeline is full.
pub const MAX_HELD_DATAGRAMS: usize = 4096;

/// Their bytes.
pub const MAX_HELD_BYTES: usize = 1024 * 1024;

/// Time without a loss after which a span of losses is over.
pub const SHED_PAUSE: Duration = Duration::from_secs(10);

/// Time after which a span of losses is told of that is not over.
pub const SHED_PATIENCE: Duration = Duration::from_secs(60);

/// Time after which it is told of again.
pub const SHED_INTERVAL: Duration = Duration::from_secs(600);

/// Time within which a TLS handshake must be done.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// TLS handshakes of one listener in progress at once; further connections wait for their turn.
pub const MAX_HANDSHAKES: usize = 256;

/// Bytes of a sender's name; one whose name is longer is known by its certificate's fingerprint.
pub const MAX_SENDER_NAME: usize = 255;

/// Names, or fingerprints, that a listener permits.
pub const MAX_PERMITTED: usize = 10_000;

/// Times before a certificate expires at which that is told, the longest first.
pub const EXPIRY_WARNINGS: [Duration; 3] =
    [Duration::from_secs(30 * 86_400), Duration::from_secs(7 * 86_400), Duration::from_secs(86_400)];

/// Time between two looks at whether the files of certificates have changed.
pub const CERTIFICATE_LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Bytes of a PROXY header of version 1, its end included, at most (the protocol's own limit).
pub const MAX_PROXY_LINE: usize = 107;

/// Bytes of a PROXY header of version 2 at most; what a proxy tells of TLS and of itself is in it.
pub const MAX_PROXY_HEADER: usize = 4096;

/// Time within which a PROXY header must have come.
pub const PROXY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of data of one frame of RELP; a longer one closes the connection.
pub const MAX_RELP_DATA: usize = super::MAX_MESSAGE_SIZE_CEILING;

/// Letters of a command of RELP (the protocol's own limit).
pub const MAX_RELP_COMMAND: usize = 32;

/// Records of one connection of RELP that wait for their answers; more are not read.
pub const RELP_WINDOW: usize = 4096;

/// The last records of a connection of RELP by which those that are sent again are known. Senders have 128 under way by
/// default.
pub const RELP_TAIL: usize = 1024;

/// Connections of one peer whose last records are kept.
pub const RELP_TAILS_PER_PEER: usize = 8;

/// Peers whose last records are kept.
pub const MAX_RELP_PEERS: usize = 4096;

/// Connections of a flood at once.
pub const MAX_FLOOD_CONNECTIONS: usize = 20_000;

/// Bytes of a capture that a flood consists of, at most: they are held in memory.
pub const MAX_FLOOD_BYTES: usize = 1024 * 1024 * 1024;

/// Time that a flood waits after its last record for a server to close its end.
pub const FLOOD_END_TIME: Duration = Duration::from_secs(10);

/// Connections that a listener still takes at a stop, of those that the system has accepted for it.
pub const ACCEPTED_AT_STOP: usize = super::LISTEN_BACKLOG as usize;
