//! What real programs send, taken by a server that runs as a process: over TCP, TLS, RELP, UDP and Unix sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test program: its helpers fail by panicking, and say what they skip"
)]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;
#[path = "senders/logger.rs"]
mod logger;
#[path = "streams/pki.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod pki;
#[path = "support/port.rs"]
mod port;
#[path = "senders/python.rs"]
mod python;
#[path = "senders/relp.rs"]
mod relp;
#[path = "senders/rsyslog.rs"]
mod rsyslog;
#[path = "senders/server.rs"]
mod server;
#[path = "senders/socat.rs"]
mod socat;
#[path = "senders/syslog_ng.rs"]
mod syslog_ng;
#[path = "senders/tap.rs"]
mod tap;
#[path = "senders/tls.rs"]
mod tls;
