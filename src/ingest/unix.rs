//! Floor 4: the sockets of Unix listeners, and the files that they have.
//!
//! Invariant: a file is replaced only when it is a socket that nobody listens on, and removed only while it is the one
//! that was made here.

use super::address::Scheme;
use crate::limits;
use nix::unistd::{Gid, Group, Uid, User};
use rustix::fs::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// Who may use a socket's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its permissions.
    pub mode: u32,
    /// The user that it belongs to, by name or number; that of the process if there is none.
    pub owner: Option<String>,
    /// The group that it belongs to, by name or number; that of the process if there is none.
    pub group: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { mode: limits::SOCKET_FILE_MODE, owner: None, group: None }
    }
}

/// A socket's file. It goes when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours =
            fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket's file could not be removed");
        }
    }
}

/// Binds a path.
pub(super) fn bind(path: &Path, scheme: Scheme, options: &Options) -> io::Result<(Socket, SocketFile)> {
    let (owner, group) = (user(options.owner.as_deref())?, self::group(options.group.as_deref())?);
    let kind = if scheme == Scheme::Unix { Type::STREAM } else { Type::DGRAM };
    let address = SockAddr::unix(path)?;
    clear(path, &address, kind)?;
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.set_nonblocking(true)?;
    // Until owner and mode are set, it is nobody else's; bind takes the socket's own mode for the file's.
    fchmod(&socket, Mode::from_raw_mode(0o600))?;
    socket.bind(&address)?;
    let made = fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), identity: (made.dev(), made.ino()) };
    if owner.is_some() || group.is_some() {
        chown(path, owner, group)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(options.mode))?;
    if scheme == Scheme::Unix {
        socket.listen(limits::LISTEN_BACKLOG)?;
    }
    Ok((socket, file))
}

/// Removes a socket that a process left when it was killed.
fn clear(path: &Path, address: &SockAddr, kind: Type) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        let message = "there is a file that is no socket; remove it, or listen elsewhere";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    let probe = Socket::new(Domain::UNIX, kind, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        // Connected, or of the other kind, or with a full backlog: somebody listens.
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// The number of a user.
fn user(name: Option<&str>) -> io::Result<Option<u32>> {
    let Some(name) = name else { return Ok(None) };
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let known = User::from_name(name)?.map(|user| Uid::as_raw(user.uid));
    known
        .map(Some)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no user `{name}`")))
}

/// The number of a group.
fn group(name: Option<&str>) -> io::Result<Option<u32>> {
    let Some(name) = name else { return Ok(None) };
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let known = Group::from_name(name)?.map(|group| Gid::as_raw(group.gid));
    known
        .map(Some)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no group `{name}`")))
}
