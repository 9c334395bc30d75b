//! A disk that fails where a test wants it to, and forgets what was not synced when it crashes.

use crate::segment::{Disk, Storage, StorageFile};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
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
    unsynced: Vec<(Arc<File>, u64, Vec<u8>)>,
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
        for (file, offset, bytes) in std::mem::take(&mut plan.unsynced) {
            file.write_all_at(&bytes[..bytes.len() / 2], offset).unwrap();
        }
    }

    fn file(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = Arc::new(File::options().write(true).open(path)?);
        Ok(Box::new(FaultyFile { disk: self.clone(), file }))
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
        // Another file, so that what was not synced of the one before cannot reach it.
        std::fs::remove_file(path).ok();
        drop(self.disk.create(path, size)?);
        self.file(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.step()?;
        self.file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
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
    file: Arc<File>,
}

impl StorageFile for FaultyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fault = self.disk.step()?;
        let bytes = if fault == Some(Fault::Short) { &bytes[..bytes.len() / 2] } else { bytes };
        self.disk.plan.lock().unwrap().unsynced.push((Arc::clone(&self.file), offset, bytes.to_vec()));
        if fault == Some(Fault::Short) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.step()?;
        let mut plan = self.disk.plan.lock().unwrap();
        let (mine, others): (Vec<_>, Vec<_>) = std::mem::take(&mut plan.unsynced)
            .into_iter()
            .partition(|(file, ..)| Arc::ptr_eq(file, &self.file));
        plan.unsynced = others;
        // What counts as durable is decided here; waiting for a real disk would show nothing more.
        mine.into_iter().try_for_each(|(file, offset, bytes)| file.write_all_at(&bytes, offset))
    }
}
