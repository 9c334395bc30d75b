//! Floor 8: what `serve` tells its operator, on standard error: where it listens, and at the end the totals.

use crate::config::{Settings, Source};
use crate::dispatch::Totals;
use crate::ingest::Refusal;
use crate::journal::Identity;
use crate::pipeline::Ledger;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// Writes to standard error; where that is closed, nobody wants to know.
fn tell(text: &str) {
    std::io::stderr().lock().write_all(text.as_bytes()).ok();
}

/// Tells where the configuration is from, where data lie, and where the server listens.
pub(super) fn started(
    settings: &Settings,
    identity: &Identity,
    addresses: &[(String, SocketAddr)],
    capture: Option<&Path>,
) {
    tell(&start_text(settings, identity, addresses, capture).unwrap_or_default());
}

fn start_text(
    settings: &Settings,
    identity: &Identity,
    addresses: &[(String, SocketAddr)],
    capture: Option<&Path>,
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let built_in = matches!(settings.source, Source::BuiltIn);
    let apps: Vec<&str> = settings.apps.iter().map(|app| app.app.name.as_str()).collect();
    let source =
        if built_in { "no configuration found; built-in".into() } else { settings.source.to_string() };
    writeln!(text, "correlator {}  {source} {}", env!("CARGO_PKG_VERSION"), apps.join(", "))?;
    let data = settings.server.data_dir.display();
    writeln!(text, "data       {data}  (stream {}, run {})", identity.stream, identity.run)?;
    for handler in settings.active_handlers() {
        write!(text, "handler    {} ({}", handler.name, handler.options.type_name())?;
        match handler.options.directory() {
            Some(directory) => writeln!(text, ", {})", directory.display())?,
            None => writeln!(text, ", standard output)")?,
        }
    }
    if let Some(capture) = capture {
        writeln!(text, "capture    {}", capture.display())?;
    }
    let local = addresses.iter().all(|(_, address)| address.ip().is_loopback());
    let urls: Vec<String> = addresses.iter().map(|(_, address)| format!("tcp://{address}")).collect();
    let only = if local { "   this machine only" } else { "" };
    writeln!(text, "listening  {}{only}", urls.join("  "))?;
    if let Some((_, address)) = addresses.first().filter(|_| built_in) {
        let (ip, port) = (address.ip(), address.port());
        writeln!(text, "next       logger -n {ip} -P {port} -T --rfc5424 -t sshd -p auth.info \\")?;
        writeln!(text, "           \"Failed password for root from 203.0.113.9 port 5555 ssh2\"")?;
    }
    Ok(text)
}

/// Tells what came in and what became of it.
pub(super) fn ended(ledger: &Ledger, refused: &[(String, Refusal, u64)], delivered: &[Totals]) {
    tell(&end_text(ledger, refused, delivered).unwrap_or_default());
}

fn end_text(
    ledger: &Ledger,
    refused: &[(String, Refusal, u64)],
    delivered: &[Totals],
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let total = &ledger.total;
    writeln!(text, "received      {}", total.received)?;
    writeln!(text, "parsed        {}", total.parsed)?;
    write!(text, "rejected      {}", total.rejected())?;
    for (reject, count) in &total.rejected {
        write!(text, "  {} {count}", reject.name())?;
    }
    writeln!(text)?;
    for (what, count) in [("truncated", total.truncated), ("own", total.own), ("failed", total.failed)] {
        if count > 0 {
            writeln!(text, "{what:13} {count}")?;
        }
    }
    writeln!(text, "observations  {}", ledger.observations)?;
    writeln!(text, "events        {}", ledger.events)?;
    for totals in delivered {
        writeln!(text, "delivered     {totals}")?;
    }
    for (peer, refusal, count) in refused {
        writeln!(text, "refused       {peer}  {} {count}", refusal.name())?;
    }
    for (peer, counts) in ledger.peers.iter().filter(|(_, counts)| counts.rejected() > 0) {
        let peer = if peer.is_empty() { "other peers" } else { peer };
        write!(text, "of {peer}: {} received, {} rejected", counts.received, counts.rejected())?;
        for (reject, count) in &counts.rejected {
            write!(text, "  {} {count}", reject.name())?;
        }
        writeln!(text)?;
    }
    Ok(text)
}
