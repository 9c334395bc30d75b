//! Floor 2: directories of files, one for each credential: what systemd, Docker and Kubernetes hand to a service.
//!
//! Invariant: a file that everybody may read or write gives no secret.

use super::{CredentialName, Secret};
use crate::limits;
use rustix::fs::{Mode, OFlags, open};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Directories of files, in the order in which they are asked.
#[derive(Clone, Debug)]
pub struct Directories(Vec<PathBuf>);

/// Why a file gives no secret.
#[derive(Debug, thiserror::Error)]
enum FileError {
    /// It cannot be read.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// Everybody may read or write it.
    #[error("{0}: everybody may read or write it, so it is not used; run `chmod o= {0}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// What it holds is no secret.
    #[error("{}: {what}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// What directories said of a credential that none of them gives, each in turn.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct NotFound(pub Vec<String>);

impl Directories {
    /// Takes directories in the order in which they are asked.
    pub fn new(directories: Vec<PathBuf>) -> Self {
        Self(directories)
    }

    /// Finds a secret: in the file of the credential's name, or of the name with `-` for each slash, as systemd's names
    /// hold none. The first file that is there counts.
    ///
    /// # Errors
    /// When no directory has it, or the first file that is there cannot be used.
    pub fn find(&self, name: &CredentialName) -> Result<Secret, NotFound> {
        let mut said = Vec::new();
        let flat = name.as_str().replace('/', "-");
        for directory in &self.0 {
            for file in [name.as_str(), &flat] {
                match read(&directory.join(file)) {
                    Ok(Some(secret)) => return Ok(secret),
                    Ok(None) => {}
                    Err(error) => {
                        said.push(error.to_string());
                        return Err(NotFound(said));
                    }
                }
            }
            let what = if directory.is_dir() { "it has no such file" } else { "there is no such directory" };
            said.push(format!("{}: {what}", directory.display()));
        }
        Err(NotFound(said))
    }
}

/// Reads the secret in a file; nothing where there is no file.
fn read(path: &Path) -> Result<Option<Secret>, FileError> {
    let unreadable = |reason| FileError::Unreadable { path: path.to_owned(), reason };
    // A pipe would wait for a writer.
    let file = match open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(error) => {
            let reason = io::Error::from(error);
            let is_absent = matches!(reason.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
            return if is_absent { Ok(None) } else { Err(unreadable(reason)) };
        }
    };
    let unusable = |what: String| FileError::Unusable { path: path.to_owned(), what };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unusable("it is no regular file".to_owned()));
    }
    if metadata.permissions().mode() & 0o006 != 0 {
        return Err(FileError::Open { path: path.to_owned() });
    }
    let most = limits::MAX_SECRET_BYTES;
    // All at once, so that growing leaves no copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > most {
        return Err(unusable(format!("it holds more than {most} bytes")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| unusable("it holds no UTF-8".to_owned()))?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() {
        return Err(unusable("it is empty".to_owned()));
    }
    Ok(Some(Secret::new(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    fn write(path: &Path, text: &[u8], mode: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn files_are_found_by_name_in_the_order_of_directories() {
        let home = tempfile::tempdir().unwrap();
        let [first, second, absent] = ["first", "second", "absent"].map(|name| home.path().join(name));
        write(&second.join("smtp/oncall"), b"slash\r\n", 0o400);
        write(&second.join("slack-secops"), b"dash", 0o440);
        write(&first.join("both"), b"one\n\n", 0o600);
        write(&second.join("both"), b"two", 0o600);
        let directories = Directories::new(vec![absent.clone(), first, second]);
        let find = |name| directories.find(&CredentialName::new(name).unwrap());
        assert_eq!(find("smtp/oncall").unwrap().expose(), "slash");
        assert_eq!(find("slack/secops").unwrap().expose(), "dash");
        // One line break ends the file; a second one belongs to the secret.
        assert_eq!(find("both").unwrap().expose(), "one\n");
        let said = find("other").unwrap_err().0;
        assert_eq!(said.len(), 3);
        assert_eq!(said.first().unwrap(), &format!("{}: there is no such directory", absent.display()));
        assert!(said.last().unwrap().ends_with("second: it has no such file"));
    }

    #[test]
    fn files_that_cannot_be_used_say_why_without_the_value() {
        let home = tempfile::tempdir().unwrap();
        let large = vec![b'x'; limits::MAX_SECRET_BYTES + 1];
        let cases: [(&str, &[u8], u32, &str); 5] = [
            ("read", b"hunter2", 0o604, "chmod o= "),
            ("written", b"hunter2", 0o602, "everybody may read or write it"),
            ("empty", b"\n", 0o600, "it is empty"),
            ("binary", b"hunter2\xff", 0o600, "it holds no UTF-8"),
            ("large", &large, 0o600, "it holds more than"),
        ];
        let directories = Directories::new(vec![home.path().to_owned()]);
        for (name, text, mode, expected) in cases {
            write(&home.path().join(name), text, mode);
            let error = directories.find(&CredentialName::new(name).unwrap()).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        fs::create_dir(home.path().join("folder")).unwrap();
        let error = directories.find(&CredentialName::new("folder").unwrap()).unwrap_err();
        assert!(error.to_string().ends_with("it is no regular file"));
    }
}
