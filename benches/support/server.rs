//! A server as a child process, whose handler writes JSON to its standard output.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails should fail loudly")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};

/// Starts a server whose files lie in `home`, with options over its configuration, and waits until it listens.
pub(crate) fn serve(home: &Path, set: &[&str], out: Stdio) -> (Child, SocketAddr) {
    let config = home.join("correlator.toml");
    let text = "[listeners.bench]\naddress = \"tcp://127.0.0.1:0\"\nmax_connections_per_peer = 20000\n\
                [apps.bench]\nhandlers = [\"out\"]\n[apps.bench.modules.openssh]\ntype = \"sshd\"\n\
                [handlers.out]\ntype = \"log\"\nformat = \"json\"\n";
    std::fs::write(&config, text).unwrap();
    let mut child = super::process::correlator()
        .args(["serve", "--config"])
        .arg(config)
        .arg("--data-dir")
        .arg(home.join("data"))
        .args(set.iter().flat_map(|option| ["--set", option]))
        .stdout(out)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.split("tcp://").nth(1)?.split_whitespace().next()?.parse().ok());
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.expect("the server listens"))
}
