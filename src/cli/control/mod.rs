//! Floor 8: how commands talk to a running server: lines of JSON over a socket in its data directory.
//!
//! Invariant: only the user who owns the data directory can speak here, and what one line may hold is bounded.

mod client;
mod protocol;
mod socket;

pub(super) use client::ask;
pub(super) use protocol::{
    Answer, Ask, Delivery, Done, Failing, FollowedFile, HostClock, Listening, Peer, Refused, Request,
    SilentHost, Status, VERSION, Which,
};
pub(super) use socket::bind;
