//! The cost of framing and of headers, a record at a time, on a fixed load: as much as one read of a busy connection
//! holds, octet-counted RFC 5424, half of it from sshd.

use correlator::batch::FrameSpan;
use correlator::limits::READ_SIZE;
use correlator::time::{Timestamp, Zone};
use correlator::wire::Record;
use correlator::wire::framing::{Framer, Mode, Options};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// Messages of OpenSSH, whose `N` are numbers.
const SSHD: [&str; 8] = [
    "Failed password for root from 203.0.113.N port 4N ssh2",
    "Failed password for invalid user adminN from 198.51.100.N port 3N ssh2",
    "Connection closed by authenticating user root 203.0.113.N port 4N [preauth]",
    "Accepted publickey for deploy from 192.0.2.N port 5N ssh2: ED25519 SHA256:Xk3pQ0mB7cY2nV9sLr4tUw8zAa1dEf6gHjKiMoNpQrS",
    "pam_unix(sshd:session): session opened for user deploy(uid=1000) by (uid=0)",
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.N  user=root",
    "Disconnected from user deploy 192.0.2.N port 5N",
    "Invalid user oracleN from 198.51.100.N port 3N",
];

/// Messages of others: program, priority, text.
const OTHERS: [(&str, u8, &str); 8] = [
    ("CRON", 78, "(root) CMD (   cd / && run-parts --report /etc/cron.hourly)"),
    ("systemd", 30, "Started session-N.scope - Session N of User deploy."),
    (
        "kernel",
        4,
        "[UFW BLOCK] IN=eth0 OUT= SRC=203.0.113.N DST=192.0.2.N LEN=40 TOS=0x00 TTL=243 ID=5N PROTO=TCP SPT=4N DPT=23",
    ),
    ("postfix/smtpd", 22, "connect from mail-N.example.net[198.51.100.N]"),
    ("nginx", 190, "192.0.2.N - - \"GET /api/v1/items/N HTTP/1.1\" 200 5N \"-\" \"curl/7.88.1\""),
    ("dhclient", 30, "DHCPACK of 192.0.2.N from 192.0.2.1 (xid=0xN)"),
    ("systemd-logind", 38, "New session N of user deploy."),
    (
        "dockerd",
        30,
        "time=\"2026-11-23T12:00:00Z\" level=info msg=\"ignoring event\" container=N module=libcontainerd",
    ),
];

/// A fixed sequence of numbers that looks random (the constants are those of Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = self.next(items.len() as u64);
        items.iter().cycle().nth(usize::try_from(index).unwrap_or_default()).unwrap_or_else(|| unreachable!())
    }
}

/// As many messages as one read takes with their counts.
fn messages() -> Vec<String> {
    let (mut numbers, mut messages, mut size) = (Numbers(7), Vec::new(), 0);
    loop {
        let (app, priority, text) = match numbers.next(2) {
            0 => ("sshd", 38, *numbers.pick(&SSHD)),
            _ => *numbers.pick(&OTHERS),
        };
        let (second, micros, host) = (numbers.next(60), numbers.next(1_000_000), numbers.next(300));
        let (pid, number) = (numbers.next(60_000) + 500, numbers.next(255).to_string());
        let text = text.replace('N', &number);
        let message = format!(
            "<{priority}>1 2026-11-23T12:00:{second:02}.{micros:06}+00:00 web-{host}.example.com {app} {pid} - -  {text}"
        );
        size += message.len() + 4;
        if size > READ_SIZE {
            return messages;
        }
        messages.push(message);
    }
}

fn frames(framer: &mut Framer, bytes: &[u8], frames: &mut Vec<FrameSpan>) -> usize {
    frames.clear();
    framer.advance(black_box(bytes), frames, usize::MAX).unwrap_or_default()
}

fn parse(frame: &[u8]) -> usize {
    Record::parse(black_box(frame), Timestamp::EPOCH, &Zone::UTC)
        .map_or(0, |record| black_box(&record).msg.len())
}

fn wire(criterion: &mut Criterion) {
    let messages = messages();
    let counted: String = messages.iter().map(|message| format!("{} {message}", message.len())).collect();
    let lines = messages.join("\n") + "\n";
    let mut group = criterion.benchmark_group("wire");
    group.throughput(Throughput::Elements(messages.len() as u64));

    let mut spans = Vec::new();
    for (name, mode, stream) in [("counted", Mode::Auto, &counted), ("delimited", Mode::Delimited, &lines)] {
        let mut framer = Framer::new(Options { mode, ..Options::default() });
        group.bench_function(format!("framing/{name}"), |bencher| {
            bencher.iter(|| frames(&mut framer, stream.as_bytes(), &mut spans));
        });
        assert_eq!(spans.len(), messages.len());
    }

    let legacy: Vec<_> = messages.iter().map(|message| legacy(message)).collect();
    for (name, messages) in [("rfc5424", &messages), ("rfc3164", &legacy)] {
        group.bench_function(format!("header/{name}"), |bencher| {
            bencher.iter(|| messages.iter().map(|message| parse(message.as_bytes())).sum::<usize>());
        });
    }

    let mut framer = Framer::new(Options::default());
    group.bench_function("framing and header", |bencher| {
        bencher.iter(|| {
            frames(&mut framer, counted.as_bytes(), &mut spans);
            spans.iter().map(|frame| parse(frame.span.of(counted.as_bytes()))).sum::<usize>()
        });
    });
    group.finish();
}

/// The same message with the header of RFC 3164.
fn legacy(message: &str) -> String {
    let mut words = message.splitn(8, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (pri, _, host, app, pid) = (word(), word(), word(), word(), word());
    let (_, _, text) = (word(), word(), word());
    format!("{}Nov 23 12:00:00 {host} {app}[{pid}]:{text}", pri.trim_end_matches('1'))
}

criterion_group!(benches, wire);
criterion_main!(benches);
