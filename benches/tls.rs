//! What TLS costs a receiver: Correlator and rsyslog, each over TCP and over TLS, on one load in one run.
//!
//! `cargo bench --profile dist --bench tls -- [RECORDS] [ROUNDS]` sends what `--bench peers` sends, over one connection,
//! plain and with TLS 1.3 (`TLS13_AES_256_GCM_SHA384`), and tells the best of the rounds, which take turns. The sender
//! encrypts on a core of its own. Both do the work of that bench; rsyslog's `imptcp` has no TLS, so it reads with
//! `imtcp` both times. `.ci/install` brings rsyslog and its driver for OpenSSL.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a tool for developers, on the command line"
)]

#[path = "support/load.rs"]
mod load;
#[path = "support/peers.rs"]
mod peers;
#[path = "support/process.rs"]
mod process;

use correlator::flood::SceneOptions;
use load::Load;
use peers::{Expected, Figures, Peer, configuration, lines, measure, rows};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use std::fs::{self, Permissions};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Each over TCP and over TLS.
const PEERS: [[Peer; 2]; 2] = [
    [
        Peer {
            name: "Correlator, events durable",
            command: |home, port| correlator(home, port, "tcp", &[]),
            is_done: rows,
        },
        Peer {
            name: "Correlator, events durable",
            command: |home, port| correlator(home, port, "tls", &["certificate", "key"]),
            is_done: rows,
        },
    ],
    [
        Peer { name: "rsyslog", command: |home, port| rsyslog(home, port, PLAIN), is_done: lines },
        Peer { name: "rsyslog", command: |home, port| rsyslog(home, port, SECURE), is_done: lines },
    ],
];

const PLAIN: &str = "module(load=\"imtcp\")";
const SECURE: &str = "global(DefaultNetstreamDriverCAFile=\"@DIRECTORY@/ca.pem\" \
     DefaultNetstreamDriverCertFile=\"@DIRECTORY@/certificate.pem\" \
     DefaultNetstreamDriverKeyFile=\"@DIRECTORY@/key.pem\")\n\
     module(load=\"imtcp\" StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"anon\")";

/// Options that name a file have it in its directory.
fn correlator(home: &Path, port: u16, scheme: &str, files: &[&str]) -> Command {
    let mut command = process::correlator();
    command.arg("serve").arg("--config").arg(configuration(home, port, "peers/correlator.toml"));
    command.arg("--data-dir").arg(home.join("data")).args(["--set", "server.durability=events"]);
    command.args(["--set", &format!("listeners.bench.address={scheme}://127.0.0.1:{port}")]);
    for file in files {
        let path = home.join(format!("{file}.pem"));
        command.args(["--set", &format!("listeners.bench.{file}={}", path.display())]);
    }
    command
}

/// The rules of the other bench, behind another module that reads.
fn rsyslog(home: &Path, port: u16, module: &str) -> Command {
    let file = configuration(home, port, "peers/rsyslog.conf");
    let text = fs::read_to_string(&file).unwrap();
    let module = module.replace("@DIRECTORY@", home.to_str().unwrap());
    let text = text.replace("module(load=\"imptcp\" threads=\"1\")", &module);
    fs::write(&file, text.replace("type=\"imptcp\"", "type=\"imtcp\"")).unwrap();
    let mut command = Command::new("rsyslogd");
    command.arg("-n").arg("-i").arg(home.join("pid")).arg("-f").arg(file);
    command
}

/// A certificate, and a client that trusts its authority.
struct Papers {
    files: [(&'static str, String); 3],
    client: Arc<ClientConfig>,
}

impl Papers {
    fn make() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        // One suite, so that nobody has an easier one.
        let cipher_suites = vec![ring::cipher_suite::TLS13_AES_256_GCM_SHA384];
        let provider = rustls::crypto::CryptoProvider { cipher_suites, ..ring::default_provider() };
        let client = ClientConfig::builder_with_provider(Arc::new(provider));
        let client = client.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let client = Arc::new(client.with_root_certificates(roots).with_no_client_auth());
        let files =
            [("ca", authority.pem()), ("certificate", certificate.pem()), ("key", key.serialize_pem())];
        Self { files, client }
    }

    fn put(&self, home: &Path) {
        for (name, pem) in &self.files {
            let path = home.join(format!("{name}.pem"));
            fs::write(&path, pem).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// Sends a stream in a session of its own.
    fn write(&self, socket: &mut TcpStream, stream: &[u8]) {
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = ClientConnection::new(Arc::clone(&self.client), name).unwrap();
        Stream::new(&mut session, socket).write_all(stream).unwrap();
        session.send_close_notify();
        while session.wants_write() {
            session.write_tls(socket).unwrap();
        }
    }
}

fn main() {
    let [records, rounds] = peers::numbers([2_000_000, 5], [1_000, 1]);
    let papers = Papers::make();
    let stream = Load::of(SceneOptions::default()).stream(records);
    let expected = Expected::of(&stream);
    let mut best: [[Option<Figures>; 2]; PEERS.len()] = [[None; 2]; PEERS.len()];
    for _ in 0..rounds {
        for (best, [plain, secure]) in best.iter_mut().zip(&PEERS) {
            let over_tcp = measure(plain, expected, |_| {}, |socket| socket.write_all(&stream).unwrap());
            let over_tls =
                measure(secure, expected, |home| papers.put(home), |socket| papers.write(socket, &stream));
            *best = [Figures::better(best[0], over_tcp), Figures::better(best[1], over_tls)];
        }
    }
    println!("{records} records over one connection: CPU time, the best of {rounds}");
    println!(
        "| | TCP, µs a record | TLS, µs a record | times | TCP, records a second | TLS, records a second | TLS, peak memory, MiB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for ([peer, _], figures) in PEERS.iter().zip(best) {
        let [Some(tcp), Some(tls)] = figures else {
            println!("| {} | not installed |", peer.name);
            continue;
        };
        let [over_tcp, over_tls] = [tcp, tls].map(|figures| figures.cpu_seconds * 1e6 / records as f64);
        let [tcp_rate, tls_rate] = [tcp, tls].map(|figures| records as f64 / figures.seconds);
        println!(
            "| {} | {over_tcp:.3} | {over_tls:.3} | {:.2} | {tcp_rate:.0} | {tls_rate:.0} | {:.0} |",
            peer.name,
            over_tls / over_tcp,
            tls.memory_mib
        );
    }
}
