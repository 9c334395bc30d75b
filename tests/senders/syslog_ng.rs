//! syslog-ng as a sender, over TCP in both of its forms, and over TLS with a certificate.

use crate::child::{Guard, wait_for};
use crate::pki::Authority;
use crate::server::{Server, configuration};
use serde_json::Value;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where `.ci/install` unpacks it, because as packages it and rsyslog exclude each other.
const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers");

/// syslog-ng with a socket of its own, whose records it forwards.
struct SyslogNg {
    _child: Guard,
    socket: PathBuf,
}

impl SyslogNg {
    fn start(home: &Path, destination: &str) -> Self {
        let socket = home.join("log.sock");
        let configuration = format!(
            "@version: 3.35\noptions {{ use-dns(no); dns-cache(no); keep-hostname(yes); stats-freq(0); time-reopen(1); }};\n\
             source local {{ unix-dgram(\"{}\"); }};\ndestination far {{ {destination} }};\n\
             log {{ source(local); destination(far); }};\n",
            socket.display()
        );
        fs::write(home.join("syslog-ng.conf"), configuration).unwrap();
        let mut command = syslog_ng();
        command.args(["--foreground", "--no-caps", "--cfgfile"]).arg(home.join("syslog-ng.conf"));
        for (option, file) in [("--persist-file", "persist"), ("--pidfile", "pid"), ("--control", "control")]
        {
            command.arg(option).arg(home.join(file));
        }
        let errors = fs::File::create(home.join("syslog-ng.err")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(errors).spawn().unwrap();
        Self { _child: Guard(child), socket }
    }

    /// Logs a message; waits until there is somebody to take it.
    fn log(&self, message: &str) {
        let sender = UnixDatagram::unbound().unwrap();
        wait_for("the socket of syslog-ng", || sender.connect(&self.socket).ok());
        sender.send(format!("<38>Nov 30 11:11:11 sshd[4711]: {message}").as_bytes()).unwrap();
    }
}

/// The program, as it was unpacked.
fn syslog_ng() -> Command {
    let root = Path::new(UNPACKED);
    let libraries = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "usr/lib/syslog-ng"];
    let libraries = std::env::join_paths(libraries.map(|library| root.join(library)));
    let mut command = Command::new(root.join("usr/sbin/syslog-ng"));
    command.env("LD_LIBRARY_PATH", libraries.unwrap());
    command.arg("--module-path").arg(root.join("usr/lib/syslog-ng/3.38"));
    command
}

fn has_syslog_ng() -> bool {
    let tried = syslog_ng().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let works = tried.is_ok_and(|status| status.success());
    if !works {
        println!("skipped: needs syslog-ng");
    }
    works
}

/// Sends some records through a destination, and checks what was made of them.
fn send(home: &Path, server: &mut Server, destination: &str) {
    let sender = SyslogNg::start(home, destination);
    let messages = (0..20).map(|number| format!("it's \"record\" {number} \\ [x] ü")).collect::<Vec<_>>();
    messages.iter().for_each(|message| sender.log(message));
    for message in &messages {
        let event = server.next("ReportRecord");
        let fields = ["app_name", "procid", "facility", "level", "message"];
        let read = fields.map(|field| event["fields"][field].as_str().unwrap_or("-"));
        assert_eq!(read, ["sshd", "4711", "auth", "info", message], "{destination}");
        assert_ne!(event["fields"]["host"], Value::Null, "{destination}");
    }
}

#[test]
fn syslog_ng_sends_over_tcp_counted_and_delimited() {
    if !has_syslog_ng() {
        return;
    }
    for form in ["syslog(ADDRESS)", "network(ADDRESS)", "network(ADDRESS flags(syslog-protocol))"] {
        let home = tempfile::tempdir().unwrap();
        let mut server = Server::start(home.path(), &configuration("address = \"tcp://127.0.0.1:0\""), &[]);
        let address = format!("\"127.0.0.1\" port({}) transport(\"tcp\")", server.address.port());
        send(home.path(), &mut server, &format!("{};", form.replace("ADDRESS", &address)));
        server.stop();
    }
}

#[test]
fn syslog_ng_sends_over_tls_with_a_certificate() {
    if !has_syslog_ng() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let authority = Authority::new("fleet CA");
    let ca = authority.write(home, "ca").display().to_string();
    // It wants the name by which it connects in the certificate.
    let (certificate, key) = authority.vouch("127.0.0.1").write(home, "server");
    let (client, client_key) = authority.vouch("web-1.example").write(home, "client");
    let options = format!(
        "address = \"tls://127.0.0.1:0\"\ncertificate = \"{}\"\nkey = \"{}\"\nclient_ca = \"{ca}\"\n\
         permitted_names = [\"web-1.example\"]",
        certificate.display(),
        key.display()
    );
    let mut server = Server::start(home, &configuration(&options), &[]);
    let destination = format!(
        "syslog(\"127.0.0.1\" port({}) transport(\"tls\") tls(peer-verify(required-trusted) ca-file(\"{ca}\") \
         cert-file(\"{}\") key-file(\"{}\")));",
        server.address.port(),
        client.display(),
        client_key.display()
    );
    send(home, &mut server, &destination);
    server.stop();
}
