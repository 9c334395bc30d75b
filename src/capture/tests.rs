//! Captures written and read back: whole, damaged, cut off, in several segments.

use super::*;
use crate::batch::{Arrivals, Batch, FrameSpan, Origin, Sequenced};
use crate::segment::Fault;
use crate::span::Span;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One input as it must come back, whatever batch it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Input {
    number: u64,
    arrival: Timestamp,
    origin: Origin,
    /// The message and whether it was truncated; nothing for a tick.
    message: Option<(Vec<u8>, bool)>,
}

fn inputs(batch: &Sequenced) -> Vec<Input> {
    let arrival_of = |index: u32| batch.arrivals.runs().take_while(|run| run.0 <= index).last().unwrap().1;
    let input = |index: u32, message| Input {
        number: batch.first + u64::from(index),
        arrival: arrival_of(index),
        origin: (*batch.batch.origin).clone(),
        message,
    };
    if batch.is_tick() {
        return vec![input(0, None)];
    }
    let message = |frame: &FrameSpan| Some((frame.span.of(&batch.batch.bytes).to_vec(), frame.truncated));
    (0..).zip(&batch.batch.frames).map(|(index, frame)| input(index, message(frame))).collect()
}

fn batch(first: u64, arrival: i64, peer: &str, messages: &[(&[u8], bool)]) -> Sequenced {
    let mut bytes = Vec::new();
    let mut frames = Vec::new();
    for (message, truncated) in messages {
        bytes.extend_from_slice(b"17 ");
        let span = Span::new(u32::try_from(bytes.len()).unwrap(), u32::try_from(message.len()).unwrap());
        bytes.extend_from_slice(message);
        frames.push(FrameSpan { span, truncated: *truncated });
    }
    let origin = Arc::new(Origin { listener: "lan".into(), peer: peer.into() });
    Sequenced {
        slot: 0,
        first,
        arrivals: Arrivals::One(Timestamp::from_micros(arrival)),
        batch: Batch { origin, bytes: bytes.into(), frames },
    }
}

const IDENTITY: Identity = Identity { stream: StreamId(99), run: 4, created: Timestamp::EPOCH };

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("day.cap")
    }

    fn names(&self) -> Vec<String> {
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<_> =
            fs::read_dir(self.directory.path()).unwrap().map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }
}

/// Writes batches, each in a block of its own.
fn write(path: &Path, options: Options, batches: &[Sequenced], closed_at: Option<Timestamp>) {
    let mut writer = Writer::create(path, IDENTITY, options).unwrap();
    for batch in batches {
        writer.append(batch).unwrap();
        writer.flush().unwrap();
    }
    writer.finish(closed_at).unwrap();
}

fn read(path: &Path) -> (Vec<Input>, Vec<Damage>, End) {
    let reader = Reader::open(path).unwrap();
    let end = reader.end();
    let mut damages = Vec::new();
    let mut found = Vec::new();
    for (slot, item) in reader.enumerate() {
        match item {
            Ok(batch) => {
                assert!(batch.slot <= slot as u64);
                found.extend(inputs(&batch));
            }
            Err(damage) => damages.push(damage),
        }
    }
    (found, damages, end)
}

fn small_capture() -> Vec<Sequenced> {
    vec![
        batch(1, 10, "192.0.2.1", &[(b"<38>first", false), (b"", false)]),
        batch(3, 20, "192.0.2.2", &[(b"cut", true)]),
        batch(4, 25, "", &[]),
        batch(5, 30, "192.0.2.1", &[(b"\xff\x00\n", false)]),
    ]
}

#[test]
fn identity_and_end_are_kept() {
    let place = Place::new();
    let closed = Timestamp::from_micros(77);
    write(&place.path(), Options::default(), &small_capture(), Some(closed));
    let reader = Reader::open(&place.path()).unwrap();
    assert_eq!((reader.identity(), reader.end()), (IDENTITY, End::Closed(closed)));
    assert_eq!(reader.program().to_string(), env!("CARGO_PKG_VERSION"));
    assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

/// What was known of earlier runs.
const KNOWN: [u8; 4096] = [b'k'; 4096];

/// Writes the small capture of a run that went on from earlier ones.
fn write_later_run(path: &Path, options: Options) {
    let mut writer = Writer::create(path, IDENTITY, options).unwrap();
    writer.begin_with(&KNOWN).unwrap();
    for batch in small_capture() {
        writer.append(&batch).unwrap();
        writer.flush().unwrap();
    }
    writer.finish(None).unwrap();
}

#[test]
fn a_capture_begins_with_what_its_run_knew_of_earlier_ones() {
    let place = Place::new();
    // Its size does not count, and later segments do not repeat it.
    write_later_run(&place.path(), Options { segment_size: 1, total_size: 2048 });
    assert_eq!(place.names().len(), 5);
    assert_eq!(Reader::open(&place.path()).unwrap().beginning().unwrap().unwrap()[..], KNOWN);
    let (found, damages, end) = read(&place.path());
    assert_eq!(found, small_capture().iter().flat_map(inputs).collect::<Vec<_>>());
    assert!(damages.is_empty() && end == End::OfInput, "{damages:?}");

    let first = place.directory.path().join("first.cap");
    write(&first, Options::default(), &small_capture(), None);
    assert!(Reader::open(&first).unwrap().beginning().unwrap().is_none());
}

#[test]
fn a_beginning_that_is_damaged_is_told_and_costs_no_input() {
    let place = Place::new();
    write_later_run(&place.path(), Options::default());
    let mut bytes = fs::read(place.path()).unwrap();
    let at = bytes.windows(4).position(|window| window == b"kkkk").unwrap();
    bytes[at] ^= 1;
    fs::write(place.path(), bytes).unwrap();
    assert!(Reader::open(&place.path()).unwrap().beginning().is_err());
    let (found, damages, _) = read(&place.path());
    assert_eq!(found.len(), 5);
    assert!(matches!(&damages[..], [Damage::Place(place)] if matches!(place.fault, Fault::Checksum(_))));
}

#[test]
fn an_empty_capture_is_sound() {
    let place = Place::new();
    write(&place.path(), Options::default(), &[], None);
    let (found, damages, end) = read(&place.path());
    assert!(found.is_empty() && damages.is_empty());
    assert_eq!(end, End::OfInput);
}

#[test]
fn nothing_is_ever_overwritten() {
    let place = Place::new();
    fs::write(place.path(), "precious").unwrap();
    let refused = Writer::create(&place.path(), IDENTITY, Options::default()).unwrap_err();
    assert!(matches!(&refused, CreateError::Exists(path) if *path == place.path()), "{refused}");
    assert_eq!(fs::read(place.path()).unwrap(), b"precious");

    fs::rename(place.path(), place.directory.path().join("day.cap.0001")).unwrap();
    let refused = Writer::create(&place.path(), IDENTITY, Options::default()).unwrap_err();
    assert!(refused.to_string().contains("day.cap.0001 exists already"), "{refused}");
}

#[test]
fn batches_of_one_peer_that_join_on_become_one() {
    let place = Place::new();
    let mut writer = Writer::create(&place.path(), IDENTITY, Options::default()).unwrap();
    let batches = [
        batch(1, 10, "a", &[(b"1", false)]),
        batch(2, 10, "a", &[(b"2", false)]),
        batch(3, 20, "a", &[(b"3", false)]),
        batch(9, 20, "a", &[(b"9", false)]),
        batch(10, 20, "b", &[(b"10", false)]),
    ];
    for batch in &batches {
        writer.append(batch).unwrap();
    }
    writer.finish(None).unwrap();
    let found: Vec<_> = Reader::open(&place.path()).unwrap().map(Result::unwrap).collect();
    let shape: Vec<_> = found.iter().map(|batch| (batch.slot, batch.first, batch.inputs())).collect();
    assert_eq!(shape, [(0, 1, 3), (1, 9, 1), (2, 10, 1)]);
    let runs = vec![(0, Timestamp::from_micros(10)), (2, Timestamp::from_micros(20))];
    assert_eq!(found[0].arrivals, Arrivals::Runs(runs));
    assert_eq!(found[1].arrivals, Arrivals::One(Timestamp::from_micros(20)));
}

#[test]
fn a_capture_goes_on_in_numbered_segments() {
    let place = Place::new();
    let options = Options { segment_size: 1, ..Options::default() };
    let batches = small_capture();
    write(&place.path(), options, &batches, None);
    assert_eq!(place.names(), ["day.cap", "day.cap.0001", "day.cap.0002", "day.cap.0003", "day.cap.0004"]);
    let (found, damages, end) = read(&place.path());
    assert_eq!(found, batches.iter().flat_map(inputs).collect::<Vec<_>>());
    assert!(damages.is_empty() && end == End::OfInput, "{damages:?}");

    let error = Reader::open(&place.directory.path().join("day.cap.0001")).unwrap_err();
    assert!(error.to_string().contains("part 1 of a capture"), "{error}");
}

#[test]
fn a_missing_segment_and_a_foreign_one_are_named() {
    let place = Place::new();
    let options = Options { segment_size: 1, ..Options::default() };
    write(&place.path(), options, &small_capture(), None);
    let second = place.directory.path().join("day.cap.0001");
    fs::remove_file(&second).unwrap();
    let (found, damages, end) = read(&place.path());
    assert_eq!(found.iter().map(|input| input.number).collect::<Vec<_>>(), [1, 2, 4, 5]);
    assert!(matches!(&damages[..], [Damage::Missing(path)] if *path == second), "{damages:?}");
    assert_eq!(end, End::OfInput);

    write(&place.directory.path().join("other"), Options::default(), &small_capture(), None);
    fs::rename(place.directory.path().join("other"), &second).unwrap();
    let (_, damages, _) = read(&place.path());
    assert!(matches!(&damages[..], [Damage::Foreign(_), Damage::Missing(_)]), "{damages:?}");
}

#[test]
fn a_full_capture_says_so_once_and_is_closed() {
    let place = Place::new();
    let options = Options { total_size: 600, ..Options::default() };
    let mut writer = Writer::create(&place.path(), IDENTITY, options).unwrap();
    let mut said = Vec::new();
    for batch in small_capture() {
        writer.append(&batch).unwrap();
        said.extend(writer.flush().err());
    }
    assert!(matches!(&said[..], [AppendError::Full { .. }]), "{said:?}");
    assert!(writer.is_finished());
    writer.finish(Some(Timestamp::MAX)).unwrap();
    let (found, damages, end) = read(&place.path());
    assert!(damages.is_empty());
    assert_eq!((end, found.len()), (End::Full, 4));
}

#[test]
fn seeking_finds_the_block_of_a_number() {
    let place = Place::new();
    write(&place.path(), Options { segment_size: 1, ..Options::default() }, &small_capture(), None);
    let mut reader = Reader::open(&place.path()).unwrap();
    for number in [5, 2, 4, 1, 3] {
        reader.seek(number);
        let batch = reader.next().unwrap().unwrap();
        assert!(inputs(&batch).iter().any(|input| input.number == number), "{number}");
    }
    reader.seek(6);
    assert_eq!(reader.map(Result::unwrap).last().unwrap().first, 5);
}

/// Whether what was found is part of what was written, in order.
fn is_part(found: &[Input], written: &[Input]) -> bool {
    let mut written = written.iter();
    found.iter().all(|input| written.any(|other| other == input))
}

#[test]
fn every_changed_byte_is_noticed_and_nothing_wrong_is_read() {
    let place = Place::new();
    let batches = small_capture();
    let written: Vec<_> = batches.iter().flat_map(inputs).collect();
    write(&place.path(), Options::default(), &batches, None);
    let sound = fs::read(place.path()).unwrap();
    let other = place.directory.path().join("changed.cap");
    for at in 0..sound.len() {
        for bit in [0x01, 0x80] {
            let mut changed = sound.clone();
            changed[at] ^= bit;
            fs::write(&other, &changed).unwrap();
            if Reader::open(&other).is_err() {
                continue;
            }
            let (found, damages, _) = read(&other);
            assert!(!damages.is_empty(), "byte {at}");
            assert!(is_part(&found, &written), "byte {at}");
            let lost = written.len() - found.len();
            assert!(lost <= 2, "byte {at}: a damaged block took {lost} inputs with it");
        }
    }
}

#[test]
fn cut_off_anywhere_it_is_readable_up_to_the_last_whole_block() {
    let place = Place::new();
    let batches = small_capture();
    let written: Vec<_> = batches.iter().flat_map(inputs).collect();
    write(&place.path(), Options::default(), &batches, None);
    let sound = fs::read(place.path()).unwrap();
    let ends: Vec<_> = Reader::open(&place.path())
        .unwrap()
        .segments()
        .flat_map(|segment| segment.steps().to_vec())
        .map(|step| match step {
            crate::segment::Step::Block(entry) => entry.end(),
            crate::segment::Step::Damage(..) => panic!("damaged"),
        })
        .collect();
    let other = place.directory.path().join("cut.cap");
    for length in 96..sound.len() {
        fs::write(&other, &sound[..length]).unwrap();
        let (found, damages, end) = read(&other);
        let whole = ends.iter().filter(|end| **end <= length as u64).count();
        let expected: usize = batches.iter().take(whole).map(|batch| inputs(batch).len()).sum();
        assert_eq!(found, written[..expected], "length {length}");
        assert!(matches!(damages.last(), Some(Damage::NoEnd(_))), "length {length}: {damages:?}");
        assert_eq!(end, End::Torn);
    }
    for length in 0..96 {
        fs::write(&other, &sound[..length]).unwrap();
        assert!(Reader::open(&other).is_err(), "length {length}");
    }
}

prop_compose! {
    fn arbitrary_batches()(
        shapes in prop::collection::vec(
            (0_u64..3, 0_i64..50, 0_usize..3, prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), any::<bool>()), 0..6)),
            0..40,
        ),
    ) -> Vec<Sequenced> {
        let (mut next, mut now) = (1, 0);
        let mut batches = Vec::new();
        for (skip, later, peer, messages) in shapes {
            now += later;
            let messages: Vec<_> = messages.iter().map(|(bytes, cut)| (bytes.as_slice(), *cut)).collect();
            let mut one = batch(next + skip, now, ["a", "b", ""][peer], &messages);
            if let Some(last) = u32::try_from(messages.len()).unwrap().checked_sub(1).filter(|last| *last > 0) {
                now += later;
                let runs = vec![(0, one.arrivals.last()), (last, Timestamp::from_micros(now))];
                one.arrivals = Arrivals::Runs(runs);
            }
            next = one.first + one.inputs();
            batches.push(one);
        }
        batches
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(batches in arbitrary_batches(), flushes in 1_usize..9, segment_size in 200_u64..4000) {
        let place = Place::new();
        let mut writer = Writer::create(&place.path(), IDENTITY, Options { segment_size, ..Options::default() }).unwrap();
        for (index, batch) in batches.iter().enumerate() {
            writer.append(batch).unwrap();
            if index % flushes == 0 {
                writer.flush().unwrap();
            }
        }
        writer.finish(None).unwrap();
        let (found, damages, end) = read(&place.path());
        prop_assert!(damages.is_empty(), "{:?}", damages);
        prop_assert_eq!(end, End::OfInput);
        prop_assert_eq!(found, batches.iter().flat_map(inputs).collect::<Vec<_>>());
    }
}
