//! Real programs: small scripts that do what programs do.

use super::*;
use crate::event::{EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp, StreamId};
use crate::handlers::Digest;
use crate::time::{SystemClock, Timestamp, Zone};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::spawn_blocking;

fn events(count: u64) -> Selection {
    let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules }));
    for number in 0..count {
        let (kind, severity, time) = (Kind::SSHDUserDenied, Severity::Warning, Timestamp::EPOCH);
        block
            .push(Head { number, ordinal: 0, module: 0, kind, severity, time })
            .text(Field::User, b"$(reboot); `id`\0\n\xff")
            .addr(Field::Addr, IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)))
            .count(Field::Port, 22);
    }
    Selection::all(Arc::new(block))
}

fn handler(directory: &Path, options: Options) -> Box<dyn Handler> {
    build(&options, &Environment::new(Arc::new(SystemClock), Zone::UTC, directory)).unwrap()
}

fn shell(script: &str) -> Options {
    let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    Options { command, ..Options::default() }
}

async fn run(script: &str) -> Outcome {
    handler(Path::new("/"), shell(script)).deliver(&events(1)).await.remove(0)
}

/// Waits until a process is gone, or dead and waiting for init to notice.
async fn ended(pid: &str) {
    let wait = async {
        while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
}

#[tokio::test]
async fn a_program_gets_the_event_as_a_line_and_in_a_clean_environment() {
    let dir = tempfile::tempdir().unwrap();
    let _open = fs::File::create(dir.path().join("not-for-others")).unwrap();
    let script = "cat > line; env -0 > env; pwd > pwd; ls -l /proc/self/fd > fds; echo done";
    let outcomes = handler(dir.path(), shell(script)).deliver(&events(1)).await;
    assert_eq!(outcomes, [Outcome::Accepted("done".into())]);
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    let line = read("line");
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    let event: serde_json::Value = serde_json::from_slice(&line).unwrap();
    assert_eq!((&event["kind"], &event["fields"]["port"]), (&"SSHDUserDenied".into(), &22.into()));
    let env = read("env");
    let variables: Vec<_> = env.split(|byte| *byte == 0).filter(|part| !part.is_empty()).collect();
    for expected in [
        &b"CORRELATOR_KIND=SSHDUserDenied"[..],
        b"CORRELATOR_SEVERITY=WARNING",
        b"CORRELATOR_APP=fleet",
        b"CORRELATOR_TIME=1970-01-01T00:00:00.000000Z",
        b"CORRELATOR_FIELD_ADDR=203.0.113.9",
        b"CORRELATOR_FIELD_PORT=22",
        b"CORRELATOR_FIELD_USER=$(reboot); `id`\\x00\n\xff",
    ] {
        assert!(variables.contains(&expected), "{}", String::from_utf8_lossy(expected));
    }
    // PWD, OLDPWD, SHLVL and _ are the shell's own.
    let ours = |name: &&&[u8]| !name.starts_with(b"CORRELATOR_") && !name.starts_with(b"PATH=");
    let others: Vec<_> = variables.iter().filter(ours).map(|name| String::from_utf8_lossy(name)).collect();
    assert!(others.iter().all(|name| name.starts_with("PWD=") || name.starts_with("_=")), "{others:?}");
    assert_eq!(String::from_utf8(read("pwd")).unwrap().trim(), dir.path().to_str().unwrap());
    let fds = String::from_utf8(read("fds")).unwrap();
    assert!(fds.contains("/fds\n") && !fds.contains("not-for-others"), "{fds}");
}

#[tokio::test]
async fn exit_codes_are_classed() {
    assert_eq!(run("exit 0").await, Outcome::Delivered);
    assert_eq!(run("echo no; exit 1").await, Outcome::Permanent("exit code 1: no".into()));
    assert_eq!(run("echo wait >&2; exit 75").await, Outcome::Temporary("exit code 75: wait".into()));
    assert_eq!(run("kill -9 $$").await, Outcome::Temporary("ended by signal 9".into()));
    let options = Options { temporary_exit_codes: vec![9], ..shell("exit 9") };
    let outcomes = handler(Path::new("/"), options).deliver(&events(1)).await;
    assert_eq!(outcomes, [Outcome::Temporary("exit code 9".into())]);
    let options = Options { command: vec!["/no/such/program".into()], ..Options::default() };
    let outcomes = handler(Path::new("/"), options).deliver(&events(1)).await;
    assert!(
        matches!(&outcomes[0], Outcome::Temporary(why) if why.starts_with("cannot run the program /no/such/program: "))
    );
}

#[tokio::test(start_paused = true)]
async fn a_program_that_overruns_is_killed_with_all_that_it_has_started() {
    let dir = tempfile::tempdir().unwrap();
    let script = "echo begun; (sleep 600 & echo $! > grandchild; wait) & wait";
    let options = Options { timeout: Duration::from_millis(500), ..shell(script) };
    let told = dir.path().join("grandchild");
    // No time passes until this thread has seen what the program has started.
    let started = spawn_blocking(move || {
        let begun = Instant::now();
        loop {
            let grandchild = fs::read_to_string(&told).unwrap_or_default();
            if grandchild.ends_with('\n') {
                return grandchild;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the program starts nothing");
            std::thread::yield_now();
        }
    });
    let outcomes = handler(dir.path(), options).deliver(&events(1)).await;
    assert_eq!(outcomes, [Outcome::Temporary("killed after 0.5 s: begun".into())]);
    tokio::time::resume();
    ended(started.await.unwrap().trim()).await;
}

#[tokio::test]
async fn what_a_program_leaves_running_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let outcomes =
        handler(dir.path(), shell("sleep 600 & echo $! > left; echo done")).deliver(&events(1)).await;
    assert_eq!(outcomes, [Outcome::Accepted("done".into())]);
    let left = fs::read_to_string(dir.path().join("left")).unwrap();
    ended(left.trim()).await;
}

#[tokio::test]
async fn a_flood_of_output_is_cut_in_the_middle() {
    let outcome = run("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last >&2").await;
    let Outcome::Accepted(said) = outcome else { panic!("{outcome:?}") };
    assert!(said.starts_with(r"first\nxxx") && said.ends_with("xxx | last"), "{said}");
    assert!(said.len() < 4 * limits::MAX_EXEC_OUTPUT, "{}", said.len());
}

#[tokio::test]
async fn so_many_run_at_once_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    // Each waits until two are there, and would find a third.
    let script = "touch run.$$; while [ $(ls run.* done.* 2>/dev/null | wc -l) -lt 2 ]; do :; done; \
                  ls run.* 2>/dev/null | wc -l; mv run.$$ done.$$";
    let options = Options { max_running: 2, ..shell(script) };
    let mut handler = handler(dir.path(), options);
    assert_eq!(handler.most(), 2);
    for outcome in handler.deliver(&events(6)).await {
        let Outcome::Accepted(running) = outcome else { panic!("{outcome:?}") };
        assert!(running == "1" || running == "2", "{running}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 6);
}

#[tokio::test]
async fn a_program_that_reads_nothing_is_none_the_worse() {
    let mut handler = handler(Path::new("/"), shell("exec 0<&-; exit 0"));
    assert_eq!(handler.deliver(&events(3)).await, vec![Outcome::Delivered; 3]);
    let storm = events(200);
    let mut digest = Digest::default();
    (0..).zip(storm.events()).for_each(|(seq, event)| digest.add(seq, event, false));
    let gathered = Gathered { digest, shown: vec![storm] };
    assert_eq!(handler.digest(&gathered).await, Outcome::Delivered);
}

/// A trial may come before the first server, which makes the directory.
#[tokio::test]
async fn the_data_directory_is_made_where_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("lib/correlator");
    let outcomes = handler(&data, shell("pwd")).deliver(&events(2)).await;
    assert_eq!(outcomes, vec![Outcome::Accepted(data.to_str().unwrap().to_owned()); 2]);
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_directory_that_is_missing_is_not_taken_for_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let gone = Options { directory: "gone".into(), ..shell("exit 0") };
    let outcome = handler(dir.path(), gone.clone()).deliver(&events(1)).await.remove(0);
    let Outcome::Temporary(why) = outcome else { panic!("{outcome:?}") };
    let gone_directory =
        format!("cannot run /bin/sh: its directory {}/gone: No such file", dir.path().display());
    assert!(why.starts_with(&gone_directory), "{why}");

    let lacks = |options: &Options| options.lacks(dir.path()).unwrap_or_default();
    assert!(lacks(&gone).ends_with("/gone does not exist"), "{}", lacks(&gone));
    fs::create_dir(dir.path().join("gone")).unwrap();
    assert_eq!(lacks(&gone), "");
    let named = |name: &str| Options { command: vec![name.to_owned()], ..Options::default() };
    assert_eq!(lacks(&named("sh")), "");
    let nothing = Options { directory: "none".into(), ..named("/no/such/program") };
    assert!(
        lacks(&nothing)
            .ends_with("/none does not exist; its program /no/such/program is no file that may be run")
    );
    assert_eq!(lacks(&named("/no/such/program")), "its program /no/such/program is no file that may be run");
    assert_eq!(lacks(&named("/etc/passwd")), "its program /etc/passwd is no file that may be run");
    assert!(lacks(&named("no-such-program")).starts_with("its program `no-such-program` is not in PATH, "));
}
