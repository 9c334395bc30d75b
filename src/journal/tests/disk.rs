//! A disk that fails where a test wants it to, and forgets what was not synced when it crashes.

use crate::segment::{Disk, Storage, StorageFile};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What happens at the operation that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The system says that the disk is full, and the next time it is not.
    Full,
    /// The system reports an error, once.
    Error,
    /// A write stops half way, with an error.
    Short,
    /// The machine stops: nothing that was not synced is certain, and no further operation works.
    Crash,
}

#[derive(Debug, Default)]
struct Plan {
    /// Operations so far.
    count: usize,
    /// Which operation fails, and how.
    fault: Option<(usize, Fault)>,
    crashed: bool,
    /// Writes that were not synced: file, offset, bytes.
    unsynced: Vec<(PathBuf, u64, Vec<u8>)>,
}

/// A disk with a plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultyDisk {
    plan: Arc<Mutex<Plan>>,
    disk: Disk,
}

impl FaultyDisk {
    /// A disk whose operation number `at`, from 0, fails.
    pub(crate) fn failing(at: usize, fault: Fault) -> Self {
        let plan = Plan { fault: Some((at, fault)), ..Plan::default() };
        Self { plan: Arc::new(Mutex::new(plan)), disk: Disk }
    }

    /// How many operations there were.
    pub(crate) fn operations(&self) -> usize {
        self.plan.lock().unwrap().count
    }

    /// Whether the fault has come.
    pub(crate) fn has_failed(&self) -> bool {
        let plan = self.plan.lock().unwrap();
        plan.fault.is_some_and(|(at, _)| plan.count > at)
    }

    /// Stops the machine now. Of each write that was not synced, half gets through.
    pub(crate) fn crash(&self) {
        let mut plan = self.plan.lock().unwrap();
        plan.crashed = true;
        for (path, offset, bytes) in std::mem::take(&mut plan.unsynced) {
            if let Ok(mut file) = self.disk.open(&path) {
                file.write_at(&bytes[..bytes.len() / 2], offset).unwrap();
            }
        }
    }

    /// Counts an operation; fails when it is the one.
    fn step(&self) -> Result<Option<Fault>, io::Error> {
        let (crashed, fault) = {
            let mut plan = self.plan.lock().unwrap();
            let now = plan.count;
            plan.count += 1;
            (plan.crashed, plan.fault.filter(|(at, _)| *at == now).map(|(_, fault)| fault))
        };
        match fault {
            _ if crashed => Err(io::Error::other("the machine has stopped")),
            Some(Fault::Crash) => {
                self.crash();
                Err(io::Error::other("the machine stops"))
            }
            Some(Fault::Full) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Error) => Err(io::Error::from_raw_os_error(5)),
            fault => Ok(fault),
        }
    }
}

impl Storage for FaultyDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.create_directory(path)
    }

    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn StorageFile>> {
        self.step()?;
        let file = self.disk.create(path, size)?;
        Ok(Box::new(FaultyFile { disk: self.clone(), path: path.to_owned(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.step()?;
        let file = self.disk.open(path)?;
        Ok(Box::new(FaultyFile { disk: self.clone(), path: path.to_owned(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        for (path, ..) in &mut self.plan.lock().unwrap().unsynced {
            if path == from {
                to.clone_into(path);
            }
        }
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        assert!(path.is_dir());
        Ok(())
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    path: PathBuf,
    file: Box<dyn StorageFile>,
}

impl StorageFile for FaultyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fault = self.disk.step()?;
        let bytes = if fault == Some(Fault::Short) { &bytes[..bytes.len() / 2] } else { bytes };
        self.disk.plan.lock().unwrap().unsynced.push((self.path.clone(), offset, bytes.to_vec()));
        if fault == Some(Fault::Short) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.step()?;
        let mut plan = self.disk.plan.lock().unwrap();
        let (mine, others) =
            std::mem::take(&mut plan.unsynced).into_iter().partition(|(path, ..)| *path == self.path);
        plan.unsynced = others;
        let mine: Vec<(PathBuf, u64, Vec<u8>)> = mine;
        for (_, offset, bytes) in mine {
            self.file.write_at(&bytes, offset)?;
        }
        // What counts as durable is decided here; waiting for a real disk would show nothing more.
        Ok(())
    }
}
