//! Floor 8: whether the files that are to be followed can be, as `check` tells it.
//!
//! A file may come later, so one that is not there is no error. One that is there and cannot be read would be passed over
//! until somebody sees to it.

use super::Findings;
use crate::config::Settings;
use crate::ingest::follow::{Absent, Survey};
use crate::limits;
use rustix::process::geteuid;
use std::collections::BTreeMap;
use std::path::PathBuf;

impl Findings {
    /// Whether what the followed files' patterns name can be read by this user.
    pub(super) fn files(&mut self, settings: &Settings) {
        let (mut count, mut is_closed) = (0, false);
        let mut sections = BTreeMap::new();
        for section in &settings.files {
            let name = &section.name;
            let Survey { files, closed, closes_more, cut, absent } = Survey::new(&section.patterns);
            count += files.len();
            let other_of = |path: PathBuf| Some((sections.insert(path.clone(), name)?, path));
            let twice: Vec<_> = files.into_iter().filter_map(other_of).collect();
            if let Some((other, path)) = twice.first() {
                let more = match twice.len() - 1 {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let path = path.display();
                self.warnings.push(format!(
                    "files `{name}`: `{other}` names {path}{more}, too: what is named twice is read twice"
                ));
            }
            is_closed |= !closed.is_empty();
            let further = closed.len().saturating_sub(limits::MAX_TOLD_CLOSED);
            let told = closed.iter().take(limits::MAX_TOLD_CLOSED);
            self.errors.extend(
                told.map(|(path, why)| format!("files `{name}`: cannot follow {}: {why}", path.display())),
            );
            if further > 0 {
                let least = if closes_more { "at least " } else { "" };
                self.errors.push(format!("files `{name}`: {least}{further} more cannot be followed"));
            }
            if cut {
                self.warnings.push(format!(
                    "files `{name}`: a directory has more than the {} entries that are looked at",
                    limits::MAX_LISTED_FILES
                ));
            }
            for Absent { pattern, missing } in absent {
                match missing {
                    Some(directory) => self.warnings.push(format!(
                        "files `{name}`: {pattern} names nothing, since there is no directory {}; its files are followed \
                         once they come",
                        directory.display()
                    )),
                    None => self.notes.push(format!(
                        "files `{name}`: {pattern} names no file now; one that comes is followed"
                    )),
                }
            }
        }
        if is_closed {
            let user = geteuid().as_raw();
            self.notes
                .push(format!("files were looked at as the user with the ID {user}, who runs this check"));
        }
        if count > limits::MAX_FOLLOWED_FILES {
            let most = limits::MAX_FOLLOWED_FILES;
            self.warnings.push(format!("{count} files are there to be followed, and {most} are at once"));
        }
    }
}
