//! Floor 2: a directory of files, one for each credential: what systemd, Docker and Kubernetes hand to a service.
//!
//! Invariant: a file that everybody may read or write gives no secret; a file is written whole or not at all.

use super::store::{Store, StoreKind, user};
use super::{CredentialName, Lack, Secret, Why};
use rustix::fs::{Gid, Mode, OFlags, Uid, fchown, open};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A directory.
#[derive(Debug)]
pub(super) struct Directory(pub(super) PathBuf);

impl Store for Directory {
    fn kind(&self) -> StoreKind {
        StoreKind::Directory
    }

    fn place(&self) -> String {
        self.0.display().to_string()
    }

    /// Reads the file of the credential's name, or of the name with `-` for each slash, as systemd's names hold none.
    fn get(&self, name: &CredentialName) -> Result<Secret, Lack> {
        for path in self.files(name) {
            if let Some(secret) = read(&path)? {
                return Ok(secret);
            }
        }
        Err(self.nothing())
    }

    /// Writes the file of the credential's name. One that root writes belongs to whom the directory belongs to.
    fn put(&self, name: &CredentialName, secret: &Secret) -> Result<String, Lack> {
        let directory =
            fs::metadata(&self.0).map_err(|_| Why::Absent.because("there is no such directory"))?;
        let owner = directory.uid();
        let owner = if rustix::process::geteuid().is_root() { Some((owner, directory.gid())) } else { None };
        let [nested, flat] = self.files(name);
        let path = if !nested.exists() && flat.exists() { flat } else { nested };
        let written = self.parents(&path, owner).and_then(|()| write(&path, secret, owner));
        let uid = written.and_then(|()| fs::metadata(&path)).map_err(|error| match error.kind() {
            // Such directories are somebody else's to fill.
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Why::Absent.because(format!("{error}, so it is not for this user to fill"))
            }
            _ => Why::Refused.because(error.to_string()),
        })?;
        Ok(user(uid.uid()))
    }

    fn remove(&self, name: &CredentialName) -> Result<(), Lack> {
        let mut is_removed = false;
        // Both ways of writing the name: the other one would count from then on.
        for path in self.files(name) {
            match fs::remove_file(&path) {
                Ok(()) => is_removed = true,
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(Why::Refused.because(error.to_string())),
            }
        }
        if is_removed { Ok(()) } else { Err(self.nothing()) }
    }
}

impl Directory {
    fn files(&self, name: &CredentialName) -> [PathBuf; 2] {
        [self.0.join(name.as_str()), self.0.join(name.as_str().replace('/', "-"))]
    }

    fn nothing(&self) -> Lack {
        let is_there = self.0.is_dir();
        Why::Nothing.because(if is_there { "it has no such file" } else { "there is no such directory" })
    }

    /// Makes the directories that a name with slashes needs.
    fn parents(&self, path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
        let above = path.ancestors().skip(1).take_while(|above| *above != self.0);
        let mut missing: Vec<_> = above.take_while(|above| !above.exists()).collect();
        while let Some(path) = missing.pop() {
            DirBuilder::new().mode(0o700).create(path)?;
            give(&File::open(path)?, owner)?;
        }
        Ok(())
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Reads the secret in a file; nothing where there is no file.
fn read(path: &Path) -> Result<Option<Secret>, Lack> {
    let unusable = |what: &str| Why::Unusable.because(format!("{}: {what}", path.display()));
    let refused = |error: io::Error| Why::Refused.because(format!("{}: {error}", path.display()));
    // A pipe would wait for a writer.
    let file = match open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(error) => {
            let error = io::Error::from(error);
            return if is_absence(&error) { Ok(None) } else { Err(refused(error)) };
        }
    };
    let metadata = file.metadata().map_err(refused)?;
    if !metadata.is_file() {
        return Err(unusable("it is no regular file"));
    }
    if metadata.permissions().mode() & 0o006 != 0 {
        let remedy = format!("so it is not used; run `chmod o= {}`", path.display());
        return Err(unusable(&format!("everybody may read or write it, {remedy}")));
    }
    let bytes = Secret::read_line(file).map_err(refused)?;
    Secret::from_line(bytes).map(Some).map_err(|error| unusable(&error.to_string()))
}

/// Writes a secret to a file beside the one that it then replaces.
fn write(path: &Path, secret: &Secret, owner: Option<(u32, u32)>) -> io::Result<()> {
    // No credential's name begins with a dot.
    let beside = path.with_file_name(format!(".new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = give(&file, owner)
        .and_then(|()| file.write_all(secret.expose().as_bytes()))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What went wrong has a name already.
        fs::remove_file(&beside).ok();
    }
    written
}

/// Gives a file to its owner, if it is to have another one than who made it.
fn give(file: &File, owner: Option<(u32, u32)>) -> io::Result<()> {
    let Some((user, group)) = owner else { return Ok(()) };
    fchown(file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group))).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use std::fs::Permissions;

    fn name(text: &str) -> CredentialName {
        CredentialName::new(text).unwrap()
    }

    fn put(path: &Path, text: &[u8], mode: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn files_are_found_by_name_with_slashes_or_without() {
        let home = tempfile::tempdir().unwrap();
        put(&home.path().join("smtp/oncall"), b"slash\r\n", 0o400);
        put(&home.path().join("slack-secops"), b"dash", 0o440);
        put(&home.path().join("two"), b"one\n\n", 0o600);
        let directory = Directory(home.path().to_owned());
        let get = |text| directory.get(&name(text)).map(|secret| secret.expose().to_owned());
        assert_eq!(get("smtp/oncall").unwrap(), "slash");
        assert_eq!(get("slack/secops").unwrap(), "dash");
        // One line break ends the file; a second one belongs to the secret.
        assert_eq!(get("two").unwrap(), "one\n");
        // Where both are there, the second would count as soon as the first is gone.
        put(&home.path().join("slack/secops"), b"slash", 0o440);
        directory.remove(&name("slack/secops")).unwrap();
        assert_eq!(get("slack/secops").unwrap_err().why, Why::Nothing);
        assert_eq!(get("other").unwrap_err(), Why::Nothing.because("it has no such file"));
        let absent = Directory(home.path().join("absent"));
        let said = absent.get(&name("other")).unwrap_err();
        assert_eq!(said, Why::Nothing.because("there is no such directory"));
    }

    #[test]
    fn files_that_cannot_be_used_say_why_without_the_value() {
        let home = tempfile::tempdir().unwrap();
        let large = vec![b'x'; limits::MAX_SECRET_BYTES + 1];
        let cases: [(&str, &[u8], u32, &str); 5] = [
            ("read", b"hunter2", 0o604, "chmod o= "),
            ("written", b"hunter2", 0o602, "everybody may read or write it"),
            ("empty", b"\n", 0o600, "it is empty"),
            ("binary", b"hunter2\xff", 0o600, "it is no UTF-8"),
            ("large", &large, 0o600, "it is longer than"),
        ];
        let directory = Directory(home.path().to_owned());
        for (file, text, mode, expected) in cases {
            put(&home.path().join(file), text, mode);
            let error = directory.get(&name(file)).unwrap_err();
            assert_eq!(error.why, Why::Unusable);
            assert!(error.what.contains(expected) && !error.what.contains("hunter2"), "{error}");
        }
        fs::create_dir(home.path().join("folder")).unwrap();
        let error = directory.get(&name("folder")).unwrap_err();
        assert!(error.what.ends_with("it is no regular file"));
    }

    #[test]
    fn what_is_put_is_found_replaced_and_removed() {
        let home = tempfile::tempdir().unwrap();
        let directory = Directory(home.path().to_owned());
        let secret = |text: &str| Secret::new(text.to_owned());
        for text in ["one", "two\n"] {
            directory.put(&name("a/b/c"), &secret(text)).unwrap();
            assert_eq!(directory.get(&name("a/b/c")).unwrap().expose(), text.trim_end());
        }
        let path = home.path().join("a/b/c");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(home.path().join("a")).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(home.path().join("a/b")).unwrap().count(), 1);
        directory.remove(&name("a/b/c")).unwrap();
        assert_eq!(directory.remove(&name("a/b/c")).unwrap_err().why, Why::Nothing);
        // A file that a service manager's habits have named is replaced where it is.
        put(&home.path().join("smtp-oncall"), b"old", 0o600);
        directory.put(&name("smtp/oncall"), &secret("new")).unwrap();
        assert_eq!(fs::read(home.path().join("smtp-oncall")).unwrap(), b"new");
        let absent = Directory(home.path().join("absent"));
        assert_eq!(absent.put(&name("a"), &secret("x")).unwrap_err().why, Why::Absent);
    }
}
