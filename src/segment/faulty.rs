//! Floor 1: a disk that fails where a test wants it to, and forgets what was not synced when it crashes.
//!
//! Writes wait in memory until their file is synced, names until their directory is. A crash lets some of what waits
//! through: of writes, any sectors; of names, those up to some moment, for file systems keep the order of names.

use super::{Disk, Storage, StorageFile};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a disk changes in one go.
const SECTOR: usize = 512;

/// What happens at the operation that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The system says that the disk is full, and the next time it is not.
    Full,
    /// A write stops half way, because the disk is full; any other operation is as with [`Fault::Full`].
    ShortFull,
    /// The system reports an error, once.
    Error,
    /// A write stops half way, with an error; any other operation works.
    Short,
    /// The machine stops, and no further operation works.
    Crash,
}

impl Fault {
    pub(crate) const ALL: [Self; 5] = [Self::Full, Self::ShortFull, Self::Error, Self::Short, Self::Crash];
}

/// What of all that was not synced is there after the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survives {
    /// Everything: only the process ended.
    All,
    /// Nothing.
    Nothing,
    /// Some, as this number draws it.
    Some(u64),
}

/// The operations there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Operation {
    CreateDirectory,
    Create,
    Open,
    Rename,
    Remove,
    SyncDirectory,
    Write,
    Sync,
}

#[derive(Debug, Default)]
struct Plan {
    /// The operations so far.
    operations: Vec<Operation>,
    /// Which operation fails, and how.
    fault: Option<(usize, Fault)>,
    stopped: bool,
    unsynced: Vec<Write>,
    names: Vec<Name>,
    kept: usize,
}

#[derive(Debug)]
struct Write {
    file: Arc<File>,
    inode: u64,
    offset: u64,
    bytes: Vec<u8>,
    /// A sync of it has failed: the system will not try again, and a later sync says nothing of it.
    doomed: bool,
}

/// A change of names in a directory, and how it is undone.
#[derive(Debug)]
struct Name {
    directory: PathBuf,
    path: PathBuf,
    /// What the name stood for before, and is put back.
    before: Option<PathBuf>,
    /// Where what the name stands for now came from.
    from: Option<PathBuf>,
}

/// A disk with a plan.
#[derive(Clone, Debug)]
pub(crate) struct FaultyDisk {
    plan: Arc<Mutex<Plan>>,
    /// Holds what lost its name, until that is durable.
    attic: Arc<tempfile::TempDir>,
    disk: Disk,
}

impl Default for FaultyDisk {
    fn default() -> Self {
        Self { plan: Arc::default(), attic: Arc::new(tempfile::tempdir().unwrap()), disk: Disk }
    }
}

impl FaultyDisk {
    /// A disk whose operation number `at`, from 0, fails.
    pub(crate) fn failing(at: usize, fault: Fault) -> Self {
        let disk = Self::default();
        disk.plan().fault = Some((at, fault));
        disk
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap()
    }

    /// The operations there were.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.plan().operations.clone()
    }

    /// Whether the fault has come.
    pub(crate) fn has_failed(&self) -> bool {
        let plan = self.plan();
        plan.fault.is_some_and(|(at, _)| plan.operations.len() > at)
    }

    /// Ends everything now.
    pub(crate) fn crash(&self, survives: Survives) {
        let mut plan = self.plan();
        plan.stopped = true;
        let mut draw = Draw(survives);
        for write in std::mem::take(&mut plan.unsynced) {
            for (index, sector) in sectors(write.offset, &write.bytes) {
                if draw.lets_through() {
                    write.file.write_all_at(sector, index).unwrap();
                }
            }
        }
        let names = std::mem::take(&mut plan.names);
        let kept = match survives {
            Survives::All => names.len(),
            Survives::Nothing => 0,
            Survives::Some(_) => draw.below(names.len() + 1),
        };
        names.into_iter().skip(kept).rev().for_each(|name| name.undo());
    }

    fn file(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = Arc::new(File::options().write(true).open(path)?);
        let inode = file.metadata()?.ino();
        Ok(Box::new(FaultyFile { disk: self.clone(), file, inode }))
    }

    /// Counts an operation; fails when it is the one.
    fn step(&self, operation: Operation) -> Result<Option<Fault>, io::Error> {
        let mut plan = self.plan();
        let now = plan.operations.len();
        plan.operations.push(operation);
        if plan.stopped {
            return Err(io::Error::other("the machine has stopped"));
        }
        let fault = plan.fault.filter(|(at, _)| *at == now).map(|(_, fault)| fault);
        match fault {
            Some(Fault::Crash) => {
                plan.stopped = true;
                Err(io::Error::other("the machine stops"))
            }
            Some(Fault::ShortFull | Fault::Short) if operation == Operation::Write => Ok(fault),
            Some(Fault::Full | Fault::ShortFull) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Error) => Err(io::Error::from_raw_os_error(5)),
            Some(Fault::Short) | None => Ok(None),
        }
    }

    /// Takes note of a change of names; what the name stands for now is kept.
    fn renaming(&self, path: &Path, from: Option<&Path>) {
        let mut plan = self.plan();
        plan.kept += 1;
        let aside = self.attic.path().join(plan.kept.to_string());
        let before = fs::hard_link(path, &aside).is_ok().then_some(aside);
        let directory = path.parent().unwrap().to_owned();
        plan.names.push(Name { directory, path: path.to_owned(), before, from: from.map(Path::to_owned) });
    }
}

impl Name {
    fn undo(self) {
        match self.from {
            Some(from) => fs::rename(&self.path, from).unwrap(),
            None if self.path.is_dir() => fs::remove_dir_all(&self.path).unwrap(),
            None if self.path.exists() => fs::remove_file(&self.path).unwrap(),
            None => {}
        }
        if let Some(before) = self.before {
            fs::rename(before, self.path).unwrap();
        }
    }
}

/// The parts of a write that reach the disk one by one.
fn sectors(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut at = usize::try_from(offset).unwrap();
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (sector, after) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
        let place = at as u64;
        (at, rest) = (at + sector.len(), after);
        (!sector.is_empty()).then_some((place, sector))
    })
}

struct Draw(Survives);

impl Draw {
    fn lets_through(&mut self) -> bool {
        match self.0 {
            Survives::All => true,
            Survives::Nothing => false,
            Survives::Some(_) => self.below(2) == 1,
        }
    }

    /// A number that the seed draws (splitmix64).
    fn below(&mut self, end: usize) -> usize {
        let Survives::Some(seed) = &mut self.0 else { return 0 };
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

impl Storage for FaultyDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.step(Operation::CreateDirectory)?;
        if !path.exists() {
            self.renaming(path, None);
        }
        self.disk.create_directory(path)
    }

    fn create(&self, path: &Path, size: u64) -> io::Result<Box<dyn StorageFile>> {
        self.step(Operation::Create)?;
        self.renaming(path, None);
        // Another file, so that what was not synced of the one before cannot reach it.
        fs::remove_file(path).ok();
        drop(self.disk.create(path, size)?);
        self.file(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.step(Operation::Open)?;
        self.file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Operation::Rename)?;
        self.renaming(to, Some(from));
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(Operation::Remove)?;
        self.renaming(path, None);
        self.disk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.step(Operation::SyncDirectory)?;
        assert!(path.is_dir());
        self.plan().names.retain(|name| name.directory != path);
        Ok(())
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    file: Arc<File>,
    inode: u64,
}

impl StorageFile for FaultyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fault = self.disk.step(Operation::Write)?;
        let bytes = if fault.is_some() { &bytes[..bytes.len() / 2] } else { bytes };
        let (file, bytes) = (Arc::clone(&self.file), bytes.to_vec());
        let write = Write { file, inode: self.inode, offset, bytes, doomed: false };
        self.disk.plan().unsynced.push(write);
        match fault {
            Some(Fault::ShortFull) => Err(io::ErrorKind::StorageFull.into()),
            Some(_) => Err(io::Error::from_raw_os_error(5)),
            None => Ok(()),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let result = self.disk.step(Operation::Sync);
        let mut plan = self.disk.plan();
        if result.is_err() {
            let mine = plan.unsynced.iter_mut().filter(|write| write.inode == self.inode);
            mine.for_each(|write| write.doomed = true);
        }
        result?;
        let (mine, others): (Vec<_>, Vec<_>) = std::mem::take(&mut plan.unsynced)
            .into_iter()
            .partition(|write| write.inode == self.inode && !write.doomed);
        plan.unsynced = others;
        // What counts as durable is decided here; waiting for a real disk would show nothing more.
        mine.into_iter().try_for_each(|write| write.file.write_all_at(&write.bytes, write.offset))
    }
}
