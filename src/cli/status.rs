//! Floor 8: `correlator status`: how the running server is.

use super::control::{Answer, Ask, Delivery, FollowedFile, Peer, SilentHost, Status, ask};
use super::text::{lasting, readable};
use super::{ConfigArgs, Exit, Failure, Format};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

/// Say how the running server is: what came in and what became of it, by peer and by handler
///
/// The counts of what came in are of this run; those of handlers are of the whole journal. The exit code is 1 when
/// something is wrong, which is told: dead letters, a handler that fails again and again or is put off for 15 minutes, a file that cannot be read, a full disk, a capture that has ended, a journal that was found damaged, sums that are not
/// right; and 3 when no server answers.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// How it is told; JSON is one object
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Asks the server how it is.
///
/// # Errors
/// When none answers.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let settings = args.config.load(&[], &[])?;
    let Answer { status, .. } = ask(&settings.server.data_dir, Ask::Status)?;
    let status = status.ok_or_else(|| anyhow::anyhow!("the server does not say how it is"))?;
    let text = match args.format {
        Format::Text => text(&status).unwrap_or_default(),
        Format::Json => serde_json::to_string(&status).map_err(anyhow::Error::from)? + "\n",
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if status.healthy { Exit::Done } else { Exit::Failed })
}

fn text(status: &Status) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let Status { version, stream, run, uptime_seconds, .. } = status;
    writeln!(
        text,
        "correlator {version}  stream {stream}, run {run}, up {}",
        lasting(Duration::from_secs(*uptime_seconds))
    )?;
    for listening in &status.listeners {
        writeln!(text, "listening     {}  {}", readable(&listening.name), listening.address)?;
    }
    for file in &status.files {
        writeln!(text, "following     {}  {}", readable(&file.name), followed(file))?;
    }
    let Status { received, parsed, rejected, failed, reasons, .. } = status;
    writeln!(
        text,
        "received      {}",
        sum(*received, [(*parsed, "parsed"), (*rejected, "rejected"), (*failed, "failed")], reasons)
    )?;
    for Peer { peer, received, parsed, rejected, failed, reasons } in &status.peers {
        let peer = if peer.is_empty() { "other peers".to_owned() } else { readable(peer) };
        let parts = [(*parsed, "parsed"), (*rejected, "rejected"), (*failed, "failed")];
        writeln!(text, "  {peer:<24}  {}", sum(*received, parts, reasons))?;
    }
    if status.other_peers > 0 {
        writeln!(text, "  and {} peers more", status.other_peers)?;
    }
    hosts(&mut text, status)?;
    for refused in &status.refused {
        writeln!(text, "refused       {}  {} {}", readable(&refused.peer), refused.reason, refused.count)?;
    }
    writeln!(text, "observations  {}\nevents        {}", status.observations, status.events)?;
    if let Some(last) = &status.last_commit {
        writeln!(text, "journal       {} MiB, last commit {last}", status.journal_bytes.div_ceil(1 << 20))?;
    }
    for delivery in &status.handlers {
        handler(&mut text, delivery)?;
    }
    match status.problems.as_slice() {
        [] => writeln!(text, "healthy")?,
        problems => {
            problems.iter().try_for_each(|problem| writeln!(text, "problem       {}", readable(problem)))?
        }
    }
    Ok(text)
}

/// How far a file is.
fn followed(file: &FollowedFile) -> String {
    let path = readable(&file.path);
    if let Some(trouble) = &file.trouble {
        return format!("{path}: {}", readable(trouble));
    }
    let Some(position) = file.position else { return format!("{path}: it is not there") };
    let lag = match file.lag {
        Some(0) => "all read".to_owned(),
        Some(lag) => format!("{lag} bytes behind"),
        None => "nobody knows how far behind".to_owned(),
    };
    let last = file.last_record.as_ref().map_or_else(String::new, |last| format!(", last record {last}"));
    format!("{path}: at {position}, {lag}{last}")
}

/// How many hosts there are, which are silent, and whose clocks are most off: a second is nothing, as times may have no
/// fractions.
fn hosts(text: &mut String, status: &Status) -> std::fmt::Result {
    let off = status.clocks.iter().filter(|clock| clock.ahead_seconds.abs() >= 1.5);
    let off: Vec<_> =
        off.map(|clock| format!("{} {:+.1} s", readable(&clock.host), clock.ahead_seconds)).collect();
    let off = if off.is_empty() { String::new() } else { format!("; clocks: {}", off.join(", ")) };
    let Status { hosts, known_hosts, silent_hosts, silent, hosts_full, unwatched, .. } = status;
    let is_silent = if *silent_hosts == 0 { String::new() } else { format!(", {silent_hosts} silent") };
    writeln!(text, "hosts         {known_hosts} known, {hosts} heard in this run{is_silent}{off}")?;
    for SilentHost { host, last } in silent {
        writeln!(text, "  silent  {}, last heard {last}", readable(host))?;
    }
    let further = silent_hosts.saturating_sub(silent.len() as u64);
    if further > 0 {
        writeln!(text, "  … and {further} more")?;
    }
    if *hosts_full || *unwatched > 0 {
        let room = if *hosts_full { "no room to know more" } else { "there was no room to know more" };
        writeln!(text, "  {room}: {unwatched} records of hosts that are not watched")?;
    }
    for (count, what) in [(status.ahead, "after"), (status.behind, "before")] {
        if count > 0 {
            let (records, whose) =
                if count == 1 { ("record has a time", "its") } else { ("records have times", "their") };
            writeln!(text, "  {count} {records} too far {what} {whose} arrival")?;
        }
    }
    Ok(())
}

fn handler(text: &mut String, delivery: &Delivery) -> std::fmt::Result {
    let gone = if delivery.runs { "" } else { "  (not configured any more)" };
    let parts = [
        (delivery.delivered, "delivered"),
        (delivery.filtered, "filtered"),
        (delivery.suppressed, "suppressed"),
        (delivery.digested, "digested"),
        (delivery.dead, "dead"),
        (delivery.dropped, "dropped"),
        (delivery.waiting, "waiting"),
    ];
    let sum = sum(delivery.all, parts, &BTreeMap::new());
    writeln!(text, "handler       {}{gone}  {sum}", readable(&delivery.handler))?;
    if let Some(seconds) = delivery.oldest_waiting_seconds {
        writeln!(text, "  the oldest waits since {}", lasting(Duration::from_secs(seconds)))?;
    }
    if let Some(failing) = &delivery.failing {
        let error = readable(&failing.error);
        let attempts = if failing.attempts == 1 { "attempt" } else { "attempts" };
        writeln!(text, "  fails since {}, after {} {attempts}: {error}", failing.since, failing.attempts)?;
    }
    Ok(())
}

/// A number and the parts that it is the sum of, without those of which there are none.
fn sum<const N: usize>(all: u64, parts: [(u64, &str); N], reasons: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| {
            let why: Vec<_> = reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
            let why = if what == "rejected" && !why.is_empty() {
                format!(" ({})", why.join(", "))
            } else {
                String::new()
            };
            format!("{count} {what}{why}")
        })
        .collect();
    if parts.is_empty() { all.to_string() } else { format!("{all} = {}", parts.join(" + ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_with_those_that_are_silent_and_how_many_more_there_are() {
        let silent = |host: &str| SilentHost { host: host.to_owned(), last: "noon".into() };
        let mut status = Status { hosts: 3, known_hosts: 9, ..Status::default() };
        let told = |status: &Status| {
            let mut text = String::new();
            hosts(&mut text, status).unwrap();
            text
        };
        assert_eq!(told(&status), "hosts         9 known, 3 heard in this run\n");
        (status.ahead, status.behind) = (1, 2);
        assert!(told(&status).contains(
            "  1 record has a time too far after its arrival\n  2 records have times too far before their arrival\n"
        ));
        (status.ahead, status.behind) = (0, 0);
        (status.silent_hosts, status.silent) = (5, vec![silent("web1"), silent("d\u{1b}b")]);
        let expected = "hosts         9 known, 3 heard in this run, 5 silent\n  silent  web1, last heard noon\n  \
                        silent  d\\x1bb, last heard noon\n  … and 3 more\n";
        assert_eq!(told(&status), expected);
    }

    #[test]
    fn a_file_is_told_with_what_is_known_of_it() {
        let absent = FollowedFile {
            name: "logs".into(),
            path: "/l\n".into(),
            position: None,
            lag: None,
            last_record: None,
            trouble: None,
        };
        let unread = FollowedFile { position: Some(5), ..absent.clone() };
        let read = FollowedFile { lag: Some(0), last_record: Some("now".into()), ..unread.clone() };
        let spoilt = FollowedFile { trouble: Some("it is no text".into()), ..read.clone() };
        let told = [absent, unread, read, spoilt].map(|file| followed(&file));
        let expected = [
            r"/l\n: it is not there",
            r"/l\n: at 5, nobody knows how far behind",
            r"/l\n: at 5, all read, last record now",
            r"/l\n: it is no text",
        ];
        assert_eq!(told, expected);
    }
}
