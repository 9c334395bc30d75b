//! What operators see of a server's journal, and how they act on it: the server and the commands as processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: its helpers fail by panicking"
)]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;
#[path = "operators/control.rs"]
mod control;
#[path = "operators/journal.rs"]
mod journal;
#[path = "operators/server.rs"]
mod server;
