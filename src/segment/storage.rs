//! Floor 1: the operations on files that durability rests on, behind a trait, so that tests can make each of them fail.
//!
//! Invariant: everything that a journal changes on a disk goes through here; reading goes through the memory map.

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::retry_on_intr;
use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

/// A disk.
pub trait Storage: Send + Sync + Debug {
    /// Creates a directory that only its owner may enter, and those above it; one that is there is left as it is.
    ///
    /// # Errors
    /// When the system does not let us.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Creates a file that only its owner may read, with room for `size` bytes, which all read as zero. What stood
    /// there is replaced.
    ///
    /// # Errors
    /// When the system does not let us, or has no room.
    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn StorageFile>>;

    /// Opens a file to write to.
    ///
    /// # Errors
    /// When the system does not let us.
    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Gives a file another name, in place of whatever bore it.
    ///
    /// # Errors
    /// When the system does not let us.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; one that is not there is as good as removed.
    ///
    /// # Errors
    /// When the system does not let us.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// When the system does not let us.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Says how many bytes we may still write to the file system that a directory is on.
    ///
    /// # Errors
    /// When the system does not say.
    fn free(&self, path: &Path) -> io::Result<u64>;
}

/// An open file of a [`Storage`].
pub trait StorageFile: Send + Debug {
    /// Writes all bytes at an offset.
    ///
    /// # Errors
    /// When the system does not take them all; some of them may have been written.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes everything that was written durable. After an error nobody knows what is.
    ///
    /// # Errors
    /// When the system cannot say that it is.
    fn sync(&mut self) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Storage for Disk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let allocated = match retry_on_intr(|| fallocate(&file, FallocateFlags::empty(), 0, size)) {
            // Some file systems cannot allocate ahead; there a full disk shows at a write, which is tried again.
            Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(size),
            allocated => allocated.map_err(io::Error::from),
        };
        match allocated {
            Ok(()) => Ok(Box::new(file)),
            Err(error) => {
                // What was allocated before the disk was full would keep it full for everybody.
                fs::remove_file(path)?;
                Err(error)
            }
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        let system = statvfs(path)?;
        Ok(system.f_bavail.saturating_mul(system.f_frsize))
    }
}

impl StorageFile for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
