//! Log files and raw streams as they are found: numbers, arrivals, years, hashes, and what cannot be read.

use super::*;
use crate::batch::Sequenced;
use crate::capture::{Identity, Writer};
use crate::time::Timestamp;
use crate::wire::Record;
use proptest::prelude::*;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// A file that was last written at this instant.
    fn file(&self, content: &[u8], modified: &str) -> PathBuf {
        let path = self.directory.path().join("auth.log");
        fs::write(&path, content).unwrap();
        let modified: jiff::Timestamp = modified.parse().unwrap();
        let since_epoch = Duration::from_secs(modified.as_second().try_into().unwrap());
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH + since_epoch)
            .unwrap();
        path
    }
}

const MODIFIED: &str = "2026-02-03T12:00:00Z";

fn plain(path: &Path, options: &Options) -> PlainFile {
    match Input::open(path, options).unwrap() {
        Input::Plain(file) => *file,
        Input::Capture(_) => panic!("a capture"),
    }
}

/// Number, arrival and message of each frame.
fn flat(batches: impl IntoIterator<Item = Sequenced>) -> Vec<(u64, Timestamp, String)> {
    let mut found = Vec::new();
    for batch in batches {
        for (index, frame) in (0..).zip(&batch.batch.frames) {
            let arrival = batch.arrivals.runs().take_while(|run| run.0 <= index).last().unwrap().1;
            let message = String::from_utf8_lossy(frame.span.of(&batch.batch.bytes)).into_owned();
            found.push((batch.first + u64::from(index), arrival, message));
        }
    }
    found
}

fn read(content: &str, options: &Options) -> Vec<(u64, Timestamp, String)> {
    let place = Place::new();
    let path = place.file(content.as_bytes(), MODIFIED);
    flat(plain(&path, options).map(Result::unwrap))
}

/// The arrivals, as far as the second.
fn arrivals(content: &str, options: &Options) -> Vec<String> {
    let second = |arrival: Timestamp| arrival.to_string()[..19].to_owned();
    read(content, options).into_iter().map(|(_, arrival, _)| second(arrival)).collect()
}

#[test]
fn lines_are_numbered_and_arrive_at_their_own_times() {
    let found = read(
        "2026-02-01T00:00:02Z h a[1]: 12 angry men\n\n2026-02-01T00:00:01Z h a: back\nno record at all\n2026-02-01T00:00:03Z h a: last",
        &Options::default(),
    );
    let seconds: Vec<_> =
        found.iter().map(|(number, arrival, _)| (*number, &arrival.to_string()[17..19] == "03")).collect();
    assert_eq!(seconds, [(1, false), (2, false), (3, false), (4, true)]);
    assert_eq!(found[1].1, found[0].1, "the clock never goes back");
    assert_eq!(found[3].2, "2026-02-01T00:00:03Z h a: last");
}

#[test]
fn streams_are_framed_by_their_counts() {
    let message = "<38>1 2026-02-01T00:00:00Z h a - - - two\nlines";
    let content =
        format!("{} {message}<38>Feb  1 00:00:01 h a: by line\n{} {message}", message.len(), message.len());
    let messages: Vec<_> = read(&content, &Options::default()).into_iter().map(|found| found.2).collect();
    assert_eq!(messages, [message, "<38>Feb  1 00:00:01 h a: by line", message]);

    let lines = Options { framing: Some(Mode::Delimited), ..Options::default() };
    assert_eq!(read(&content, &lines).len(), 4, "counts are text where lines are asked for");
}

#[test]
fn a_stream_that_breaks_its_framing_ends_there() {
    let place = Place::new();
    let path = place.file(b"4 <38>ab", MODIFIED);
    let counted = Options { framing: Some(Mode::OctetCounted), ..Options::default() };
    let mut file = plain(&path, &counted);
    assert_eq!(file.next().unwrap().unwrap().inputs(), 1, "what came before is kept");
    assert!(matches!(file.next(), Some(Err(ReadError::Framing { .. }))));
    assert!(file.next().is_none());
}

#[test]
fn years_follow_the_modification_time_over_the_turn() {
    let content =
        "Dec 20 10:00:00 h a: x\nDec 31 23:59:59 h a: x\nJan  1 00:00:00 h a: x\nFeb  3 11:00:00 h a: x\n";
    let expected =
        ["2025-12-20T10:00:00", "2025-12-31T23:59:59", "2026-01-01T00:00:00", "2026-02-03T11:00:00"];
    assert_eq!(arrivals(content, &Options::default()), expected);
}

#[test]
fn a_host_that_forgot_the_date_stays_in_the_past() {
    let content =
        b"Sep 10 10:00:00 h a: x\nSep 10 10:00:01 h a: x\nJan  1 00:00:07 h a: x\nJan  1 00:00:08 h a: x\nSep 10 10:05:00 h a: x\n";
    let place = Place::new();
    let path = place.file(content, "2025-09-10T10:05:00Z");
    let found = flat(plain(&path, &Options::default()).map(Result::unwrap));
    assert_eq!(found[4].1.to_string(), "2025-09-10T10:05:00.000000Z");
}

#[test]
fn years_can_be_said() {
    let options = Options { year: Some(2019), ..Options::default() };
    let content = "Dec 31 23:59:59 h a: x\nJan  1 00:00:00 h a: x\nMar  1 00:00:00 h a: x\n";
    assert_eq!(
        arrivals(content, &options),
        ["2019-12-31T23:59:59", "2020-01-01T00:00:00", "2020-03-01T00:00:00"]
    );
    assert_eq!(arrivals("Jan  1 00:00:00 h a: x\n", &options), ["2019-01-01T00:00:00"]);
    let newfoundland = Options { zone: Zone::named("America/St_Johns").unwrap(), ..options };
    assert_eq!(arrivals("Dec 31 23:59:59 h a: x\n", &newfoundland), ["2020-01-01T03:29:59"]);
}

#[test]
fn the_year_that_was_said_holds_behind_lines_without_times() {
    let options = Options { year: Some(2019), ..Options::default() };
    let first = Place::new();
    let mut first = plain(&first.file(b"no\ntimes\n", MODIFIED), &options);
    let batch = first.next().unwrap().unwrap();
    let (next, arrival, near) = (batch.first + batch.inputs(), batch.arrivals.last(), first.near());
    assert_eq!(near, None);
    let second = Place::new();
    let mut second =
        plain(&second.file(b"Mar  1 10:00:00 h a: x\nMar  2 10:00:00 h a: x\n", MODIFIED), &options);
    second.follow(next, arrival, near);
    for (_, arrival, message) in flat(second.by_ref().map(Result::unwrap)) {
        let record = Record::parse(message.as_bytes(), arrival, &Zone::UTC).unwrap();
        assert_eq!(&record.timestamp.unwrap().to_string()[..8], "2019-03-", "as a worker reads it");
    }
    // The one behind these goes on where they end, in whatever year that is.
    let arrival = second.near().unwrap();
    assert_eq!(&arrival.to_string()[..10], "2019-03-02");
    let third = Place::new();
    let mut third =
        plain(&third.file(b"Nov  1 10:00:00 h a: x\nJan  1 10:00:00 h a: x\n", MODIFIED), &options);
    third.follow(5, arrival, Some(Timestamp::from_civil(2020, 10, 1, 0, 0)));
    let times = flat(third.map(Result::unwrap)).into_iter().map(|(_, arrival, _)| arrival.to_string());
    assert_eq!(times.map(|time| time[..7].to_owned()).collect::<Vec<_>>(), ["2020-11", "2021-01"]);
}

#[test]
fn lines_without_times_wait_for_the_first_that_has_one() {
    let content = "begin\n2026-02-01T00:00:00Z h a: x\nat foo.c:1\n";
    assert_eq!(arrivals(content, &Options::default()), ["2026-02-01T00:00:00"; 3]);
    assert_eq!(arrivals("no\ntimes\n", &Options::default()), ["2026-02-03T12:00:00"; 2]);
}

#[test]
fn a_wrong_time_at_the_end_of_a_batch_is_judged_by_the_next() {
    let pad = "x".repeat(1000);
    let line = |time: &str| format!("{time} h a: {pad}\n");
    let per_batch = limits::READ_SIZE / line("2026-02-01T00:00:00Z").len();
    let place = Place::new();
    for wrong in per_batch - 2..per_batch + 3 {
        let lines = 2 * per_batch + 7;
        let time = |index| if index == wrong { "2036-02-01T00:00:00Z" } else { "2026-02-01T00:00:00Z" };
        let content: String = (0..lines).map(|index| line(time(index))).collect();
        let path = place.file(content.as_bytes(), MODIFIED);
        let batches: Vec<_> = plain(&path, &Options::default()).map(Result::unwrap).collect();
        assert!(batches.len() > 2);
        let found = flat(batches);
        assert_eq!(found.len(), lines);
        assert!(found.iter().all(|(_, arrival, _)| arrival.civil_date().0 == 2026), "line {wrong}");
    }
}

#[test]
fn large_files_come_in_batches_that_join_on() {
    let long = format!("2026-02-01T00:00:00Z h a: {}\n", "y".repeat(limits::READ_SIZE + 10));
    let content: String =
        (0..40_000).map(|n| format!("2026-02-01T00:00:00Z h a: {n}\n")).collect::<String>() + &long;
    let place = Place::new();
    let path = place.file(content.as_bytes(), MODIFIED);
    let batches: Vec<_> = plain(&path, &Options::default()).map(Result::unwrap).collect();
    let mut next = (0, 1);
    for batch in &batches {
        assert_eq!((batch.slot, batch.first), next);
        assert!(batch.batch.frames.len() <= limits::MAX_BATCH_FRAMES);
        next = (batch.slot + 1, batch.first + batch.inputs());
    }
    assert!(batches.last().unwrap().batch.frames.last().unwrap().truncated);
    let found = flat(batches);
    assert_eq!(found.len(), 40_001);
    assert!((0..40_000).zip(&found).all(|(n, (_, _, message))| message.ends_with(&format!(": {n}"))));
    assert_eq!(found[40_000].2.len(), limits::MAX_MESSAGE_SIZE);
}

#[test]
fn the_content_names_the_stream_for_ever() {
    let place = Place::new();
    let name =
        |content: &[u8]| plain(&place.file(content, MODIFIED), &Options::default()).stream().to_string();
    assert_eq!(name(b""), "2t1m00mwd7562");
    assert_eq!(name(b"2026-02-01T00:00:00Z h a: x\n"), "f0xd760gebnq5");
    assert_ne!(name(b"a\n"), name(b"b\n"));
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_compressed_file_gives_what_its_content_gives() {
    let content: String = (0..40_000).map(|n| format!("Feb  1 10:00:{:02} h a: {n}\n", n % 60)).collect();
    let place = Place::new();
    let read = |bytes: &[u8]| {
        let path = place.file(bytes, MODIFIED);
        let file = plain(&path, &Options::default());
        assert_eq!(file.total_bytes(), bytes.len() as u64);
        (file.stream(), flat(file.map(Result::unwrap)))
    };
    let zstd =
        ruzstd::encoding::compress_to_vec(content.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let plain = read(content.as_bytes());
    assert_eq!(plain.1.len(), 40_000);
    assert_eq!(read(&gzip(content.as_bytes())), plain);
    assert_eq!(read(&zstd), plain);
}

#[test]
fn of_a_damaged_file_what_stands_before_the_damage_is_kept() {
    let content: String = (0..40_000).map(|n| format!("2026-02-01T00:00:00Z h a: {n}\n")).collect();
    let mut packed = gzip(content.as_bytes());
    packed.truncate(packed.len() / 2);
    let place = Place::new();
    let path = place.file(&packed, MODIFIED);
    let (batches, errors): (Vec<_>, Vec<_>) = plain(&path, &Options::default()).partition(Result::is_ok);
    let batches: Vec<_> = batches.into_iter().map(Result::unwrap).collect();
    let last = *batches.last().unwrap().batch.frames.last().unwrap();
    assert!(last.truncated, "the end of a line that was cut proves nothing");
    let found = flat(batches);
    assert!(found.len() > 10_000 && found.len() < 40_000);
    let [Err(error)] = &errors[..] else { panic!("{errors:?}") };
    let error = error.to_string();
    assert!(error.contains("cannot be unpacked (gzip)"), "{error}");
    assert!(error.ends_with("it ends before the compressed data do"), "{error}");
}

#[test]
fn a_file_that_is_cut_while_it_is_read_is_an_error_not_a_crash() {
    let line = b"2026-02-01T00:00:00Z h a: x\n";
    let place = Place::new();
    let path = place.file(&line.repeat(100_000), MODIFIED);
    let mut file = plain(&path, &Options::default());
    file.next().unwrap().unwrap();
    File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
    let errors: Vec<_> = file.filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().ends_with("the file became shorter while it was read"), "{}", errors[0]);
}

#[test]
fn pipes_are_read_to_their_end() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"2026-02-01T00:00:00Z h a: piped\n").unwrap();
    drop(writer);
    let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
    assert_eq!(
        flat(plain(&path, &Options::default()).map(Result::unwrap))[0].2,
        "2026-02-01T00:00:00Z h a: piped"
    );
}

#[test]
fn what_comes_through_a_pipe_is_there_at_once_and_no_wrong_time_stops_its_clock() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
    let mut write = |line: &str| writer.write_all(line.as_bytes()).unwrap();
    write("2026-02-01T00:00:00Z h a: one\n");
    let mut file = plain(&path, &Options::default());
    let mut next = || flat([file.next().unwrap().unwrap()]).remove(0);
    assert_eq!(
        next(),
        (1, Timestamp::from_civil(2026, 2, 1, 0, 0), "2026-02-01T00:00:00Z h a: one".to_owned())
    );
    write("9026-02-01T00:00:00Z h a: two\n");
    assert_eq!(next().1, Timestamp::from_civil(2026, 2, 1, 0, 0));
    write("2026-02-01T00:00:01Z h a: three\n");
    assert_eq!(next().1, Timestamp::from_civil(2026, 2, 1, 1, 0));
}

#[test]
fn captures_are_recognised() {
    let place = Place::new();
    let path = place.directory.path().join("day.cap");
    let identity = Identity { stream: StreamId(5), run: 2, created: Timestamp::EPOCH };
    Writer::create(&path, identity, capture::Options::default()).unwrap().finish(None).unwrap();
    let input = Input::open(&path, &Options::default()).unwrap();
    assert_eq!((input.stream(), input.run(), input.end()), (StreamId(5), 2, capture::End::OfInput));
}

#[test]
fn what_cannot_be_read_is_named() {
    let place = Place::new();
    let refusal = |path: &Path| Input::open(path, &Options::default()).unwrap_err().to_string();
    assert!(
        refusal(&place.file(b"BZh91AY", MODIFIED)).ends_with("is compressed (bzip2): decompress it first")
    );
    assert!(
        refusal(&place.file(&gzip(&gzip(b"x")), MODIFIED))
            .ends_with("is compressed (gzip in gzip): decompress it first")
    );
    assert!(
        refusal(&place.file(&gzip(b"\x89CRLSEG\n\x01"), MODIFIED))
            .ends_with("is a capture that was compressed (gzip): decompress it first")
    );
    assert!(refusal(&place.file(&gzip(b"\xFF\xFEF\0e\0b\0"), MODIFIED)).contains("is text in UTF-16"));
    assert!(refusal(&place.directory.path().join("absent")).starts_with("cannot read /"));
    assert!(refusal(place.directory.path()).starts_with("cannot read /"));
    assert!(refusal(&place.file(b"\x89CRLSEG\n", MODIFIED)).starts_with("cannot read /"));
}

#[test]
fn damage_that_leaves_no_record_is_told() {
    let place = Place::new();
    let mut packed = gzip(b"Feb \0\x01\x02\0, and more\n");
    assert!(matches!(
        Input::open(&place.file(&packed, MODIFIED), &Options::default()),
        Err(OpenError::Binary { at: 4, .. })
    ));
    // Of the checksum.
    let at = packed.len() - 5;
    packed[at] ^= 0xFF;
    let input = Input::open(&place.file(&packed, MODIFIED), &Options::default()).unwrap();
    let items: Vec<_> = input.collect();
    let [Err(trouble)] = &items[..] else { panic!("{items:?}") };
    assert!(trouble.to_string().contains("is damaged: it cannot be unpacked (gzip)"), "{trouble}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A worker reads a time without a year by its arrival alone, and must find the year that was found here.
    #[test]
    fn workers_find_the_same_years(start in 0_i64..100, gaps in prop::collection::vec(0_i64..150 * 86_400, 1..12)) {
        let mut time = Timestamp::from_civil(2015, 1, 1, 0, 0).plus(Duration::from_secs(u64::try_from(start).unwrap() * 86_400));
        let mut times = vec![time];
        for gap in gaps {
            time = time.plus(Duration::from_secs(gap.unsigned_abs()));
            times.push(time);
        }
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let line = |time: &Timestamp| {
            let (_, month, day) = time.civil_date();
            format!("{} {day:2} {} h a: x\n", MONTHS[month as usize - 1], &time.to_string()[11..19])
        };
        let content: String = times.iter().map(line).collect();
        for ((_, arrival, message), time) in read(&content, &Options { year: Some(2015), ..Options::default() }).iter().zip(&times) {
            let record = Record::parse(message.as_bytes(), *arrival, &Zone::UTC).unwrap();
            prop_assert_eq!(record.timestamp, Some(*time));
            prop_assert_eq!(arrival, time);
        }
    }
}
