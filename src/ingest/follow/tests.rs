//! Floor 4, tests: what a section makes of the files that it finds at first.

use super::*;
use crate::ingest::intake::Sink;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts lines.
#[derive(Default)]
struct Count(AtomicUsize);

impl Sink for Count {
    fn submit(&self, batch: Batch) -> u64 {
        self.0.fetch_add(batch.frames.len(), Ordering::Relaxed) as u64
    }
}

/// What a section hands on, and the end of it.
struct Following {
    sink: Arc<Count>,
    bookmarks: Arc<Bookmarks>,
    stopping: watching::Sender<bool>,
}

impl Following {
    /// A section that begins at the ends of files and may follow so many, and where it tells how far they are.
    fn of(home: &Path, pattern: &str, most: usize) -> (Section, Arc<Board>, Self) {
        let (sink, bookmarks) = (Arc::<Count>::default(), Arc::<Bookmarks>::default());
        let (stopping, stop) = watching::channel(false);
        let environment = Environment {
            intake: Intake::new(Arc::clone(&sink) as Arc<dyn Sink>, Arc::new(Semaphore::new(1000))),
            bookmarks: Some(Arc::clone(&bookmarks)),
            past: Arc::default(),
            board: Arc::default(),
            files: Arc::new(Semaphore::new(most)),
            stop,
        };
        let pattern = Pattern::parse(&format!("{}/{pattern}", home.display())).unwrap();
        let options = Options { poll: Duration::from_millis(20), ..Options::new("logs", vec![pattern]) };
        let board = Arc::clone(&environment.board);
        (Section::new(options, environment), board, Self { sink, bookmarks, stopping })
    }

    /// Ends the section; how many patterns it noted, and how many lines it read.
    async fn end(self, mut section: Section) -> (usize, usize) {
        self.stopping.send(true).unwrap();
        while section.tasks.join_next().await.is_some() {}
        let noted = self.bookmarks.take(u64::MAX);
        let is_pattern = |mark: &&Mark| mark.path.to_string_lossy().starts_with("followed:");
        (noted.iter().filter(is_pattern).count(), self.sink.0.load(Ordering::Relaxed))
    }
}

/// Looks until something is so.
async fn look_until(section: &mut Section, watch: &mut Watch, is_so: impl Fn(&Section) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so(section) {
        assert!(Instant::now() < deadline && section.look(watch).await);
    }
}

/// A section that begins at the ends of two files, but may follow fewer at first; what it notes of patterns, and how many
/// lines it reads once it may follow both.
async fn noted_and_read(most: usize) -> (usize, usize) {
    let home = tempfile::tempdir().unwrap();
    let paths = ["a.log", "b.log"].map(|name| home.path().join(name));
    paths.iter().for_each(|path| fs::write(path, "years of history\n").unwrap());
    let (mut section, board, following) = Following::of(home.path(), "*.log", most);
    let files = Arc::clone(&section.shared.environment.files);
    let mut watch = Watch::new("logs");
    look_until(&mut section, &mut watch, |section| section.shared.begun.available_permits() >= most.min(2))
        .await;
    // What is to be noted of the patterns is noted before this look ends.
    assert!(section.look(&mut watch).await);
    files.add_permits(2);
    let known = || board.rows().iter().filter(|(_, row)| row.position.is_some()).count();
    look_until(&mut section, &mut watch, |_| known() >= 2).await;
    following.end(section).await
}

#[tokio::test]
async fn files_that_the_first_look_left_out_are_not_new_later() {
    assert_eq!(noted_and_read(2).await, (1, 0), "that what appears later is new is known");
    assert_eq!(noted_and_read(1).await, (0, 0), "but not where some were left out");
}

#[tokio::test]
async fn what_comes_to_light_in_a_directory_that_was_closed_is_not_news() {
    let home = tempfile::tempdir().unwrap();
    let (closed, open) = (home.path().join("closed"), home.path().join("open"));
    for directory in [&closed, &open] {
        fs::create_dir(directory).unwrap();
        fs::write(directory.join("a.log"), "years\nof\nhistory\n").unwrap();
    }
    let behind = home.path().join("behind");
    fs::rename(&closed, &behind).unwrap();
    // Root may list everything, but nothing through a link to itself.
    std::os::unix::fs::symlink("closed", &closed).unwrap();
    let (mut section, board, following) = Following::of(home.path(), "{closed,open}/*.log", 1000);
    let mut watch = Watch::new("logs");
    let trouble = || board.rows().into_iter().find(|(path, _)| *path == closed).map(|(_, row)| row.trouble);
    look_until(&mut section, &mut watch, |section| section.shared.begun.available_permits() == 1).await;
    let told = trouble().unwrap().unwrap();
    assert!(told.starts_with("it cannot be listed: Too many levels"), "{told}");
    assert!(section.look(&mut watch).await);

    fs::remove_file(&closed).unwrap();
    fs::rename(&behind, &closed).unwrap();
    let log = closed.join("a.log");
    let is_followed = || board.rows().iter().any(|(path, row)| *path == log && row.position.is_some());
    look_until(&mut section, &mut watch, |_| is_followed()).await;
    assert_eq!(trouble(), None);
    // A file that is made later is new there, too.
    fs::write(closed.join("b.log"), "news\n").unwrap();
    look_until(&mut section, &mut watch, |_| following.sink.0.load(Ordering::Relaxed) > 0).await;
    assert_eq!(following.end(section).await, (0, 1), "nothing is noted, and only the news was read");
}
