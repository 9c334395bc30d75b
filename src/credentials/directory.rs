//! Floor 2: a directory of files, one for each credential: what systemd, Docker and Kubernetes hand to a service.
//!
//! Kubernetes makes links of them, which lead to files of one version in a directory of its own (`..data`). So links are
//! followed to read, and what counts is what they lead to.
//!
//! Invariant: a file that everybody may read or write gives no secret; a file is written whole or not at all, and never
//! outside of the directory.

use super::store::{Store, StoreKind, user};
use super::{CredentialName, Lack, Secret, Why};
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Uid, fchown, mkdirat, open, openat, readlinkat, renameat, unlinkat,
};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
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
        for file in files(name) {
            if let Some(secret) = read(&self.0.join(file))? {
                return Ok(secret);
            }
        }
        Err(self.nothing())
    }

    /// Writes the file of the credential's name. One that root writes belongs to whom the directory belongs to.
    fn put(&self, name: &CredentialName, secret: &Secret) -> Result<String, Lack> {
        let directory =
            fs::metadata(&self.0).map_err(|_| Why::Absent.because("there is no such directory"))?;
        let is_root = rustix::process::geteuid().is_root();
        let owner = is_root.then(|| Owner(directory.uid(), directory.gid()));
        let [nested, flat] = files(name);
        let is_there = |file: &str| self.0.join(file).exists();
        let file = if !is_there(&nested) && is_there(&flat) { flat } else { nested };
        let uid = self.write(&file, secret, owner).map_err(|error| match error.kind() {
            // Such directories are somebody else's to fill.
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Why::Absent.because(format!("{error}, so it is not for this user to fill"))
            }
            _ => Why::Refused.because(error.to_string()),
        })?;
        Ok(user(uid))
    }

    fn remove(&self, name: &CredentialName) -> Result<(), Lack> {
        let mut is_removed = false;
        // Both ways of writing the name: the other one would count from then on.
        for file in files(name) {
            match self.unlink(&file) {
                Ok(()) => is_removed = true,
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(Why::Refused.because(error.to_string())),
            }
        }
        if is_removed { Ok(()) } else { Err(self.nothing()) }
    }
}

/// Who is to own what is made: a user and a group.
#[derive(Clone, Copy)]
struct Owner(u32, u32);

/// The files that a credential may be in, below the directory.
fn files(name: &CredentialName) -> [String; 2] {
    [name.to_string(), name.as_str().replace('/', "-")]
}

/// How directories are opened.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Directory {
    fn nothing(&self) -> Lack {
        let is_there = self.0.is_dir();
        Why::Nothing.because(if is_there { "it has no such file" } else { "there is no such directory" })
    }

    /// Opens the directory that a file is in, each part of the way by `enter`, and gives the file's name there. Nothing is
    /// changed through a link: whom the directory belongs to could have root write elsewhere.
    fn folder<'a>(
        &self,
        file: &'a str,
        enter: impl Fn(&OwnedFd, &str) -> io::Result<OwnedFd>,
    ) -> io::Result<(OwnedFd, &'a str)> {
        let (folders, name) = file.rsplit_once('/').unwrap_or(("", file));
        let mut folder = open(&self.0, DIRECTORY, Mode::empty())?;
        for name in folders.split_terminator('/') {
            folder = enter(&folder, name)?;
        }
        Ok((folder, name))
    }

    /// Writes a secret to a file beside the one that it then replaces; gives the user whom it belongs to.
    fn write(&self, file: &str, secret: &Secret, owner: Option<Owner>) -> io::Result<u32> {
        let (folder, name) = self.folder(file, |folder, name| make(folder, name, owner))?;
        // No credential's name begins with a dot.
        let beside = format!(".new-{}", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut new = File::from(openat(&folder, &beside, flags, Mode::RUSR | Mode::WUSR)?);
        let written = give(&new, owner)
            .and_then(|()| new.write_all(secret.expose().as_bytes()))
            .and_then(|()| new.sync_all())
            .and_then(|()| Ok(renameat(&folder, &beside, &folder, name)?));
        if written.is_err() {
            // What went wrong has a name already.
            unlinkat(&folder, &beside, AtFlags::empty()).ok();
        }
        written?;
        Ok(new.metadata()?.uid())
    }

    fn unlink(&self, file: &str) -> io::Result<()> {
        let (folder, name) = self.folder(file, enter)?;
        Ok(unlinkat(&folder, name, AtFlags::empty())?)
    }
}

/// Opens a directory in another one, unless it is a link.
fn enter(folder: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    openat(folder, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map_err(|error| {
        match readlinkat(folder, name, Vec::new()) {
            Ok(_) => io::Error::other(format!("`{name}` in it is a link, through which nothing is changed")),
            Err(_) => error.into(),
        }
    })
}

/// Opens a directory in another one, and makes it first where there is none.
fn make(folder: &OwnedFd, name: &str, owner: Option<Owner>) -> io::Result<OwnedFd> {
    let is_new = match mkdirat(folder, name, Mode::RWXU) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let made = enter(folder, name)?;
    if is_new {
        give(&made, owner)?;
    }
    Ok(made)
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
        // `chmod` follows links: who is to run it should see what it changes.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let remedy = format!("so it is not used; run `chmod o= {}`", target.display());
        return Err(unusable(&format!("everybody may read or write it, {remedy}")));
    }
    let bytes = Secret::read_line(file).map_err(refused)?;
    Secret::from_line(bytes).map(Some).map_err(|error| unusable(&error.to_string()))
}

/// Gives a file to its owner, if it is to have another one than who made it.
fn give(file: impl AsFd, owner: Option<Owner>) -> io::Result<()> {
    let Some(Owner(user, group)) = owner else { return Ok(()) };
    Ok(fchown(file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use std::fs::Permissions;
    use std::os::unix::fs::symlink;

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
    fn links_as_kubernetes_makes_them_are_read_and_what_they_lead_to_counts() {
        let home = tempfile::tempdir().unwrap();
        put(&home.path().join("..2026_11_29/token"), b"hunter2", 0o440);
        put(&home.path().join("..2026_11_29/open"), b"hunter2", 0o444);
        symlink("..2026_11_29", home.path().join("..data")).unwrap();
        for file in ["token", "open"] {
            symlink(format!("..data/{file}"), home.path().join(file)).unwrap();
        }
        symlink("..data/gone", home.path().join("gone")).unwrap();
        let directory = Directory(home.path().to_owned());
        assert_eq!(directory.get(&name("token")).unwrap().expose(), "hunter2");
        assert_eq!(directory.get(&name("gone")).unwrap_err().why, Why::Nothing);
        let error = directory.get(&name("open")).unwrap_err();
        assert!(error.what.contains("everybody may read or write it"), "{error}");
        let target = fs::canonicalize(home.path()).unwrap().join("..2026_11_29/open");
        assert!(error.what.contains(&format!("`chmod o= {}`", target.display())), "{error}");
    }

    #[test]
    fn nothing_is_changed_through_a_link() {
        let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(&other.path().join("oncall"), b"theirs", 0o600);
        symlink(other.path(), home.path().join("smtp")).unwrap();
        symlink(other.path().join("oncall"), home.path().join("link")).unwrap();
        let directory = Directory(home.path().to_owned());
        let secret = Secret::new("ours".to_owned());
        let said = [
            directory.put(&name("smtp/oncall"), &secret).unwrap_err(),
            directory.put(&name("smtp/new/one"), &secret).unwrap_err(),
            directory.remove(&name("smtp/oncall")).unwrap_err(),
        ];
        for lack in said {
            assert!(lack.why == Why::Refused && lack.what.starts_with("`smtp` in it is a link"), "{lack}");
        }
        // A link in the place of the file is replaced, or removed, itself.
        directory.put(&name("link"), &secret).unwrap();
        assert_eq!(directory.get(&name("link")).unwrap().expose(), "ours");
        directory.remove(&name("link")).unwrap();
        assert_eq!(fs::read(other.path().join("oncall")).unwrap(), b"theirs");
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
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
