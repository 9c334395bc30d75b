//! Floor 4: what a TLS listener shows and whom it lets in, from files that may change.
//!
//! Invariant: what is in use is whole: files that do not fit each other, or cannot be read, change nothing.

use super::clients::Clients;
use super::{ClientAuth, MinVersion, Options, names};
use crate::credentials::{PemError, pem};
use crate::limits;
use crate::time::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Why a listener cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum PapersError {
    /// An option is missing.
    #[error("TLS needs `{0}`")]
    Lacks(&'static str),
    /// A file does not hold what it should.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The key cannot be looked at.
    #[error("{}: {reason}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// Why; part of the text, and so no source.
        reason: io::Error,
    },
    /// Everybody may read or write the key.
    #[error("{path}: everybody may read or write it, so it is not used; run `chmod o= {path}`", path = .0.display())]
    Open(
        /// The file.
        PathBuf,
    ),
    /// The certificate and the key cannot be used together.
    #[error("{certificate} and {key} cannot be shown to a client: {reason}", certificate = certificate.display(),
        key = key.display())]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why; part of the text, and so no source.
        reason: rustls::Error,
    },
    /// No client can be verified.
    #[error("clients cannot be verified: {0}")]
    Clients(#[from] VerifierBuilderError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
    /// More than one of these.
    #[error("{}", told(.0))]
    Several(
        /// All that is wrong.
        Vec<PapersError>,
    ),
}

fn told(wrong: &[PapersError]) -> String {
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Everything that is wrong with the papers.
#[derive(Default)]
struct Wrong(Vec<PapersError>);

impl Wrong {
    /// Takes what is right, and keeps what is wrong.
    fn sift<T>(&mut self, read: Result<T, impl Into<PapersError>>) -> Option<T> {
        read.map_err(|error| self.0.push(error.into())).ok()
    }

    fn error(mut self) -> PapersError {
        match (self.0.pop(), self.0.is_empty()) {
            (Some(only), true) => only,
            (last, _) => PapersError::Several(self.0.into_iter().chain(last).collect()),
        }
    }
}

/// What became of a look at the files.
#[derive(Debug)]
pub enum Renewal {
    /// They are as they were.
    Unchanged,
    /// New connections go by what they hold now.
    Renewed,
    /// What they hold now cannot be used: what was in use stays.
    Refused(PapersError),
}

/// A certificate that expires soon, or has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// The listener that it is for.
    pub listener: String,
    /// The file that holds it.
    pub file: PathBuf,
    /// Whose it is.
    pub subject: String,
    /// When it expires.
    pub expires: Timestamp,
}

/// What a listener shows and whom it lets in.
#[derive(Debug)]
pub struct Papers {
    listener: String,
    options: Options,
    terms: RwLock<Arc<Terms>>,
    /// How the files looked when they were last read.
    seen: Mutex<Vec<Look>>,
}

/// What is known of a file without reading it: device, inode, length, and time of the last change; nothing if there is
/// no file.
type Look = Option<(u64, u64, u64, i64, i64)>;

/// What new connections go by.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) config: Arc<ServerConfig>,
    pub(super) clients: Option<Arc<Clients>>,
    dated: Vec<Dated>,
}

/// A certificate with the end of its time.
#[derive(Debug)]
struct Dated {
    file: PathBuf,
    subject: String,
    expires: Timestamp,
    /// How many warnings of it were given.
    told: AtomicUsize,
}

impl Papers {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read or used; names it.
    pub(in crate::ingest) fn load(listener: &str, options: &Options) -> Result<Self, PapersError> {
        let seen = look(options);
        let terms = terms(options)?;
        Ok(Self {
            listener: listener.to_owned(),
            options: options.clone(),
            terms: RwLock::new(Arc::new(terms)),
            seen: Mutex::new(seen),
        })
    }

    /// What a new connection goes by.
    pub(super) fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The listener's name.
    pub fn listener(&self) -> &str {
        &self.listener
    }

    /// Reads the files again if they have changed since, or if `anyway`. Connections that are open go on as they are.
    pub fn renew(&self, anyway: bool) -> Renewal {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at before they are read: what changes meanwhile is found at the next look.
        let now = look(&self.options);
        if *seen == now && !anyway {
            return Renewal::Unchanged;
        }
        *seen = now;
        match terms(&self.options) {
            Ok(terms) => {
                *self.terms.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(terms);
                Renewal::Renewed
            }
            Err(error) => Renewal::Refused(error),
        }
    }

    /// The certificates of which a further warning is due.
    pub fn expiring(&self, now: Timestamp) -> Vec<Expiring> {
        let terms = self.terms();
        let due = terms.dated.iter().filter(|dated| {
            let due = warnings(dated.expires, now);
            dated.told.fetch_max(due, Ordering::Relaxed) < due
        });
        let expiring = due.map(|dated| Expiring {
            listener: self.listener.clone(),
            file: dated.file.clone(),
            subject: dated.subject.clone(),
            expires: dated.expires,
        });
        expiring.collect()
    }
}

/// How many warnings should have been given by now; the last one is that it has expired.
fn warnings(expires: Timestamp, now: Timestamp) -> usize {
    let left = expires.since(now);
    let before = limits::EXPIRY_WARNINGS.iter().filter(|warning| left <= **warning).count();
    before + usize::from(now >= expires)
}

fn look(options: &Options) -> Vec<Look> {
    let look = |file: &PathBuf| {
        let found = fs::metadata(file).ok()?;
        Some((found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    };
    [&options.certificate, &options.key, &options.client_ca].into_iter().flatten().map(look).collect()
}

fn terms(options: &Options) -> Result<Terms, PapersError> {
    let mut wrong = Wrong::default();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let shown = shown(options, &mut wrong);
    let clients = wrong.sift(clients(options, &provider));
    // Whether the certificate goes with the key is told also where clients cannot be verified.
    let (verifier, authorities) = clients.unwrap_or_default();
    let mut dated = Vec::new();
    let config = shown.and_then(|shown| {
        dated.extend(shown.chain.iter().filter_map(|found| self::dated(shown.certificate, found)));
        dated.extend(authorities);
        wrong.sift(config(options, provider, shown, verifier.as_ref()))
    });
    match config {
        Some(config) if wrong.0.is_empty() => {
            Ok(Terms { config: Arc::new(config), clients: verifier, dated })
        }
        _ => Err(wrong.error()),
    }
}

/// What is shown to clients.
struct Shown<'a> {
    certificate: &'a Path,
    chain: Vec<CertificateDer<'static>>,
    key: &'a Path,
    secret: PrivateKeyDer<'static>,
}

fn shown<'a>(options: &'a Options, wrong: &mut Wrong) -> Option<Shown<'a>> {
    let certificate = wrong.sift(options.certificate.as_deref().ok_or(PapersError::Lacks("certificate")));
    let key = wrong.sift(options.key.as_deref().ok_or(PapersError::Lacks("key")));
    let chain = certificate.and_then(|file| wrong.sift(pem::certificates(file)));
    let guarded = key.and_then(|file| wrong.sift(guarded(file)).map(|()| file));
    let secret = guarded.and_then(|file| wrong.sift(pem::private_key(file)));
    Some(Shown { certificate: certificate?, chain: chain?, key: key?, secret: secret? })
}

/// What TLS is set up by.
fn config(
    options: &Options,
    provider: Arc<CryptoProvider>,
    shown: Shown<'_>,
    clients: Option<&Arc<Clients>>,
) -> Result<ServerConfig, PapersError> {
    let versions: &[&SupportedProtocolVersion] = match options.min_version {
        MinVersion::Tls12 => &[&version::TLS13, &version::TLS12],
        MinVersion::Tls13 => &[&version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
    let builder = match clients {
        Some(clients) => {
            builder.with_client_cert_verifier(Arc::clone(clients) as Arc<dyn ClientCertVerifier>)
        }
        None => builder.with_no_client_auth(),
    };
    let Shown { certificate, chain, key, secret } = shown;
    let mut config = builder.with_single_cert(chain, secret).map_err(|reason| PapersError::Mismatch {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        reason,
    })?;
    // A session that is resumed is not verified again: it would outlive the certificate and a change of what is permitted.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Who is let in, if clients are asked for certificates, and what is known of the authorities' certificates.
fn clients(
    options: &Options,
    provider: &Arc<CryptoProvider>,
) -> Result<(Option<Arc<Clients>>, Vec<Dated>), PapersError> {
    if !options.asks_clients() {
        return Ok((None, Vec::new()));
    }
    let (mut authorities, mut expiring) = (None, Vec::new());
    if let Some(file) = &options.client_ca {
        let found = pem::certificates(file)?;
        // One that has expired was left in the file on purpose, beside the one that came after it.
        let now = Timestamp::from(SystemTime::now());
        let is_valid = |dated: &Dated| dated.expires > now;
        expiring = found.iter().filter_map(|found| dated(file, found)).filter(is_valid).collect();
        let roots = Arc::new(pem::roots(file, found)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        authorities = Some(verifier.build()?);
    }
    let clients = Clients {
        authorities,
        permitted_names: options.permitted_names.clone(),
        permitted_fingerprints: options.permitted_fingerprints.clone(),
        is_required: options.client_auth == ClientAuth::Required,
        algorithms: provider.signature_verification_algorithms,
    };
    Ok((Some(Arc::new(clients)), expiring))
}

/// Refuses a key that everybody may read, or exchange for another.
fn guarded(key: &Path) -> Result<(), PapersError> {
    let found = fs::metadata(key).map_err(|reason| PapersError::Key { file: key.to_owned(), reason })?;
    if found.permissions().mode() & 0o006 != 0 {
        return Err(PapersError::Open(key.to_owned()));
    }
    Ok(())
}

fn dated(file: &Path, certificate: &CertificateDer<'_>) -> Option<Dated> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let subject = names::common_name(&certificate).unwrap_or_else(|| certificate.subject().to_string());
    let expires = certificate.validity().not_after.timestamp().checked_mul(1_000_000)?;
    let expires = Timestamp::from_micros(expires);
    Some(Dated { file: file.to_owned(), subject, expires, told: AtomicUsize::new(0) })
}
