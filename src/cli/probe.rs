//! Floor 8: whether a directory can be written to, found out by doing it.
//!
//! Invariant: what was not there before is not there afterwards.

use anyhow::{Context, Result, bail};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Writes a file in a directory, which is made first if it is missing, and takes both away again.
///
/// Permissions would not tell enough: root has all of them, and a file system may be read-only, full, or no place for
/// files at all.
///
/// # Errors
/// Says what cannot be done, and why.
pub(super) fn try_directory(directory: &Path) -> Result<()> {
    let mut missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.exists()).collect();
    if let Some(existing) = directory.ancestors().nth(missing.len()).filter(|path| !path.is_dir()) {
        bail!("cannot write to {}: {} is a file", directory.display(), existing.display());
    }
    let mut made = Made::default();
    while let Some(path) = missing.pop() {
        DirBuilder::new()
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        made.0.push(path);
    }
    try_file(directory).with_context(|| format!("cannot write to {}", directory.display()))
}

fn try_file(directory: &Path) -> std::io::Result<()> {
    let path = directory.join(format!(".correlator-check-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let written = file.write_all(b"check\n");
    let removed = fs::remove_file(&path);
    written.and(removed)
}

/// Directories that were made, each in the one before.
#[derive(Default)]
struct Made<'a>(Vec<&'a Path>);

impl Drop for Made<'_> {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // One that somebody has put something into meanwhile is in use, and stays.
            fs::remove_dir(path).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_behind() {
        let home = tempfile::tempdir().unwrap();
        try_directory(&home.path().join("a/b/c")).unwrap();
        try_directory(home.path()).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        for (directory, says) in [
            (file.join("below"), format!("{} is a file", file.display())),
            ("/proc/x/y".into(), "cannot create /proc/x: ".to_owned()),
            ("/proc".into(), "cannot write to /proc: ".to_owned()),
        ] {
            let error = format!("{:#}", try_directory(&directory).unwrap_err());
            assert!(error.contains(&says), "{error}");
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
