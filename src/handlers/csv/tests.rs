//! The csv handler on real files, with a clock that tests set.

use super::*;
use crate::event::{EventBlock, Field, Head, Kind, Severity, Stamp, StreamId};
use crate::handlers::Delivery;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

struct SetClock(Mutex<Timestamp>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A directory, a clock, and a handler in them.
struct Scene {
    directory: tempfile::TempDir,
    clock: Arc<SetClock>,
    zone: Zone,
    options: Options,
}

impl Scene {
    fn new(rotate: Rotate) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Arc::new(SetClock(Mutex::new(Timestamp::from_civil(2026, 2, 1, 43_200, 0)))),
            zone: Zone::named("Europe/Berlin").unwrap(),
            options: Options { rotate, ..Options::default() },
        }
    }

    fn csv(&self) -> Csv {
        let environment = Environment::new(self.clock.clone(), self.zone.clone(), self.directory.path());
        Csv::new(self.options.clone(), &environment)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("csv").join(name)
    }

    /// All files by their names, each as its rows without the header.
    fn files(&self) -> BTreeMap<String, Vec<Vec<String>>> {
        let entries = fs::read_dir(self.directory.path().join("csv")).unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| (entry.file_name().into_string().unwrap(), rows(&entry.path()))).collect()
    }

    /// The users in each file.
    fn users(&self) -> Vec<(String, String)> {
        let users = |rows: Vec<Vec<String>>| rows.into_iter().map(|row| row[3].clone()).collect::<Vec<_>>();
        self.files().into_iter().map(|(name, rows)| (name, users(rows).join(" "))).collect()
    }

    fn set_clock(&self, day: u32, second_of_day: i64) {
        *self.clock.0.lock().unwrap() = Timestamp::from_civil(2026, 2, day, second_of_day, 0);
    }
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let mut reader = ::csv::Reader::from_path(path).unwrap();
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn block(modules: &[&str]) -> EventBlock {
    let module = |name: &&str| ModuleName { app: "fleet".into(), module: (*name).into() };
    let modules = modules.iter().map(module).collect();
    EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }))
}

fn head(kind: Kind, module: u16) -> Head {
    let time = Timestamp::from_civil(2026, 2, 1, 36_005, 123_456);
    Head { number: 7, ordinal: 0, module, kind, severity: Severity::Notice, time }
}

/// One denied user.
fn denied(user: &[u8]) -> Selection {
    let mut block = block(&["openssh"]);
    block.push(head(Kind::SSHDUserDenied, 0)).text(Field::User, user).text(Field::Host, b"web1");
    Selection::all(Arc::new(block))
}

fn deliver(csv: &mut Csv, user: &str) {
    assert_eq!(csv.write(&denied(user.as_bytes())), [Outcome::Delivered]);
}

fn names(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, users)| ((*name).to_owned(), (*users).to_owned())).collect()
}

fn set_modified(path: &Path, time: Timestamp) {
    let time = SystemTime::UNIX_EPOCH + time.since(Timestamp::EPOCH);
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_file_for_each_module_and_kind_with_the_schema_as_header() {
    let scene = Scene::new(Rotate::Daily);
    let mut csv = scene.csv();
    let mut block = block(&["openssh", "bastion"]);
    for (index, module) in [0_u16, 1, 0, 1].into_iter().enumerate() {
        let user = format!("u{index}");
        block.push(head(Kind::SSHDUserDenied, module)).text(Field::User, user.as_bytes());
        block
            .push(head(Kind::SSHDAttemptsExceeded, module))
            .texts(Field::Users, [&b"a;b"[..], b"c"])
            .duration(Field::Window, Duration::from_millis(1_500))
            .time(Field::Start, Timestamp::from_civil(2026, 7, 1, 0, 5));
    }
    assert_eq!(csv.write(&Selection::all(Arc::new(block))), vec![Outcome::Delivered; 8]);

    let names: Vec<_> = scene.files().into_keys().collect();
    let kinds = ["SSHDAttemptsExceeded", "SSHDUserDenied"];
    let expected = ["bastion", "openssh"].map(|module| kinds.map(|kind| format!("{module}-{kind}.csv")));
    assert_eq!(names, expected.concat());
    let path = scene.path("openssh-SSHDAttemptsExceeded.csv");
    let text = fs::read_to_string(&path).unwrap();
    let fields: Vec<_> =
        Kind::SSHDAttemptsExceeded.spec().fields.iter().map(|field| field.spec().name).collect();
    assert_eq!(text.lines().next().unwrap(), format!("id,time,severity,{}", fields.join(",")));
    let row = &rows(&path)[0];
    assert_eq!(row[..3], ["0000000000001.1.7.fleet.openssh.0", "2026-02-01T11:00:05.123456+01:00", "NOTICE"]);
    let at = |name| row[3 + fields.iter().position(|field| *field == name).unwrap()].as_str();
    assert_eq!((at("users"), at("window"), at("count")), (r"a\x3bb;c", "1.5", ""));
    assert_eq!(at("start"), "2026-07-01T02:00:00.000005+02:00");
    let users: Vec<_> =
        rows(&scene.path("openssh-SSHDUserDenied.csv")).iter().map(|row| row[3].clone()).collect();
    assert_eq!(users, ["u0", "u2"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn hostile_text_stays_in_its_cell_its_row_and_is_no_formula() {
    let scene = Scene::new(Rotate::Never);
    let mut csv = scene.csv();
    let cases = [
        (&b"=HYPERLINK(\"http://x\",\"y\")"[..], "'=HYPERLINK(\"http://x\",\"y\")"),
        (b"+1", "'+1"),
        (b"-1", "'-1"),
        (b"@SUM(A1)", "'@SUM(A1)"),
        (b"\t=1", "'\t=1"),
        (b"\r=1", r"'\x0d=1"),
        (b"'=1", "''=1"),
        (b"'quoted'", "'quoted'"),
        (b"x;=1+1", r"x\x3b=1+1"),
        (b"a;b", "a;b"),
        (b"a,b\"c", "a,b\"c"),
        (b"x\n7,2026,INFO,root", r"x\x0a7,2026,INFO,root"),
        (b"\xff\x1b[2J", r"\xff\x1b[2J"),
        (br"\xff", r"\x5cxff"),
        (br"DOM\user", r"DOM\user"),
        ("Jörg".as_bytes(), "Jörg"),
        (b"", ""),
    ];
    for (user, _) in cases {
        csv.write(&denied(user));
    }
    let path = scene.path("openssh-SSHDUserDenied.csv");
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1 + cases.len());
    let found = rows(&path);
    for (row, (user, expected)) in found.iter().zip(cases) {
        assert_eq!(row[3], expected, "{user:?}");
    }
    assert_eq!(found.len(), cases.len());
}

#[test]
fn midnight_in_the_zone_sets_files_aside_also_those_without_news() {
    let scene = Scene::new(Rotate::Daily);
    let mut csv = scene.csv();
    deliver(&mut csv, "noon");
    let mut stats = block(&["openssh"]);
    stats.push(head(Kind::SSHDStats, 0));
    csv.write(&Selection::all(Arc::new(stats)));
    scene.set_clock(1, 82_799);
    deliver(&mut csv, "before");
    scene.set_clock(1, 82_800);
    deliver(&mut csv, "after");
    assert_eq!(
        scene.users(),
        names(&[
            ("openssh-SSHDStats.2026-02-01.csv", ""),
            ("openssh-SSHDUserDenied.2026-02-01.csv", "noon before"),
            ("openssh-SSHDUserDenied.csv", "after"),
        ])
    );
}

#[test]
fn a_file_of_an_earlier_day_is_set_aside_by_its_own_date() {
    let scene = Scene::new(Rotate::Daily);
    deliver(&mut scene.csv(), "old");
    set_modified(&scene.path("openssh-SSHDUserDenied.csv"), Timestamp::from_civil(2026, 1, 30, 82_800, 0));
    deliver(&mut scene.csv(), "new");
    assert_eq!(
        scene.users(),
        names(&[("openssh-SSHDUserDenied.2026-01-31.csv", "old"), ("openssh-SSHDUserDenied.csv", "new")])
    );
}

#[test]
fn size_and_start_rotate_and_only_so_many_are_kept() {
    let mut scene = Scene::new(Rotate::Size(300));
    scene.options.keep = 2;
    let mut csv = scene.csv();
    for user in ["a", "b", "c", "d", "e", "f", "g"] {
        deliver(&mut csv, user);
    }
    assert_eq!(
        scene.users(),
        names(&[
            ("openssh-SSHDUserDenied.2026-02-01.1.csv", "c d"),
            ("openssh-SSHDUserDenied.2026-02-01.2.csv", "e f"),
            ("openssh-SSHDUserDenied.csv", "g"),
        ])
    );
    drop(csv);
    scene.options.rotate = Rotate::Start;
    set_modified(&scene.path("openssh-SSHDUserDenied.csv"), scene.clock.now());
    let mut csv = scene.csv();
    deliver(&mut csv, "h");
    deliver(&mut csv, "i");
    assert_eq!(
        scene.users(),
        names(&[
            ("openssh-SSHDUserDenied.2026-02-01.2.csv", "e f"),
            ("openssh-SSHDUserDenied.2026-02-01.3.csv", "g"),
            ("openssh-SSHDUserDenied.csv", "h i"),
        ])
    );
}

#[test]
fn other_columns_begin_a_new_file() {
    let scene = Scene::new(Rotate::Never);
    let path = scene.path("openssh-SSHDUserDenied.csv");
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(&path, "id,time,severity,user\nx,y,z,old").unwrap();
    set_modified(&path, Timestamp::from_civil(2026, 1, 30, 0, 0));
    deliver(&mut scene.csv(), "new");
    let old = fs::read_to_string(scene.path("openssh-SSHDUserDenied.2026-01-30.csv")).unwrap();
    assert_eq!(old, "id,time,severity,user\nx,y,z,old", "what is not ours is kept as it was");
    assert_eq!(rows(&path)[0][3], "new");
}

#[test]
fn a_torn_last_row_is_cut_wherever_it_was_torn() {
    let scene = Scene::new(Rotate::Never);
    let path = scene.path("openssh-SSHDUserDenied.csv");
    let mut csv = scene.csv();
    deliver(&mut csv, "a,\"quoted\"");
    deliver(&mut csv, "lost");
    drop(csv);
    let whole = fs::read(&path).unwrap();
    let line_ends: Vec<_> = memchr::memchr_iter(b'\n', &whole).map(|end| end + 1).collect();
    for length in 0..=whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        deliver(&mut scene.csv(), "next");
        let kept = line_ends.iter().filter(|end| **end <= length).count();
        let found = rows(&path);
        assert_eq!(found.len(), kept.max(1), "torn at {length}");
        assert_eq!(found.last().unwrap()[3], "next");
    }
}

#[test]
fn a_torn_row_longer_than_one_read_is_cut() {
    let scene = Scene::new(Rotate::Never);
    let path = scene.path("openssh-SSHDUserDenied.csv");
    let mut csv = scene.csv();
    deliver(&mut csv, "kept");
    drop(csv);
    let mut text = fs::read(&path).unwrap();
    text.resize(text.len() + 200_000, b'x');
    fs::write(&path, &text).unwrap();
    deliver(&mut scene.csv(), "next");
    assert_eq!(scene.users(), names(&[("openssh-SSHDUserDenied.csv", "kept next")]));
}

#[test]
fn a_file_that_others_rename_remove_or_empty_is_begun_anew() {
    let scene = Scene::new(Rotate::Never);
    let path = scene.path("openssh-SSHDUserDenied.csv");
    let mut csv = scene.csv();
    deliver(&mut csv, "a");
    fs::rename(&path, scene.path("by-logrotate")).unwrap();
    deliver(&mut csv, "b");
    assert_eq!(scene.users(), names(&[("by-logrotate", "a"), ("openssh-SSHDUserDenied.csv", "b")]));
    fs::remove_file(&path).unwrap();
    deliver(&mut csv, "c");
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    deliver(&mut csv, "d");
    assert_eq!(rows(&path).len(), 1, "a copied and truncated file gets its header again");
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    deliver(&mut csv, "e");
    assert_eq!(scene.users(), names(&[("openssh-SSHDUserDenied.csv", "e")]));
}

#[test]
fn trouble_with_one_file_is_said_and_concerns_no_other() {
    let scene = Scene::new(Rotate::Never);
    let mut csv = scene.csv();
    fs::create_dir_all(scene.path("openssh-SSHDUserDenied.csv")).unwrap();
    let mut mixed = block(&["openssh"]);
    mixed.push(head(Kind::SSHDUserDenied, 0));
    mixed.push(head(Kind::SSHDStats, 0));
    let mixed = Selection::all(Arc::new(mixed));
    let outcomes = csv.write(&mixed);
    let Outcome::Temporary(why) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(why.contains("openssh-SSHDUserDenied.csv") && why.starts_with("cannot open"), "{why}");
    assert_eq!(outcomes[1], Outcome::Delivered);
    fs::remove_dir(scene.path("openssh-SSHDUserDenied.csv")).unwrap();
    assert_eq!(csv.write(&mixed), vec![Outcome::Delivered; 2]);
}

#[test]
fn a_file_that_another_process_writes_is_left_alone() {
    let scene = Scene::new(Rotate::Never);
    let mut first = scene.csv();
    deliver(&mut first, "a");
    let mut second = scene.csv();
    let outcomes = second.write(&denied(b"b"));
    assert!(
        matches!(&outcomes[0], Outcome::Temporary(why) if why.contains("another process")),
        "{outcomes:?}"
    );
    drop(first);
    deliver(&mut second, "c");
    assert_eq!(scene.users(), names(&[("openssh-SSHDUserDenied.csv", "a c")]));
}

#[tokio::test]
async fn the_handler_delivers_selections_on_its_thread() {
    let scene = Scene::new(Rotate::Never);
    let environment = Environment::new(scene.clock.clone(), Zone::UTC, scene.directory.path());
    let mut handler = build(scene.options.clone(), &environment).unwrap();
    let mut block = block(&["openssh"]);
    for user in ["a", "b", "c"] {
        block.push(head(Kind::SSHDUserDenied, 0)).text(Field::User, user.as_bytes());
    }
    let chosen = Selection { block: Arc::new(block), indices: vec![0, 2] };
    let delivery: Delivery<'_> = handler.deliver(&chosen);
    assert_eq!(delivery.await, vec![Outcome::Delivered; 2]);
    assert_eq!(scene.users(), names(&[("openssh-SSHDUserDenied.csv", "a c")]));
}
