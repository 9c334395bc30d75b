//! Each fast implementation beside its naive oracle: cutting by hand beside the automata, and the automata beside plain
//! regular expressions, run one by one.

use super::super::automaton::{Program, syntax};
use super::super::fast::Cutter;
use super::super::row::{Row, expand};
use super::super::{pam, sshd};
use super::{App, CACHES, READER, message};
use crate::limits::MAX_AUTOMATON_CACHE;
use proptest::prelude::*;
use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::{Anchored, Input};
use std::sync::LazyLock;

fn programs() -> [Vec<&'static Row>; 3] {
    [sshd::rows(), pam::ROWS.iter().collect(), pam::HELPER_ROWS.iter().collect()]
}

#[test]
fn every_example_matches_its_own_row_first() {
    let mut names = std::collections::BTreeSet::new();
    for rows in programs() {
        let program = Program::compile(rows.iter().copied()).unwrap();
        let mut cache = program.cache();
        for row in rows {
            assert!(names.insert(row.name), "{} stands twice", row.name);
            let found = program.find(&mut cache, row.example.as_bytes());
            assert_eq!(found.map(|found| found.pattern.row.name), Some(row.name), "{}", row.example);
        }
    }
}

#[test]
fn every_detail_is_captured() {
    for row in programs().into_iter().flatten() {
        for name in row.details {
            let group = format!("(?P<{name}>");
            // The lists of details are shared by kind, so that a form without its part leaves a name unused.
            let shared = matches!(*name, "submethod" | "info" | "id");
            assert!(shared || row.pattern.contains(&group), "{}: {name}", row.name);
        }
    }
}

/// The whole automaton, every state of it: a bound on what hostile messages can make a worker's cache grow to.
#[test]
fn the_automata_stay_small() {
    for rows in programs() {
        let texts: Vec<_> = rows.iter().map(|row| expand(row.pattern)).collect();
        let whole = dense::Builder::new()
            .configure(dense::Config::new().start_kind(StartKind::Anchored).accelerate(false))
            .syntax(syntax())
            .build_many(&texts)
            .unwrap()
            .memory_usage();
        // A lazy state also names the states that it is made of, which takes about as much again.
        let most = MAX_AUTOMATON_CACHE / 3;
        assert!(
            whole < most,
            "{whole} bytes: patterns are ambiguous with each other from their beginning on"
        );
    }
}

/// A row, run alone by the engine that knows no tricks.
struct Plain {
    row: &'static Row,
    regex: PikeVM,
}

static PLAIN: LazyLock<[Vec<Plain>; 3]> = LazyLock::new(|| {
    programs().map(|rows| {
        let plain = |row: &'static Row| Plain {
            row,
            regex: PikeVM::builder().syntax(syntax()).build(&expand(row.pattern)).unwrap(),
        };
        rows.into_iter().map(plain).collect()
    })
});

static COMPILED: LazyLock<[Program; 3]> =
    LazyLock::new(|| programs().map(|rows| Program::compile(rows).unwrap()));

/// A row's name, and its groups: name, start and end.
type Verdict = (&'static str, Vec<(String, usize, usize)>);

/// The row that matches first, and its groups by name.
fn plainly(plain: &[Plain], text: &[u8]) -> Option<Verdict> {
    plain.iter().find_map(|Plain { row, regex }| {
        let mut captures = regex.create_captures();
        let input = Input::new(text).anchored(Anchored::Yes);
        regex.search(&mut regex.create_cache(), &input, &mut captures);
        captures.is_match().then(|| {
            let names = regex.get_nfa().group_info().pattern_names(regex_automata::PatternID::ZERO);
            let named = names.enumerate().filter_map(|(index, name)| Some((index, name?)));
            let groups = named.filter_map(|(index, name)| {
                captures.get_group(index).map(|span| (name.to_owned(), span.start, span.end))
            });
            (row.name, groups.collect())
        })
    })
}

fn compiled(program: &Program, text: &[u8]) -> Option<Verdict> {
    let found = program.find(&mut program.cache(), text)?;
    let groups = found
        .groups()
        .map(|(name, _, span)| (name.to_owned(), span.start as usize, (span.start + span.len) as usize));
    Some((found.pattern.row.name, groups.collect()))
}

/// Parts of messages that matter to a pattern.
const PARTS: &[&str] = &[
    " from ",
    " port ",
    " ssh2",
    ": ",
    ":",
    " [preauth]",
    " ",
    "invalid user ",
    "illegal user ",
    "authenticating user ",
    "user ",
    "203.0.113.9",
    "2001:db8::7",
    "fe80::1%eth0",
    "UNKNOWN",
    "22",
    "65536",
    "0",
    "(uid=0)",
    " by ",
    "(",
    ")",
    "\\303\\251",
    "\\\\",
    "\n",
    "",
    "password",
    "publickey",
    "for ",
    "error: ",
    "'",
    "\"",
    "x",
    "\u{e9}",
    ".",
    "]",
    "[",
    "  user=",
    "rhost=",
    "message repeated 2 times: [ ",
];

/// Messages that the fast way handles, whole: variations of these should often still match.
const FAST: &[&str] = &[
    "Accepted password for alice from 203.0.113.9 port 54796 ssh2",
    "Accepted publickey for alice from 203.0.113.9 port 54802 ssh2: ED25519 SHA256:XV4VWHNcdZ",
    "Accepted publickey for alice from 2001:db8::7 port 54802 ssh2: RSA-CERT SHA256:a ID x (serial 1) CA RSA SHA256:b",
    "Accepted keyboard-interactive/pam for alice from 203.0.113.9 port 54802 ssh2",
    "Failed password for root from 203.0.113.9 port 5 ssh2",
    "Failed password for invalid user x from 6.6.6.6 port 22 ssh2 from 203.0.113.9 port 5 ssh2",
    "Failed password for invalid user  from 2001:db8::7 port 5 ssh2",
    "Invalid user x from 203.0.113.9 port 60930",
    "Connection closed by 203.0.113.9 port 5 [preauth]",
    "Connection closed by invalid user x 6.6.6.6 port 22 [preauth] 203.0.113.9 port 5 [preauth]",
    "Connection reset by authenticating user root 2001:db8::7 port 5 [preauth]",
    "Disconnected from user alice 203.0.113.9 port 5",
    "Disconnecting authenticating user root 203.0.113.9 port 5: Too many authentication failures [preauth]",
    "Disconnecting invalid user x 2001:db8::7 port 5: bad service request x: y",
    "error: maximum authentication attempts exceeded for invalid user x from 203.0.113.9 port 5 ssh2 [preauth]",
    "error: PAM: Authentication failure for illegal user x from 203.0.113.9",
    "error: PAM: Authentication failure for x from 6.6.6.6 via from 203.0.113.9",
    "error: Received disconnect from 203.0.113.9 port 5:3: com.jcraft.jsch.JSchException: Auth fail [preauth]",
    "Received disconnect from 203.0.113.9 port 54796:11: disconnected by user",
    "Received disconnect from 2001:db8::7 port 5:14: No more [preauth] [preauth]",
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9  user=alice",
    "pam_unix(sshd:auth): check pass; user unknown",
    "pam_unix(sshd:session): session opened for user alice(uid=2001) by alice(uid=0)",
    "pam_unix(sshd:session): session closed for user alice",
];

/// A message with some of its bytes exchanged for parts of others.
fn varied(messages: Vec<&'static str>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(PARTS));
    (prop::sample::select(messages), prop::collection::vec(edit, 0..3)).prop_map(|(message, edits)| {
        let mut text = message.as_bytes().to_vec();
        for (at, length, part) in edits {
            let start = at.index(text.len() + 1);
            let end = text.len().min(start + length);
            text.splice(start..end, part.bytes());
        }
        text
    })
}

#[test]
fn the_fast_way_is_taken() {
    for text in FAST {
        assert!(Cutter::new(text.as_bytes()).read(text.as_bytes()).is_some(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn by_hand_as_by_automata(text in varied(FAST.to_vec())) {
        if let Some(&by_hand) = Cutter::new(&text).read(&text) {
            let read = READER.read(&mut CACHES.lock().unwrap(), message(App::Session, &text));
            prop_assert_eq!(by_hand, read.unwrap().reading, "{}", String::from_utf8_lossy(&text));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn automata_as_plain_expressions(text in varied({
        let examples = programs().into_iter().flatten().map(|row| row.example);
        examples.chain(FAST.iter().copied()).collect()
    })) {
        for (program, plain) in COMPILED.iter().zip(PLAIN.iter()) {
            prop_assert_eq!(compiled(program, &text), plainly(plain, &text), "{}", String::from_utf8_lossy(&text));
        }
    }
}
