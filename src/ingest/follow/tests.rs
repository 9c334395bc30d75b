//! Floor 4, tests: what a section makes of the files that it finds at first.

use super::*;
use crate::ingest::intake::Sink;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts lines.
#[derive(Default)]
struct Count(AtomicUsize);

impl Sink for Count {
    fn submit(&self, batch: Batch) -> u64 {
        self.0.fetch_add(batch.frames.len(), Ordering::Relaxed) as u64
    }
}

/// A section that begins at the ends of two files, but may follow fewer at first; what it notes of patterns, and how many
/// lines it reads once it may follow both.
async fn noted_and_read(most: usize) -> (usize, usize) {
    let home = tempfile::tempdir().unwrap();
    let paths = ["a.log", "b.log"].map(|name| home.path().join(name));
    paths.iter().for_each(|path| fs::write(path, "years of history\n").unwrap());
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
    let pattern = Pattern::parse(&format!("{}/*.log", home.path().display())).unwrap();
    let options = Options { poll: Duration::from_millis(20), ..Options::new("logs", vec![pattern]) };
    let (board, files) = (Arc::clone(&environment.board), Arc::clone(&environment.files));
    let mut section = Section::new(options, environment);
    let mut watch = Watch::new("logs");
    let deadline = Instant::now() + Duration::from_secs(60);
    while section.shared.begun.available_permits() < most.min(2) {
        assert!(Instant::now() < deadline && section.look(&mut watch).await);
    }
    // What is to be noted of the patterns is noted before this look ends.
    assert!(section.look(&mut watch).await);
    files.add_permits(2);
    while board.rows().iter().filter(|(_, row)| row.position.is_some()).count() < 2 {
        assert!(Instant::now() < deadline && section.look(&mut watch).await);
    }
    stopping.send(true).unwrap();
    while section.tasks.join_next().await.is_some() {}
    let noted = bookmarks.take(u64::MAX);
    let is_pattern = |mark: &&Mark| mark.path.to_string_lossy().starts_with("followed:");
    let patterns = noted.iter().filter(is_pattern).count();
    (patterns, sink.0.load(Ordering::Relaxed))
}

#[tokio::test]
async fn files_that_the_first_look_left_out_are_not_new_later() {
    assert_eq!(noted_and_read(2).await, (1, 0), "that what appears later is new is known");
    assert_eq!(noted_and_read(1).await, (0, 0), "but not where some were left out");
}
