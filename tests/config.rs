//! Whole configurations: the valid ones of tests/config are taken, and each invalid one is refused with the errors that
//! stand beside it. `BLESS=1 cargo test --test config` writes what is said now, for a reader to judge.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: its helpers fail by panicking")]

use correlator::config::{Environment, HandlerOptions, LogFormat, Problems, Request, Settings, Source};
use correlator::correlate::ModuleOptions;
use correlator::credentials::StoreKind;
use proptest::prelude::*;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pieces that configurations are made of, and what breaks them.
const PIECES: &[&str] = &[
    "[server]\n",
    "[apps.a]\n",
    "[apps.a.modules.m]\n",
    "[handlers.h]\n",
    "[listeners.l]\n",
    "[[apps]]\n",
    "[apps]\n",
    "type",
    "workers",
    "address",
    "handlers",
    "events",
    "directory",
    "timezone",
    "include",
    "rotate",
    "allow_from",
    " = ",
    "\n",
    ".",
    ", ",
    "[",
    "]",
    "{ ",
    " }",
    "\"",
    "'",
    "#",
    "\\",
    "\u{0}",
    "\u{feff}",
    "ä",
    "\r\n",
    "\"sshd\"",
    "\"csv\"",
    "\"tcp://[::]:1\"",
    "\"5m\"",
    "\"SSHDPenalty\"",
    "\"10.0.0.0/8\"",
    "\"64KiB\"",
    "\"..\"",
    "-1",
    "0",
    "9223372036854775807",
    "1e400",
    "nan",
    "true",
    "1979-05-27T07:32:00Z",
    "\"99999999999999999d\"",
];

/// Surroundings that are the same everywhere.
fn environment() -> Environment {
    Environment {
        home: Some("/home/operator".into()),
        default_file: "/nonexistent/correlator.toml".into(),
        ..Environment::default()
    }
}

fn load(path: &Path) -> Result<Settings, Problems> {
    Settings::load(&Request { config: Some(path.to_owned()), ..Request::default() }, &environment())
}

fn with(set: &[&str]) -> Result<Settings, Problems> {
    let set = set.iter().map(ToString::to_string).collect();
    Settings::load(&Request { set, ..Request::default() }, &environment())
}

/// The configurations in a folder of tests/config, which is where tests run from.
fn samples(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new("tests/config").join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn valid_configurations_load() {
    for path in samples("valid") {
        if let Err(problems) = load(&path) {
            panic!("{}:\n{problems}", path.display());
        }
    }
}

#[test]
fn invalid_configurations_are_refused_with_every_error_in_them() {
    for path in samples("invalid") {
        let problems = load(&path).expect_err(&path.display().to_string());
        let said = format!("{problems}\n").replace("tests/config/invalid/", "");
        let beside = path.with_extension("err");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&beside, &said).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        assert_eq!(said, expected, "{}", path.display());
    }
}

#[test]
fn the_directory_of_the_service_manager_comes_first() {
    let given = Environment { credentials_directory: Some("/run/credentials/c".into()), ..environment() };
    let file = |name: &str| Request { config: Some(name.into()), ..Request::default() };
    let settings = Settings::load(&file("tests/config/valid/credentials.toml"), &given).unwrap();
    assert_eq!(settings.credentials.stores, [StoreKind::Keyutils, StoreKind::Directory]);
    let directories = ["/run/credentials/c", "/etc/correlator/credentials"];
    assert_eq!(settings.credentials.directories, directories.map(PathBuf::from));
    assert!(!settings.handlers[0].required);
    let other = Settings::load(&file("tests/config/valid/email.toml"), &environment()).unwrap();
    assert_eq!(other.credentials.directories, [PathBuf::from("/run/secrets")]);
    assert!(other.handlers.iter().all(|handler| handler.required));
}

#[test]
fn mails_are_spared_storms_by_default() {
    let settings = load(Path::new("tests/config/valid/email.toml")).unwrap();
    let handler = &settings.handlers[0];
    let HandlerOptions::Email(options) = &handler.options else { panic!("a handler for mails") };
    assert_eq!(options.smtp.as_ref().unwrap().to_string(), "smtp://mail.example.com:587");
    assert_eq!(options.to[0].to_string(), "oncall@example.com");
    assert_eq!(options.headers[0].value(), "blue");
    assert_eq!(handler.delivery.filter.as_ref().unwrap().source(), "severity >= WARNING");
    let storm = &handler.delivery.storm;
    assert_eq!(
        (storm.digest, storm.cooldown),
        (Some(Duration::from_secs(900)), Some(Duration::from_secs(3600)))
    );
    assert_eq!(storm.cooldown_by, [correlator::event::Field::Source]);
}

#[test]
fn every_option_reaches_its_owner() {
    let settings = load(Path::new("tests/config/valid/fleet.toml")).unwrap();
    let server = &settings.server;
    assert_eq!(server.data_dir, Path::new("/var/lib/correlator"));
    assert_eq!(server.timezone.name, "Europe/Berlin");
    assert_eq!((server.workers, server.handler_patience), (NonZero::new(2), Duration::from_secs(5)));
    assert_eq!((server.log.level.to_string().as_str(), server.log.format), ("debug", LogFormat::Json));
    assert_eq!((server.capture.segment_size, server.capture.total_size), (8 << 20, 1 << 30));

    let [lan, old] = settings.listeners.as_slice() else { panic!("{:?}", settings.listeners) };
    let tcp: Vec<_> = lan.options().collect();
    assert_eq!((tcp.len(), tcp[0].name.as_str(), tcp[0].is_open()), (1, "lan", false));
    assert_eq!((lan.allow_from.len(), lan.framing.max_message_size), (2, 8192));
    assert_eq!((old.addresses.len(), old.framing.delimiter.as_slice()), (2, &b"\0"[..]));
    assert_eq!(
        (old.frame_timeout, old.timezone.name.as_str()),
        (Duration::from_secs(90), "America/New_York")
    );

    let [fleet, all] = settings.apps.as_slice() else { panic!("{:?}", settings.apps) };
    assert_eq!((fleet.description.as_str(), fleet.handlers.len()), ("SSH across the fleet", 2));
    let [(name, ModuleOptions::Sshd(sshd))] = fleet.app.modules.as_slice() else { panic!("{fleet:?}") };
    assert_eq!((name.as_str(), sshd.login_failure_limit, sshd.events.len()), ("openssh", 7, 2));
    assert_eq!(sshd.login_failure_window, Duration::from_secs(600));
    assert_eq!((sshd.trusted_networks.len(), sshd.ignore_networks.len()), (1, 1));
    assert!(
        matches!(all.app.modules.as_slice(), [(_, ModuleOptions::Report(report))] if report.max_length == 80)
    );

    let names: Vec<_> = settings.handlers.iter().map(|handler| handler.name.as_str()).collect();
    assert_eq!(names, ["archive", "screen"]);
    let HandlerOptions::Csv(csv) = &settings.handlers[0].options else { panic!("{:?}", settings.handlers) };
    assert_eq!((csv.directory.as_path(), csv.keep), (Path::new("/var/lib/correlator/csv"), 30));
}

#[test]
fn without_a_file_the_built_in_application_runs() {
    let settings = with(&[]).unwrap();
    assert_eq!(settings.source, Source::BuiltIn);
    assert_eq!(settings.apps[0].app.name, "ssh-report");
    let addresses: Vec<_> =
        settings.listeners.iter().flat_map(|l| &l.addresses).map(ToString::to_string).collect();
    assert_eq!(addresses, ["tcp://127.0.0.1:5140", "tcp://[::1]:5140"]);
    let handlers: Vec<_> = settings.active_handlers().map(|handler| handler.options.type_name()).collect();
    assert_eq!(handlers, ["log", "csv"]);
    assert_eq!(settings.server.data_dir, Path::new("/home/operator/.local/state/correlator"));
    assert_eq!(settings.server.workers, None, "what suits the machine");
}

#[test]
fn the_command_line_is_stronger_than_the_file() {
    let request = Request {
        config: Some("tests/config/valid/fleet.toml".into()),
        set: vec![
            "server.workers=3".to_owned(),
            "server.timezone=UTC".to_owned(),
            "apps.fleet.modules.openssh.events.SSHDPenalty=on".to_owned(),
        ],
        data_dir: Some("/tmp/elsewhere".into()),
        apps: vec!["fleet".to_owned()],
        follow: vec!["/var/log/*.log".to_owned()],
        listen: vec!["tcp://127.0.0.1:0".to_owned(), "tcp://[::1]:0".to_owned()],
    };
    let settings = Settings::load(&request, &environment()).unwrap();
    assert_eq!((settings.server.workers, settings.server.timezone.name.as_str()), (NonZero::new(3), "UTC"));
    assert_eq!(settings.server.data_dir, Path::new("/tmp/elsewhere"));
    assert_eq!(settings.apps.len(), 1);
    assert_eq!(settings.listeners.iter().flat_map(|listener| listener.options()).count(), 2);
    assert_eq!(settings.files[0].patterns[0].to_string(), "/var/log/*.log");
    let [(_, ModuleOptions::Sshd(sshd))] = settings.apps[0].app.modules.as_slice() else { panic!() };
    assert_eq!(sshd.events.len(), 3);
}

#[test]
fn the_command_line_is_checked_like_a_file() {
    for (set, says) in [
        (
            "server.wrkers=3",
            "error: unknown key `wrkers`\n  --> --set server.wrkers=3   did you mean `workers`?",
        ),
        (
            "server.workers",
            "error: no `=` in the option to set\n  --> --set server.workers   expected KEY=VALUE",
        ),
        ("=3", "error: no key before the `=`"),
        ("server.workers=x", "`server.workers`: expected a whole number from 0 to 256, found \"x\""),
        ("server=3", "`server`: expected a table, as in `[server]`, found 3"),
        ("include=x.toml", "`include` cannot be set"),
    ] {
        let problems = with(&[set]).unwrap_err().to_string();
        assert!(problems.contains(says), "{set}: {problems}");
    }
    let request = Request {
        apps: vec!["ssh-reprot".to_owned()],
        listen: vec!["gopher://[::]:1".to_owned()],
        ..Request::default()
    };
    assert_eq!(
        Settings::load(&request, &environment()).unwrap_err().to_string(),
        "error: there is no application `ssh-reprot`\n  --> --app ssh-reprot   did you mean `ssh-report`?\n\
         error: unknown scheme `gopher`\n  --> --listen gopher://[::]:1   supported: `tcp`, `tls`, `relp`, `relps`, `udp`, `unix`, `unix-datagram`"
    );
}

#[test]
fn an_address_that_is_given_twice_on_the_command_line_is_refused() {
    let refused = |listen: [&str; 2]| {
        let request = Request { listen: listen.map(str::to_owned).to_vec(), ..Request::default() };
        Settings::load(&request, &environment()).unwrap_err().to_string()
    };
    let (local, all) = ("tcp://127.0.0.1:5140", "tcp://[::]:5140");
    assert_eq!(
        refused([local, local]),
        format!(
            "error: cannot listen on {local} twice\n  --> --listen {local}   the first is at --listen {local}"
        )
    );
    assert_eq!(
        refused([local, all]),
        format!(
            "error: cannot listen on both {local} and {all}\n  --> --listen {all}   one covers the other; the first is \
             at --listen {local}"
        )
    );
}

#[test]
fn what_would_be_set_in_vain_beside_listeners_of_the_command_line_is_refused() {
    let refused = |set: &str, listen: &[&str], follow: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let (listen, follow) = (texts(listen), texts(follow));
        let request = Request { set: vec![set.to_owned()], listen, follow, ..Request::default() };
        Settings::load(&request, &environment()).err().map(|problems| problems.to_string())
    };
    let (url, path) = (["tcp://[::1]:5140"], ["/var/log/auth.log"]);
    let limit = "listeners.local.max_connections_per_peer=9";
    assert_eq!(
        refused(limit, &url, &[]).unwrap(),
        format!(
            "error: `listeners` cannot be set beside `--listen`, which replaces all of them\n  --> --set {limit}   in place \
             of `--listen`, `--set listeners.NAME.address=...` sets one"
        )
    );
    let poll = "files.x.poll=9s";
    assert!(refused(poll, &[], &path).unwrap().contains("`files` cannot be set beside `--follow`"));
    assert_eq!(refused(limit, &[], &path), None);
    assert_eq!(refused("server.workers=3", &url, &path), None);
}

#[test]
fn one_kind_of_problem_does_not_hide_another() {
    let request = Request {
        config: Some("tests/config/invalid/included.toml".into()),
        set: vec!["server.workers".to_owned(), "server.timezone=Mars".to_owned()],
        apps: vec!["fleet".to_owned(), "in-the-missing-file".to_owned()],
        listen: vec!["tcp://nowhere".to_owned()],
        ..Request::default()
    };
    let problems = Settings::load(&request, &environment()).unwrap_err().to_string();
    for (what, told) in [
        ("missing.toml", true),
        ("`wrkers`", true),
        ("no `=`", true),
        ("`Mars`", true),
        ("nowhere", true),
        ("in-the-missing-file", false),
    ] {
        assert_eq!(problems.contains(what), told, "{what}: {problems}");
    }
}

#[test]
fn the_line_that_is_not_text_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("latin.toml");
    fs::write(&file, b"[server]\n# fine\n# Stra\xdfe\n").unwrap();
    let said = load(&file).unwrap_err().to_string();
    assert!(said.ends_with("latin.toml: its line 3 is not UTF-8"), "{said}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let problems = load(Path::new("tests/config/none.toml")).unwrap_err().to_string();
    assert!(
        problems.starts_with("error: cannot read the configuration tests/config/none.toml: No such file")
    );
}

#[test]
fn the_example_of_the_documentation_loads() {
    let page = fs::read_to_string("docs/configuration.md").unwrap();
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("correlator.toml");
    fs::write(&path, example).unwrap();
    let settings = load(&path).unwrap();
    assert_eq!((settings.apps.len(), settings.listeners.len(), settings.handlers.len()), (1, 1, 2));
}

proptest! {
    /// Whatever a file holds, it is taken or refused, and what is refused is said with the line it stands in.
    #[test]
    fn no_text_is_too_strange_to_be_refused(picks in proptest::collection::vec(0..PIECES.len(), 0..40)) {
        let text: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        let lines = text.matches('\n').count() + 1;
        if let Err(problems) = correlator::config::check("f", &text) {
            prop_assert!(problems.iter().len() > 0);
            let said = problems.to_string();
            for place in said.split("--> f:").skip(1) {
                let line: usize = place.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
                prop_assert!((1..=lines).contains(&line), "line {line} of {lines}");
            }
        }
    }
}
