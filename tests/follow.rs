//! Log files that a server follows: every line once, whatever becomes of the files and of the server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test program: its helpers fail by panicking, and say what they skip"
)]

#[path = "support/child.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod child;

use child::{Guard, Lines, wait_for};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A server that follows the files of a directory.
struct Server {
    child: Guard,
    home: PathBuf,
}

impl Server {
    /// Follows files from their beginnings.
    fn start(home: &Path, path: &str) -> Self {
        Self::start_with(home, &[path], "beginning")
    }

    fn start_with(home: &Path, paths: &[&str], from: &str) -> Self {
        Self::start_looking(home, paths, from, "1s")
    }

    fn start_looking(home: &Path, paths: &[&str], from: &str, poll: &str) -> Self {
        let paths: Vec<_> = paths.iter().map(|path| format!("\"{}/{path}\"", home.display())).collect();
        let config = home.join("correlator.toml");
        let text = format!(
            "[listeners.none]\naddress = \"unix-datagram://{}/none\"\n[files.logs]\npath = [{}]\nfrom = \"{from}\"\n\
             poll = \"{poll}\"\n[apps.ssh.modules.sshd]\ntype = \"sshd\"\n[apps.ssh.modules.sshd.events]\n",
            home.display(),
            paths.join(", ")
        );
        fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_correlator"))
            .args(["serve", "--config"])
            .arg(&config)
            .arg("--data-dir")
            .arg(home.join("data"))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Lines::of(child.stderr.take().unwrap()).until("following");
        Self { child: Guard(child), home: home.to_owned() }
    }

    /// Ends it as a crash does.
    fn kill(mut self) {
        self.child.crash();
    }

    /// Ends it as an operator does.
    fn stop(mut self) {
        let server = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(server, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.ended().success());
    }

    /// Waits until something is noted in the journal by this path.
    fn noted(&self, path: &str) {
        let inputs = self.home.join("data/journal/inputs");
        wait_for(path, || {
            let segments = fs::read_dir(&inputs).ok()?.flatten();
            let mut contents = segments.filter_map(|segment| fs::read(segment.path()).ok());
            contents.any(|content| memchr::memmem::find(&content, path.as_bytes()).is_some()).then_some(())
        });
    }

    /// What it tells of itself.
    fn status(&self) -> serde_json::Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
        command.args(["status", "--format", "json", "--data-dir"]).arg(self.home.join("data"));
        serde_json::from_slice(&command.env_clear().output().unwrap().stdout).unwrap()
    }

    /// How often each session was started that the journal tells of, once it tells of the last.
    fn sessions(&self, last: usize) -> BTreeMap<usize, usize> {
        let mut follower = Command::new(env!("CARGO_BIN_EXE_correlator"))
            .args([
                "events",
                "follow",
                "--since",
                "2000-01-01T00:00:00Z",
                "--kind",
                "SSHDSessionStarted",
                "--format",
                "json",
            ])
            .arg("--data-dir")
            .arg(self.home.join("data"))
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Lines::of(follower.stdout.take().unwrap());
        let _ends_with_this = Guard(follower);
        let mut sessions = BTreeMap::new();
        for line in lines {
            let (_, user) = line.split_once("\"user\":\"u").unwrap();
            let number: usize = user.split_once('"').unwrap().0.parse().unwrap();
            *sessions.entry(number).or_default() += 1;
            if number == last {
                break;
            }
        }
        sessions
    }

    /// Checks that each of so many sessions was started once, and no other.
    fn expect(&self, count: usize) {
        let sessions = self.sessions(count - 1);
        let missing: Vec<_> = (0..count).filter(|number| !sessions.contains_key(number)).take(9).collect();
        let twice: Vec<_> = sessions.iter().filter(|(_, times)| **times > 1).take(9).collect();
        assert!(missing.is_empty() && twice.is_empty(), "missing {missing:?}, more than once {twice:?}");
        assert_eq!(sessions.len(), count, "others too");
    }
}

/// Writes numbered logins to a log.
struct Writer {
    path: PathBuf,
    file: File,
    next: usize,
}

impl Writer {
    fn new(path: PathBuf) -> Self {
        Self { file: Self::open(&path), path, next: 0 }
    }

    fn open(path: &Path) -> File {
        OpenOptions::new().append(true).create(true).open(path).unwrap()
    }

    fn reopen(&mut self) {
        self.file = Self::open(&self.path);
    }

    fn write(&mut self, count: usize) {
        for n in self.next..self.next + count {
            let from = format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255);
            let line = format!(
                "2026-02-01T00:00:00Z h sshd[{n}]: Accepted publickey for u{n} from {from} port 1024 ssh2\n"
            );
            self.file.write_all(line.as_bytes()).unwrap();
        }
        self.next += count;
    }
}

type Rotate = fn(&mut Writer, &Path);

/// By renaming; the writer notices later.
fn rename(writer: &mut Writer, aside: &Path) {
    fs::rename(&writer.path, aside).unwrap();
    drop(Writer::open(&writer.path));
    writer.write(50);
    writer.reopen();
}

/// By copying and cutting, while nothing is written: what is written between the two, copytruncate itself loses.
fn copy_and_cut(writer: &mut Writer, aside: &Path) {
    fs::copy(&writer.path, aside).unwrap();
    writer.file.set_len(0).unwrap();
}

/// By removing; the writer notices later.
fn remove(writer: &mut Writer, _: &Path) {
    fs::remove_file(&writer.path).unwrap();
    writer.write(50);
    writer.reopen();
}

#[test]
fn rotation_under_load_costs_no_line() {
    let ways: [(&str, Rotate); 3] = [("rename", rename), ("copy", copy_and_cut), ("remove", remove)];
    for (way, rotate) in ways {
        let home = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(home.path().join("auth.log"));
        let server = Server::start(home.path(), "*.log");
        writer.write(1);
        drop(server.sessions(0));
        for round in 0..8 {
            writer.write(200);
            rotate(&mut writer, &home.path().join(format!("auth.log.{round}")));
            writer.write(30);
            // Two rotations between two looks would leave a file that nobody has seen by its name.
            drop(server.sessions(writer.next - 1));
        }
        println!("{way}");
        server.expect(writer.next);
    }
}

#[test]
fn logrotate_costs_no_line() {
    if !Path::new("/usr/sbin/logrotate").exists() {
        println!("skipped: needs logrotate");
        return;
    }
    for directive in ["create", "copytruncate", "create\ncompress\ndelaycompress"] {
        let home = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(home.path().join("auth.log"));
        let server = Server::start(home.path(), "auth.log");
        writer.write(1);
        drop(server.sessions(0));
        let rules = home.path().join("rules");
        fs::write(&rules, format!("{}/auth.log {{\nrotate 9\n{directive}\n}}\n", home.path().display()))
            .unwrap();
        for _ in 0..4 {
            writer.write(200);
            let rotated = Command::new("/usr/sbin/logrotate")
                .args(["--force", "--state"])
                .args([home.path().join("state"), rules.clone()])
                .output()
                .unwrap();
            assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
            writer.write(if directive.starts_with("create") { 50 } else { 0 });
            writer.reopen();
            writer.write(10);
            drop(server.sessions(writer.next - 1));
        }
        println!("{directive}");
        server.expect(writer.next);
    }
}

#[test]
fn a_crash_costs_no_line_and_repeats_none() {
    let home = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(home.path().join("auth.log"));
    let mut server = Server::start(home.path(), "auth.log");
    for round in 0..5 {
        writer.write(3000);
        // Somewhere in the midst of it, and rotated while nobody looks.
        drop(server.sessions(round * 4000 + 700));
        server.kill();
        writer.write(500);
        if round % 2 == 1 {
            rename(&mut writer, &home.path().join(format!("auth.log.{round}")));
            writer.write(450);
        } else {
            writer.write(500);
        }
        server = Server::start(home.path(), "auth.log");
    }
    server.expect(writer.next);
}

#[test]
fn rotations_while_no_server_runs_cost_no_line() {
    // As logrotate does it with `delaycompress`, with `compress`, with `dateext`, and with `copytruncate`.
    let names: [(&str, Rotate, [&str; 3], &[usize]); 4] = [
        ("delayed", rename, ["auth.log.3", "auth.log.2", "auth.log.1"], &[0, 1]),
        ("compressed", rename, ["auth.log.3", "auth.log.2", "auth.log.1"], &[0, 1, 2]),
        ("dated", rename, ["auth.log-20260201", "auth.log-20260202", "auth.log-20260203"], &[]),
        ("copied", copy_and_cut, ["auth.log.3", "auth.log.2", "auth.log.1"], &[]),
    ];
    for (way, rotate, names, compressed) in names {
        let home = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(home.path().join("auth.log"));
        let mut server = Server::start(home.path(), "auth.log");
        for crash in [false, true] {
            println!("{way}, {crash}");
            writer.write(3000);
            // In the midst of it, and again in the midst of what was rotated.
            drop(server.sessions(writer.next - 2500));
            if crash {
                server.kill()
            } else {
                server.stop()
            }
            for (number, name) in names.iter().enumerate() {
                writer.write(300);
                let path = home.path().join(name);
                let packed = home.path().join(format!("{name}.gz"));
                fs::remove_file(&packed).ok();
                rotate(&mut writer, &path);
                if compressed.contains(&number) {
                    let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Compression::fast());
                    std::io::copy(&mut File::open(&path).unwrap(), &mut encoder).unwrap();
                    let packed = encoder.finish().unwrap();
                    packed.set_modified(fs::metadata(&path).unwrap().modified().unwrap()).unwrap();
                    fs::remove_file(&path).unwrap();
                }
            }
            writer.write(300);
            server = Server::start(home.path(), "auth.log");
        }
        server.expect(writer.next);
    }
}

#[test]
fn a_file_that_appeared_while_no_server_ran_is_new() {
    let home = tempfile::tempdir().unwrap();
    let old = |name: &str| {
        fs::write(
            home.path().join(name),
            "2026-02-01T00:00:00Z h sshd[1]: Accepted publickey for u99 from 10.0.0.1 port 1 ssh2\n",
        )
        .unwrap()
    };
    old("before.log");
    let mut writer = Writer::new(home.path().join("before.log"));
    let server = Server::start_with(home.path(), &["*.log", "later/one"], "end");
    // That there is a pattern which names nothing yet is known, too.
    server.noted(&format!("followed:{}/later/one", home.path().display()));
    writer.write(5);
    drop(server.sessions(4));
    server.stop();
    fs::create_dir(home.path().join("later")).unwrap();
    for name in ["new.log", "later/one"] {
        writer.path = home.path().join(name);
        writer.reopen();
        writer.write(5);
    }
    old("other");
    // What is followed from now on begins at its end.
    let server = Server::start_with(home.path(), &["*.log", "later/one", "other"], "end");
    server.noted(&format!("followed:{}/other", home.path().display()));
    writer.path = home.path().join("other");
    writer.reopen();
    writer.write(5);
    server.expect(writer.next);
    // So does what was not followed for a while.
    server.stop();
    let server = Server::start_with(home.path(), &["later/one"], "end");
    server.noted("later/one");
    writer.path = home.path().join("later/one");
    writer.reopen();
    writer.write(1);
    drop(server.sessions(writer.next - 1));
    server.stop();
    old("while-away.log");
    let server = Server::start_with(home.path(), &["*.log"], "end");
    server.noted(&format!("{}/while-away.log", home.path().display()));
    writer.path = home.path().join("while-away.log");
    writer.reopen();
    writer.write(5);
    server.expect(writer.next);
}

#[test]
fn the_status_tells_how_far_files_have_been_read() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), "auth.log");
    let status = |format: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_correlator"));
        command.args(["status", "--format", format, "--data-dir"]).arg(home.path().join("data"));
        let told = command.env_clear().output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8(told.stdout).unwrap()
    };
    let path = home.path().join("auth.log").display().to_string();
    let mut writer = Writer::new(home.path().join("auth.log"));
    writer.write(100);
    drop(server.sessions(99));
    let length = fs::metadata(&writer.path).unwrap().len();
    let told: serde_json::Value = serde_json::from_str(&status("json")).unwrap();
    let file = told.pointer("/files/0").unwrap();
    assert_eq!((&file["name"], &file["path"]), (&"logs".into(), &path.as_str().into()), "{told}");
    assert_eq!((&file["position"], &file["lag"], &file["trouble"]), (&length.into(), &0.into(), &().into()));
    assert!(file["last_record"].as_str().unwrap().ends_with('Z'), "{told}");
    // What is no whole line yet has not been read.
    writer.file.write_all(b"2026-02-01T00:").unwrap();
    let text = status("text");
    assert!(text.contains(&format!("logs  {path}: at {length}, 14 bytes behind, last record 20")), "{text}");
}

#[test]
fn a_link_into_another_directory_is_followed_at_once_and_told_of_like_its_file() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("logs")).unwrap();
    fs::create_dir(home.path().join("pods")).unwrap();
    let mut writer = Writer::new(home.path().join("pods/web.log"));
    for link in ["a.log", "b.log"] {
        std::os::unix::fs::symlink(&writer.path, home.path().join("logs").join(link)).unwrap();
    }
    // Only the kernel can tell of what comes.
    let server = Server::start_looking(home.path(), &["logs/*.log"], "beginning", "10m");
    writer.write(5);
    server.expect(writer.next);
    writer.write(5);
    server.expect(writer.next);
    let length = fs::metadata(&writer.path).unwrap().len();
    let expected = [length, length].map(serde_json::Value::from);
    wait_for("both names at the end", || {
        let status = server.status();
        let positions = status["files"].as_array().unwrap().iter().map(|file| file["position"].clone());
        (positions.collect::<Vec<_>>() == expected).then_some(())
    });
}

#[test]
fn files_for_which_there_is_no_room_are_counted() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("many")).unwrap();
    for number in 0..1030 {
        fs::write(home.path().join(format!("many/{number}.log")), "").unwrap();
    }
    let server = Server::start(home.path(), "many/*.log");
    let problems = ["files `logs`: 6 files are not followed, because so many others are"];
    wait_for("the word of it", || {
        let status = server.status();
        (status["problems"] == serde_json::json!(problems) && status["healthy"] == false).then_some(())
    });
}

#[test]
fn a_directory_that_cannot_be_listed_is_told_and_what_it_holds_then_is_not_news() {
    let home = tempfile::tempdir().unwrap();
    let (logs, aside) = (home.path().join("logs"), home.path().join("aside"));
    fs::create_dir(&aside).unwrap();
    let mut writer = Writer::new(aside.join("auth.log"));
    writer.write(3);
    // Root may list everything, but nothing through a link to itself.
    std::os::unix::fs::symlink("logs", &logs).unwrap();
    let server = Server::start_with(home.path(), &["logs/*.log"], "end");
    wait_for("the word of it", || {
        let problems = server.status()["problems"].to_string();
        let told = format!("{} cannot be followed: it cannot be listed: Too many levels", logs.display());
        problems.contains(&told).then_some(())
    });
    // At once, so that no look finds nothing there.
    let link = home.path().join("link");
    std::os::unix::fs::symlink("aside", &link).unwrap();
    fs::rename(&link, &logs).unwrap();
    wait_for("the file", || (server.status()["files"][0]["lag"] == 0).then_some(()));
    assert_eq!(server.status()["healthy"], true);
    writer.write(1);
    assert_eq!(server.sessions(3), BTreeMap::from([(3, 1)]));
}

#[test]
fn files_come_and_go() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), "*/auth.log");
    let mut writer = Writer::new(home.path().join("early.log"));
    for name in ["web", "db", "mail"] {
        fs::create_dir(home.path().join(name)).unwrap();
        writer.path = home.path().join(name).join("auth.log");
        writer.reopen();
        writer.write(100);
        drop(server.sessions(writer.next - 1));
        fs::remove_dir_all(home.path().join(name)).unwrap();
    }
    server.expect(writer.next);
}
