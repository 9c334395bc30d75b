//! Floor 4, tests: what a section makes of the files that it finds at first.

use super::*;
use crate::ingest::intake::Sink;
use std::fs;
use std::io::{Read, Seek, Write};
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
        Self::after(Past::default(), home, pattern, most)
    }

    /// The same, after a run that knew this.
    fn after(past: Past, home: &Path, pattern: &str, most: usize) -> (Section, Arc<Board>, Self) {
        let (sink, bookmarks) = (Arc::<Count>::default(), Arc::<Bookmarks>::default());
        let (stopping, stop) = watching::channel(false);
        let environment = Environment {
            intake: Intake::new(Arc::clone(&sink) as Arc<dyn Sink>, Arc::new(Semaphore::new(1000))),
            bookmarks: Some(Arc::clone(&bookmarks)),
            past: Arc::new(past),
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
    async fn end(self, section: Section) -> (usize, usize) {
        let (noted, lines) = self.marks(section).await;
        let is_pattern = |mark: &&Mark| mark.path.to_string_lossy().starts_with("followed:");
        (noted.iter().filter(is_pattern).count(), lines)
    }

    /// Ends the section; what it noted, and how many lines it read.
    async fn marks(self, mut section: Section) -> (Vec<Mark>, usize) {
        self.stopping.send(true).unwrap();
        while section.tasks.join_next().await.is_some() {}
        (self.bookmarks.take(u64::MAX), self.sink.0.load(Ordering::Relaxed))
    }
}

/// Adds a line to a file.
fn append(path: &Path) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"news\n").unwrap();
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

    // What is not there at a look was not opened by that.
    fs::remove_file(&closed).unwrap();
    look_until(&mut section, &mut watch, |_| trouble().is_none()).await;
    fs::rename(&behind, &closed).unwrap();
    let log = closed.join("a.log");
    let is_followed = || board.rows().iter().any(|(path, row)| *path == log && row.position.is_some());
    look_until(&mut section, &mut watch, |_| is_followed()).await;
    assert_eq!(trouble(), None);
    // A file that is made later is new there, too.
    fs::write(closed.join("b.log"), "news\n").unwrap();
    look_until(&mut section, &mut watch, |_| following.sink.0.load(Ordering::Relaxed) > 0).await;
    assert_eq!(following.end(section).await, (1, 1), "the pattern is noted, and only the news was read");
}

#[tokio::test]
async fn what_is_new_after_a_restart_is_in_doubt_only_below_what_was_closed() {
    let home = tempfile::tempdir().unwrap();
    let [private, open, behind] = ["private", "open", "behind.d"].map(|name| home.path().join(name));
    for directory in [&open, &behind] {
        fs::create_dir(directory).unwrap();
        fs::write(directory.join("a.log"), "years\nof\nhistory\n").unwrap();
    }
    std::os::unix::fs::symlink("private", &private).unwrap();
    let mut noted = BTreeMap::new();
    // Closed in the first two runs, and open in those after them.
    for (run, news, files) in [(0, None, 1), (1, Some(&open), 2), (2, Some(&open), 4), (3, Some(&private), 5)]
    {
        if run == 2 {
            fs::remove_file(&private).unwrap();
            fs::rename(&behind, &private).unwrap();
        }
        news.into_iter().for_each(|news| fs::write(news.join(format!("{run}.log")), "news\n").unwrap());
        let past = Past::new(noted.values().cloned().collect(), BTreeMap::new());
        let (mut section, board, following) =
            Following::after(past, home.path(), "{private,open}/*.log", 1000);
        let mut watch = Watch::new("logs");
        let known = || board.rows().iter().filter(|(_, row)| row.position.is_some()).count();
        let lines = || following.sink.0.load(Ordering::Relaxed);
        let is_read =
            |section: &Section| section.is_noted && known() == files && lines() >= usize::from(run > 0);
        look_until(&mut section, &mut watch, is_read).await;
        let (marks, lines) = following.marks(section).await;
        assert_eq!(lines, usize::from(run > 0), "run {run}: the news, and nothing else");
        noted.extend(marks.into_iter().map(|mark| ((mark.path.clone(), mark.id), mark)));
        noted.retain(|_, mark| mark.place.is_some());
    }
}

#[tokio::test]
async fn what_is_still_closed_below_what_was_opened_is_no_news_after_the_next_restart() {
    let home = tempfile::tempdir().unwrap();
    let (private, inner) = (home.path().join("private"), home.path().join("private/inner"));
    std::os::unix::fs::symlink("private", &private).unwrap();
    let mut noted = BTreeMap::new();
    for (run, files, news) in [(0, 0, 0), (1, 0, 0), (2, 1, 1), (3, 2, 2)] {
        match run {
            1 => {
                fs::remove_file(&private).unwrap();
                fs::create_dir(&private).unwrap();
                std::os::unix::fs::symlink("inner", &inner).unwrap();
            }
            2 => {
                fs::remove_file(&inner).unwrap();
                fs::create_dir(&inner).unwrap();
                fs::write(inner.join("a.log"), "years\nof\nhistory\n").unwrap();
            }
            3 => fs::write(inner.join("b.log"), "news\n").unwrap(),
            _ => {}
        }
        let past = Past::new(noted.values().cloned().collect(), BTreeMap::new());
        let (mut section, board, following) = Following::after(past, home.path(), "private/*/*.log", 1000);
        let mut watch = Watch::new("logs");
        let known = || board.rows().iter().filter(|(_, row)| row.position.is_some()).count();
        let lines = || following.sink.0.load(Ordering::Relaxed);
        look_until(&mut section, &mut watch, |section| section.is_noted && known() == files).await;
        if run >= 2 {
            append(&inner.join("a.log"));
        }
        look_until(&mut section, &mut watch, |_| lines() >= news).await;
        let (marks, lines) = following.marks(section).await;
        assert_eq!(lines, news, "run {run}");
        noted.extend(marks.into_iter().map(|mark| ((mark.path.clone(), mark.id), mark)));
        noted.retain(|_, mark| mark.place.is_some());
    }
}

#[tokio::test]
async fn what_is_mounted_again_is_no_news_though_an_empty_directory_was_there_meanwhile() {
    let home = tempfile::tempdir().unwrap();
    let mount = home.path().join("mount");
    std::os::unix::fs::symlink("mount", &mount).unwrap();
    let (mut section, board, following) = Following::of(home.path(), "mount/*.log", 1000);
    let mut watch = Watch::new("logs");
    assert!(section.look(&mut watch).await);
    fs::remove_file(&mount).unwrap();
    fs::create_dir(&mount).unwrap();
    look_until(&mut section, &mut watch, |_| board.rows().is_empty()).await;
    assert!(section.look(&mut watch).await);
    fs::write(mount.join("a.log"), "years\nof\nhistory\n").unwrap();
    let known = || board.rows().iter().filter(|(_, row)| row.position.is_some()).count();
    look_until(&mut section, &mut watch, |_| known() == 1).await;
    append(&mount.join("a.log"));
    // What is made once it has been looked at is new.
    fs::write(mount.join("b.log"), "news\n").unwrap();
    look_until(&mut section, &mut watch, |_| known() == 2 && following.sink.0.load(Ordering::Relaxed) >= 2)
        .await;
    assert_eq!(following.end(section).await, (1, 2));
}

/// What the threads of a runtime log that this runs in.
fn logged(test: impl Future<Output = ()>) -> String {
    let mut file = tempfile::tempfile().unwrap();
    let writer = Arc::new(file.try_clone().unwrap());
    let log = tracing::Dispatch::new(tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish());
    let of_thread = log.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&of_thread)))
        .build()
        .unwrap();
    tracing::dispatcher::with_default(&log, || runtime.block_on(test));
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn of_a_file_that_came_to_light_and_found_no_room_a_warning_says_what_is_passed_over() {
    let home = tempfile::tempdir().unwrap();
    let [private, behind] = ["private", "behind"].map(|name| home.path().join(name));
    fs::create_dir(&behind).unwrap();
    fs::write(behind.join("a.log"), "years\nof\nhistory\n").unwrap();
    std::os::unix::fs::symlink("private", &private).unwrap();
    let log = logged(async {
        let (mut section, board, following) = Following::of(home.path(), "private/*.log", 0);
        let files = Arc::clone(&section.shared.environment.files);
        let mut watch = Watch::new("logs");
        assert!(section.look(&mut watch).await);
        fs::remove_file(&private).unwrap();
        fs::rename(&behind, &private).unwrap();
        look_until(&mut section, &mut watch, |section| !section.late.is_empty()).await;
        // The look that finds it open is over.
        assert!(section.look(&mut watch).await);
        files.add_permits(1);
        let known = || board.rows().iter().any(|(_, row)| row.position.is_some());
        look_until(&mut section, &mut watch, |_| known()).await;
        append(&private.join("a.log"));
        look_until(&mut section, &mut watch, |_| following.sink.0.load(Ordering::Relaxed) > 0).await;
        assert_eq!(following.end(section).await.1, 1, "what was appended");
    });
    assert!(
        log.contains("the file could not be seen at the start; what is in it now is passed over"),
        "{log}"
    );
}

#[tokio::test]
async fn a_file_of_the_first_look_for_which_there_was_no_room_is_not_new_after_its_directory_was_closed() {
    let home = tempfile::tempdir().unwrap();
    let [open, behind] = ["open", "behind"].map(|name| home.path().join(name));
    fs::create_dir(&open).unwrap();
    fs::write(open.join("a.log"), "years\nof\nhistory\n").unwrap();
    let (mut section, board, following) = Following::of(home.path(), "open/*.log", 0);
    let files = Arc::clone(&section.shared.environment.files);
    let mut watch = Watch::new("logs");
    assert!(section.look(&mut watch).await);
    fs::rename(&open, &behind).unwrap();
    std::os::unix::fs::symlink("open", &open).unwrap();
    look_until(&mut section, &mut watch, |_| !board.rows().is_empty()).await;
    fs::remove_file(&open).unwrap();
    fs::rename(&behind, &open).unwrap();
    files.add_permits(1);
    let known = || board.rows().iter().any(|(_, row)| row.position.is_some());
    look_until(&mut section, &mut watch, |_| known()).await;
    append(&open.join("a.log"));
    look_until(&mut section, &mut watch, |_| following.sink.0.load(Ordering::Relaxed) > 0).await;
    assert_eq!(following.end(section).await.1, 1, "what was appended");
}

#[test]
fn where_more_was_closed_than_is_known_nothing_is_new() {
    let home = tempfile::tempdir().unwrap();
    for number in 0..=limits::MAX_CLOSED {
        std::os::unix::fs::symlink(number.to_string(), home.path().join(number.to_string())).unwrap();
    }
    let log = logged(async {
        let (mut section, board, following) = Following::of(home.path(), "*/*.log", 1000);
        let mut watch = Watch::new("logs");
        assert!(section.look(&mut watch).await);
        // Which of them is not known nobody can tell, so any may be.
        fs::create_dir(home.path().join("d")).unwrap();
        let path = home.path().join("d/a.log");
        fs::write(&path, "years\nof\nhistory\n").unwrap();
        let known = || board.rows().iter().any(|(_, row)| row.position.is_some());
        look_until(&mut section, &mut watch, |_| known()).await;
        append(&path);
        look_until(&mut section, &mut watch, |_| following.sink.0.load(Ordering::Relaxed) > 0).await;
        assert_eq!(following.end(section).await, (0, 1), "what was appended");
    });
    assert_eq!(log.matches("more cannot be looked at than is remembered").count(), 1, "{log}");
}

#[test]
fn what_is_closed_below_what_was_opened_is_known_or_it_is_known_that_it_is_not() {
    let board = Board::default();
    let path = |name: &str| PathBuf::from(format!("/srv/{name}"));
    let closed = |names: &[&str]| names.iter().map(|name| (path(name), "why".to_owned())).collect();
    for (kept, below, is_lost) in [
        (limits::MAX_CLOSED - 1, &["a/0"][..], false),
        (limits::MAX_CLOSED - 1, &["a/0", "a/1"], true),
        (limits::MAX_CLOSED, &[], true),
    ] {
        let before = (0..kept).map(|number| path(&format!("before/{number}"))).collect();
        let mut known = Closed::new(before);
        known.set(&Found { closed: closed(&["a"]), ..Found::default() }, true, "logs", &board);
        let listed = BTreeSet::from([path("a")]);
        known.set(&Found { closed: closed(below), listed, ..Found::default() }, false, "logs", &board);
        assert_eq!(known.has_hidden(&path("b/x.log"), false), is_lost, "{kept} {below:?}");
        assert!(!known.has_hidden(&path("b/x.log"), true), "{kept} {below:?}");
    }
}

#[test]
fn of_many_directories_that_are_closed_the_rest_is_counted() {
    let home = tempfile::tempdir().unwrap();
    for number in 0..limits::MAX_TOLD_CLOSED + 3 {
        std::os::unix::fs::symlink(number.to_string(), home.path().join(number.to_string())).unwrap();
    }
    let log = logged(async {
        let (mut section, board, following) = Following::of(home.path(), "*/*.log", 1000);
        let mut watch = Watch::new("logs");
        assert!(section.look(&mut watch).await);
        let rest = vec![("logs".to_owned(), 3)];
        assert_eq!((board.rows().len(), board.closed()), (limits::MAX_TOLD_CLOSED, rest));
        // Others take the place of those that are gone.
        for number in 0..3 {
            fs::remove_file(home.path().join(number.to_string())).unwrap();
        }
        look_until(&mut section, &mut watch, |_| board.closed().is_empty()).await;
        assert_eq!(board.rows().len(), limits::MAX_TOLD_CLOSED);
        assert_eq!(following.end(section).await, (0, 0), "nobody could tell what is new");
    });
    let told: Vec<_> = log.lines().filter(|line| line.contains("not taken to be new")).collect();
    assert!(told.len() == 1 && told[0].contains("rest=3 most=64"), "{told:?}");
}
