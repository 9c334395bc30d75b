//! Floor 4: TLS for listeners (RFC 5425).
//!
//! Invariant: no byte of a peer is taken for a record before its handshake is done and the client is let in.

mod clients;
mod fingerprint;
mod handshake;
mod names;
mod papers;
mod session;

pub use fingerprint::Fingerprint;
pub(super) use handshake::Gate;
pub use papers::{Expiring, Papers, PapersError, Renewal};
pub(super) use session::Session;

use crate::limits;
use std::path::PathBuf;
use std::time::Duration;

/// Options of a listener's TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A file with the certificate to show, and those that lead to its authority.
    pub certificate: Option<PathBuf>,
    /// A file with its key.
    pub key: Option<PathBuf>,
    /// A file with the authorities that vouch for clients.
    pub client_ca: Option<PathBuf>,
    /// Whether a client must show a certificate, where clients are asked for one at all.
    pub client_auth: ClientAuth,
    /// Names that a client may have; all that an authority vouches for if there are none.
    pub permitted_names: Vec<String>,
    /// Certificates that are let in whoever made them.
    pub permitted_fingerprints: Vec<Fingerprint>,
    /// The oldest version that is spoken.
    pub min_version: MinVersion,
    /// Time within which a handshake must be done.
    pub handshake_timeout: Duration,
}

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// It must.
    Required,
    /// It may.
    Optional,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinVersion {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            certificate: None,
            key: None,
            client_ca: None,
            client_auth: ClientAuth::Required,
            permitted_names: Vec::new(),
            permitted_fingerprints: Vec::new(),
            min_version: MinVersion::Tls12,
            handshake_timeout: limits::HANDSHAKE_TIMEOUT,
        }
    }
}

impl Options {
    /// Whether clients are asked for a certificate.
    pub fn asks_clients(&self) -> bool {
        self.client_ca.is_some() || !self.permitted_fingerprints.is_empty()
    }

    /// Whether only clients with a certificate that is permitted are let in.
    pub fn knows_clients(&self) -> bool {
        self.asks_clients() && self.client_auth == ClientAuth::Required
    }
}
