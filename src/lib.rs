//! Correlator: a high-throughput, zero-copy syslog stream processor that understands OpenSSH.
//!
//! The program is one pipeline over an ordered log of inputs: bytes become frames, frames become records, records
//! become observations, and a pure, single-threaded state machine folds observations into typed events, which
//! handlers act on. The same inputs give the same events, live or replayed.
//!
//! Modules stand on floors, and a module imports only from floors below its own; `ARCHITECTURE.md` draws the house,
//! and `tests/tidy.rs` enforces it.

// floor 0
mod causes;
pub mod limits;
pub mod span;
mod suggest;
pub mod time;
// floor 1
pub mod batch;
pub mod event;
mod machine;
pub mod segment;
pub mod wire;
// floor 2
pub mod capture;
pub mod credentials;
pub mod detect;
// floor 3
pub mod correlate;
pub mod journal;
// floor 4
pub mod handlers;
pub mod ingest;
// floor 5
pub mod dispatch;
pub mod flood;
// floor 6
pub mod pipeline;
// floor 7
pub mod config;
// floor 8
pub mod cli;
