//! The log handler over writers that misbehave.

use super::*;
use crate::event::{EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp, StreamId};
use crate::time::{SystemClock, Timestamp, Zone};
use std::sync::{Arc, Mutex};

/// What a writer does at its next calls; afterwards it takes everything.
#[derive(Clone, Copy)]
enum Step {
    Take(usize),
    Fail(io::ErrorKind),
}

#[derive(Clone, Default)]
struct Script {
    steps: Arc<Mutex<Vec<Step>>>,
    calls: Arc<Mutex<Vec<&'static str>>>,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Script {
    fn of(steps: &[Step]) -> Self {
        let reversed = steps.iter().rev().copied().collect();
        Self { steps: Arc::new(Mutex::new(reversed)), ..Self::default() }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls.lock().unwrap().push("write");
        let taken = match self.steps.lock().unwrap().pop() {
            Some(Step::Take(bytes)) => bytes,
            Some(Step::Fail(kind)) => return Err(kind.into()),
            None => bytes.len(),
        };
        self.bytes.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.calls.lock().unwrap().push("flush");
        Ok(())
    }
}

fn events(count: u64) -> Selection {
    let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }));
    for number in 0..count {
        let (kind, severity, time) = (Kind::SSHDUserDenied, Severity::Notice, Timestamp::EPOCH);
        block
            .push(Head { number, ordinal: 0, module: 0, kind, severity, time })
            .text(Field::User, format!("user{number}").as_bytes())
            .text(Field::Host, b"web1\n")
            .text(Field::Reason, b"locked");
    }
    Selection::all(Arc::new(block))
}

fn handler(options: Options, writer: &Script) -> Box<dyn Handler> {
    let environment = Environment::new(Arc::new(SystemClock), Zone::UTC, "unused");
    to_writer(options, Paint::Plain, &environment, writer.clone()).unwrap()
}

#[tokio::test]
async fn a_delivery_is_one_write_and_one_flush() {
    let writer = Script::default();
    let mut handler = handler(Options::default(), &writer);
    assert_eq!(handler.deliver(&events(3)).await, vec![Outcome::Delivered; 3]);
    assert_eq!(*writer.calls.lock().unwrap(), ["write", "flush"]);
    let text = writer.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[2],
        r"1970-01-01T00:00:00.000Z NOTICE   fleet/openssh SSHDUserDenied: user user2 not allowed on web1\n: locked"
    );
}

#[tokio::test]
async fn a_closed_pipe_is_a_failure_for_good() {
    let writer = Script::of(&[Step::Fail(io::ErrorKind::BrokenPipe)]);
    let outcomes = handler(Options::default(), &writer).deliver(&events(2)).await;
    assert_eq!(outcomes, vec![Outcome::Permanent("standard output is closed".into()); 2]);
}

#[tokio::test]
async fn a_write_that_breaks_off_counts_what_got_through_and_tears_no_later_line() {
    let whole = Script::default();
    handler(Options::default(), &whole).deliver(&events(3)).await;
    let lines = whole.text();
    let first = lines.find('\n').unwrap() + 1;

    let interrupted = Step::Fail(io::ErrorKind::Interrupted);
    let full = Step::Fail(io::ErrorKind::StorageFull);
    let writer = Script::of(&[Step::Take(first), interrupted, Step::Take(10), full]);
    let mut handler = handler(Options::default(), &writer);
    let outcomes = handler.deliver(&events(3)).await;
    assert_eq!(outcomes[0], Outcome::Delivered);
    assert!(
        matches!(&outcomes[1], Outcome::Temporary(why) if why.starts_with("cannot write to standard output: "))
    );
    assert_eq!(outcomes[1], outcomes[2]);
    handler.deliver(&events(1)).await;
    let text = writer.text();
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [&lines[..first - 1], &lines[first..first + 10], &lines[..first - 1]]
    );
}

#[tokio::test]
async fn a_panic_is_the_failure_of_one_delivery() {
    struct Panics(bool);
    impl Sink for Panics {
        fn write(&mut self, events: &Selection) -> Vec<Outcome> {
            assert!(std::mem::replace(&mut self.0, true), "out of cheese");
            vec![Outcome::Delivered; events.len()]
        }
    }
    let mut handler = on_own_thread("panics", Panics(false)).unwrap();
    let outcomes = handler.deliver(&events(1)).await;
    assert_eq!(outcomes, [Outcome::Permanent("the handler panicked: out of cheese".into())]);
    assert_eq!(handler.deliver(&events(1)).await, [Outcome::Delivered]);
}

#[tokio::test]
async fn a_digest_is_one_line() {
    let selection = events(3);
    let mut digest = crate::handlers::Digest::default();
    (7..).zip(selection.events()).for_each(|(seq, event)| digest.add(seq, event, seq == 7));
    let gathered = Gathered { digest, shown: vec![selection] };
    let writer = Script::default();
    assert_eq!(handler(Options::default(), &writer).digest(&gathered).await, Outcome::Delivered);
    let whole = "1970-01-01T00:00:00.000Z to 1970-01-01T00:00:00.000Z DIGEST 3 events, 1 late: 3 NOTICE SSHDUserDenied\n";
    assert_eq!(writer.text(), whole);

    let writer = Script::default();
    let options = Options { format: Format::Json, ..Options::default() };
    assert_eq!(handler(options, &writer).digest(&gathered).await, Outcome::Delivered);
    let object: serde_json::Value = serde_json::from_str(&writer.text()).unwrap();
    assert_eq!(object["digest"]["groups"][0]["count"], 3);
    assert_eq!(
        (&object["digest"]["late"], &object["digest"]["first"]),
        (&1.into(), &"1970-01-01T00:00:00.000000Z".into())
    );
    assert_eq!(object["events"][2]["fields"]["user"], "user2");
}
