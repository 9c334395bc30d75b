//! Floor 8: the socket in the data directory.

use crate::limits;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Its name.
pub(super) const NAME: &str = "control.sock";

/// A way to a path that is not too long for the address of a socket, which holds 108 bytes (unix(7)): through the open
/// directory, where it would be.
fn reach<T>(data: &Path, what: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = data.join(NAME);
    if path.as_os_str().len() <= limits::MAX_SOCKET_PATH {
        return what(&path);
    }
    let directory = File::open(data)?;
    what(&PathBuf::from(format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd())))
}

/// Listens in a data directory that the caller has claimed, and which nobody else may enter; so a socket that is there
/// already is what a server that was killed has left. Gives the path, for when it is to go.
///
/// # Errors
/// When the system does not let us.
pub(in crate::cli) fn bind(data: &Path) -> io::Result<(UnixListener, PathBuf)> {
    let path = data.join(NAME);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = reach(data, |path| UnixListener::bind(path))?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok((listener, path))
}

/// Connects to the server of a data directory; nothing where none runs. No operation on the connection waits for longer
/// than the time given, nor does the connecting: so many may have asked a server that hangs that there is no room for more.
///
/// # Errors
/// When the system does not let us.
pub(super) fn connect(data: &Path, patience: Duration) -> io::Result<Option<UnixStream>> {
    let connected = reach(data, |path| {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        for operation in [Timeout::Send, Timeout::Recv] {
            set_socket_timeout(&socket, operation, Some(patience))?;
        }
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(UnixStream::from(socket))
    });
    match connected {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_replaces_what_was_left_and_is_its_users_alone() {
        let home = tempfile::tempdir().unwrap();
        let connect = |data: &Path| connect(data, limits::CONTROL_SILENCE);
        for data in [home.path().to_owned(), home.path().join("a-long-name".repeat(12))] {
            fs::create_dir_all(&data).unwrap();
            assert!(connect(&data).unwrap().is_none(), "nobody has been there");
            let (left, path) = bind(&data).unwrap();
            drop(left);
            assert!(connect(&data).unwrap().is_none(), "nobody is there any more");
            let (_listener, again) = bind(&data).unwrap();
            assert_eq!(path, again);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(connect(&data).unwrap().is_some());
        }
    }
    #[test]
    fn nobody_waits_for_room_at_a_server_that_hangs() {
        let home = tempfile::tempdir().unwrap();
        let _hangs = bind(home.path()).unwrap();
        let patience = Duration::from_millis(50);
        let first = connect(home.path(), patience).unwrap().unwrap();
        let silent = io::Read::read(&mut &first, &mut [0]).unwrap_err();
        // Who has gone away takes room all the same.
        let full = std::iter::repeat_with(|| connect(home.path(), patience)).find_map(Result::err).unwrap();
        assert_eq!([silent, full].map(|error| error.kind()), [io::ErrorKind::WouldBlock; 2]);
    }
}
