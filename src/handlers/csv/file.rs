//! Floor 4: one current CSV file: opened, mended, appended to, set aside.
//!
//! Others may rename, remove or truncate the file at any time, as logrotate does: each append first compares what the
//! path names with what is open. Two processes never write one file: who has it open holds a lock on it.

use super::{Rotate, Shared, rotation};
use crate::time::Timestamp;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What a file's group may do besides its owner: read.
const FILE_MODE: u32 = 0o640;
/// The same for a directory that we create; others can only be more closed, as the data directory is.
const DIRECTORY_MODE: u32 = 0o750;
/// Bytes that are read at once in search of the last whole row.
const SEARCH_STEP: usize = 64 * 1024;

/// Why rows could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// The system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path is a device, a pipe or a directory.
    #[error("cannot write to `{}`: it is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Another process writes the file.
    #[error("cannot write to `{}`: another process has it open", .0.display())]
    InUse(PathBuf),
}

/// A file that is open.
struct Open {
    file: File,
    identity: (u64, u64),
    len: u64,
    last_row: Timestamp,
    /// When the day of the last row ends.
    day_end: Timestamp,
}

impl Drop for Open {
    fn drop(&mut self) {
        // Closing it would not do: a child that was forked and has not come to its own program yet holds a copy, and with it
        // the lock.
        self.file.unlock().ok();
    }
}

/// The current file of a module and kind.
pub(super) struct CsvFile {
    stem: String,
    path: PathBuf,
    header: Vec<u8>,
    open: Option<Open>,
    /// Whether the file was open before in this process.
    started: bool,
}

impl CsvFile {
    pub(super) fn new(shared: &Shared, stem: String, header: Vec<u8>) -> Self {
        let path = shared.directory.join(format!("{stem}.csv"));
        Self { stem, path, header, open: None, started: false }
    }

    pub(super) fn stem(&self) -> &str {
        &self.stem
    }

    /// Sets the file aside if it is open and its day has ended.
    pub(super) fn turn_over(&mut self, shared: &Shared, now: Timestamp) -> Result<(), FileError> {
        let over = self.open.as_ref().is_some_and(|open| open.day_end <= now && self.has_rows(open));
        if over && shared.rotate == Rotate::Daily && self.is_current()? {
            self.set_aside(shared)?;
        }
        Ok(())
    }

    /// Appends rows; after an error the file is as it was.
    pub(super) fn append(&mut self, shared: &Shared, rows: &[u8], now: Timestamp) -> Result<(), FileError> {
        if !self.is_current()? {
            self.open(shared, now)?;
        }
        if self.is_full(shared, rows.len() as u64) {
            self.set_aside(shared)?;
            self.open(shared, now)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        // A header is written together with the first rows, so that no file has one alone.
        let with_header;
        let written = if open.len == 0 {
            with_header = [&self.header, rows].concat();
            &with_header
        } else {
            rows
        };
        if let Err(source) = open.file.write_all(written) {
            // Should this fail too, the torn row is cut when the file is next opened.
            open.file.set_len(open.len).ok();
            self.open = None;
            return Err(self.error("write to", source));
        }
        open.len += written.len() as u64;
        if open.day_end <= now || open.last_row > now {
            open.day_end = shared.zone.next_midnight(now);
        }
        open.last_row = now;
        Ok(())
    }

    /// Whether the open file is what the path names, and as long as we left it.
    fn is_current(&mut self) -> Result<bool, FileError> {
        let Some(open) = &self.open else { return Ok(false) };
        let current = match self.path.metadata() {
            Ok(found) => (found.dev(), found.ino()) == open.identity && found.len() == open.len,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(source) => return Err(self.error("look at", source)),
        };
        if !current {
            self.open = None;
        }
        Ok(current)
    }

    fn is_full(&self, shared: &Shared, more: u64) -> bool {
        let Some(open) = &self.open else { return false };
        self.has_rows(open)
            && matches!(shared.rotate, Rotate::Size(limit) if open.len.saturating_add(more) > limit)
    }

    fn has_rows(&self, open: &Open) -> bool {
        open.len > self.header.len() as u64
    }

    /// Opens the file, with its torn last row cut off; sets it aside first where its columns differ or its time is over.
    fn open(&mut self, shared: &Shared, now: Timestamp) -> Result<(), FileError> {
        let mut open = self.open_or_create(shared, now)?;
        let ours = self.mend(&mut open)?;
        let over = match shared.rotate {
            Rotate::Start => !self.started,
            Rotate::Daily => open.day_end <= now,
            Rotate::Never | Rotate::Size(_) => false,
        };
        if !ours || (over && self.has_rows(&open)) {
            if !ours {
                tracing::warn!(path = %self.path.display(), "the columns have changed: a new csv file is begun");
            }
            self.open = Some(open);
            self.set_aside(shared)?;
            open = self.open_or_create(shared, now)?;
        }
        self.started = true;
        self.open = Some(open);
        Ok(())
    }

    fn open_or_create(&self, shared: &Shared, now: Timestamp) -> Result<Open, FileError> {
        let failed = |source| self.error("open", source);
        let mut options = OpenOptions::new();
        options.read(true).append(true).mode(FILE_MODE);
        let file = match options.open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.create(&mut options, &shared.directory)?
            }
            result => result.map_err(failed)?,
        };
        let found = file.metadata().map_err(failed)?;
        if !found.is_file() {
            return Err(FileError::NotAFile(self.path.clone()));
        }
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FileError::InUse(self.path.clone())),
            // Some network file systems have no locks; then the configuration's own check must do.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let last_row = if found.len() == 0 { now } else { found.modified().map_or(now, Timestamp::from) };
        let identity = (found.dev(), found.ino());
        let day_end = shared.zone.next_midnight(last_row);
        Ok(Open { file, identity, len: found.len(), last_row, day_end })
    }

    fn create(&self, options: &mut OpenOptions, directory: &Path) -> Result<File, FileError> {
        let created = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory);
        created.map_err(|source| FileError::Io {
            action: "create the directory",
            path: directory.to_owned(),
            source,
        })?;
        let file =
            options.create_new(true).open(&self.path).map_err(|source| self.error("create", source))?;
        // Whatever the process's mask: these files are made to be read by a group.
        file.set_permissions(Permissions::from_mode(FILE_MODE))
            .map_err(|source| self.error("create", source))?;
        Ok(file)
    }

    /// Cuts off what a crash left of a last row. Gives whether the file has our columns.
    fn mend(&self, open: &mut Open) -> Result<bool, FileError> {
        let failed = |source| self.error("read", source);
        let mut start = vec![0; self.header.len()];
        let read = read_at(&open.file, &mut start, 0).map_err(failed)?;
        start.truncate(read);
        if start != self.header && !(read as u64 == open.len && self.header.starts_with(&start)) {
            return Ok(false);
        }
        let whole = end_of_last_row(&open.file, open.len).map_err(failed)?;
        if whole < open.len {
            let bytes = open.len - whole;
            tracing::warn!(path = %self.path.display(), bytes, "an incomplete last row of a csv file was cut off");
            open.file.set_len(whole).map_err(|source| self.error("mend", source))?;
            open.len = whole;
        }
        Ok(true)
    }

    fn set_aside(&mut self, shared: &Shared) -> Result<(), FileError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let Shared { directory, zone, keep, .. } = shared;
        rotation::set_aside(directory, &self.stem, open.last_row, zone, *keep)
            .map_err(|source| self.error("rotate", source))
    }

    fn error(&self, action: &'static str, source: io::Error) -> FileError {
        FileError::Io { action, path: self.path.clone(), source }
    }
}

/// Reads as much as there is, up to the buffer's length.
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// The offset after the last line end. A row holds no other line end, so that is where whole rows end.
fn end_of_last_row(file: &File, len: u64) -> io::Result<u64> {
    let mut buffer = vec![0; SEARCH_STEP];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(SEARCH_STEP as u64);
        let read = read_at(file, &mut buffer, start)?.min(usize::try_from(end - start).unwrap_or(usize::MAX));
        if let Some(found) = memchr::memrchr(b'\n', buffer.get(..read).unwrap_or_default()) {
            return Ok(start + found as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Zone;

    #[test]
    fn a_file_that_was_closed_is_free_whoever_holds_a_copy_of_it() {
        let home = tempfile::tempdir().unwrap();
        let (directory, rotate, zone) = (home.path().to_owned(), Rotate::Never, Zone::UTC);
        let shared = Shared { directory, rotate, keep: 1, zone };
        let new = || CsvFile::new(&shared, "stem".to_owned(), b"header\n".to_vec());
        let mut file = new();
        file.append(&shared, b"1\n", Timestamp::EPOCH).unwrap();
        let copy = file.open.as_ref().unwrap().file.try_clone().unwrap();
        let in_use = new().append(&shared, b"2\n", Timestamp::EPOCH);
        assert!(matches!(in_use, Err(FileError::InUse(_))), "{in_use:?}");
        drop(file);
        new().append(&shared, b"3\n", Timestamp::EPOCH).unwrap();
        drop(copy);
        assert_eq!(std::fs::read(home.path().join("stem.csv")).unwrap(), b"header\n1\n3\n");
    }
}
