//! A session bus with a real gnome-keyring on it, whose login keyring is unlocked.

use crate::child::{Guard, output};
use crate::house::{House, feed, has};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;

const PASSWORD: &str = "unlock";

/// A session with a keyring.
pub(crate) struct Session {
    bus: Guard,
    /// The daemon, while it is kept from answering.
    stopped: Option<Pid>,
}

impl Session {
    /// Starts one, and puts its address into the environment of the house; nothing where the programs are missing.
    pub(crate) fn start(house: &mut House) -> Option<Self> {
        for program in ["dbus-run-session", "gnome-keyring-daemon", "dbus-send"] {
            if !has(program) {
                println!("skipped: needs {program}");
                return None;
            }
        }
        let mut command = house.program("dbus-run-session");
        let script = "echo $DBUS_SESSION_BUS_ADDRESS; exec cat";
        command.args(["--", "sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut bus = Guard::start(command.stderr(Stdio::null()));
        let address = bus.told().next().unwrap();
        house.environment.push(("DBUS_SESSION_BUS_ADDRESS".to_owned(), address));
        let session = Self { bus, stopped: None };
        session.unlock(house);
        Some(session)
    }

    /// Unlocks the login keyring, which is made if there is none. A daemon that runs gives way to one that has the password.
    pub(crate) fn unlock(&self, house: &House) {
        let mut command = house.program("gnome-keyring-daemon");
        let said =
            feed(command.args(["--replace", "--unlock", "--components=secrets", "--daemonize"]), PASSWORD);
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    /// Locks it.
    pub(crate) fn lock(&self, house: &House) {
        let service = ["--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"];
        let collection = "array:objpath:/org/freedesktop/secrets/collection/login";
        call(house, service, ["org.freedesktop.Secret.Service.Lock", collection]);
    }

    /// Keeps the daemon from answering for the rest of the session.
    pub(crate) fn stop_answering(&mut self, house: &House) {
        let bus = ["--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"];
        let ask = ["org.freedesktop.DBus.GetConnectionUnixProcessID", "string:org.freedesktop.secrets"];
        let answer = call(house, bus, ask);
        let pid = Pid::from_raw(answer.rsplit("uint32 ").next().unwrap().trim().parse().unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        self.stopped = Some(pid);
    }
}

/// Calls a method, and gives the answer.
fn call(house: &House, object: [&str; 2], method: [&str; 2]) -> String {
    let mut command = house.program("dbus-send");
    let output = output(command.args(["--session", "--print-reply"]).args(object).args(method));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(pid) = self.stopped {
            // It has gone already, or goes when the bus does.
            kill_process(pid, Signal::CONT).ok();
        }
        // The end of its input ends the session, and with the bus the keyring goes.
        drop(self.bus.stdin.take());
        self.bus.ended();
    }
}
