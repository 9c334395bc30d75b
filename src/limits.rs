//! Floor 0: every cap of the program, by name, in one place.
//!
//! A cap that an operator may change is the default or the permitted range of an option; the others are fixed. No
//! queue, buffer, map or loop that input can grow is without one.

mod dispatch;
mod files;
mod handlers;
mod journal;
mod senders;
mod streams;

pub use dispatch::*;
pub use files::*;
pub use handlers::*;
pub use journal::*;
pub use senders::*;
pub use streams::*;

use std::time::Duration;

/// Largest syslog message accepted by default, in bytes; RFC 5424 section 6.1 asks for 2,048 at least.
pub const MAX_MESSAGE_SIZE: usize = 64 * 1024;

/// Largest value that the option for the message size may take, in bytes.
pub const MAX_MESSAGE_SIZE_CEILING: usize = 1024 * 1024;

/// Digits that a MSG-LEN may have (RFC 6587 section 3.4.1); more cannot be a count that we would honour.
pub const MAX_COUNT_DIGITS: usize = 9;

/// Smallest value that the option for the message size may take, in bytes: what RFC 5424 section 6.1 demands.
pub const MIN_MESSAGE_SIZE: usize = 480;

/// Longest delimiter of delimited framing, in bytes.
pub const MAX_DELIMITER: usize = 16;

/// Bytes that a field of a header may have, in every dialect: the most that RFC 5424 section 6 grants to any field.
pub const MAX_HEADER_FIELD: usize = 255;

/// Bytes that one read takes from a connection at most; also the size of a pooled buffer.
pub const READ_SIZE: usize = 256 * 1024;

/// Batches between a reader and the correlator at once; also the slots of the reorder ring.
pub const IN_FLIGHT_BATCHES: usize = 64;

/// Frames in one batch at most; a read that holds more becomes several batches.
pub const MAX_BATCH_FRAMES: usize = 16 * 1024;

/// Bytes of incomplete frames that all connections together may hold.
pub const MAX_PARTIAL_BYTES: usize = 256 * 1024 * 1024;

/// Bytes of an incomplete frame up to which they are copied in front of the next read, instead of read in place.
pub const SHORT_TAIL: usize = 4 * 1024;

/// Peers whose refusals are counted one by one; further ones are counted together.
pub const MAX_NOTICE_PEERS: usize = 4096;

/// Time between two log lines about the same peer and reason.
pub const NOTICE_INTERVAL: Duration = Duration::from_secs(60);

/// Time between two clock ticks while nothing arrives.
pub const TICK_INTERVAL: Duration = Duration::from_secs(1);

/// Connections that wait in the kernel for being accepted.
pub const LISTEN_BACKLOG: i32 = 1024;

/// Idle time after which TCP keepalive probes a connection.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(300);

/// Time between two keepalive probes.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);

/// Pause after a connection could not be accepted.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time within which a new connection must send its first complete frame, and a begun frame must end.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(60);

/// File descriptors that are kept free of connections.
pub const RESERVED_FILES: usize = 128;

/// Connections that one peer address may hold by default: generous, because relays and NAT put a fleet behind one.
pub const MAX_CONNECTIONS_PER_PEER: usize = 1024;

/// Bytes of datagrams that the kernel is asked to hold for each socket, by default.
pub const RECEIVE_BUFFER: usize = 16 * 1024 * 1024;

/// Sockets that share a UDP address, by default.
pub const UDP_SOCKETS: usize = 2;

/// Largest value that the option for the receive buffer may take, in bytes.
pub const MAX_RECEIVE_BUFFER: usize = 1024 * 1024 * 1024;

/// Largest value that the option for the sockets of a UDP address may take.
pub const MAX_UDP_SOCKETS: usize = 64;

/// Largest datagram, in bytes; the most that UDP can carry is a little less.
pub const MAX_DATAGRAM: usize = 64 * 1024;

/// Datagrams that one system call takes.
pub const DATAGRAMS_PER_READ: usize = 128;

/// Time that datagrams wait in the kernel for room in the pipeline before they are dropped.
pub const DATAGRAM_PATIENCE: Duration = Duration::from_secs(5);

/// Peers of one socket for datagrams whose names are kept ready.
pub const MAX_DATAGRAM_PEERS: usize = 4096;

/// Time between two looks at what the kernel dropped.
pub const KERNEL_DROPS_INTERVAL: Duration = Duration::from_secs(10);

/// Permissions of a Unix socket by default: like `/dev/log`, it is for every process of the machine.
pub const SOCKET_FILE_MODE: u32 = 0o666;

/// Bytes of the path of a Unix socket (`sun_path` in unix(7), less its NUL).
pub const MAX_LISTENER_PATH: usize = 107;

/// Time that the correlator waits for room in a handler's channel before it counts a loss.
pub const HANDLER_PATIENCE: Duration = Duration::from_secs(10);

/// Blocks of events that a handler's channel holds.
pub const HANDLER_QUEUE_BLOCKS: usize = 16;

/// Threads that all handlers together have for their tasks; those that block have one each besides.
pub const HANDLER_THREADS: usize = 2;

/// Time between two lines of the log about one handler's failures.
pub const HANDLER_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Time that the shutdown gives to reading what the sockets still hold.
pub const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Time for which a stop goes on reading after it has told senders that it ends; what is left then is read, and no more.
pub const PARTING_TIME: Duration = Duration::from_secs(1);

/// Time without a byte within that time after which a sender has nothing more to say.
pub const PARTING_QUIET: Duration = Duration::from_millis(200);

/// Longer than anybody waits, and short enough to be added to any instant.
pub const AGES: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Time that the shutdown gives to handlers to deliver what they have.
pub const DELIVER_TIME: Duration = Duration::from_secs(10);

/// Bytes from which on an OpenSSH message must be taken for cut (`syslog("%.500s")` in log.c, less one for what
/// forwarders trim).
pub const SSHD_MESSAGE_CUT: usize = 499;

/// Bytes of a message from which on detection does not look at it: sshd writes 500, PAM modules a few more.
pub const MAX_DETECTED_MESSAGE: usize = 8 * 1024;

/// Times that one message may stand for itself (`message repeated N times`): what syslog daemons fold in a day is less.
pub const MAX_REPEAT: u32 = 100_000;

/// Bytes of automaton states that one worker keeps for one program's patterns. All states of ours fit; what hostile
/// messages could reach beyond would be built anew each time.
pub const MAX_AUTOMATON_CACHE: usize = 16 * 1024 * 1024;

/// Batches after which events are handed on at the latest, however many more are waiting.
pub const EVENT_BLOCK_BATCHES: usize = 16;

/// Bytes of events after which they are handed on at the latest.
pub const EVENT_BLOCK_SIZE: usize = 256 * 1024;

/// Frames of one batch that are kept for the operator, of each reason for which they were rejected.
pub const REJECT_SAMPLES_PER_BATCH: u64 = 4;

/// Blocks of events that are kept to be used again: a handler that lags keeps as many as its channel holds, the journal
/// as many, and each end of a channel one more.
pub const SPARE_EVENT_BLOCKS: usize = HANDLER_QUEUE_BLOCKS + JOURNAL_QUEUE + 8;

/// Length at which the file of rejected frames is renamed and begun anew, in bytes.
pub const REJECTED_FILE_SIZE: u64 = 4 * 1024 * 1024;

/// Lines that wait for being written to the file of rejected frames; what comes beyond them is counted.
pub const REJECTED_QUEUE_LINES: usize = 1024;

/// Time that what waits for the file of rejected frames still has when a server ends at once, after where handlers stand
/// has been told: what these deliver then is delivered once more after the next start.
pub const REJECTED_LAST_TIME: Duration = Duration::from_millis(250);

/// Time after which it is tried again to write the file of rejected frames.
pub const REJECTED_RETRY: Duration = Duration::from_secs(10);

/// Bytes of a rejected frame that are kept.
pub const REJECT_SAMPLE_SIZE: usize = 1024;

/// Batches that wait for being written to a capture.
pub const RECORDER_QUEUE_BATCHES: usize = 64;

/// Time after which what a capture holds back is written, however little it is.
pub const CAPTURE_FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Peers that are counted one by one.
pub const MAX_LEDGER_PEERS: usize = 16 * 1024;

/// Evidence numbers that one event carries at most.
pub const MAX_EVIDENCE: usize = 64;

/// Records that are looked up at once as evidence.
pub const MAX_EVIDENCE_RECORDS: usize = 1024;

/// Bytes of records that are handed out at once as evidence; what is beyond is cut.
pub const MAX_EVIDENCE_BYTES: usize = 16 * 1024 * 1024;

/// Events that a listing may be limited to.
pub const MAX_LISTED_EVENTS: usize = 100_000;

/// Events that one attempt of a delivery takes at most: those that were committed in one block.
pub const MAX_TRIED_TOGETHER: u64 = 64 * 1024;

/// Different notes about deliveries that are held at once; further ones are shown as an ellipsis.
pub const MAX_AUDIT_NOTES: usize = 64 * 1024;

/// Entries about one event's deliveries that are shown.
pub const MAX_AUDIT_ENTRIES: usize = 4096;

/// Pages of a journal that are read together before somebody who follows it sees them.
pub const FOLLOWED_PAGES: usize = 64;

/// Missing segments in a row that are named one by one.
pub const MAX_MISSING_TOLD: usize = 64;

/// Items that one list field of an event carries at most; the count beside it tells the whole number.
pub const MAX_LIST_ITEMS: usize = 32;

/// Bytes of one value that a summary shows at most; the field itself has them all.
pub const MAX_SUMMARY_VALUE: usize = 1024;

/// Bytes of messages after which a block of a capture is written.
pub const CAPTURE_BLOCK_BYTES: usize = 256 * 1024;

/// Frames or batches, whichever are more, after which a block of a capture is written.
pub const CAPTURE_BLOCK_INPUTS: usize = 16 * 1024;

/// Length by default at which a segment of a capture is closed and the next one begun, in bytes.
pub const CAPTURE_SEGMENT_SIZE: u64 = 256 * 1024 * 1024;

/// Length that all segments of a capture together may reach by default, in bytes.
pub const CAPTURE_TOTAL_SIZE: u64 = 10 * 1024 * 1024 * 1024;

/// Smallest value that the options for the lengths of a capture may take, in bytes: more than the largest block of what is received.
pub const MIN_CAPTURE_SIZE: u64 = 4 * 1024 * 1024;

/// Largest value that the option for the length of a segment may take, in bytes: a segment is mapped whole.
pub const MAX_CAPTURE_SEGMENT_SIZE: u64 = 16 * 1024 * 1024 * 1024;

/// Largest value that the option for the length of all segments may take, in bytes.
pub const MAX_CAPTURE_TOTAL_SIZE: u64 = 1024 * 1024 * 1024 * 1024 * 1024;

/// Segments that one capture has at most: what four digits can number.
pub const CAPTURE_SEGMENTS: u32 = 10_000;

/// Length of the names of listeners, applications, modules and handlers.
pub const MAX_NAME: usize = 64;

/// Worker threads at most.
pub const MAX_WORKERS: usize = 256;

/// Size of one configuration file, in bytes.
pub const MAX_CONFIG_SIZE: u64 = 1024 * 1024;

/// Files that one configuration is made of at most.
pub const MAX_CONFIG_FILES: usize = 256;

/// Files put aside that a CSV handler may be told to keep, for each kind.
pub const MAX_KEPT_FILES: u64 = 100_000;

/// Smallest size at which a CSV handler may be told to rotate its files, in bytes.
pub const MIN_ROTATION_SIZE: u64 = 4096;

/// Connections and sessions that one sshd module keeps at once, those that ended a moment ago included.
pub const MAX_CONNECTIONS_TRACKED: usize = 256 * 1024;

/// Connections that one sshd module keeps after their end, for late records. In a storm they are kept for less than the
/// usual minute: what is looked up for each record should lie in the processor's caches.
pub const MAX_ENDED_CONNECTIONS: usize = 4096;

/// Sources that one sshd module counts failures of.
pub const MAX_SOURCES: usize = 1024 * 1024;

/// Users whose failures one sshd module counts by source.
pub const MAX_TARGETS: usize = 16 * 1024;

/// Hosts for which one sshd module remembers when it last said that they drop connections.
pub const MAX_THROTTLED_HOSTS: usize = 16 * 1024;

/// Texts (hosts, users, keys) that one sshd module keeps.
pub const MAX_NAMES: usize = 2 * 1024 * 1024;

/// Bytes that the texts of one sshd module take together.
pub const MAX_NAME_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of one text that a module keeps; OpenSSH itself cuts a message at 500.
pub const MAX_NAME_LEN: usize = 512;

/// Entries by which a window counts: each is exact up to this many, and beyond it neighbours are joined.
pub const WINDOW_ENTRIES: usize = 32;

/// User names that one source is remembered by.
pub const MAX_USERS_PER_SOURCE: usize = 64;

/// Sources that one user is remembered by.
pub const MAX_SOURCES_PER_TARGET: usize = 32;

/// Facts that wait for a connection's address before they are told.
pub const MAX_PENDING_FACTS: usize = 4;

/// Largest count that a saved state may go on from: so far below the largest number that none of ours could reach it.
pub const MAX_SAVED_COUNT: u64 = 1 << 62;

/// Midnights that one input may pass with statistics for each; a longer leap of the clock skips the others.
pub const MAX_MIDNIGHTS_PER_INPUT: usize = 31;

/// The shortest pause before a delivery that failed is tried again.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest pause before a delivery that failed is tried again.
pub const RETRY_MOST: Duration = Duration::from_secs(300);

/// Time after which a delivery that fails is given up, and its events become dead letters.
pub const RETRY_GIVE_UP: Duration = Duration::from_secs(86_400);

/// Time within which a handler has to answer.
pub const HANDLER_DEADLINE: Duration = Duration::from_secs(60);

/// Attempts after which a handler that fails is worth an event.
pub const FAILING_ATTEMPTS: u32 = 3;

/// Time after which a delivery that fails is worth an event, however seldom it is tried: a limit or its receiver puts it off.
pub const FAILING_TIME: Duration = Duration::from_secs(900);

/// Time between two events about the same trouble of the server.
pub const TROUBLE_INTERVAL: Duration = Duration::from_secs(3600);

/// Reports of deliveries that wait for the journal's thread.
pub const REPORT_QUEUE: usize = 256;

/// Commands of operators that wait for a handler.
pub const COMMAND_QUEUE: usize = 16;

/// Signs of life within the time after which a service manager takes the server for dead.
pub const WATCHDOG_SIGNS: u32 = 3;

/// Time between two looks at whether what came in adds up.
pub const LEDGER_INTERVAL: Duration = Duration::from_secs(3600);

/// Commands that ask a server at once.
pub const CONTROL_CONNECTIONS: usize = 64;

/// Bytes of one line that a server is asked by.
pub const CONTROL_REQUEST_SIZE: u64 = 64 * 1024;

/// Bytes of one line that a server answers with.
pub const CONTROL_ANSWER_SIZE: u64 = 16 * 1024 * 1024;

/// Time within which a command's next line must have come: less than [`CONTROL_SILENCE`], so that one which says nothing makes no
/// other think that the server hangs.
pub const CONTROL_LINE_TIME: Duration = Duration::from_secs(2);

/// Time within which a command must have its answer, and have taken it.
pub const CONTROL_PATIENCE: Duration = Duration::from_secs(30);

/// Time between two signs that a server lives which works on an answer; it gives them for [`CONTROL_PATIENCE`].
pub const CONTROL_SIGN_INTERVAL: Duration = Duration::from_secs(1);

/// Time in which a server that was asked gives no sign after which a command no longer waits for it.
pub const CONTROL_SILENCE: Duration = Duration::from_secs(5);

/// Time within which the journal's thread, or a handler, must have taken what a command asks.
pub const CONTROL_TIMEOUT: Duration = Duration::from_secs(10);

/// Questions that wait for the journal's thread.
pub const ERRAND_QUEUE: usize = 16;

/// Bytes of the path of a socket (unix(7) grants 108 and an end mark).
pub const MAX_SOCKET_PATH: usize = 100;

/// Bytes of the reason that an operator gives.
pub const MAX_REASON: usize = 1024;

/// Peers that sent most, and peers of which most was rejected, that a status names.
pub const STATUS_PEERS: usize = 100;

/// Bytes of a filter's expression.
pub const MAX_FILTER_LENGTH: usize = 1024;

/// How deep a filter's expression may be nested.
pub const MAX_FILTER_DEPTH: u16 = 48;

/// Stack of the thread that reads a filter's expression, in bytes: enough for the longest, also in a debug build.
pub const FILTER_READER_STACK: usize = 256 * 1024 * 1024;

/// Bytes that one compiled pattern of a filter may take.
pub const MAX_FILTER_PATTERN_SIZE: usize = 1024 * 1024;

/// Events that go at once within the time of a digest at most; further ones are gathered.
pub const STORM_BURST: usize = 5;

/// Rejected frames from which on it tells something that they are more than half of all.
pub const TELLING_REJECTS: u64 = 10;

/// Time after which a paced replay that waits looks whether anybody still reads it.
pub const PACE_LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Bytes of a credential's name.
pub const MAX_CREDENTIAL_NAME: usize = 128;

/// Bytes of a secret.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Time within which the keyring of a desktop has to answer.
pub const KEYRING_TIME: Duration = Duration::from_secs(10);

/// Calls to that keyring which have not come back; with as many, it is not asked.
pub const MAX_KEYRING_CALLS: usize = 8;

/// Time within which a mail server has to answer, by default.
pub const SMTP_TIMEOUT: Duration = Duration::from_secs(20);

/// Time for which a connection to a mail server is kept for the next mail.
pub const SMTP_IDLE: Duration = Duration::from_secs(60);

/// Characters of a mail server's reply that are kept.
pub const MAX_SMTP_REPLY: usize = 512;

/// Mails in one delivery: as many as a server takes before the handler has to answer.
pub const MAX_MAILS: usize = 16;

/// Bytes of a mail's subject, before it is encoded.
pub const MAX_SUBJECT: usize = 250;

/// Bytes of one value in a mail.
pub const MAX_MAIL_VALUE: usize = 2048;

/// Bytes of a record that a mail shows as evidence.
pub const MAX_MAIL_RECORD: usize = 1024;

/// Bytes of one part of a mail, before it is encoded.
pub const MAX_MAIL_PART: usize = 512 * 1024;

/// Recipients of one handler.
pub const MAX_RECIPIENTS: usize = 100;

/// Bytes of an address with its name.
pub const MAX_MAILBOX: usize = 320;

/// Bytes of the name of a header that an operator adds to mails.
pub const MAX_MAIL_HEADER_NAME: usize = 64;

/// Bytes of its value.
pub const MAX_MAIL_HEADER: usize = 512;

/// Files in a directory of templates.
pub const MAX_TEMPLATES: usize = 512;

/// Bytes of one template.
pub const MAX_TEMPLATE_SIZE: u64 = 256 * 1024;
