//! Floor 4: TLS for handlers that call out: whom they trust, and how they prove who they are.
//!
//! Invariant: a peer is always verified, by the certificates of the system or by those of one file and no others.

use crate::credentials::{PemError, pem};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The certificate that a handler shows, and its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    /// A file with the certificate and those that lead to its authority.
    pub(crate) certificate: &'a Path,
    /// A file with its key.
    pub(crate) key: &'a Path,
}

/// What is wrong with a file that TLS needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error("{certificate} and {key} cannot be shown to a server: {reason}", certificate = certificate.display(),
        key = key.display())]
    BadIdentity { certificate: PathBuf, key: PathBuf, reason: rustls::Error },
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
    #[error("{}", told(.0))]
    Several(Vec<TlsError>),
}

fn told(wrong: &[TlsError]) -> String {
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::other(error)
    }
}

/// How to speak TLS with a server that an authority vouches for: one in the file `ca`, or else one of the system's.
///
/// # Errors
/// When files that are named do not hold what they should, all of which are told. A system without certificates of authorities is no error:
/// then no server can be verified, and each delivery says so.
pub(crate) fn client(ca: Option<&Path>, identity: Option<Identity<'_>>) -> Result<ClientConfig, TlsError> {
    let mut wrong = Vec::new();
    let authorities = sift(authorities(ca), &mut wrong);
    let shown = identity.map(|Identity { certificate, key }| {
        (sift(pem::certificates(certificate), &mut wrong), sift(pem::private_key(key), &mut wrong))
    });
    if !wrong.is_empty() {
        return Err(TlsError::Several(wrong));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.unwrap_or_default());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    let (Some(Identity { certificate, key }), Some((Some(chain), Some(secret)))) = (identity, shown) else {
        return Ok(builder.with_no_client_auth());
    };
    builder.with_client_auth_cert(chain, secret).map_err(|reason| TlsError::BadIdentity {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        reason,
    })
}

/// Takes what is right, and keeps what is wrong.
fn sift<T>(read: Result<T, impl Into<TlsError>>, wrong: &mut Vec<TlsError>) -> Option<T> {
    read.map_err(|error| wrong.push(error.into())).ok()
}

/// Whether a host is this machine, by its address or as `localhost`: what goes there nobody else reads on the way.
pub(crate) fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// The certificates of those who may vouch for a server: those in the file `ca`, or else the system's.
///
/// # Errors
/// When the file does not hold what it should.
pub(super) fn authorities(ca: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    if let Some(file) = ca {
        return Ok(pem::authorities(file)?);
    }
    let mut found = rustls_native_certs::load_native_certs().certs;
    let mut roots = RootCertStore::empty();
    found.retain(|certificate| roots.add(certificate.clone()).is_ok());
    if found.is_empty() {
        tracing::warn!("this system has no certificates of authorities: no server can be verified by them");
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_that_do_not_hold_what_they_should_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.pem");
        fs::write(&empty, "no certificate\n").unwrap();
        let error = client(Some(&empty), None).unwrap_err().to_string();
        assert_eq!(error, format!("{} holds no certificate", empty.display()));
        let absent = dir.path().join("absent.pem");
        let error = client(Some(&absent), None).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("cannot read certificates from {}: ", absent.display())),
            "{error}"
        );
        let signed = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        let (certificate, key) = (dir.path().join("a.pem"), dir.path().join("a.key"));
        fs::write(&certificate, signed.cert.pem()).unwrap();
        let of_other = rcgen::KeyPair::generate().unwrap();
        fs::write(&key, of_other.serialize_pem()).unwrap();
        let identity = Identity { certificate: &certificate, key: &key };
        let error = client(Some(&certificate), Some(identity)).unwrap_err().to_string();
        assert!(error.contains("cannot be shown to a server"), "{error}");
        fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
        assert!(client(Some(&certificate), Some(identity)).is_ok());
    }
}
