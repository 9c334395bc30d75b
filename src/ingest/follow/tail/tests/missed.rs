//! Floor 4, tests: what became of files while nobody followed them.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::time::SystemTime;

/// A log of which this was read by a process that has ended.
fn stopped(begin: Begin, content: &str) -> Scene {
    let mut scene = Scene::new(begin, content);
    scene.lines();
    scene.told = Some(SystemClock.now());
    scene
}

impl Scene {
    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn compress(&self, name: &str) {
        let (path, packed) = (self.path(name), File::create(self.path(&format!("{name}.gz"))).unwrap());
        let mut encoder = GzEncoder::new(packed, Compression::fast());
        encoder.write_all(&fs::read(&path).unwrap()).unwrap();
        encoder.finish().unwrap();
        fs::remove_file(path).unwrap();
    }

    /// Has a file written so many seconds after the process has ended.
    fn date(&self, name: &str, seconds: i64) {
        let file = OpenOptions::new().write(true).open(self.path(name)).unwrap();
        let told = u64::try_from(self.told.unwrap().as_micros()).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(told);
        let by = Duration::from_secs(seconds.unsigned_abs());
        file.set_modified(if seconds < 0 { time - by } else { time + by }).unwrap();
    }

    /// Copies the log and cuts it.
    fn copy_and_cut(&self, copy: &str) {
        fs::copy(self.path("auth.log"), self.path(copy)).unwrap();
        OpenOptions::new().write(true).open(self.path("auth.log")).unwrap().set_len(0).unwrap();
    }

    /// Follows the path anew after it named nothing for long, as a section does.
    fn follow_again(&mut self) {
        assert!(matches!(self.tail.step(self.now), Step::Over));
        let begin = (Begin::Start, false);
        let new = Tail::new(self.path("auth.log"), rules(), self.held.clone(), begin, PathPast::default());
        let past = std::mem::replace(&mut self.tail, new).into_past();
        self.tail = Tail::new(self.path("auth.log"), rules(), self.held.clone(), begin, past);
    }

    /// What is kept of files that are read no more.
    fn kept(&self) -> usize {
        self.marks.iter().filter(|mark| mark.place.is_some()).count()
    }
}

#[test]
fn what_was_rotated_away_more_than_once_is_read_in_its_order() {
    let mut scene = stopped(Begin::Start, "1\n");
    fs::write(scene.path("auth.log.1"), "long ago\n").unwrap();
    scene.date("auth.log.1", -60);
    for line in ["2\n", "3\n", "4\n"] {
        scene.append(line);
        for number in (1..4).rev().filter(|number| scene.path(&format!("auth.log.{number}")).exists()) {
            scene.rename(&format!("auth.log.{number}"), &format!("auth.log.{}", number + 1));
        }
        scene.rename("auth.log", "auth.log.1");
    }
    scene.append("5\n");
    // A restart in the midst of it repeats nothing.
    let mut all = Vec::new();
    for round in 0..8 {
        scene.restart();
        for _ in 0..2 + round % 2 {
            all.extend(scene.step().unwrap_or_default());
        }
        scene.told = Some(SystemClock.now());
    }
    assert_eq!(all, ["2", "3", "4", "5"]);
    scene.pass(ROTATED);
    assert_eq!(scene.lines(), "");
    assert_eq!(scene.kept(), 1, "{:?}", scene.marks);
}

#[test]
fn names_with_dates_come_by_time_and_what_rotation_does_not_make_is_left() {
    let mut scene = stopped(Begin::Start, "1\n");
    for (name, content, seconds) in [
        ("auth.log-20260201", "before\n", -60),
        ("auth.log-20260203", "3\n", 20),
        ("auth.log-20260204", "4\n", 20),
        ("auth.log-20260205", "", 30),
        ("auth.log.bak", "backup\n", 30),
        ("auth.log~", "editor\n", 30),
        ("auth.log-20260205.new", "other\n", 30),
        ("auth.log-1", "5\n", 40),
    ] {
        fs::write(scene.path(name), content).unwrap();
        scene.date(name, seconds);
    }
    scene.append("2\n");
    scene.rename("auth.log", "auth.log-20260202");
    scene.date("auth.log-20260202", 10);
    scene.append("5\n6\n");
    scene.restart();
    assert_eq!(scene.lines(), "2 3 4 5 6", "what begins as the log does is a copy");
}

#[test]
fn compressed_generations_are_read_too() {
    for compressed in [&["auth.log.2"][..], &["auth.log.1"], &["auth.log.2", "auth.log.1"]] {
        let mut scene = stopped(Begin::Start, &"x\n".repeat(2000));
        scene.append("2\n");
        scene.rename("auth.log", "auth.log.2");
        fs::write(scene.path("auth.log.1"), "3\n4\n").unwrap();
        compressed.iter().for_each(|name| scene.compress(name));
        for (name, seconds) in [("auth.log.2", 1), ("auth.log.1", 5)] {
            let packed = format!("{name}.gz");
            scene.date(if compressed.contains(&name) { &packed } else { name }, seconds);
        }
        scene.append("5\n");
        scene.restart();
        let first = scene.step();
        assert_eq!(first, Some(vec![]), "all that is to be read is noted before anything is");
        scene.restart();
        assert_eq!(scene.lines(), "2 3 4 5", "{compressed:?}");
        scene.pass(ROTATED);
        assert_eq!((scene.lines().as_str(), scene.kept()), ("", 1), "{compressed:?}");
    }
}

#[test]
fn a_file_that_is_being_compressed_is_read_once() {
    let mut scene = stopped(Begin::Start, "1\n");
    scene.rename("auth.log", "auth.log.2");
    fs::write(scene.path("auth.log.1"), "2\n").unwrap();
    let plain = fs::read(scene.path("auth.log.1")).unwrap();
    scene.compress("auth.log.1");
    fs::write(scene.path("auth.log.1"), plain).unwrap();
    scene.append("3\n");
    scene.restart();
    assert_eq!(scene.lines(), "2 3");
}

#[test]
fn when_the_old_file_is_gone_what_came_after_it_is_read() {
    let mut scene = stopped(Begin::Start, "1\n");
    fs::write(scene.path("auth.log.1"), "3\n").unwrap();
    // So that its number goes to no other file.
    let _held = File::open(scene.path("auth.log")).unwrap();
    fs::remove_file(scene.path("auth.log")).unwrap();
    scene.append("4\n");
    scene.restart();
    assert_eq!(scene.lines(), "3 4");
    scene.pass(ROTATED);
    scene.lines();
    assert_eq!(scene.kept(), 1, "that it is lost is said once");
}

/// A file with this text at the stop is cut twice while no server runs.
fn cut_twice(text: &str) {
    let mut scene = stopped(Begin::Start, text);
    for (line, copy) in [("2\n", "auth.log.2"), ("3\n", "auth.log.1")] {
        scene.append(line);
        scene.copy_and_cut(copy);
    }
    scene.append("4\n");
    scene.restart();
    assert_eq!(scene.lines(), "2 3 4");
    scene.restart();
    assert_eq!(scene.lines(), "");
}

#[test]
fn a_file_that_was_cut_more_than_once_left_copies_that_are_read() {
    cut_twice("1\n");
}

#[test]
fn what_was_put_aside_is_read_though_nothing_is_in_its_place() {
    let mut scene = stopped(Begin::Start, "1\n");
    scene.append("2\n");
    scene.rename("auth.log", "auth.log.2");
    fs::write(scene.path("auth.log.1"), "3\n").unwrap();
    scene.restart();
    assert_eq!(scene.lines(), "2 3");
    scene.append("4\n");
    assert_eq!(scene.lines(), "4");
}

#[test]
fn a_backlog_stays_one_in_a_copy_that_was_made_while_nobody_looked() {
    type Become = fn(&Scene);
    let ways: [(&str, Become); 4] = [
        ("copied in its place", |scene| {
            fs::copy(scene.path("auth.log"), scene.path("copy")).unwrap();
            scene.rename("copy", "auth.log");
            scene.append("new\n");
        }),
        ("copied and cut", |scene| {
            fs::copy(scene.path("auth.log"), scene.path("auth.log.1")).unwrap();
            fs::write(scene.path("auth.log"), "new\n").unwrap();
        }),
        ("copied aside and replaced", |scene| {
            fs::copy(scene.path("auth.log"), scene.path("auth.log.1")).unwrap();
            fs::write(scene.path("other"), "new\n").unwrap();
            scene.rename("other", "auth.log");
        }),
        ("compressed", |scene| {
            scene.rename("auth.log", "auth.log.1");
            scene.compress("auth.log.1");
            scene.append("new\n");
        }),
    ];
    for (way, become_other) in ways {
        let content = format!("{}\n", "x".repeat(1000)).repeat(300);
        let mut scene = Scene::new(Begin::Backlog, &content);
        let first: usize = (0..2).map(|_| scene.step().unwrap().len()).sum();
        assert!((1..300).contains(&first), "{first}");
        scene.told = Some(SystemClock.now());
        become_other(&scene);
        scene.restart_with(Begin::Backlog);
        let mut rest = scene.step().unwrap();
        // It is so still for the process after the next.
        scene.restart_with(Begin::Backlog);
        rest.extend(scene.lines().split(' ').map(str::to_owned));
        let (old, new): (Vec<_>, Vec<_>) =
            rest.iter().map(String::as_str).partition(|line| line.starts_with('-'));
        assert_eq!((old.len(), new), (300 - first, vec!["new"]), "{way}");
        scene.pass(ROTATED);
        scene.lines();
        let is_backlog = |mark: &&Mark| !mark.path.starts_with("/") && mark.place.is_some();
        assert_eq!(scene.marks.iter().filter(is_backlog).count(), 0, "{way}: it is read");
    }
}

#[test]
fn where_a_file_begins_that_cannot_be_read_yet_is_known_in_the_next_run() {
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    for (begin, told) in [(Begin::End, "b"), (Begin::Backlog, "-a -half b")] {
        let mut scene = Scene::new(begin, "a\nha");
        scene.tail.fix_beginning(&denied);
        let news = scene.tail.news();
        scene.marks.extend(news);
        scene.append("lf\nb\n");
        // Followed before, so what is not known is new.
        let (marks, keeps_backlog) = (scene.marks.clone(), begin == Begin::Backlog);
        let past = PathPast { marks, ..PathPast::default() };
        let begin = (Begin::Start, keeps_backlog);
        scene.tail = Tail::new(scene.path("auth.log"), rules(), scene.held.clone(), begin, past);
        assert_eq!(scene.lines(), told, "{begin:?}");
    }
}

#[test]
fn what_was_read_by_one_name_is_gone_on_with_by_another() {
    let mut scene = stopped(Begin::Start, "1\n");
    scene.append("2\n");
    scene.rename("auth.log", "auth.log.1");
    scene.restart();
    let past = PathPast::default();
    let begin = (Begin::Start, false);
    scene.tail = Tail::new(scene.path("auth.log.1"), rules(), scene.held.clone(), begin, past);
    assert_eq!(scene.lines(), "2");
}

#[test]
fn files_that_begin_alike_are_no_copies() {
    let mut scene = stopped(Begin::Start, "header\n");
    scene.append("2\n");
    scene.rename("auth.log", "auth.log.1");
    scene.append("header\n3\n");
    scene.restart();
    assert_eq!(scene.lines(), "2 header 3");
}

#[test]
fn a_file_that_was_replaced_by_its_copy_is_read_on() {
    for (content, backup) in [("1\n".to_owned(), None), ("x\n".repeat(600), Some("auth.log~"))] {
        let mut scene = stopped(Begin::Start, &content);
        fs::copy(scene.path("auth.log"), scene.path("copy")).unwrap();
        scene.rename("auth.log", backup.unwrap_or("copy2"));
        if backup.is_none() {
            fs::remove_file(scene.path("copy2")).unwrap();
        }
        scene.rename("copy", "auth.log");
        scene.append("2\n");
        scene.restart();
        assert_eq!(scene.lines(), "2", "{backup:?}");
    }
}

#[test]
fn a_copy_that_a_pattern_names_is_no_new_file() {
    let mut scene = stopped(Begin::Start, &"x\n".repeat(600));
    scene.append("2\n");
    fs::copy(scene.path("auth.log"), scene.path("auth.log.1")).unwrap();
    scene.restart();
    let begin = (Begin::Start, false);
    let (path, past) = (scene.path("auth.log.1"), PathPast::default());
    scene.tail = Tail::new(path, rules(), scene.held.clone(), begin, past);
    assert_eq!(scene.lines(), "2");
}

#[test]
fn a_log_that_was_empty_and_was_cut_more_than_once_left_copies_that_are_read() {
    cut_twice("");
}

#[test]
fn a_log_that_stayed_empty_brings_back_nothing_that_was_read() {
    let mut scene = Scene::new(Begin::Start, "1\n");
    scene.lines();
    scene.copy_and_cut("auth.log.1");
    for time in [Duration::ZERO, ROTATED, ROTATED] {
        scene.pass(time);
        assert_eq!(scene.lines(), "");
        scene.told = Some(SystemClock.now());
        scene.restart();
    }
    scene.append("2\n");
    assert_eq!(scene.lines(), "2");
}

#[test]
fn what_was_compressed_is_read_though_nothing_is_in_its_place_for_long() {
    for late in [1, 200] {
        let mut scene = stopped(Begin::Start, &"x\n".repeat(2000));
        scene.append("2\n");
        scene.rename("auth.log", "auth.log.2");
        scene.compress("auth.log.2");
        fs::write(scene.path("auth.log.1"), "3\n").unwrap();
        scene.date("auth.log.2.gz", 1);
        scene.date("auth.log.1", 5);
        scene.restart();
        assert_eq!(scene.lines(), "2 3", "{late}");
        scene.pass(Duration::from_secs(late));
        if late > 60 {
            assert_eq!(scene.lines(), "");
            scene.follow_again();
        }
        scene.append("4\n");
        assert_eq!(scene.lines(), "4", "{late}");
    }
}

#[test]
fn what_came_after_a_file_that_is_gone_is_read_though_nothing_is_in_its_place() {
    let mut scene = stopped(Begin::Start, "1\n");
    let _held = File::open(scene.path("auth.log")).unwrap();
    fs::remove_file(scene.path("auth.log")).unwrap();
    fs::write(scene.path("auth.log.1"), "3\n").unwrap();
    scene.restart();
    assert_eq!(scene.lines(), "3");
    scene.append("4\n");
    assert_eq!(scene.lines(), "4");
}

#[test]
fn what_is_not_there_for_long_is_gone_on_with_once_it_is() {
    let mut scene = stopped(Begin::Start, "1\n");
    scene.append("2\n");
    let away = tempfile::tempdir_in(scene.home.path()).unwrap().keep();
    fs::rename(scene.path("auth.log"), away.join("auth.log")).unwrap();
    scene.restart();
    assert_eq!(scene.lines(), "");
    scene.pass(ROTATED);
    scene.follow_again();
    assert_eq!(scene.lines(), "");
    fs::write(scene.path("auth.log.1"), "3\n").unwrap();
    fs::rename(away.join("auth.log"), scene.path("auth.log.2")).unwrap();
    scene.append("4\n");
    assert_eq!(scene.lines(), "2 3 4");
}

#[test]
fn the_clock_of_the_run_before_does_not_matter_where_its_file_is_found() {
    for (ahead, [older, newer]) in [(600, [0, 0]), (0, [-5, -4])] {
        let mut scene = stopped(Begin::Start, "1\n");
        scene.append("2\n");
        scene.rename("auth.log", "auth.log.2");
        fs::write(scene.path("auth.log.1"), "3\n").unwrap();
        scene.date("auth.log.2", older);
        scene.date("auth.log.1", newer);
        scene.told = scene.told.map(|told| told.plus(Duration::from_secs(ahead)));
        scene.append("4\n");
        scene.restart();
        assert_eq!(scene.lines(), "2 3 4", "{ahead}");
    }
}

#[test]
fn a_copy_that_a_pattern_names_is_no_new_file_while_the_original_is_read() {
    let mut scene = stopped(Begin::Start, &"x\n".repeat(600));
    scene.append("2\n");
    fs::copy(scene.path("auth.log"), scene.path("auth.log.1")).unwrap();
    scene.restart();
    assert_eq!(scene.lines(), "2");
    let (path, past) = (scene.path("auth.log.1"), PathPast::default());
    let copy = Tail::new(path, rules(), scene.held.clone(), (Begin::Start, false), past);
    let _original = std::mem::replace(&mut scene.tail, copy);
    assert_eq!(scene.lines(), "");
}

#[test]
fn what_there_is_no_room_to_unpack_is_tried_again() {
    let mut scene = stopped(Begin::Start, "1\n");
    scene.append("2\n");
    scene.rename("auth.log", "auth.log.2");
    fs::write(scene.path("auth.log.1"), "3\n").unwrap();
    scene.compress("auth.log.1");
    scene.append("4\n");
    for _ in 0..2 {
        scene.restart();
        scene.tail.rules.temporary = scene.path("none");
        let told = scene.lines();
        assert!(["2", ""].contains(&told.as_str()), "{told}");
        assert!(scene.tail.trouble.as_ref().unwrap().contains("auth.log.1.gz cannot be unpacked"));
        scene.told = Some(SystemClock.now());
    }
    scene.tail.rules.temporary = std::env::temp_dir();
    scene.pass(limits::UNPACK_RETRY_TIME);
    assert_eq!(scene.lines(), "3 4");
    assert_eq!(scene.tail.trouble, None);
    scene.restart();
    assert_eq!(scene.lines(), "");
}

#[test]
fn what_was_put_aside_waits_for_a_directory_that_cannot_be_listed_for_now() {
    for (kind, is_listed_again, told) in [
        (io::ErrorKind::TimedOut, true, ["", "2 3 4"]),
        (io::ErrorKind::TimedOut, false, ["", "2 3 4"]),
        (io::ErrorKind::PermissionDenied, false, ["2 3 4", ""]),
    ] {
        let mut scene = stopped(Begin::Start, "1\n");
        scene.append("2\n");
        scene.rename("auth.log", "auth.log.2");
        fs::write(scene.path("auth.log.1"), "3\n").unwrap();
        scene.append("4\n");
        scene.restart();
        scene.tail.rules.list = match kind {
            io::ErrorKind::TimedOut => |_| Err(io::ErrorKind::TimedOut.into()),
            _ => |_| Err(io::ErrorKind::PermissionDenied.into()),
        };
        assert_eq!(scene.lines(), told[0], "{kind}");
        let is_told = scene.tail.trouble.as_ref().is_some_and(|why| why.contains("cannot be listed"));
        assert_eq!(is_told, told[0].is_empty(), "{kind}");
        if is_listed_again {
            scene.tail.rules.list = rules().list;
        } else {
            // No longer than for a while is it waited for.
            scene.pass(ROTATED);
        }
        assert_eq!((scene.lines().as_str(), &scene.tail.trouble), (told[1], &None), "{kind}");
    }
}
