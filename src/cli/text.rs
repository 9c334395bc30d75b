//! Floor 8: text for people, and lists for programs.

use crate::config::{Durability, Listener, Settings};
use crate::event::render;
use crate::handlers::heartbeat;
use crate::journal::disk_use;
use crate::limits;
use rustix::fs::statvfs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Text that came from elsewhere, safe for a terminal.
pub(super) fn readable(text: &str) -> String {
    let mut out = Vec::new();
    render::readable(&mut out, text.as_bytes());
    String::from_utf8(out).unwrap_or_default()
}

/// Text of several lines, safe for a terminal. Lines that go on, which are indented, stay lines; so nothing in a name can begin
/// one that looks like another message.
pub(super) fn readable_lines(text: &str) -> String {
    text.split(GOES_ON).map(readable).collect::<Vec<_>>().join(GOES_ON)
}

/// Where a message goes on in another line.
const GOES_ON: &str = "\n  ";

/// A path, safe for a terminal.
pub(super) fn shown(path: &Path) -> String {
    let mut out = Vec::new();
    render::readable(&mut out, path.as_os_str().as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

/// A length of time, in its two largest units.
pub(super) fn lasting(time: Duration) -> String {
    let mut out = Vec::new();
    render::human_duration(&mut out, time);
    String::from_utf8(out).unwrap_or_default()
}

/// Breaks text at blanks into lines of at most `width` characters; a longer word has a line of its own.
pub(super) fn wrap(text: &str, width: usize) -> impl Iterator<Item = String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let more = word.chars().count();
        if length > 0 && length + 1 + more > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += more;
    }
    lines.push(line);
    lines.into_iter()
}

/// Warns of a listener that everybody may send to.
pub(super) fn exposure(listener: &Listener) -> Option<String> {
    let open = listener.options().filter(|options| options.is_open());
    let urls: Vec<_> = open.map(|options| options.address.to_string()).collect();
    let (name, urls) = (&listener.name, Some(urls.join(" and ")).filter(|urls| !urls.is_empty())?);
    Some(format!(
        "listener `{name}` takes records from everybody who reaches {urls}; `allow_from` in the listener's \
         configuration says who may send"
    ))
}

/// Warns of options in which a secret seems to stand, and of those by which one goes through the network in the clear.
pub(super) fn secrets_in_plain(settings: &Settings) -> impl Iterator<Item = String> {
    let unencrypted = settings.active_handlers().filter_map(|handler| {
        let option = handler.options.unencrypted()?;
        Some(format!(
            "`handlers.{}.{option}` begins with http:// and leads to another machine: events, and the credentials that go \
             with them, can be read on the way; https:// encrypts them",
            handler.name
        ))
    });
    let heartbeat = settings.server.heartbeat.as_ref().filter(|url| heartbeat::is_exposed(url));
    let of_handlers = settings.active_handlers().flat_map(|handler| {
        let exposed = handler.options.exposed().into_iter();
        exposed.map(|option| format!("handlers.{}.{option}", handler.name))
    });
    let exposed = of_handlers.chain(heartbeat.map(|_| "server.heartbeat".to_owned())).map(|option| {
        format!(
            "`{option}` seems to hold a secret; name a credential in its place, as in {{ credential = \"NAME\" }}, so \
             that it does not stand in the configuration"
        )
    });
    exposed.chain(unencrypted)
}

/// Says what handlers need of this machine that is not there.
pub(super) fn lacking(settings: &Settings) -> impl Iterator<Item = String> {
    settings.active_handlers().filter_map(|handler| {
        let lacks = handler.options.lacks(&settings.server.data_dir)?;
        Some(format!("handler `{}` cannot work as it is: {lacks}", handler.name))
    })
}

/// Says that the disk has no room for the segments that a journal begins with, if that is so.
pub(super) fn lacking_room(settings: &Settings) -> Option<String> {
    let (data, journal) = (&settings.server.data_dir, &settings.server.journal);
    let events = journal.segment_size.min(limits::EVENTS_SEGMENT_SIZE).saturating_mul(2);
    let needed = match journal.durability {
        Durability::Observations => events.saturating_add(journal.segment_size),
        Durability::Events => events,
        Durability::None => return None,
    };
    let disk = statvfs(data.ancestors().find(|path| path.exists())?).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    (free.saturating_add(disk_use(data)) < needed).then(|| {
        format!(
            "the segments that the journal begins with take {} MiB, one of them {} MiB, and {} MiB are free for {}: without \
             room no input is taken; `journal_segment_size` in [server] makes them smaller",
            mib(needed),
            mib(journal.segment_size),
            free >> 20,
            data.display()
        )
    })
}

/// Writes values as one JSON array, each on a line of its own.
pub(super) fn write_array(
    out: &mut impl Write,
    values: impl IntoIterator<Item = serde_json::Value>,
) -> io::Result<()> {
    let mut before = "[\n";
    for value in values {
        write!(out, "{before}{value}")?;
        before = ",\n";
    }
    out.write_all(if before == "[\n" { b"[]\n" } else { b"\n]\n" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_blanks() {
        assert_eq!(wrap("one two three", 7).collect::<Vec<_>>(), ["one two", "three"]);
        assert_eq!(wrap("unbreakable x", 4).collect::<Vec<_>>(), ["unbreakable", "x"]);
        assert_eq!(wrap("äöü äöü", 7).collect::<Vec<_>>(), ["äöü äöü"]);
        assert_eq!(wrap("", 7).collect::<Vec<_>>(), [""]);
    }
}
