//! Floor 4: a server for tests, on loopback, that records requests and answers them as it is told to.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(in crate::handlers) struct Request {
    pub(in crate::handlers) path: String,
    /// By names in lower case.
    pub(in crate::handlers) headers: BTreeMap<String, String>,
    pub(in crate::handlers) body: Vec<u8>,
}

impl Request {
    pub(in crate::handlers) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub(in crate::handlers) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(in crate::handlers) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What the server does about a request.
#[derive(Clone, Debug)]
pub(in crate::handlers) enum Reply {
    /// Answers.
    Answer { status: u16, headers: Vec<(String, String)>, body: String },
    /// Never answers.
    Hang,
    /// Closes the connection.
    Drop,
    /// Answers without an end.
    Flood(u16),
    /// Answers with a body that breaks off, and keeps the connection.
    HalfBody(u16),
}

impl Reply {
    pub(in crate::handlers) fn status(status: u16) -> Self {
        Self::with(status, "")
    }

    pub(in crate::handlers) fn with(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.to_owned() }
    }

    pub(in crate::handlers) fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

type Script = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

#[derive(Clone)]
struct Shared {
    script: Script,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
}

/// A server.
pub(in crate::handlers) struct Server {
    shared: Shared,
    base: String,
}

impl Server {
    pub(in crate::handlers) async fn start(
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Arc::new(script), None).await
    }

    /// Speaks TLS, vouched for by the authority that is written to `ca.pem`.
    pub(in crate::handlers) async fn with_tls(
        directory: &Path,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let certified = certified(directory);
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certified.0], certified.1).unwrap();
        Self::serve(Arc::new(script), Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn serve(script: Script, tls: Option<TlsAcceptor>) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let base = format!("{}://localhost:{port}", if tls.is_some() { "https" } else { "http" });
        let shared = Shared { script, requests: Arc::default(), connections: Arc::default() };
        let served = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                served.connections.fetch_add(1, SeqCst);
                let (shared, tls) = (served.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => shared.connection(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                shared.connection(stream).await;
                            }
                        }
                    }
                });
            }
        });
        Self { shared, base }
    }

    pub(in crate::handlers) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(in crate::handlers) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub(in crate::handlers) fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }
}

impl Shared {
    async fn connection(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut buffer = Vec::new();
        while let Some(request) = request(&mut stream, &mut buffer).await {
            let reply = (self.script)(&request);
            self.requests.lock().unwrap().push(request);
            // A client that has gone away is none of the server's business.
            match reply {
                Reply::Answer { status, headers, body } => {
                    let headers: String =
                        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                    let length = body.len();
                    let head =
                        format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}");
                    stream.write_all(head.as_bytes()).await.ok();
                }
                Reply::Hang => std::future::pending().await,
                Reply::Drop => return,
                Reply::Flood(status) => {
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 99999999999\r\n\r\n");
                    stream.write_all(head.as_bytes()).await.ok();
                    while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
                    return;
                }
                Reply::HalfBody(status) => {
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 100\r\n\r\nhalf");
                    stream.write_all(head.as_bytes()).await.ok();
                    std::future::pending().await
                }
            }
        }
    }
}

async fn request(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers: BTreeMap<_, _> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < end + 4 + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer[end + 4..end + 4 + length].to_vec();
    buffer.drain(..end + 4 + length);
    Some(Request { path, headers, body })
}

/// Makes an authority, written to `ca.pem`, and a certificate for localhost, written to `server.pem` and `server.key`.
pub(in crate::handlers) fn certified(directory: &Path) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "Test authority");
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &issuer).unwrap();
    fs::write(directory.join("ca.pem"), root.pem()).unwrap();
    fs::write(directory.join("server.pem"), server.pem()).unwrap();
    fs::write(directory.join("server.key"), key.serialize_pem()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    (server.der().clone(), key)
}
