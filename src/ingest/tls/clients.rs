//! Floor 4: which clients are let in, and by what name they are known.
//!
//! Invariant: whoever is let in has shown that the certificate's key is theirs, and that certificate is listed by its
//! fingerprint, or an authority vouches for it and one of its names is permitted.

use super::fingerprint::Fingerprint;
use super::names;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use std::sync::Arc;

/// Decides about clients' certificates.
#[derive(Debug)]
pub(super) struct Clients {
    /// Whether an authority vouches for a certificate; nothing if none is trusted.
    pub(super) authorities: Option<Arc<dyn ClientCertVerifier>>,
    /// Names that are permitted; all if there are none.
    pub(super) permitted_names: Vec<String>,
    /// Certificates that are let in whoever made them.
    pub(super) permitted_fingerprints: Vec<Fingerprint>,
    /// Whether a client must show a certificate.
    pub(super) is_required: bool,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// A certificate that is not permitted.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotPermitted(String);

impl Clients {
    fn is_listed(&self, certificate: &[u8]) -> bool {
        let listed = &self.permitted_fingerprints;
        !listed.is_empty() && Fingerprint::all(certificate).iter().any(|own| listed.contains(own))
    }

    fn is_permitted(&self, name: &str) -> bool {
        self.permitted_names.is_empty()
            || self.permitted_names.iter().any(|permitted| names::matches(permitted, name))
    }

    /// What the owner of a certificate that was let in is known by: a name that an authority vouches for, else the
    /// certificate's fingerprint.
    pub(super) fn sender(&self, certificate: &[u8]) -> String {
        let vouched = !self.is_listed(certificate);
        let name = || names::names(certificate).into_iter().find(|name| self.is_permitted(name));
        let name = vouched.then(name).flatten().and_then(|name| names::shown(&name));
        name.unwrap_or_else(|| Fingerprint::of(certificate).to_string())
    }
}

fn refuse(why: String) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(NotPermitted(why)))))
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // With hints, a client with a certificate of its own making might not show it.
        let hints = self.authorities.as_ref().filter(|_| self.permitted_fingerprints.is_empty());
        hints.map(|authorities| authorities.root_hint_subjects()).unwrap_or_default()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.is_listed(end_entity) {
            return Ok(ClientCertVerified::assertion());
        }
        let Some(authorities) = &self.authorities else {
            let fingerprint = Fingerprint::of(end_entity);
            return Err(refuse(format!("{fingerprint} is not in permitted_fingerprints")));
        };
        let verified = authorities.verify_client_cert(end_entity, intermediates, now)?;
        let names = names::names(end_entity);
        if self.permitted_names.is_empty() || names.iter().any(|name| self.is_permitted(name)) {
            return Ok(verified);
        }
        let names: Vec<_> = names.iter().filter_map(|name| names::shown(name)).collect();
        Err(refuse(format!("none of the certificate's names is in permitted_names: {}", names.join(", "))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
