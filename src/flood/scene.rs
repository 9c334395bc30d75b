//! Floor 5: syslog of a fleet as it could be: connections to its sshds, each a story of a few records, told at the same
//! time, among records of other programs.
//!
//! Invariant: the same options and times give the same records; no two stories of a flood that are told at the same
//! time share a client's port or a process.

use super::truth::Truth;
use crate::event::Kind;
use crate::event::render;
use crate::time::Timestamp;
use std::io::Write;
use std::net::Ipv4Addr;

/// Addresses that connections may come from: those of one network of class A.
pub const MAX_SOURCES: u64 = 250 * 250 * 256;

/// What a scene is made of.
#[derive(Clone, Debug)]
pub struct SceneOptions {
    /// What the numbers begin with.
    pub seed: u64,
    /// Of 100 records, how many are sshd's.
    pub sshd_percent: u64,
    /// Of 100 connections to sshd, how many log in.
    pub logins_percent: u64,
    /// Addresses that the others come from, [`MAX_SOURCES`] at most.
    pub sources: u64,
    /// Hosts of the whole fleet.
    pub hosts: u64,
    /// Stories told at the same time.
    pub stories: usize,
    /// Which of how many scenes this is, each with hosts, ports and processes of its own while there are enough.
    pub part: (u64, u64),
}

impl Default for SceneOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            sshd_percent: 50,
            logins_percent: 58,
            sources: 250_000,
            hosts: 200,
            stories: 256,
            part: (0, 1),
        }
    }
}

/// A small generator of numbers (SplitMix64): fast, and the same everywhere.
#[derive(Clone, Debug)]
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// A connection to sshd, and how far its story is told.
#[derive(Clone, Debug)]
struct Story {
    host: u64,
    addr: Ipv4Addr,
    port: u64,
    pid: u64,
    user: u64,
    plot: Plot,
    step: u32,
}

/// How a story goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plot {
    PublickeyLogin,
    PasswordLogin,
    FailedPassword,
    InvalidUser,
}

impl Plot {
    fn is_login(self) -> bool {
        matches!(self, Self::PublickeyLogin | Self::PasswordLogin)
    }

    fn last_step(self) -> u32 {
        if self.is_login() { 4 } else { 2 }
    }
}

impl Story {
    fn host_name(&self) -> String {
        host_name(self.host)
    }

    fn user_name(&self) -> String {
        let prefix = if self.plot == Plot::InvalidUser { "guess" } else { "user" };
        format!("{prefix}{:04}", self.user)
    }

    fn is_over(&self) -> bool {
        self.step > self.plot.last_step()
    }

    /// What the record of a step makes true.
    fn truth(&self, step: u32) -> Option<Truth> {
        let kind = match (self.plot.is_login(), step) {
            (true, 0) => Kind::SSHDSessionStarted,
            (true, step) if step == self.plot.last_step() => Kind::SSHDLoginSucceeded,
            (false, step) if step == self.plot.last_step() => Kind::SSHDLoginFailed,
            _ => return None,
        };
        let port = u16::try_from(self.port).unwrap_or_default();
        Some(Truth {
            kind: kind.spec().name.to_owned(),
            user: self.user_name(),
            host: self.host_name(),
            addr: self.addr.to_string(),
            port,
        })
    }

    /// Appends the text of a step, as sshd and its PAM modules write it.
    fn tell(&self, out: &mut Vec<u8>, step: u32) {
        let Self { addr, port, user, .. } = self;
        let written = match (self.plot, step) {
            (Plot::PublickeyLogin, 0) => write!(
                out,
                "Accepted publickey for user{user:04} from {addr} port {port} ssh2: ED25519 \
                 SHA256:XV4VWHNcdZmiLNC/bUiCa0+c3NDN+rZTemJYyIW8IXw"
            ),
            (Plot::PasswordLogin, 0) => {
                write!(out, "Accepted password for user{user:04} from {addr} port {port} ssh2")
            }
            (Plot::PublickeyLogin | Plot::PasswordLogin, 1) => write!(
                out,
                "pam_unix(sshd:session): session opened for user user{user:04}(uid={user}) by (uid=0)"
            ),
            (Plot::PublickeyLogin | Plot::PasswordLogin, 2) => {
                write!(out, "Received disconnect from {addr} port {port}:11: disconnected by user")
            }
            (Plot::PublickeyLogin | Plot::PasswordLogin, 3) => {
                write!(out, "Disconnected from user user{user:04} {addr} port {port}")
            }
            (Plot::PublickeyLogin | Plot::PasswordLogin, _) => {
                write!(out, "pam_unix(sshd:session): session closed for user user{user:04}")
            }
            (Plot::FailedPassword, 0 | 1) => {
                write!(out, "Failed password for user{user:04} from {addr} port {port} ssh2")
            }
            (Plot::FailedPassword, _) => write!(
                out,
                "Connection closed by authenticating user user{user:04} {addr} port {port} [preauth]"
            ),
            (Plot::InvalidUser, 0) => write!(out, "Invalid user guess{user:04} from {addr} port {port}"),
            (Plot::InvalidUser, 1) => {
                write!(out, "Failed password for invalid user guess{user:04} from {addr} port {port} ssh2")
            }
            (Plot::InvalidUser, _) => {
                write!(out, "Connection closed by invalid user guess{user:04} {addr} port {port} [preauth]")
            }
        };
        // Writing to a vector cannot fail.
        written.unwrap_or_default();
    }
}

/// Programs beside sshd: the priority, the name, and what they say.
const OTHERS: [(u8, &str, &str); 6] = [
    (78, "CRON", "(root) CMD (   cd / && run-parts --report /etc/cron.hourly)"),
    (30, "systemd", "Started session-4711.scope - Session 4711 of User deploy."),
    (
        6,
        "kernel",
        "[UFW BLOCK] IN=eth0 OUT= SRC=198.51.100.7 DST=192.0.2.10 LEN=40 TTL=243 PROTO=TCP SPT=5555 DPT=23",
    ),
    (22, "postfix/smtpd", "connect from mail.example.net[203.0.113.25]"),
    (134, "nginx", "198.51.100.20 - - \"GET /api/v1/items?page=3 HTTP/1.1\" 200 5120 \"-\" \"curl/8.5.0\""),
    (86, "sudo", "pam_unix(sudo:session): session opened for user root(uid=0) by deploy(uid=1000)"),
];

/// Ports that clients connect from, from 1024 on.
const PORTS: u64 = 60_000;

/// Processes of sshd on one host, each with its child's, from 1000 on.
const PROCESSES: u64 = 2_000_000;

/// Records of RFC 5424, one after another.
#[derive(Clone, Debug)]
pub struct Scene {
    options: SceneOptions,
    numbers: Numbers,
    open: Vec<Story>,
    begun: u64,
}

impl Scene {
    /// A scene before its first record.
    pub fn new(options: SceneOptions) -> Self {
        let (part, _) = options.part;
        let numbers = Numbers(options.seed.wrapping_add(part.wrapping_mul(0xa076_1d64_78bd_642f)));
        Self { options, numbers, open: Vec::new(), begun: 0 }
    }

    /// Appends the next message, without framing; what it makes true, if it does.
    pub fn next(&mut self, out: &mut Vec<u8>, now: Timestamp) -> Option<Truth> {
        if self.numbers.below(100) >= self.options.sshd_percent {
            self.other(out, now);
            return None;
        }
        if self.open.len() < self.options.stories.max(1) {
            let story = self.begin();
            self.open.push(story);
        }
        let index = usize::try_from(self.numbers.below(self.open.len() as u64)).unwrap_or_default();
        let mut story = self.open.get(index)?.clone();
        let truth = advance(&mut story, out, now);
        if story.is_over() {
            story = self.begin();
        }
        if let Some(open) = self.open.get_mut(index) {
            *open = story;
        }
        truth
    }

    /// Appends the next message of a story that has begun, and begins no other; nothing once all of them are told.
    pub fn finish(&mut self, out: &mut Vec<u8>, now: Timestamp) -> Option<Option<Truth>> {
        self.open.retain(|story| story.step > 0);
        let story = self.open.last_mut()?;
        let truth = advance(story, out, now);
        if story.is_over() {
            self.open.pop();
        }
        Some(truth)
    }

    fn other(&mut self, out: &mut Vec<u8>, now: Timestamp) {
        let which = usize::try_from(self.numbers.below(OTHERS.len() as u64)).unwrap_or_default();
        let Some((priority, app, text)) = OTHERS.get(which) else { return };
        let (host, pid) = (self.host(), 300 + self.numbers.below(60_000));
        header(out, now, (*priority, &host_name(host), app, pid));
        out.extend_from_slice(text.as_bytes());
    }

    /// A host of this scene's part of the fleet.
    fn host(&mut self) -> u64 {
        let SceneOptions { hosts, part: (part, parts), .. } = self.options;
        let own = (hosts / parts.max(1)).max(1);
        (self.numbers.below(own) * parts + part) % hosts.max(1)
    }

    fn begin(&mut self) -> Story {
        let logs_in = self.numbers.below(100) < self.options.logins_percent;
        let plot = match (logs_in, self.numbers.below(10)) {
            (true, 0..6) => Plot::PublickeyLogin,
            (true, _) => Plot::PasswordLogin,
            (false, 0..5) => Plot::FailedPassword,
            (false, _) => Plot::InvalidUser,
        };
        let network = if logs_in { 10 } else { 203 };
        let source = self.numbers.below(self.options.sources.min(MAX_SOURCES));
        let byte = |number| u8::try_from(number).unwrap_or_default();
        let addr =
            Ipv4Addr::new(network, byte(source / 62_500), byte(source / 250 % 250), 1 + byte(source % 250));
        let (part, parts) = self.options.part;
        let serial = self.begun * parts + part;
        self.begun += 1;
        Story {
            host: self.host(),
            addr,
            port: 1024 + serial % PORTS,
            pid: 1000 + 2 * (serial % PROCESSES),
            user: self.numbers.below(3000),
            plot,
            step: 0,
        }
    }
}

/// Appends a story's next record; what it makes true.
fn advance(story: &mut Story, out: &mut Vec<u8>, now: Timestamp) -> Option<Truth> {
    let step = story.step;
    story.step += 1;
    let child = story.plot.is_login() && (step == 2 || step == 3);
    let by_pam = story.plot.is_login() && (step == 1 || step == 4);
    let priority = if by_pam { 86 } else { 38 };
    let pid = story.pid + u64::from(child);
    header(out, now, (priority, &story.host_name(), "sshd-session", pid));
    story.tell(out, step);
    story.truth(step)
}

fn host_name(host: u64) -> String {
    format!("web{host:03}.example.com")
}

/// Appends a header of RFC 5424 section 6.2, with priority, host, program and process.
fn header(out: &mut Vec<u8>, now: Timestamp, (priority, host, app, pid): (u8, &str, &str, u64)) {
    // Writing to a vector cannot fail.
    write!(out, "<{priority}>1 ").unwrap_or_default();
    render::utc(out, now);
    write!(out, " {host} {app} {pid} - - ").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn told(options: SceneOptions, records: usize) -> (Vec<String>, Vec<Truth>) {
        let (mut scene, now) = (Scene::new(options), Timestamp::from_micros(0));
        let (mut lines, mut truths) = (Vec::new(), Vec::new());
        for _ in 0..records {
            let mut line = Vec::new();
            truths.extend(scene.next(&mut line, now));
            lines.push(String::from_utf8(line).unwrap());
        }
        let mut line = Vec::new();
        while let Some(truth) = scene.finish(&mut line, now) {
            truths.extend(truth);
            lines.push(String::from_utf8(std::mem::take(&mut line)).unwrap());
        }
        (lines, truths)
    }

    #[test]
    fn every_story_comes_to_its_end_and_is_true_once() {
        let (lines, truths) = told(SceneOptions::default(), 20_000);
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        let of = |kind: &str| truths.iter().filter(|truth| truth.kind == kind).count();
        assert_eq!(of("SSHDSessionStarted"), count("Accepted "));
        assert_eq!(of("SSHDLoginSucceeded"), count("session closed for user"));
        assert_eq!(of("SSHDSessionStarted"), of("SSHDLoginSucceeded"));
        assert_eq!(of("SSHDLoginFailed"), count("[preauth]"));
        assert!(of("SSHDLoginFailed") > 500);
        let different: HashSet<_> = truths.iter().collect();
        assert_eq!(different.len(), truths.len());
    }

    #[test]
    fn scenes_of_one_flood_share_no_process_and_no_host() {
        let part = |part| told(SceneOptions { part: (part, 3), ..SceneOptions::default() }, 2000).1;
        let hosts = |truths: &[Truth]| truths.iter().map(|truth| truth.host.clone()).collect::<HashSet<_>>();
        let ports = |truths: &[Truth]| truths.iter().map(|truth| truth.port).collect::<HashSet<_>>();
        let (one, other) = (part(0), part(2));
        assert!(hosts(&one).is_disjoint(&hosts(&other)));
        assert!(ports(&one).is_disjoint(&ports(&other)));
    }

    #[test]
    fn a_storm_comes_from_so_many_addresses_and_nobody_logs_in() {
        let storm =
            SceneOptions { sshd_percent: 100, logins_percent: 0, sources: 20, ..SceneOptions::default() };
        let (_, truths) = told(storm, 5000);
        assert!(truths.len() > 1000 && truths.iter().all(|truth| truth.kind == "SSHDLoginFailed"));
        let addrs: HashSet<_> = truths.iter().map(|truth| truth.addr.clone()).collect();
        assert_eq!(addrs.len(), 20);
    }

    #[test]
    fn the_same_options_give_the_same_records() {
        let options = || SceneOptions { seed: 7, sshd_percent: 80, ..SceneOptions::default() };
        assert_eq!(told(options(), 500), told(options(), 500));
        let other = SceneOptions { seed: 8, ..options() };
        assert_ne!(told(options(), 500).0, told(other, 500).0);
    }
}
