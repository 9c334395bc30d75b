//! Floor 2: certificates and keys, as files in PEM hold them.
//!
//! Invariant: whatever is wrong with a file, the error names the file.

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};

/// What is wrong with a file of certificates, or of a key.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read, or is no PEM.
    #[error("cannot read {what} from {file}: {reason}", file = file.display())]
    Unreadable {
        /// What it should hold.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong; part of the text, and so no source.
        reason: pem::Error,
    },
    /// It holds none.
    #[error("{file} holds no certificate", file = .0.display())]
    NoCertificate(PathBuf),
    /// It holds one that cannot be an authority's.
    #[error("{file} holds a certificate that nothing can be verified by: {reason}", file = file.display())]
    BadAuthority {
        /// The file.
        file: PathBuf,
        /// What is wrong; part of the text, and so no source.
        reason: rustls::Error,
    },
}

/// Reads certificates, of which there must be one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let wrong = |reason| PemError::Unreadable { what: "certificates", file: file.to_owned(), reason };
    let found = CertificateDer::pem_file_iter(file).map_err(wrong)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(wrong)?;
    if found.is_empty() { Err(PemError::NoCertificate(file.to_owned())) } else { Ok(found) }
}

/// Reads the certificates of those who may vouch for others.
pub(crate) fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found = certificates(file)?;
    roots(file, found.iter().cloned())?;
    Ok(found)
}

/// Takes the certificates that a file holds for those of authorities.
pub(crate) fn roots(
    file: &Path,
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let added = roots.add(certificate);
        added.map_err(|reason| PemError::BadAuthority { file: file.to_owned(), reason })?;
    }
    Ok(roots)
}

/// Reads a key.
pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_file(file).map_err(|reason| PemError::Unreadable {
        what: "a key",
        file: file.to_owned(),
        reason,
    })
}
