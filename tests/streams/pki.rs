//! Authorities and certificates, made anew for each test.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// An authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) pem: String,
    pub(crate) key: KeyPair,
}

/// Parameters of a certificate that is valid from yesterday on, for so long from now.
fn parameters(names: &[&str], common: &str, expires_in: i64) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut parameters = CertificateParams::new(names).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, common);
    let now = SystemTime::now();
    parameters.not_before = (now - Duration::from_secs(2 * 86_400)).into();
    let away = Duration::from_secs(expires_in.unsigned_abs());
    parameters.not_after = if expires_in < 0 { now - away } else { now + away }.into();
    parameters
}

const YEAR: i64 = 365 * 86_400;

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut parameters = parameters(&[], name, YEAR);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// An authority that this one vouches for.
    pub(crate) fn under(&self, name: &str) -> Self {
        let mut parameters = parameters(&[], name, YEAR);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::signed_by(parameters, KeyPair::generate().unwrap(), &self.0).unwrap())
    }

    /// Its certificate, as it stands in the chain of those that it vouches for.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// Vouches for a host.
    pub(crate) fn vouch(&self, name: &str) -> Identity {
        self.vouch_for(name, YEAR)
    }

    /// Vouches for a host, for so many seconds.
    pub(crate) fn vouch_for(&self, name: &str, seconds: i64) -> Identity {
        let key = KeyPair::generate().unwrap();
        let signed = parameters(&[name], name, seconds).signed_by(&key, &self.0).unwrap();
        Identity { chain: vec![signed.der().clone()], pem: signed.pem(), key }
    }

    /// Vouches for a host from tomorrow on.
    pub(crate) fn vouch_from_tomorrow(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut parameters = parameters(&[name], name, YEAR);
        parameters.not_before = (SystemTime::now() + Duration::from_secs(86_400)).into();
        let signed = parameters.signed_by(&key, &self.0).unwrap();
        Identity { chain: vec![signed.der().clone()], pem: signed.pem(), key }
    }

    pub(crate) fn write(&self, directory: &Path, name: &str) -> PathBuf {
        let file = directory.join(format!("{name}.pem"));
        fs::write(&file, self.0.pem()).unwrap();
        file
    }

    /// What a client needs that trusts the authority, and shows a certificate, or none.
    pub(crate) fn client(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        self.client_of(identity, &[&rustls::version::TLS13, &rustls::version::TLS12])
    }

    pub(crate) fn client_of(
        &self,
        identity: Option<&Identity>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        Arc::new(match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
                builder.with_client_auth_cert(identity.chain.clone(), key).unwrap()
            }
        })
    }
}

impl Identity {
    /// One that nobody vouches for.
    pub(crate) fn of_its_own(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let signed = parameters(&[name], name, YEAR).self_signed(&key).unwrap();
        Self { chain: vec![signed.der().clone()], pem: signed.pem(), key }
    }

    /// Writes certificate and key.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) =
            (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key")));
        fs::write(&certificate, &self.pem).unwrap();
        fs::write(&key, self.key.serialize_pem()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        (certificate, key)
    }
}
