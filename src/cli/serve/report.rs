//! Floor 8: what `serve` tells its operator, on standard error: where it listens, and at the end the totals.

use crate::cli::text::{readable, shown};
use crate::config::{LogFormat, Settings, Source};
use crate::dispatch::Totals;
use crate::ingest::{Address, Refusal};
use crate::journal::Identity;
use crate::pipeline::Ledger;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// Writes to standard error; where that is closed, nobody wants to know. Where a program reads it, each line goes to the
/// log, so that everything is in one format.
fn tell(text: &str, format: LogFormat) {
    match format {
        LogFormat::Text => drop(std::io::stderr().lock().write_all(text.as_bytes())),
        LogFormat::Json => text.lines().for_each(|line| tracing::info!("{line}")),
    }
}

/// Tells where the configuration is from, where data lie, and where the server listens.
pub(super) fn started(
    settings: &Settings,
    identity: &Identity,
    addresses: &[(String, Address)],
    capture: Option<&Path>,
) {
    let text = start_text(settings, identity, addresses, capture).unwrap_or_default();
    tell(&text, settings.server.log.format);
}

/// What a service manager shows of a server that is ready.
pub(super) fn listening(addresses: &[(String, Address)]) -> String {
    let urls: Vec<String> = addresses.iter().map(|(_, address)| address.to_string()).collect();
    format!("listening on {}", urls.join(" "))
}

fn start_text(
    settings: &Settings,
    identity: &Identity,
    addresses: &[(String, Address)],
    capture: Option<&Path>,
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let built_in = matches!(settings.source, Source::BuiltIn);
    let apps: Vec<&str> = settings.apps.iter().map(|app| app.app.name.as_str()).collect();
    let source = if built_in {
        "no configuration found; built-in".into()
    } else {
        readable(&settings.source.to_string())
    };
    writeln!(text, "correlator {}  {source} {}", env!("CARGO_PKG_VERSION"), apps.join(", "))?;
    let data = shown(&settings.server.data_dir);
    writeln!(text, "data       {data}  (stream {}, run {})", identity.stream, identity.run)?;
    for handler in settings.active_handlers() {
        let (kind, destination) = (handler.options.type_name(), handler.options.destination());
        writeln!(text, "handler    {} ({kind}, {})", handler.name, readable(&destination))?;
    }
    if let Some(capture) = capture {
        writeln!(text, "capture    {}", shown(capture))?;
    }
    let local = addresses.iter().all(|(_, address)| address.is_local());
    let urls: Vec<String> = addresses.iter().map(|(_, address)| readable(&address.to_string())).collect();
    let only = if local { "   this machine only" } else { "" };
    writeln!(text, "listening  {}{only}", urls.join("  "))?;
    for files in &settings.files {
        let patterns: Vec<String> =
            files.patterns.iter().map(|pattern| readable(&pattern.to_string())).collect();
        writeln!(text, "following  {}", patterns.join("  "))?;
    }
    let first = addresses.first().and_then(|(_, address)| address.socket());
    if let Some(address) = first.filter(|_| built_in) {
        let (ip, port) = (address.ip(), address.port());
        writeln!(text, "next       logger -n {ip} -P {port} -T --rfc5424 -t sshd -p auth.info \\")?;
        writeln!(text, "           \"Failed password for root from 203.0.113.9 port 5555 ssh2\"")?;
    }
    Ok(text)
}

/// Tells what came in and what became of it.
pub(super) fn ended(
    ledger: &Ledger,
    refused: &[(String, Refusal, u64)],
    delivered: &[Totals],
    format: LogFormat,
) {
    tell(&end_text(ledger, refused, delivered).unwrap_or_default(), format);
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
    writeln!(text, "events        {}", ledger.raised())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Request};

    #[test]
    fn the_start_tells_where_events_go_and_no_secret() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("correlator.toml");
        let text = "\
            [apps.a]\nhandlers = [\"hook\", \"hidden\", \"mail\", \"ban\", \"siem\", \"screen\"]\n\
            [apps.a.modules.s]\ntype = \"sshd\"\n\
            [handlers.hook]\ntype = \"webhook\"\nurl = \"https://me:s3cret@h.example:8443/T0/k3y?q=1\"\n\
            [handlers.hidden]\ntype = \"webhook\"\nurl = { credential = \"slack/url\" }\n\
            [handlers.mail]\ntype = \"email\"\nsmtp = \"smtp://mx.example\"\nfrom = \"a@b.example\"\nto = [\"c@b.example\"]\n\
            [handlers.ban]\ntype = \"exec\"\ncommand = [\"/bin/ban\", \"--now\"]\n\
            [handlers.siem]\ntype = \"syslog\"\naddress = \"tcp://siem.example:601\"\n\
            [handlers.screen]\ntype = \"log\"\n";
        std::fs::write(&file, text).unwrap();
        let request =
            Request { config: Some(file), data_dir: Some(home.path().join("data")), ..Request::default() };
        let settings = Settings::load(&request, &Environment::default()).unwrap();
        let identity = Identity::claim(home.path()).unwrap();
        let text = start_text(&settings, &identity, &[], None).unwrap();
        for line in [
            "handler    hook (webhook, https://h.example:8443)",
            "handler    hidden (webhook, URL in the credential `slack/url`)",
            "handler    mail (email, smtp://mx.example:587)",
            "handler    ban (exec, /bin/ban)",
            "handler    siem (syslog, tcp://siem.example:601)",
            "handler    screen (log, standard output)",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(!["s3cret", "k3y"].iter().any(|secret| text.contains(secret)), "{text}");
    }

    #[test]
    fn the_readme_shows_what_is_told_at_the_start() {
        let environment = Environment {
            home: Some("/home/you".into()),
            default_file: "/nonexistent".into(),
            ..Environment::default()
        };
        let settings = Settings::load(&Request::default(), &environment).unwrap();
        let home = tempfile::tempdir().unwrap();
        let identity = Identity::claim(home.path()).unwrap();
        let addresses = ["127.0.0.1:5140", "[::1]:5140"];
        let addresses = addresses.map(|at| ("local".to_owned(), Address::Tcp(at.parse().unwrap())));
        let text = start_text(&settings, &identity, &addresses, None).unwrap();
        let text = text.replace(&identity.stream.to_string(), "8twn2p4se3wm7");
        let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
        let shown: String = text.lines().map(|line| format!("    {line}\n")).collect();
        assert!(readme.contains(&shown), "README.md lacks\n{shown}");
    }
}
