//! Floor 4: handshakes of TLS, with a time to be done in and so many at once.
//!
//! Invariant: a peer that says nothing takes no place among the handshakes in progress, and one that hangs holds its place
//! for no longer than a handshake may take.

use super::clients::NotPermitted;
use super::papers::Papers;
use super::session::Session;
use crate::ingest::notices::Refusal;
use crate::ingest::pool::Pool;
use crate::limits;
use rustls::{CertificateError, Error};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Where connections of a TLS listener go through.
#[derive(Debug)]
pub(in crate::ingest) struct Gate {
    papers: Arc<Papers>,
    timeout: Duration,
    in_progress: Semaphore,
}

impl Gate {
    pub(in crate::ingest) fn new(papers: Arc<Papers>, timeout: Duration) -> Self {
        Self { papers, timeout, in_progress: Semaphore::new(limits::MAX_HANDSHAKES) }
    }

    /// Does the handshake; gives the session, and the client's name if it showed a certificate.
    pub(in crate::ingest) async fn enter(
        &self,
        stream: TcpStream,
        pool: &Arc<Pool>,
    ) -> Result<(Session, Option<String>), (Refusal, String)> {
        let too_late = |what| {
            let seconds = self.timeout.as_secs_f32();
            (Refusal::HandshakeTimeout, format!("{what} within {seconds} s"))
        };
        // Looks for a byte in fact: that the runtime calls a new socket readable need not mean that there is one.
        match timeout(self.timeout, stream.peek(&mut [0])).await {
            Err(_) => return Err(too_late("the peer began no TLS handshake")),
            Ok(first) => drop(first.map_err(|error| (Refusal::Handshake, error.to_string()))?),
        }
        // Never closed, so that only the wait is left.
        let place = self.in_progress.acquire().await;
        let terms = self.papers.terms();
        let acceptor = TlsAcceptor::from(Arc::clone(&terms.config));
        let done = timeout(self.timeout, acceptor.accept(stream)).await;
        drop(place);
        let (stream, session) = match done {
            Err(_) => return Err(too_late("the TLS handshake was not done")),
            Ok(Err(error)) => return Err(explain(&error)),
            Ok(Ok(stream)) => stream.into_inner(),
        };
        let shown = session.peer_certificates().and_then(|chain| chain.first());
        let name = terms.clients.as_ref().zip(shown).map(|(clients, shown)| clients.sender(shown));
        Ok((Session::new(stream, session, Arc::clone(pool)), name))
    }
}

/// Why a handshake failed.
fn explain(error: &io::Error) -> (Refusal, String) {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the peer left during the TLS handshake".to_owned(),
            _ => error.to_string(),
        };
        return (Refusal::Handshake, what);
    };
    match tls {
        Error::NoCertificatesPresented => {
            (Refusal::NoCertificate, "the client showed no certificate".to_owned())
        }
        Error::InvalidCertificate(why) => match why {
            CertificateError::Other(other) => match other.0.downcast_ref::<NotPermitted>() {
                Some(why) => (Refusal::ClientNotPermitted, why.to_string()),
                None => (Refusal::BadCertificate, tls.to_string()),
            },
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                (Refusal::CertificateExpired, tls.to_string())
            }
            _ => (Refusal::BadCertificate, tls.to_string()),
        },
        Error::InvalidMessage(_) => (Refusal::Handshake, format!("the peer does not speak TLS: {tls}")),
        _ => (Refusal::Handshake, tls.to_string()),
    }
}
