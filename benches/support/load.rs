//! A load of syslog records, the same at each run: half of them from sshd, of many hosts, sessions interleaved.
//!
//! Of sshd's records seven in ten belong to logins that succeed (five records each), the others to connections that
//! fail. A record has about 165 bytes with its count.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a generator that fails should fail loudly"
)]

use std::fmt::Write;

/// A small generator of numbers (SplitMix64): fast, and the same everywhere.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// A connection to sshd and how far its story is told.
struct Story {
    host: u64,
    addr: String,
    port: u64,
    pid: u64,
    user: u64,
    kind: Kind,
    step: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    PublickeyLogin,
    PasswordLogin,
    FailedPassword,
    InvalidUser,
}

/// Records, one after another.
pub(crate) struct Load {
    numbers: Numbers,
    open: Vec<Story>,
    micros: u64,
    /// Of 100 records, how many are sshd's.
    sshd_percent: u64,
}

/// Stories told at the same time.
pub(crate) const OPEN: usize = 256;
const HOSTS: u64 = 200;

const OTHERS: [(&str, &str, &str); 6] = [
    ("78", "CRON", "(root) CMD (   cd / && run-parts --report /etc/cron.hourly)"),
    ("30", "systemd", "Started session-4711.scope - Session 4711 of User deploy."),
    (
        "6",
        "kernel",
        "[UFW BLOCK] IN=eth0 OUT= SRC=198.51.100.7 DST=192.0.2.10 LEN=40 TTL=243 PROTO=TCP SPT=5555 DPT=23",
    ),
    ("22", "postfix/smtpd", "connect from mail.example.net[203.0.113.25]"),
    ("134", "nginx", "198.51.100.20 - - \"GET /api/v1/items?page=3 HTTP/1.1\" 200 5120 \"-\" \"curl/8.5.0\""),
    ("86", "sudo", "pam_unix(sudo:session): session opened for user root(uid=0) by deploy(uid=1000)"),
];

impl Load {
    /// A load of which so many in 100 records are sshd's.
    pub(crate) fn with_percent(sshd_percent: u64) -> Self {
        Self { numbers: Numbers::new(1), open: Vec::new(), micros: 0, sshd_percent }
    }

    /// Appends the next record's message, without framing.
    pub(crate) fn next(&mut self, out: &mut String) {
        self.micros += 150 + self.numbers.below(100);
        if self.numbers.below(100) < self.sshd_percent {
            self.sshd(out);
        } else {
            self.other(out);
        }
    }

    /// Appends the octet-counted stream of so many records.
    pub(crate) fn stream(&mut self, records: usize) -> Vec<u8> {
        let mut stream = Vec::with_capacity(records * 170);
        let mut record = String::new();
        for _ in 0..records {
            record.clear();
            self.next(&mut record);
            stream.extend_from_slice(format!("{} ", record.len()).as_bytes());
            stream.extend_from_slice(record.as_bytes());
        }
        stream
    }

    fn header(&self, out: &mut String, pri: &str, host: u64, (app, pid): (&str, u64)) {
        let seconds = self.micros / 1_000_000;
        let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let (day, fraction) = (1 + seconds / 86_400 % 28, self.micros % 1_000_000);
        write!(out, "<{pri}>1 2026-02-{day:02}T{h:02}:{m:02}:{s:02}.{fraction:06}Z web{host:03}.example.com {app} {pid} - - ")
            .unwrap();
    }

    fn other(&mut self, out: &mut String) {
        let (pri, app, text) = OTHERS[self.numbers.below(OTHERS.len() as u64) as usize];
        let (host, pid) = (self.numbers.below(HOSTS), 300 + self.numbers.below(60_000));
        self.header(out, pri, host, (app, pid));
        out.push_str(text);
    }

    fn sshd(&mut self, out: &mut String) {
        if self.open.len() < OPEN {
            let story = self.begin();
            self.open.push(story);
        }
        let index = self.numbers.below(self.open.len() as u64) as usize;
        let step = self.open[index].step;
        self.open[index].step += 1;
        let story = &self.open[index];
        let Story { host, ref addr, port, pid, user, kind, .. } = *story;
        let child = if step == 2 || step == 3 { pid + 1 } else { pid };
        let login = matches!(kind, Kind::PublickeyLogin | Kind::PasswordLogin);
        let pri = if login && (step == 1 || step == 4) { "86" } else { "38" };
        self.header(out, pri, host, ("sshd-session", if login { child } else { pid }));
        let last = match kind {
            Kind::PublickeyLogin | Kind::PasswordLogin => {
                match step {
                    0 if kind == Kind::PublickeyLogin => write!(
                        out,
                        "Accepted publickey for user{user:04} from {addr} port {port} ssh2: ED25519 SHA256:XV4VWHNcdZmiLNC/bUiCa0+c3NDN+rZTemJYyIW8IXw"
                    ),
                    0 => write!(out, "Accepted password for user{user:04} from {addr} port {port} ssh2"),
                    1 => write!(out, "pam_unix(sshd:session): session opened for user user{user:04}(uid={user}) by (uid=0)"),
                    2 => write!(out, "Received disconnect from {addr} port {port}:11: disconnected by user"),
                    3 => write!(out, "Disconnected from user user{user:04} {addr} port {port}"),
                    _ => write!(out, "pam_unix(sshd:session): session closed for user user{user:04}"),
                }
                .unwrap();
                step >= 4
            }
            Kind::FailedPassword => {
                match step {
                    0 | 1 => write!(out, "Failed password for user{user:04} from {addr} port {port} ssh2"),
                    _ => write!(
                        out,
                        "Connection closed by authenticating user user{user:04} {addr} port {port} [preauth]"
                    ),
                }
                .unwrap();
                step >= 2
            }
            Kind::InvalidUser => {
                match step {
                    0 => write!(out, "Invalid user guess{user:04} from {addr} port {port}"),
                    1 => write!(
                        out,
                        "Failed password for invalid user guess{user:04} from {addr} port {port} ssh2"
                    ),
                    _ => write!(
                        out,
                        "Connection closed by invalid user guess{user:04} {addr} port {port} [preauth]"
                    ),
                }
                .unwrap();
                step >= 2
            }
        };
        if last {
            self.open[index] = self.begin();
        }
    }

    fn begin(&mut self) -> Story {
        let numbers = &mut self.numbers;
        // Seven in ten records are of logins, which have five records against three.
        let kind = match numbers.below(100) {
            0..35 => Kind::PublickeyLogin,
            35..58 => Kind::PasswordLogin,
            58..79 => Kind::FailedPassword,
            _ => Kind::InvalidUser,
        };
        let network = if matches!(kind, Kind::PublickeyLogin | Kind::PasswordLogin) { 10 } else { 203 };
        let addr =
            format!("{network}.{}.{}.{}", numbers.below(4), numbers.below(250), 1 + numbers.below(250));
        Story {
            host: numbers.below(HOSTS),
            addr,
            port: 1024 + numbers.below(60_000),
            pid: 1000 + 2 * numbers.below(2_000_000),
            user: numbers.below(3000),
            kind,
            step: 0,
        }
    }
}
