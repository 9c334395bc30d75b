//! Floor 4: the ways in: what reads bytes, frames them, and hands batches to the pipeline.
//!
//! Invariant: bytes are read only while a permit is held, so that what is full slows the sender and nothing else.

mod acceptor;
mod activation;
mod address;
mod connection;
pub mod datagram;
pub mod file;
pub mod follow;
mod held;
pub mod intake;
mod listener;
mod notices;
mod peer;
mod pool;
pub mod proxy;
pub mod rate;
mod relp;
mod repeats;
mod scoop;
mod shed;
mod speech;
mod stream;
mod tcp;
pub mod tls;
mod udp;
pub mod unix;

pub use activation::Inherited;
pub use address::{Address, Scheme};
pub use follow::Bookmarks;
pub use intake::{Answering, Intake, Permit, Sink};
pub use listener::{BindError, Bound, Environment, Options};
pub use notices::{Notices, Refusal};
pub use pool::Pool;
pub use repeats::Remembered;
pub use shed::Shed;
