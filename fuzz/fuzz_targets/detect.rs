//! Detection: no message is too strange, both ways of reading it agree, and no proved address overlaps a user's name.
//!
//! The message goes in twice: as it is, and wrapped as rsyslog wraps what was repeated, which only the automata read.
#![no_main]

use correlator::detect::{Detector, Interest, Observation, Observations, Scratch, Subject, View};
use correlator::limits::SSHD_MESSAGE_CUT;
use correlator::time::{Timestamp, Zone};
use correlator::wire::Record;
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::net::IpAddr;

const APPS: [&str; 6] = ["sshd", "sshd-session", "sshd(pam_unix)", "unix_chkpwd", "sftp-server", "cron"];
const WRAPPER: &[u8] = b"message repeated 1 times: [ ";

thread_local! {
    static DETECTION: RefCell<(Detector, Scratch)> = {
        let detector = Detector::new(Interest { sshd: true, records: false });
        let scratch = detector.scratch();
        RefCell::new((detector, scratch))
    };
}

/// What an observation says, in its own bytes.
#[derive(Debug, PartialEq)]
struct Said {
    entry: (correlator::detect::Kind, correlator::detect::Method, correlator::detect::Flags, u16, u32, u64),
    addr: Option<IpAddr>,
    user: (u64, Vec<u8>),
    claimed: Vec<u8>,
    details: [Vec<u8>; 3],
}

impl Said {
    fn of(view: View<'_>) -> Self {
        let Observation { kind, method, flags, port, other_pid, number, addr, user, .. } = *view.entry;
        Self {
            entry: (kind, method, flags, port, other_pid, number),
            addr,
            user: (user.hash, view.user().to_vec()),
            claimed: view.claimed().to_vec(),
            details: [0, 1, 2].map(|index| view.detail(index).to_vec()),
        }
    }
}

fn said(detector: &Detector, scratch: &mut Scratch, app: &str, message: &[u8]) -> Option<Said> {
    let bytes = [format!("<38>1 - host {app} 7 - - ").as_bytes(), message].concat();
    let record = Record::parse(&bytes, Timestamp::EPOCH, &Zone::UTC).expect("a header of our own");
    let mut out = Observations::default();
    let subject = Subject {
        record: &record,
        bytes: &bytes,
        frame: 0,
        truncated: false,
        arrival: Timestamp::EPOCH,
        host: None,
    };
    detector.observe(scratch, subject, &mut out);
    assert!(out.entries.len() <= 1);
    if let Some(explained) = detector.explain(&record) {
        let proved = explained.fields.iter().filter(|field| field.note == "proved" && field.name == "addr");
        for addr in proved {
            for user in explained.fields.iter().filter(|field| field.name == "user") {
                let [a, u] = [addr.span, user.span].map(|span| span.start..span.start + span.len);
                assert!(a.end <= u.start || u.end <= a.start, "{explained:?}");
            }
        }
    }
    out.views(&bytes).next().map(Said::of)
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, message)) = input.split_first() else { return };
    let app = APPS[usize::from(first) % APPS.len()];
    // What the header's parser takes off, and what would be taken off twice or be cut when wrapped.
    let message = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message);
    let bare = !message.starts_with(b" ")
        && !message.starts_with(b"\xef\xbb\xbf")
        && !message.ends_with(b"\n")
        && !message.ends_with(b"\0")
        && !message.starts_with(b"[ID ")
        && !message.starts_with(b"message repeated ");
    DETECTION.with_borrow_mut(|(detector, scratch)| {
        let directly = said(detector, scratch, app, message);
        if bare && message.len() + WRAPPER.len() + 1 < SSHD_MESSAGE_CUT {
            let wrapped = said(detector, scratch, app, &[WRAPPER, message, b"]"].concat());
            assert_eq!(directly, wrapped, "{}", String::from_utf8_lossy(message));
        }
    });
});
