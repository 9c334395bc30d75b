//! Floor 4: what was refused, cut or dropped, counted by peer and reason, and logged without flooding the log.
//!
//! Invariant: every refusal is counted; of one peer and reason at most one line a minute is logged, and it says how
//! many it stands for.

use super::shed::{Shed, Spans};
use crate::limits;
use crate::time::{Clock, SystemClock, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Why a connection was refused, closed, or lost something, or datagrams were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The peer is not in `allow_from`.
    NotAllowed,
    /// The peer has too many connections already.
    TooManyConnections,
    /// No complete frame, or none after an incomplete one, within the time for it.
    FrameTimeout,
    /// The stream does not follow the listener's framing.
    Framing,
    /// All connections together hold too much of incomplete frames.
    BufferMemory,
    /// The connection broke.
    Broken,
    /// The stream ended within a frame.
    CutShort,
    /// The limit of connections is reached: one had to wait.
    ConnectionLimit,
    /// The connection does not begin with the PROXY header that it should.
    ProxyHeader,
    /// The TLS handshake was not done within the time for it.
    HandshakeTimeout,
    /// The TLS handshake failed: the peer speaks something else, or no version or cipher that we do.
    Handshake,
    /// The client showed no certificate.
    NoCertificate,
    /// The client's certificate has expired.
    CertificateExpired,
    /// No authority vouches for the client's certificate, or something else is wrong with it.
    BadCertificate,
    /// The client's certificate is none of those that are permitted.
    ClientNotPermitted,
    /// The sender sent more datagrams than it may.
    RateLimit,
    /// There were more datagrams of a host than there may be.
    HostRateLimit,
    /// The pipeline had no room for datagrams.
    Overload,
    /// The kernel had no room for datagrams.
    KernelDrop,
}

impl Refusal {
    /// The reason's name in counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAllowed => "not-allowed",
            Self::TooManyConnections => "too-many-connections",
            Self::FrameTimeout => "frame-timeout",
            Self::Framing => "framing",
            Self::BufferMemory => "buffer-memory",
            Self::Broken => "broken",
            Self::CutShort => "cut-short",
            Self::ConnectionLimit => "waited-for-connection-limit",
            Self::ProxyHeader => "proxy-header",
            Self::HandshakeTimeout => "handshake-timeout",
            Self::Handshake => "handshake",
            Self::NoCertificate => "no-certificate",
            Self::CertificateExpired => "certificate-expired",
            Self::BadCertificate => "bad-certificate",
            Self::ClientNotPermitted => "client-not-permitted",
            Self::RateLimit => "rate-limit",
            Self::HostRateLimit => "host-rate-limit",
            Self::Overload => "overload",
            Self::KernelDrop => "kernel-drop",
        }
    }
}

impl Refusal {
    /// Whether records were shed that could have come in.
    const fn is_shed(self) -> bool {
        matches!(self, Self::RateLimit | Self::HostRateLimit | Self::Overload | Self::KernelDrop)
    }
}

#[derive(Debug)]
struct Entry {
    total: u64,
    unsaid: u64,
    said: Instant,
}

/// The counters, and the memory of what was logged.
#[derive(Debug, Default)]
pub struct Notices {
    entries: Mutex<BTreeMap<(String, Refusal), Entry>>,
    shed: Mutex<Spans>,
}

impl Notices {
    /// Counts a refusal, and logs it unless one of the same peer and reason was logged within the last minute.
    pub fn refuse(&self, listener: &str, peer: &str, refusal: Refusal, detail: &dyn fmt::Display) {
        self.lose(listener, peer, (refusal, 1), detail);
    }

    /// Counts so many refusals for one reason, as [`Self::refuse`] does; none are no notice.
    pub fn lose(
        &self,
        listener: &str,
        peer: &str,
        (refusal, count): (Refusal, u64),
        detail: &dyn fmt::Display,
    ) {
        if count == 0 {
            return;
        }
        if refusal.is_shed() {
            let mut shed = self.shed.lock().unwrap_or_else(PoisonError::into_inner);
            shed.add(listener, peer, (refusal, count), SystemClock.now());
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            entries.len() < limits::MAX_NOTICE_PEERS || entries.contains_key(&(peer.to_owned(), refusal));
        let key = if known { peer } else { "other peers" };
        let now = Instant::now();
        let entry =
            entries.entry((key.to_owned(), refusal)).or_insert(Entry { total: 0, unsaid: 0, said: now });
        let first = entry.total == 0;
        entry.total += count;
        let due = first || now.duration_since(entry.said) >= limits::NOTICE_INTERVAL;
        if due {
            let unsaid = std::mem::take(&mut entry.unsaid) + count - 1;
            entry.said = now;
            drop(entries);
            tracing::warn!(listener, peer, reason = refusal.name(), unsaid, "{detail}");
        } else {
            entry.unsaid += count;
        }
    }

    /// Takes what was shed and is worth telling by now: what is over, or has lasted for a while; everything at the end.
    pub fn take_shed(&self, now: Timestamp, at_end: bool) -> Vec<Shed> {
        self.shed.lock().unwrap_or_else(PoisonError::into_inner).take(now, at_end)
    }

    /// All counts so far, by peer and reason.
    pub fn totals(&self) -> Vec<(String, Refusal, u64)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|((peer, refusal), entry)| (peer.clone(), *refusal, entry.total)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_peer_and_reason_and_bounds_the_peers() {
        let notices = Notices::default();
        for peer in 0..limits::MAX_NOTICE_PEERS + 10 {
            notices.refuse("lan", &format!("peer-{peer:06}"), Refusal::NotAllowed, &"not in allow_from");
        }
        notices.refuse("lan", "peer-000000", Refusal::NotAllowed, &"not in allow_from");
        notices.refuse("lan", "peer-000000", Refusal::Framing, &"not a count");
        let totals = notices.totals();
        assert!(totals.len() <= limits::MAX_NOTICE_PEERS + 2);
        assert!(totals.contains(&("peer-000000".into(), Refusal::NotAllowed, 2)));
        assert!(totals.contains(&("other peers".into(), Refusal::NotAllowed, 10)));
        assert!(totals.contains(&("other peers".into(), Refusal::Framing, 1)));
    }
}
