//! Floor 4: the names of CSV files, and which of those set aside are kept.

use crate::event::render::LocalTime;
use crate::time::{Timestamp, Zone};
use std::fs;
use std::io;
use std::path::Path;

/// Bytes of a module's name that a file's name takes at most; file systems allow 255 in all.
const MAX_MODULE_NAME: usize = 100;

/// The name of a kind's file without its extension. Whatever could leave the directory or hide in it is replaced.
pub(super) fn stem(module: &str, kind: &str) -> String {
    let module = if module.is_empty() { "server" } else { module };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let module: String =
        module.chars().map(|c| if allowed(c) { c } else { '_' }).take(MAX_MODULE_NAME).collect();
    format!("{module}-{kind}")
}

/// A file that was set aside, by the day and place in its name; these ascend with age's end.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SetAside {
    date: String,
    place: u32,
}

impl SetAside {
    fn name(&self, stem: &str) -> String {
        let Self { date, place } = self;
        if *place == 0 { format!("{stem}.{date}.csv") } else { format!("{stem}.{date}.{place}.csv") }
    }

    fn parse(stem: &str, name: &str) -> Option<Self> {
        let middle = name.strip_prefix(stem)?.strip_prefix('.')?.strip_suffix(".csv")?;
        let (date, place) = middle.split_once('.').unwrap_or((middle, "0"));
        let is_date = date.len() == 10
            && date.bytes().enumerate().all(|(index, byte)| match index {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        is_date.then(|| Some(Self { date: date.to_owned(), place: place.parse().ok()? }))?
    }
}

/// Renames the current file of a stem, and removes the oldest of those set aside but `keep`.
pub(super) fn set_aside(
    directory: &Path,
    stem: &str,
    last_row: Timestamp,
    zone: &Zone,
    keep: usize,
) -> io::Result<()> {
    let mut found = list(directory, stem)?;
    let mut date = Vec::new();
    LocalTime::new(zone.clone()).write_date(&mut date, last_row);
    let date = String::from_utf8_lossy(&date).into_owned();
    let last = found.iter().filter(|file| file.date == date).map(|file| file.place).max();
    let place = last.map_or(0, |place| place.saturating_add(1));
    let file = SetAside { date, place };
    fs::rename(directory.join(format!("{stem}.csv")), directory.join(file.name(stem)))?;
    found.push(file);
    found.sort();
    let surplus = found.len().saturating_sub(keep);
    for old in found.iter().take(surplus) {
        let path = directory.join(old.name(stem));
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "an old csv file could not be removed");
        }
    }
    Ok(())
}

fn list(directory: &Path, stem: &str) -> io::Result<Vec<SetAside>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| SetAside::parse(stem, name)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_directory() {
        assert_eq!(stem("openssh", "SSHDStats"), "openssh-SSHDStats");
        assert_eq!(stem("../etc/.x y", "SSHDStats"), "___etc__x_y-SSHDStats");
        assert_eq!(stem("", "ServerStats"), "server-ServerStats");
        assert!(stem(&"日".repeat(1000), "SSHDStats").len() < 120);
    }

    #[test]
    fn only_names_of_our_own_making_are_taken_for_files_set_aside() {
        let parse = |name| SetAside::parse("m-K", name).map(|file| (file.date, file.place));
        assert_eq!(parse("m-K.2026-02-01.csv"), Some(("2026-02-01".into(), 0)));
        assert_eq!(parse("m-K.2026-02-01.12.csv"), Some(("2026-02-01".into(), 12)));
        for other in [
            "m-K.csv",
            "m-K.2026-02-01.csv.gz",
            "m-K.notes.csv",
            "m-K.2026-02-01.x.csv",
            "m-KX.2026-02-01.csv",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
