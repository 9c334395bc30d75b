//! Floor 4, tests: every line once, whatever becomes of its file.

mod missed;

use super::*;
use crate::limits;
use crate::time::{Timestamp, Zone};
use crate::wire::lines::{Description, LineFormat};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::time::Duration;

const QUIET: Duration = Duration::from_secs(5);
const ROTATED: Duration = Duration::from_secs(60);

/// A directory with a log, and somebody who follows it by a clock of its own.
struct Scene {
    home: tempfile::TempDir,
    now: Instant,
    held: Held,
    tail: Tail,
    /// The newest mark of each file.
    marks: Vec<Mark>,
    /// When the process before last told of the path.
    told: Option<Timestamp>,
}

fn rules() -> Rules {
    Rules {
        lines: None,
        max_message_size: 1024,
        quiet: QUIET,
        rotated: ROTATED,
        temporary: std::env::temp_dir(),
        list: |_| Ok(()),
    }
}

impl Scene {
    fn new(begin: Begin, content: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("auth.log");
        fs::write(&path, content).unwrap();
        let held = Held::default();
        let keeps_backlog = begin == Begin::Backlog;
        let tail = Tail::new(path, rules(), held.clone(), (begin, keeps_backlog), PathPast::default());
        Self { home, now: Instant::now(), held, tail, marks: Vec::new(), told: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn append(&self, text: &str) {
        let file = OpenOptions::new().append(true).create(true).open(self.path("auth.log"));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// What a new process follows that knows the marks.
    fn restart(&mut self) {
        self.restart_with(Begin::End);
    }

    /// The same, by a way to begin.
    fn restart_with(&mut self, begin: Begin) {
        let marks: Vec<_> = self.marks.iter().filter(|mark| mark.place.is_some()).cloned().collect();
        let places = marks.iter().filter_map(|mark| mark.place.map(|place| (mark.id, place)));
        self.held = Held::new(places.filter(|(_, place)| place.known > 0).collect());
        let keeps_backlog = begin == Begin::Backlog;
        let past = PathPast { marks, told: self.told, ..PathPast::default() };
        self.tail =
            Tail::new(self.path("auth.log"), rules(), self.held.clone(), (begin, keeps_backlog), past);
    }

    /// The lines of one step, and whether it was more than waiting.
    fn step(&mut self) -> Option<Vec<String>> {
        let Step::Lines(lines, marks) = self.tail.step(self.now) else { return None };
        for mark in marks {
            self.marks.retain(|known| (&known.path, known.id) != (&mark.path, mark.id));
            self.marks.push(mark);
        }
        let text = |lines: Lines| {
            let frame = |frame: &crate::batch::FrameSpan| {
                let cut = if frame.truncated { "~" } else { "" };
                let old = if lines.is_backlog { "-" } else { "" };
                format!("{old}{}{cut}", String::from_utf8_lossy(frame.span.of(&lines.bytes)))
            };
            lines.frames.iter().map(frame).collect()
        };
        Some(lines.map(text).unwrap_or_default())
    }

    /// All lines that there are now.
    fn lines(&mut self) -> String {
        let mut all = Vec::new();
        while let Some(lines) = self.step() {
            all.extend(lines);
        }
        all.join(" ")
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

#[test]
fn what_is_appended_is_read_and_what_was_there_only_if_asked() {
    let mut scene = Scene::new(Begin::Start, "a\nb\n");
    assert_eq!(scene.lines(), "a b");
    scene.append("c\n\nd\n");
    assert_eq!(scene.lines(), "c d");

    let mut scene = Scene::new(Begin::End, "a\nhalf a li");
    assert_eq!(scene.lines(), "");
    scene.append("ne\nb\n");
    assert_eq!(scene.lines(), "b", "the rest of a line is none");
}

#[test]
fn an_incomplete_line_waits_for_its_end() {
    let mut scene = Scene::new(Begin::Start, "one\ntw");
    assert_eq!(scene.lines(), "one");
    scene.pass(QUIET - Duration::from_millis(1));
    scene.append("o");
    assert_eq!(scene.lines(), "");
    scene.pass(QUIET - Duration::from_millis(1));
    assert_eq!(scene.lines(), "", "it grew");
    scene.append("!\nthree");
    assert_eq!(scene.lines(), "two!");
    scene.pass(QUIET);
    assert_eq!(scene.lines(), "three~", "nobody knows that it ends there");
    scene.append(" and a half\nfour\n");
    assert_eq!(scene.lines(), "four");
}

#[test]
fn a_long_line_is_cut_and_its_rest_is_no_line_after_a_restart_either() {
    let mut scene = Scene::new(Begin::Start, &format!("{}{}", "x".repeat(5000), "y".repeat(600_000)));
    assert_eq!(scene.lines(), format!("{}~", "x".repeat(1024)));
    scene.restart();
    scene.append("z\nnext\n");
    assert_eq!(scene.lines(), "next");
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_a_while_longer() {
    let mut scene = Scene::new(Begin::Start, "1\n");
    assert_eq!(scene.lines(), "1");
    scene.append("2\n");
    fs::rename(scene.path("auth.log"), scene.path("auth.log.1")).unwrap();
    fs::write(scene.path("auth.log"), "4\n").unwrap();
    fs::write(scene.path("auth.log.1"), "1\n2\n3\n").unwrap();
    assert_eq!(scene.lines(), "2 3 4");
    let late = OpenOptions::new().append(true).open(scene.path("auth.log.1"));
    late.unwrap().write_all(b"late\n").unwrap();
    scene.append("5\n");
    assert_eq!(scene.lines(), "late 5");
    scene.pass(ROTATED);
    assert_eq!(scene.lines(), "");
    assert_eq!(scene.marks.iter().filter(|mark| mark.place.is_none()).count(), 1, "the old one is let go");
}

#[test]
fn a_last_line_without_an_end_comes_before_the_new_file() {
    let mut scene = Scene::new(Begin::Start, "1\n");
    scene.lines();
    scene.append("2, unfinished");
    fs::rename(scene.path("auth.log"), scene.path("auth.log.1")).unwrap();
    fs::write(scene.path("auth.log"), "3\n").unwrap();
    assert_eq!(scene.lines(), "");
    scene.pass(QUIET);
    assert_eq!(scene.lines(), "2, unfinished~ 3");
}

#[test]
fn a_removed_file_is_read_to_its_end_before_the_one_in_its_place() {
    let mut scene = Scene::new(Begin::Start, "1\n");
    scene.lines();
    scene.append("2\n");
    fs::remove_file(scene.path("auth.log")).unwrap();
    assert_eq!(scene.lines(), "2");
    assert_eq!(scene.lines(), "");
    scene.append("3\n");
    assert_eq!(scene.lines(), "3");
}

#[test]
fn of_a_file_that_was_copied_and_cut_the_copy_is_read_first() {
    let mut scene = Scene::new(Begin::Start, "1\n2\n");
    assert_eq!(scene.lines(), "1 2");
    scene.append("3\n");
    fs::copy(scene.path("auth.log"), scene.path("auth.log.1")).unwrap();
    OpenOptions::new().write(true).open(scene.path("auth.log")).unwrap().set_len(0).unwrap();
    scene.append("4\n");
    assert_eq!(scene.lines(), "3 4");
    // Written anew to the same length, and to a greater one.
    for (content, expected) in [("5\n", "5"), ("66\n", "66"), ("seven\neight\n", "seven eight")] {
        scene.pass(Duration::from_secs(1));
        fs::write(scene.path("auth.log"), content).unwrap();
        assert_eq!(scene.lines(), expected);
    }
}

#[test]
fn a_hole_that_a_writer_leaves_is_no_line() {
    let mut scene = Scene::new(Begin::Start, "");
    let mut writer = OpenOptions::new().write(true).open(scene.path("auth.log")).unwrap();
    writer.write_all(&b"x\n".repeat(400_000)).unwrap();
    scene.lines();
    writer.set_len(0).unwrap();
    assert_eq!(scene.lines(), "");
    writer.write_all(b"after\n").unwrap();
    assert_eq!(scene.lines(), "after");
}

#[test]
fn a_restart_goes_on_where_the_last_mark_is() {
    let mut scene = Scene::new(Begin::Start, "1\n2\n");
    assert_eq!(scene.lines(), "1 2");
    scene.append("3\n");
    scene.restart();
    assert_eq!(scene.lines(), "3");
    // Rotated while nobody looked, by renaming.
    scene.append("4\n");
    fs::rename(scene.path("auth.log"), scene.path("auth.log-20260201")).unwrap();
    scene.append("5\n");
    scene.restart();
    assert_eq!(scene.lines(), "4 5");
    // By copying.
    scene.append("6\n");
    fs::copy(scene.path("auth.log"), scene.path("auth.log.1")).unwrap();
    fs::write(scene.path("auth.log"), "7\n").unwrap();
    scene.restart();
    assert_eq!(scene.lines(), "6 7");
    // The mark of the copy and that of the log.
    scene.restart();
    assert_eq!(scene.lines(), "");
    // Replaced by something else altogether.
    fs::remove_file(scene.path("auth.log")).unwrap();
    fs::write(scene.path("auth.log"), "other\n").unwrap();
    scene.restart();
    assert_eq!(scene.lines(), "other");
}

#[test]
fn a_link_is_followed_and_may_be_changed() {
    let mut scene = Scene::new(Begin::Start, "");
    fs::remove_file(scene.path("auth.log")).unwrap();
    fs::write(scene.path("monday"), "m\n").unwrap();
    fs::write(scene.path("tuesday"), "t\n").unwrap();
    symlink("monday", scene.path("auth.log")).unwrap();
    assert_eq!(scene.lines(), "m");
    fs::remove_file(scene.path("auth.log")).unwrap();
    symlink("tuesday", scene.path("auth.log")).unwrap();
    assert_eq!(scene.lines(), "t");
}

#[test]
fn a_file_that_appears_later_is_read_from_its_start() {
    let mut scene = Scene::new(Begin::End, "");
    fs::remove_file(scene.path("auth.log")).unwrap();
    assert_eq!(scene.lines(), "");
    scene.append("1\n");
    assert_eq!(scene.lines(), "1");
    // One that is gone for good ends the work.
    fs::remove_file(scene.path("auth.log")).unwrap();
    for _ in 0..3 {
        scene.lines();
        scene.pass(ROTATED);
    }
    assert!(matches!(scene.tail.step(scene.now), Step::Over));
}

#[test]
fn what_is_read_by_one_name_is_not_read_by_another() {
    let mut scene = Scene::new(Begin::Start, "1\n");
    assert_eq!(scene.lines(), "1");
    fs::rename(scene.path("auth.log"), scene.path("auth.log.1")).unwrap();
    let past = PathPast::default();
    let mut other =
        Tail::new(scene.path("auth.log.1"), rules(), scene.held.clone(), (Begin::Start, false), past);
    assert!(matches!(other.step(scene.now), Step::Idle(None)));
    scene.append("2\n");
    assert_eq!(scene.lines(), "2");
    scene.pass(ROTATED);
    scene.lines();
    let Step::Lines(None, marks) = other.step(scene.now) else { panic!("it is free now") };
    assert_eq!(marks[0].place.unwrap().offset, 2, "and is gone on with where the other stopped");
}

#[test]
fn what_is_no_text_is_said_once() {
    let mut scene = Scene::new(Begin::Start, "");
    for content in [&b"\xFF\xFEF\0e\0b\0\n\0"[..], b"\x1f\x8b\x08\0"] {
        fs::write(scene.path("auth.log"), content).unwrap();
        assert!(matches!(scene.tail.step(scene.now), Step::Idle(None)) || scene.lines().is_empty());
        let mut row = Row::default();
        scene.tail.tell(&mut row, &Step::Idle(None));
        assert!(row.trouble.is_some() && row.position.is_none(), "{row:?}");
    }
    fs::write(scene.path("auth.log"), "\u{FEFF}text\n").unwrap();
    assert_eq!(scene.lines(), "text");
    assert!(scene.tail.trouble.is_none());
}

#[test]
fn a_file_that_may_not_be_read_is_tried_again() {
    let mut scene = Scene::new(Begin::Start, "1\n");
    let path = scene.path("auth.log");
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o000);
    if fs::File::open(&path).is_ok() {
        println!("skipped: needs a user whom permissions bind");
        return;
    }
    assert!(matches!(scene.tail.step(scene.now), Step::Idle(None)));
    assert!(scene.tail.trouble.is_some());
    mode(0o600);
    assert_eq!(scene.lines(), "1");
}

#[test]
fn where_a_file_begins_that_cannot_be_seen_is_known_once_it_can() {
    let mut scene = Scene::new(Begin::End, "old\n");
    fs::rename(scene.path("auth.log"), scene.path("aside")).unwrap();
    // Root may look at everything, but not through a link to itself.
    symlink("auth.log", scene.path("auth.log")).unwrap();
    assert_eq!(scene.lines(), "");
    assert!(!scene.tail.has_begun() && scene.marks.is_empty());
    fs::rename(scene.path("aside"), scene.path("auth.log")).unwrap();
    assert_eq!(scene.lines(), "");
    assert!(scene.tail.has_begun());
    scene.append("new\n");
    assert_eq!(scene.lines(), "new");
    // What is not there is in no trouble.
    fs::remove_file(scene.path("auth.log")).unwrap();
    scene.restart();
    symlink("auth.log", scene.path("auth.log")).unwrap();
    assert_eq!(scene.lines(), "");
    assert!(scene.tail.trouble.is_some());
    fs::remove_file(scene.path("auth.log")).unwrap();
    assert_eq!(scene.lines(), "");
    assert!(scene.tail.trouble.is_none());
    // One that is there and no text may never be any: nothing waits for that.
    fs::write(scene.path("auth.log"), b"\xFF\xFEF\0").unwrap();
    scene.marks.clear();
    scene.restart();
    assert_eq!(scene.lines(), "");
    assert!(scene.tail.has_begun());
}

#[test]
fn what_a_file_holds_at_first_is_its_backlog() {
    let mut scene = Scene::new(Begin::Backlog, "a\nhalf a li");
    scene.append("ne\nb\n");
    assert_eq!(scene.lines(), "-a -half a line -b", "it is opened with the first step");
    scene.append("c\n");
    assert_eq!(scene.lines(), "c");
    fs::rename(scene.path("auth.log"), scene.path("auth.log.1")).unwrap();
    scene.append("d\n");
    assert_eq!(scene.lines(), "d", "a file that appears later has none");
    assert_eq!(
        scene.marks.iter().filter(|mark| mark.path.starts_with("/") && mark.place.is_some()).count(),
        2
    );
    assert!(scene.marks.iter().all(|mark| mark.path.starts_with("/") || mark.place.is_none()), "it is read");
}

#[test]
fn a_backlog_begins_when_its_file_can_be_read_and_goes_with_its_copy() {
    let mut scene = Scene::new(Begin::Backlog, "");
    fs::write(scene.path("auth.log"), b"\xFF\xFEa\0").unwrap();
    for _ in 0..3 {
        assert!(scene.step().is_none(), "there is nothing to note");
    }
    fs::write(scene.path("auth.log"), format!("{}\n", "x".repeat(1000)).repeat(300)).unwrap();
    let first: Vec<_> = (0..2).map(|_| scene.step().unwrap().len()).collect();
    assert!(first[0] == 0 && first[1] > 0, "{first:?}");
    fs::copy(scene.path("auth.log"), scene.path("auth.log.1")).unwrap();
    fs::write(scene.path("auth.log"), "new\n").unwrap();
    let rest = scene.lines();
    let (old, new): (Vec<_>, Vec<_>) = rest.split(' ').partition(|line| line.starts_with('-'));
    assert_eq!((old.len(), new), (300 - first[1], vec!["new"]));
    scene.pass(ROTATED);
    assert_eq!(scene.lines(), "");
    assert!(scene.marks.iter().all(|mark| mark.path.starts_with("/") || mark.place.is_none()), "it is read");
}

#[test]
fn a_restart_in_the_midst_of_a_backlog_makes_no_news_of_it() {
    let long = format!("{}\n", "x".repeat(1000));
    let content = long.repeat(300);
    let mut scene = Scene::new(Begin::Backlog, &content);
    // Its end and where it begins are told, and then the first lines of it.
    let first: Vec<_> = (0..2).map(|_| scene.step().unwrap().len()).collect();
    assert!(first[0] == 0 && (1..300).contains(&first[1]), "{first:?}");
    scene.append("new\nhal");
    fs::rename(scene.path("auth.log"), scene.path("auth.log.1")).unwrap();
    scene.append("newer\n");
    scene.restart_with(Begin::Backlog);
    let rest = scene.lines();
    let (old, new): (Vec<_>, Vec<_>) = rest.split(' ').partition(|line| line.starts_with('-'));
    assert_eq!((old.len(), new), (300 - first[1], vec!["new"]), "what was renamed has a backlog still");
    scene.pass(QUIET);
    assert_eq!(scene.lines(), "hal~ newer");
}

#[test]
fn a_record_of_several_lines_waits_for_the_next_or_for_quiet() {
    let description =
        Description { pattern: "(?<msg>.*)".into(), start: "[0-9]".into(), ..Description::default() };
    let format = Arc::new(LineFormat::new(description).unwrap());
    let mut scene = Scene::new(Begin::Start, "");
    let rules = Rules { lines: Some((format, Zone::UTC)), ..rules() };
    let past = PathPast::default();
    scene.tail = Tail::new(scene.path("auth.log"), rules, scene.held.clone(), (Begin::Start, false), past);
    let told = |scene: &mut Scene| scene.lines().replace("<14>1 - - - - - - ", "").replace('\n', "|");
    scene.append("1 a\n at b\n2 c\n");
    assert_eq!(told(&mut scene), "1 a| at b");
    scene.pass(limits::QUIET_RECORD_TIME - Duration::from_millis(1));
    scene.append(" at d\n at");
    assert_eq!(told(&mut scene), "", "it grew");
    scene.pass(limits::QUIET_RECORD_TIME);
    assert_eq!(told(&mut scene), "", "its last line has no end");
    scene.append(" e\n");
    assert_eq!(told(&mut scene), "");
    scene.pass(limits::QUIET_RECORD_TIME);
    assert_eq!(told(&mut scene), "2 c| at d| at e");
    scene.append(" too late\n3 f\n");
    assert_eq!(told(&mut scene), "\u{1a}start  too late");
    scene.pass(QUIET);
    assert_eq!(told(&mut scene), "3 f");
    scene.append(&format!("4 {}\n{}5\n", "x".repeat(2000), " y\n".repeat(600)));
    let long = told(&mut scene);
    assert!(
        long.starts_with("4 xx") && long.contains("~ \u{1a}start  y| y"),
        "{}",
        &long[long.len() - 300..]
    );
}

#[test]
fn what_was_searched_and_then_written_anew_is_searched_again() {
    let description =
        Description { pattern: "(?<msg>.*)".into(), start: "[0-9]".into(), ..Description::default() };
    let format = Arc::new(LineFormat::new(description).unwrap());
    let mut scene = Scene::new(Begin::Start, "1 a\n b\n");
    let rules = Rules { lines: Some((format, Zone::UTC)), ..rules() };
    let past = PathPast::default();
    scene.tail = Tail::new(scene.path("auth.log"), rules, scene.held.clone(), (Begin::Start, false), past);
    assert_eq!(scene.lines(), "");
    // Nothing stands before the place by which it would be known again.
    fs::write(scene.path("auth.log"), "2 c\n3 d\n4 e\n").unwrap();
    assert_eq!(scene.lines().replace("<14>1 - - - - - - ", ""), "2 c 3 d");
}
