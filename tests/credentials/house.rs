//! What the tests of credentials share: a home with a configuration, commands in it, and a server that runs.

use crate::child::{self, Guard, Lines};
use crate::http::Hook;
use std::fs::{self, Permissions};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What every secret of the tests begins with.
pub(crate) const CANARY: &str = "hunter2-canary";

/// A home for the commands of one test.
pub(crate) struct House {
    home: tempfile::TempDir,
    /// Names of credentials begin with it, where stores are shared with others.
    prefix: String,
    /// What commands find in their environment.
    pub(crate) environment: Vec<(String, String)>,
}

impl House {
    /// Makes a home with a webhook that takes its URL and its key from these stores.
    pub(crate) fn new(stores: &str, extra: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let prefix = format!("test-{}", std::process::id());
        let configuration = format!(
            "[credentials]\nstores = {stores}\ndirectories = []\n\
             [listeners.here]\naddress = \"tcp://127.0.0.1:0\"\n\
             [handlers.hook]\ntype = \"webhook\"\nretry_first = \"1s\"\nretry_most = \"1s\"\n\
             url = {{ credential = \"{prefix}/url\" }}\nhmac_secret = {{ credential = \"{prefix}/hmac\" }}\n{extra}\n\
             [apps.fleet]\nhandlers = [\"hook\"]\n[apps.fleet.modules.openssh]\ntype = \"sshd\"\n"
        );
        fs::write(home.path().join("c.toml"), configuration).unwrap();
        for directory in ["secrets", "run"] {
            fs::create_dir(home.path().join(directory)).unwrap();
            fs::set_permissions(home.path().join(directory), Permissions::from_mode(0o700)).unwrap();
        }
        let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        let environment = [
            ("HOME", path("")),
            ("XDG_DATA_HOME", path("share")),
            ("XDG_RUNTIME_DIR", path("run")),
            ("CREDENTIALS_DIRECTORY", path("secrets")),
            ("CORRELATOR_CONFIG", path("c.toml")),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self { home, prefix, environment }
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// The full name of a credential.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// A program with the environment of this home.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_remove("DBUS_SESSION_BUS_ADDRESS");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A command of this program.
    pub(crate) fn correlator(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_correlator"));
        command.args(arguments);
        if !matches!(arguments, ["credentials", ..] | [_, "--help"]) {
            command.arg("--data-dir").arg(self.path().join("data"));
        }
        command
    }

    /// Runs a command that gets nothing on standard input.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::of(child::output(&mut self.correlator(arguments)))
    }

    /// Keeps a value as `credentials set` does.
    pub(crate) fn set(&self, name: &str, value: &str) -> Said {
        feed(&mut self.correlator(&["credentials", "set", &self.name(name)]), value)
    }

    /// Keeps both secrets of the webhook.
    pub(crate) fn set_all(&self, hook: &Hook) -> String {
        let url = self.set("url", &format!("{}/{CANARY}-path\n", hook.url));
        let key = self.set("hmac", &format!("{CANARY}-key"));
        assert_eq!((url.code, key.code), (Some(0), Some(0)), "{url:?} {key:?}");
        url.out
    }

    /// The whole text of every file below a directory of the home.
    pub(crate) fn files(&self, directory: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut waiting = vec![self.path().join(directory)];
        let mut found = Vec::new();
        while let Some(directory) = waiting.pop() {
            for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
                let kind = fs::symlink_metadata(&path).unwrap().file_type();
                if kind.is_dir() {
                    waiting.push(path);
                } else if kind.is_file() {
                    found.push((path.clone(), fs::read(path).unwrap()));
                }
            }
        }
        found
    }
}

/// Runs a command with this on standard input.
pub(crate) fn feed(command: &mut Command, input: &str) -> Said {
    Said::of(child::fed(command, input))
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        Self { code: output.status.code(), out, err }
    }
}

/// A command that runs, and has to end.
pub(crate) struct Running(child::Running);

impl Running {
    /// Starts a command that gets nothing on standard input.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(child::Running::start(command.stdin(Stdio::null())))
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> Said {
        Said::of(self.0.wait())
    }
}

/// A server that runs.
pub(crate) struct Server {
    child: Guard,
    address: SocketAddr,
    /// What it said on standard error so far, and the lines to come.
    said: String,
    stderr: Lines,
}

impl Server {
    /// Starts a server, and waits until it listens.
    pub(crate) fn start(house: &House) -> Self {
        let mut command = house.correlator(&["serve"]);
        command.env("CORRELATOR_LOG", "trace").stdin(Stdio::null());
        let mut child = Guard::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let stderr = child.said();
        let mut server = Self { child, address: ([0, 0, 0, 0], 0).into(), said: String::new(), stderr };
        server.address = child::address(&server.wait("listening  tcp://"), "tcp");
        server
    }

    /// Waits until it says something of which this is a part.
    pub(crate) fn wait(&mut self, part: &str) -> String {
        for line in self.stderr.by_ref() {
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(part) {
                return line;
            }
        }
        panic!("it ended without `{part}`: {}", self.said)
    }

    /// Sends a record that raises an event.
    pub(crate) fn provoke(&self) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let text = "Accepted password for alice from 203.0.113.9 port 5555 ssh2";
        writeln!(stream, "<38>1 2026-11-29T12:00:00Z host sshd 7 - - {text}").unwrap();
    }

    /// Stops it; gives what it said on standard error, and then on standard output.
    pub(crate) fn stop(mut self) -> String {
        self.child.terminate();
        let said = self.said + &self.stderr.rest() + &self.child.told().rest();
        assert_eq!(self.child.ended().code(), Some(0), "{said}");
        said
    }
}

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).exists())
}
