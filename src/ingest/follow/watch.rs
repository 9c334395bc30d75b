//! Floor 4: what the kernel tells of changes in directories, where it does (inotify(7)).
//!
//! Nothing rests on it but how soon a change is seen: network file systems tell nothing, and the number of watches is
//! limited; whoever waits here looks for himself from time to time.

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Room for what the kernel tells at once.
const EVENTS_SIZE: usize = 16 * 1024;

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Files that may have more to read.
    pub(super) files: BTreeSet<PathBuf>,
    /// Whether files may have appeared, gone, or got another name.
    pub(super) names: bool,
    /// Whether the kernel has lost count.
    pub(super) any: bool,
}

/// Watches directories.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: Option<AsyncFd<Inotify>>,
    directories: HashMap<WatchDescriptor, PathBuf>,
    watched: BTreeSet<PathBuf>,
}

impl Watch {
    /// Begins to watch nothing. Must be called within a runtime.
    pub(super) fn new(section: &str) -> Self {
        #[expect(
            deprecated,
            reason = "what is unsound there is a type that lends out a descriptor that it does not own; this one owns it"
        )]
        let inotify = Inotify::init().and_then(|inotify| AsyncFd::with_interest(inotify, Interest::READABLE));
        let inotify = inotify.map_err(|error| {
            tracing::warn!(files = section, %error, "the kernel cannot tell of changes; files are looked at regularly");
        });
        Self { inotify: inotify.ok(), directories: HashMap::new(), watched: BTreeSet::new() }
    }

    /// Watches these directories, as far as that is possible, and no others.
    pub(super) fn set(&mut self, wanted: &BTreeSet<PathBuf>) {
        let Some(inotify) = &self.inotify else { return };
        let mut watches = inotify.get_ref().watches();
        self.directories.retain(|descriptor, path| {
            let stays = wanted.contains(path);
            if !stays {
                // It has gone with its directory.
                watches.remove(descriptor.clone()).ok();
                self.watched.remove(path);
            }
            stays
        });
        let mask = WatchMask::MODIFY
            | WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVE
            | WatchMask::ATTRIB
            | WatchMask::ONLYDIR;
        for path in wanted.difference(&self.watched.clone()) {
            // Where it fails, regular looks must do.
            if let Ok(descriptor) = watches.add(path, mask) {
                self.directories.insert(descriptor, path.clone());
                self.watched.insert(path.clone());
            }
        }
    }

    /// Waits for changes.
    pub(super) async fn changes(&mut self) -> Changes {
        let Self { inotify: Some(inotify), directories, watched } = self else {
            return std::future::pending().await;
        };
        loop {
            let Ok(mut ready) = inotify.readable_mut().await else { return std::future::pending().await };
            let read = ready.try_io(|inotify| read(inotify.get_mut(), directories));
            match read {
                Ok(Ok((changes, ended))) => {
                    for descriptor in ended {
                        if let Some(path) = directories.remove(&descriptor) {
                            watched.remove(&path);
                        }
                    }
                    return changes;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the kernel does not tell of changes any more");
                    return std::future::pending().await;
                }
                Err(_) => {}
            }
        }
    }
}

fn read(
    inotify: &mut Inotify,
    directories: &HashMap<WatchDescriptor, PathBuf>,
) -> io::Result<(Changes, Vec<WatchDescriptor>)> {
    let mut buffer = [0; EVENTS_SIZE];
    let (mut changes, mut ended) = (Changes::default(), Vec::new());
    for event in inotify.read_events(&mut buffer)? {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            (changes.names, changes.any) = (true, true);
        }
        if event.mask.contains(EventMask::IGNORED) {
            changes.names = true;
            ended.push(event.wd.clone());
        }
        let names = EventMask::CREATE
            | EventMask::DELETE
            | EventMask::MOVED_FROM
            | EventMask::MOVED_TO
            | EventMask::ATTRIB;
        changes.names |= event.mask.intersects(names);
        if let (Some(directory), Some(name)) = (directories.get(&event.wd), event.name) {
            changes.files.insert(directory.join(Path::new(name)));
        }
    }
    Ok((changes, ended))
}
