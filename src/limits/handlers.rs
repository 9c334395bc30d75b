//! Floor 0: the caps of the handlers that send requests and records and run programs.

use std::time::Duration;

/// Bytes of an answer to a request that are read.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// Bytes of what is kept of a delivery: why it failed, or what the other side called it.
pub const MAX_NOTE_BYTES: usize = 8 * 1024;

/// Characters of a text of somebody else's that a note about a delivery repeats.
pub const MAX_NOTE_EXCERPT: usize = 200;

/// The longest pause before a credential that was missing is looked for again.
pub const CREDENTIAL_PAUSE: Duration = Duration::from_secs(30);

/// Time after which a handler that still tries its servers is given up.
pub const PROBE_TIME: Duration = Duration::from_secs(30);

/// Time for all that a handler tries of one server; less than that, so that what took too long is told.
pub const TRIALS_TIME: Duration = Duration::from_secs(25);

/// Bytes from which on a secret is taken out of texts of others that repeat it.
pub const MIN_HUSHED_SECRET: usize = 6;

/// The longest pause that a server may ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Time that a heartbeat may take, answer included.
pub const HEARTBEAT_DEADLINE: Duration = Duration::from_secs(10);

/// Time between two heartbeats by default.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(60);

/// Time for which an idle connection to a server is kept for the next request.
pub const HTTP_IDLE: Duration = Duration::from_secs(90);

/// Time that a request may take by default.
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of what a template gives.
pub const MAX_RENDERED_SIZE: usize = 256 * 1024;

/// Events of a digest that a chat message shows one by one.
pub const MAX_CHAT_EVENTS: usize = 20;

/// Characters of a value that a chat message shows; Slack allows 2,000 in a field, escapes counted.
pub const MAX_CHAT_VALUE: usize = 350;

/// Bytes of a message to ntfy, which takes more for a file.
pub const MAX_NTFY_BODY: usize = 4096;

/// Events that a handler takes at once which sends a request for each.
pub const REQUESTS_PER_DELIVERY: usize = 5;

/// Characters of a text message that Twilio accepts.
pub const MAX_SMS_LENGTH: usize = 1600;

/// Segments that a text message takes at most, by default.
pub const SMS_SEGMENTS: usize = 2;

/// Largest value that the option for the segments of a text message may take.
pub const MAX_SMS_SEGMENTS: u64 = 10;

/// Text messages that a handler sends in an hour, by default.
pub const SMS_PER_HOUR: usize = 10;

/// Text messages that a handler sends in a day, by default.
pub const SMS_PER_DAY: usize = 30;

/// Largest value that the options for text messages in an hour and a day may take.
pub const MAX_SMS_QUOTA: u64 = 10_000;

/// Messages of which a handler remembers which of its recipients have had them.
pub const MAX_REMEMBERED_MESSAGES: usize = 4096;

/// Time that a program which is run for an event may take, by default.
pub const EXEC_TIME: Duration = Duration::from_secs(30);

/// Programs that a handler runs at once, by default.
pub const EXEC_RUNNING: usize = 4;

/// Largest value that the option for programs at once may take.
pub const MAX_EXEC_RUNNING: u64 = 64;

/// Bytes that are kept of the beginning, and as many of the end, of what a program prints.
pub const MAX_EXEC_OUTPUT: usize = 1024;

/// Bytes of a value in the environment of a program; Linux takes 128 KiB.
pub const MAX_EXEC_VARIABLE: usize = 16 * 1024;

/// Time for which what a program has printed is read after its end.
pub const EXEC_DRAIN: Duration = Duration::from_secs(1);

/// Time that a syslog server may take to accept a connection, and then what is sent, by default.
pub const SYSLOG_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a field in a record that is sent.
pub const MAX_SYSLOG_VALUE: usize = 1024;

/// Bytes of a record in a datagram, which receivers should be able to take (RFC 5426 section 3.2).
pub const MAX_SYSLOG_DATAGRAM: usize = 2048;

/// Bytes of a record on a connection, which receivers should be able to take (RFC 5425 section 4.3.1).
pub const MAX_SYSLOG_RECORD: usize = 8192;

/// Records that are sent in one write at most.
pub const SYSLOG_BATCH: usize = 4096;

/// Time for which people are told once of alike events from one source, by default.
pub const PEOPLE_COOLDOWN: Duration = Duration::from_secs(3600);

/// Time for which events are gathered before they go as one mail, by default.
pub const MAIL_DIGEST: Duration = Duration::from_secs(15 * 60);

/// Bytes of the latest records that a replay keeps, so that handlers can show what events rest on.
pub const MAX_RECENT_EVIDENCE: usize = 64 * 1024 * 1024;

/// Bytes that a mail server may send in one reply.
pub const MAX_SMTP_REPLY_BYTES: usize = 64 * 1024;
