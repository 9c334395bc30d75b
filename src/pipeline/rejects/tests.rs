//! What becomes of rejected frames when the file cannot be written, or not fast enough.

use super::writer::put_aside;
use super::*;
use crate::batch::{Arrivals, Batch, FrameSpan, Origin};
use crate::detect::senders::Rules;
use crate::detect::{Detector, Interest, Observations};
use crate::pipeline::worker::{Counts, Shared, observe};
use crate::span::Span;
use crate::time::Zone;
use bytes::Bytes;
use std::fs::{self, File};
use std::os::unix::fs::symlink;

const BEGIN: Timestamp = Timestamp::from_micros(1_750_000_000_000_000);

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        BEGIN
    }
}

/// A file, and in place of the thread that writes it a hand.
struct Scene {
    rejects: Arc<RejectFile>,
    writer: Writer,
    begin: Instant,
}

impl Scene {
    fn at(path: PathBuf) -> Self {
        let (rejects, mut writer) = RejectFile::with_writer(path, Arc::new(Still));
        writer.open();
        let begin = writer.due - limits::REJECTED_RETRY;
        Self { rejects: Arc::new(rejects), writer, begin }
    }

    /// Has frames looked at, and what comes of them written after so many times of waiting.
    fn take(&mut self, after: u32, batches: &[Sequenced]) {
        look_at(&self.rejects, batches);
        self.write(self.begin + limits::REJECTED_RETRY * after);
    }

    fn write(&mut self, now: Instant) {
        while let Ok(message) = self.writer.queue.try_recv() {
            self.writer.take(message, now);
        }
    }
}

fn junk(first: u64, lines: u32) -> Sequenced {
    let text: String = (0..lines).map(|line| format!("<bad{line}")).collect();
    let frames = (0..lines).map(|line| FrameSpan { span: Span::new(line * 5, 5), truncated: false });
    let origin = Arc::new(Origin { listener: "lan".into(), peer: "192.0.2.1".into() });
    let batch = Batch { origin, frames: frames.collect(), bytes: Bytes::from(text) };
    Sequenced { slot: 0, first, arrivals: Arrivals::One(BEGIN), batch }
}

/// Has the frames of batches looked at.
fn look_at(rejects: &Arc<RejectFile>, batches: &[Sequenced]) {
    let detector = Arc::new(Detector::new(Interest::default()));
    let rejects = Arc::clone(rejects) as Arc<dyn RejectSink>;
    let mut scratch = detector.scratch();
    let (zones, other_zone, rules) = (Vec::new(), Zone::UTC, Arc::new(Rules::default()));
    let shared = Shared { detector, zones, other_zone, rules, rejects };
    for batch in batches {
        let (mut observations, mut counts) = (Observations::default(), Counts::default());
        observe(&shared, &mut scratch, batch, &mut observations, &mut counts);
    }
}

#[test]
fn frames_that_are_not_kept_are_counted_in_the_file() {
    let home = tempfile::tempdir().unwrap();
    let path = RejectFile::path(home.path());
    let rejects = Arc::new(RejectFile::open(path.clone(), Arc::new(Still)).unwrap());
    look_at(&rejects, &[junk(1, 4), junk(5, 8)]);
    rejects.finish(rejects.flush(), Duration::from_secs(60));
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let numbers: Vec<bool> = lines.iter().map(|line| line.contains(r#""number":"#)).collect();
    assert_eq!(numbers, [true, true, true, true, true, true, true, true, false], "{text}");
    let last = lines.last().unwrap();
    assert!(last.contains(r#""listener":"lan","peer":"192.0.2.1","reason":""#), "{text}");
    assert!(last.ends_with(r#","left_out":4}"#), "{text}");
}

#[test]
fn a_disk_that_does_not_answer_holds_nobody_up_and_what_is_missing_is_counted() {
    let home = tempfile::tempdir().unwrap();
    let path = RejectFile::path(home.path());
    // While nobody writes, it is as if the disk hung.
    let mut scene = Scene::at(path.clone());
    let room = limits::REJECTED_QUEUE_LINES as u64;
    let batches: Vec<_> = (0..room + 3).map(|number| junk(number, 1)).collect();
    look_at(&scene.rejects, &batches);
    let trouble = scene.rejects.trouble().unwrap();
    assert!(trouble.ends_with("is not written fast enough, 3 rejected frames are left out"), "{trouble}");
    // It answers again.
    scene.write(scene.begin);
    assert_eq!(scene.rejects.trouble(), None);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(&format!("{{\"time\":\"{BEGIN}\",\"left_out\":3}}\n{{")), "{text}");
    assert_eq!(text.lines().count() as u64, room + 1);
    // It does not, at the end.
    look_at(&scene.rejects, &[junk(1, 2), junk(3, 8)]);
    scene.rejects.finish(scene.rejects.flush(), Duration::ZERO);
    let trouble = scene.rejects.trouble().unwrap();
    assert!(trouble.ends_with(", 10 rejected frames are left out"), "{trouble}");
}

#[test]
fn a_file_that_could_not_be_written_goes_on_once_there_is_room() {
    let home = tempfile::tempdir().unwrap();
    let path = RejectFile::path(home.path());
    symlink("/dev/full", &path).unwrap();
    let mut scene = Scene::at(path.clone());
    assert_eq!(scene.rejects.trouble(), None);
    scene.take(0, &[junk(1, 1)]);
    scene.take(1, &[junk(2, 2)]);
    let trouble = scene.rejects.trouble().unwrap();
    let told = format!("could not be written at {BEGIN}, 3 rejected frames are left out: No space left");
    assert!(trouble.contains(&told), "{trouble}");
    fs::remove_file(&path).unwrap();
    scene.take(1, &[junk(4, 8)]);
    assert!(!path.exists(), "it was tried again too soon");
    scene.take(2, &[junk(12, 1), junk(13, 1)]);
    assert_eq!(scene.rejects.trouble(), None, "it is over");
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0], format!(r#"{{"time":"{BEGIN}","left_out":11}}"#));
    assert!(lines[1].contains(r#""number":12,"#) && lines[2].contains(r#""number":13,"#), "{text}");
}

#[test]
fn a_file_that_cannot_be_opened_at_first_is_opened_later() {
    let home = tempfile::tempdir().unwrap();
    let path = RejectFile::path(home.path());
    fs::create_dir(&path).unwrap();
    assert!(RejectFile::check(&path).unwrap_err().to_string().starts_with("Is a directory"));
    let mut scene = Scene::at(path.clone());
    let trouble = scene.rejects.trouble().unwrap();
    let told = format!(
        "{} could not be written at {BEGIN}, no rejected frame is left out so far: Is a directory",
        path.display()
    );
    assert!(trouble.starts_with(&told), "{trouble}");
    scene.take(0, &[junk(1, 3)]);
    assert!(scene.rejects.trouble().unwrap().contains(", 3 rejected frames are left out: "));
    fs::remove_dir(&path).unwrap();
    assert!(RejectFile::check(&path).is_ok() && !path.exists(), "it is only looked at");
    scene.writer.try_again(scene.begin + limits::REJECTED_RETRY);
    assert_eq!(scene.rejects.trouble(), None, "no further frame is needed");
    scene.take(1, &[junk(4, 1)]);
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!(r#"{{"time":"{BEGIN}","left_out":3}}"#));
    assert!(lines.len() == 2 && lines[1].contains(r#""number":4,"#), "{text}");
}

#[test]
fn what_is_missing_is_told_by_the_file_at_the_end_also_before_it_would_be_tried_again() {
    let home = tempfile::tempdir().unwrap();
    let path = RejectFile::path(home.path());
    symlink("/dev/full", &path).unwrap();
    let rejects = Arc::new(RejectFile::open(path.clone(), Arc::new(Still)).unwrap());
    look_at(&rejects, &[junk(1, 2)]);
    rejects.finish(rejects.flush(), Duration::from_secs(60));
    assert!(rejects.trouble().unwrap().contains(", 2 rejected frames are left out: "));
    fs::remove_file(&path).unwrap();
    rejects.finish(rejects.flush(), Duration::from_secs(60));
    assert_eq!(fs::read_to_string(path).unwrap(), format!("{{\"time\":\"{BEGIN}\",\"left_out\":2}}\n"));
}

#[test]
fn a_file_that_others_take_away_or_cut_is_begun_anew() {
    let home = tempfile::tempdir().unwrap();
    let path = RejectFile::path(home.path());
    let mut scene = Scene::at(path.clone());
    let numbers = |path: &Path| -> Vec<bool> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| line.starts_with('{') && line.contains(r#""number":"#)).collect()
    };
    scene.take(0, &[junk(1, 2)]);
    let aside = home.path().join("rejected.jsonl-20260201");
    fs::rename(&path, &aside).unwrap();
    scene.take(0, &[junk(3, 1)]);
    assert_eq!((numbers(&aside), numbers(&path)), (vec![true, true], vec![true]));
    // With the file made anew by whoever has renamed it.
    fs::rename(&path, &aside).unwrap();
    fs::write(&path, "").unwrap();
    scene.take(0, &[junk(4, 2)]);
    assert_eq!((numbers(&aside), numbers(&path)), (vec![true], vec![true, true]));
    fs::remove_file(&path).unwrap();
    scene.take(0, &[junk(4, 3)]);
    assert_eq!(numbers(&path), [true, true, true]);
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    scene.take(0, &[junk(7, 1)]);
    assert_eq!(numbers(&path), [true]);
    assert_eq!(scene.rejects.trouble(), None);
}

#[test]
fn a_file_that_others_have_just_taken_away_needs_not_be_put_aside() {
    let home = tempfile::tempdir().unwrap();
    let path = RejectFile::path(home.path());
    put_aside(&path).unwrap();
    fs::write(&path, "old").unwrap();
    put_aside(&path).unwrap();
    assert_eq!(fs::read_to_string(home.path().join("rejected.jsonl.1")).unwrap(), "old");
    assert!(!path.exists());
}

#[test]
fn a_pipe_that_nobody_reads_holds_nothing_up() {
    let home = tempfile::tempdir().unwrap();
    let path = RejectFile::path(home.path());
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
    let scene = Scene::at(path);
    assert!(scene.rejects.trouble().unwrap().contains("No such device or address"));
}
