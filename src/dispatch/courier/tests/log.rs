//! What the log says of deliveries that did not go well.

use super::*;
use std::fs::File;
use std::io::{Read, Seek};
use tracing::subscriber::{DefaultGuard, set_default};

/// The log of this thread.
struct Log {
    file: Arc<File>,
    _guard: DefaultGuard,
}

impl Log {
    fn begin() -> Self {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(Arc::clone(&file));
        Self { file, _guard: set_default(log.finish()) }
    }

    /// The lines so far with a text in them.
    fn lines(&self, text: &str) -> Vec<String> {
        let (mut file, mut log) = (&*self.file, String::new());
        file.rewind().unwrap();
        file.read_to_string(&mut log).unwrap();
        log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

fn assert_holds(line: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(line.contains(part), "no {part} in {line}"));
}

#[tokio::test(start_paused = true)]
async fn recipients_that_refuse_what_others_take_are_told_but_not_for_each_event() {
    let (log, mut scene) = (Log::begin(), Scene::new());
    let handler = Scripted { most: Some(1), ..Scripted::default() };
    let (note, refused) = ("250 ok; refused for b: 550".to_owned(), "b: 550".to_owned());
    *handler.always.lock().unwrap() = Some(Outcome::Partial { note, refused });
    let digest = TargetOptions { storm: storm(None, Some(HOUR)).storm, ..TargetOptions::default() };
    scene.start(&[("mail", &handler, TargetOptions::default()), ("digest", &handler, digest)]);
    scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), 3));
    scene.settle().await;
    assert_eq!(scene.counts("mail", &[State::Delivered]), [3]);
    let told = log.lines("recipients have refused");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_holds(&told[0], &["WARN", "handler=\"mail\"", "why=\"b: 550\""]);
    scene.pass(HOUR).await;
    assert_eq!(scene.counts("digest", &[State::Digested]), [3]);
    assert_holds(&log.lines("recipients have refused")[1], &["handler=\"digest\"", "messages=1"]);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_told_with_the_id_of_the_first_and_why() {
    let (log, mut scene, handler) = (Log::begin(), Scene::new(), Scripted::default());
    *handler.always.lock().unwrap() = Some(Outcome::Permanent("550".into()));
    let digest = TargetOptions { storm: storm(None, Some(HOUR)).storm, ..TargetOptions::default() };
    scene.start(&[("mail", &handler, TargetOptions::default()), ("digest", &handler, digest)]);
    scene.raise(std::iter::repeat_n((Severity::Notice, A, 0), 3));
    scene.settle().await;
    let id = format!("event={}.{}.0.", scene.run().stamp.stream, scene.run().stamp.run);
    let told = log.lines("events were given up");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_holds(&told[0], &["WARN", "handler=\"mail\"", "events=3", "why=\"550\"", &id]);
    scene.pass(HOUR).await;
    let told = log.lines("events were given up");
    assert_holds(&told[1], &["WARN", "handler=\"digest\"", "events=3", "why=\"550\"", &id]);
}
