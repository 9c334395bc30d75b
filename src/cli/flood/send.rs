//! Floor 8: `correlator flood send`: many records, over many connections.

use crate::capture::Reader;
use crate::cli::text::readable;
use crate::cli::{Exit, Failure, Format, value};
use crate::flood::{self, Amount, Destination, Recorded, Report, SceneOptions, Source};
use crate::limits;
use anyhow::Context;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Send records, generated or out of a capture
///
/// Generated records are of RFC 5424, with the time at which they are sent: sessions of sshd from their first record to
/// their last, among records of other programs. What has begun when the end comes is told to its end, so that a few
/// records more than --records may go out. Over streams they are octet-counted (RFC 6587). The exit code is 3 when a
/// connection fails, or the server refuses it.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The server: tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT, unix:///PATH or unix-datagram:///PATH
    #[arg(value_name = "URL")]
    to: Destination,

    /// Records in all [default: 1000000, if --for is not given]
    #[arg(long, value_name = "N", conflicts_with = "time")]
    records: Option<u64>,

    /// How long it lasts, as in `30s` or `10m`
    #[arg(long = "for", value_name = "TIME", value_parser = value::time_span)]
    time: Option<Duration>,

    /// Records a second over all connections [default: as many as the server takes]
    #[arg(long, value_name = "N", value_parser = value::rate)]
    rate: Option<f64>,

    /// Connections at a time; each speaks for a part of the hosts
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=limits::MAX_FLOOD_CONNECTIONS as u64))]
    connections: u64,

    /// Of 100 records, how many are sshd's
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u64).range(0..=100))]
    sshd: u64,

    /// Of 100 connections to sshd, how many log in; the others fail, as in a storm of guesses with 0
    #[arg(long, value_name = "PERCENT", default_value_t = 58, value_parser = clap::value_parser!(u64).range(0..=100))]
    logins: u64,

    /// Addresses that connections come from
    #[arg(long, value_name = "N", default_value_t = 250_000,
        value_parser = clap::value_parser!(u64).range(1..=flood::MAX_SOURCES))]
    sources: u64,

    /// Hosts of the fleet
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    hosts: u64,

    /// What chance begins with: the same gives the same sessions
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Send the records of this capture, over and over, instead of generated ones
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sshd", "logins", "sources", "hosts", "seed", "truth"])]
    capture: Option<PathBuf>,

    /// Write the events that must come of it to this file, for `flood check`
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,

    /// Verify a server over TLS by the authorities in this file [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Show a server over TLS the certificate in this file
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The key of that certificate
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// How the outcome is shown; JSON is one object
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Sends the flood.
///
/// # Errors
/// Says which file cannot be read or written, and why.
pub(in crate::cli) fn run(args: Args) -> Result<Exit, Failure> {
    let connections = usize::try_from(args.connections).unwrap_or(limits::MAX_FLOOD_CONNECTIONS);
    let source = match &args.capture {
        Some(path) => Source::Capture(Arc::new(recorded(path, connections)?)),
        None => Source::Scene(SceneOptions {
            seed: args.seed,
            sshd_percent: args.sshd,
            logins_percent: args.logins,
            sources: args.sources,
            hosts: args.hosts,
            ..SceneOptions::default()
        }),
    };
    let truths = match &args.truth {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
            Some(Box::new(BufWriter::new(file)) as Box<dyn Write + Send>)
        }
        None => None,
    };
    let amount = args.time.map_or(Amount::Records(args.records.unwrap_or(1_000_000)), Amount::Time);
    let (to, ca, identity, rate) = (args.to, args.ca, args.cert.zip(args.key), args.rate);
    let options = flood::Options { to, ca, identity, connections, rate, amount, source, truths };
    let report = flood::run(options).context("the flood cannot be sent")?;
    write(&report, args.format)?;
    Ok(if report.failed == 0 { Exit::Done } else { Exit::Environment })
}

fn recorded(path: &Path, connections: usize) -> anyhow::Result<Recorded> {
    let what = || format!("cannot send {}", path.display());
    let reader = Reader::open(path).with_context(what)?;
    Recorded::read(reader, connections).with_context(what)
}

fn write(report: &Report, format: Format) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if format == Format::Json {
        serde_json::to_writer(&mut out, report).context("cannot write the outcome")?;
        writeln!(out)?;
        return Ok(());
    }
    let Report { records, bytes, seconds, connections, failed, failures } = report;
    writeln!(out, "{records} records, {bytes} bytes, over {connections} connections in {seconds:.2} s")?;
    writeln!(out, "{:.0} records a second", report.rate())?;
    if *failed > 0 {
        writeln!(out, "{failed} connections failed:")?;
    }
    for failure in failures {
        writeln!(out, "  {}", readable(failure))?;
    }
    Ok(())
}
