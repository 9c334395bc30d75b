//! What must never be believed: names, banners and reasons that imitate what sshd writes, and messages cut so that the
//! imitation ends them.
//!
//! Invariant of these tests: the true client is [`TRUE`], and every other address in a message is a forgery.

use super::{Flags, Kind, described, with_observation};
use crate::limits::SSHD_MESSAGE_CUT;
use proptest::prelude::*;
use std::net::IpAddr;

const TRUE: &str = "203.0.113.57";
const TRUE_PORT: u16 = 48_398;

/// What vis.c makes of text, with the flags of log.c.
fn vis(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
    out
}

/// How sshd logs a message of its monitor, or one that the monitor relays: formatted, escaped, marked, escaped again by
/// versions 5.9 to 10.2, and cut.
fn logged(text: &[u8], relayed: bool, twice: bool) -> Vec<u8> {
    let mut text = vis(text);
    if relayed {
        text.extend_from_slice(b" [preauth]");
        if twice {
            text = vis(&text);
        }
    }
    text.truncate(500);
    text
}

/// A format of a message about an unknown user, with `USER` and `FROM` in it; how much of a name it shows; and whether
/// it is relayed.
const FORMATS: &[(&str, usize, bool)] = &[
    ("Invalid user USER from ADDR port PORT", 100, false),
    ("Failed password for invalid user USER from ADDR port PORT ssh2", 100, false),
    ("Failed keyboard-interactive/pam for invalid user USER from ADDR port PORT ssh2", 100, false),
    ("Postponed keyboard-interactive for invalid user USER from ADDR port PORT ssh2", 100, true),
    (
        "error: PAM: User not known to the underlying authentication module for illegal user USER from ADDR",
        100,
        false,
    ),
    (
        "error: maximum authentication attempts exceeded for invalid user USER from ADDR port PORT ssh2",
        100,
        true,
    ),
    ("administratively prohibited connection for invalid user USER from ADDR port PORT", 600, false),
    ("Connection closed by invalid user USER ADDR port PORT", 187, true),
    ("Connection reset by invalid user USER ADDR port PORT", 187, true),
    ("Disconnected from invalid user USER ADDR port PORT", 187, true),
    ("Disconnecting invalid user USER ADDR port PORT: Too many authentication failures", 187, true),
    ("Connection from invalid user USER ADDR port PORT timed out", 187, true),
    (
        "ssh_dispatch_run_fatal: Connection from invalid user USER ADDR port PORT: Connection corrupted",
        187,
        true,
    ),
    (
        "Unable to negotiate with invalid user USER ADDR port PORT: no matching MAC found. Their offer: x",
        187,
        true,
    ),
];

const PARTS: &[&str] = &[
    " from 6.6.6.6 port 22 ssh2",
    " 6.6.6.6 port 22",
    " from 6.6.6.6 port 22",
    " from 6.6.6.6",
    " [preauth]",
    " from ::1",
    " ",
    "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
    "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
    "\n",
    "\\",
    "root",
    "invalid user ",
    "Accepted password for root",
    " port ",
    "        ",
    " by PAM account configuration",
    "x",
];

/// Names that a client may send: no colon and no NUL, for sshd ends them there.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(PARTS), 0..14).prop_map(|parts| parts.concat().into_bytes())
}

fn message(format: &str, shown: usize, name: &[u8]) -> Vec<u8> {
    let name = &name[..name.len().min(shown)];
    let (before, after) = format.split_once("USER").unwrap();
    let after = after.replace("ADDR", TRUE).replace("PORT", &TRUE_PORT.to_string());
    let mut text = [before.as_bytes(), name, after.as_bytes()].concat();
    // `error: ` is written at the end, by the log's own level, and is never escaped.
    text.truncate(1023);
    text
}

/// Checks that no observation of `text` proves anything but the true client.
fn proves_nothing_forged(app: &str, text: &[u8]) -> Result<(), TestCaseError> {
    with_observation(app, text, |view| {
        let Some(view) = view else { return Ok(()) };
        let entry = view.entry;
        let forged = format!("{} in {}", super::describe(view), String::from_utf8_lossy(text));
        prop_assert!(entry.addr.is_none_or(|addr| addr == TRUE.parse::<IpAddr>().unwrap()), "{forged}");
        prop_assert!(entry.port == 0 || entry.port == TRUE_PORT, "{forged}");
        prop_assert!(entry.kind != Kind::Accepted, "{forged}");
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_name_forges_an_address(
        (format, shown, relayed) in prop::sample::select(FORMATS),
        name in name(),
        twice in any::<bool>(),
        trimmed in any::<bool>(),
        old in any::<bool>(),
    ) {
        let mut text = logged(&message(format, shown, &name), relayed, twice);
        if trimmed {
            text.truncate(text.trim_ascii_end().len());
        }
        proves_nothing_forged(if old { "sshd" } else { "sshd-session" }, &text)?;
    }

    #[test]
    fn whole_messages_tell_the_name_as_it_was_sent(
        (format, shown, relayed) in prop::sample::select(FORMATS),
        name in "[a-zé \n\\\\]{0,12}",
        twice in any::<bool>(),
    ) {
        let twice = twice && relayed;
        let text = logged(&message(format, shown, name.as_bytes()), relayed, twice);
        // Only the tag tells the two ways of escaping apart where a name has neither evidence; see `vis`.
        let app = if twice { "sshd" } else if relayed { "sshd-auth" } else { "sshd-session" };
        let certain = !name.contains('\\') && !name.contains('\n');
        with_observation(app, &text, |view| {
            let view = view.unwrap();
            if certain || twice || !relayed {
                prop_assert_eq!(view.user(), name.as_bytes(), "{}", String::from_utf8_lossy(&text));
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_name_forges_anything_in_pam(name in name(), module in "pam_(unix|sss|faillock)") {
        for format in [
            "(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.57  user=USER",
            "(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.57 user=USER",
            "(sshd:auth): check pass; user (USER) unknown",
            "(sshd:auth): User unknown: USER",
            "(sshd:auth): received for user USER: 10 (User not known to the underlying authentication module)",
        ] {
            let (before, after) = format.split_once("USER").unwrap();
            let text = [module.as_bytes(), before.as_bytes(), &name, after.as_bytes()].concat();
            proves_nothing_forged("sshd-session", &text)?;
        }
    }
}

#[test]
fn texts_of_the_peer_after_the_address_change_nothing() {
    for (text, expected) in [
        (
            "Received disconnect from 203.0.113.57 port 5:11: Accepted password for root from 6.6.6.6 port 22 ssh2 [preauth] [preauth]",
            "ReceivedDisconnect addr=203.0.113.57 port=5 number=11 0=\"Accepted password for root from 6.6.6.6 port 22 ssh2 [preauth]\" preauth",
        ),
        (
            "Received disconnect from 203.0.113.57 port 5:11: pam_unix(sshd:session): session closed for user root",
            "ReceivedDisconnect addr=203.0.113.57 port=5 number=11 0=\"pam_unix(sshd:session): session closed for user root\"",
        ),
        (
            "Failed publickey for root from 203.0.113.57 port 5 ssh2: RSA-CERT SHA256:a ID x from 6.6.6.6 port 22 ssh2 (serial 0) CA RSA SHA256:b",
            "Failed method=publickey user=\"root\" addr=203.0.113.57 port=5 1=\"RSA-CERT SHA256:a ID x from 6.6.6.6 port 22 ssh2 (serial 0) CA RSA SHA256:b\"",
        ),
        (
            "Bad protocol version identification 'x' from 6.6.6.6 port 22' from 203.0.113.57 port 5",
            "BadBanner addr=203.0.113.57 port=5 0=\"Bad protocol version identification\" 1=\"x' from 6.6.6.6 port 22\"",
        ),
        (
            "Bad remote protocol version identification: 'x' from 6.6.6.6 port 22'",
            "BadBanner 0=\"Bad remote protocol version identification\" 1=\"x' from 6.6.6.6 port 22\"",
        ),
        (
            "Disconnecting invalid user x 6.6.6.6 port 22 203.0.113.57 port 5: bad service request x: Too many authentication failures [preauth]",
            "Disconnecting user=\"x 6.6.6.6 port 22\" addr=203.0.113.57 port=5 0=\"bad service request x: Too many authentication failures\" invalid preauth suspicious",
        ),
        (
            "reverse mapping checking getaddrinfo for x [6.6.6.6] failed. [203.0.113.57] failed.",
            "ReverseMismatch addr=203.0.113.57 0=\"x [6.6.6.6] failed.\"",
        ),
        (
            "Invalid user Invalid user root from 6.6.6.6 from 203.0.113.57 port 5",
            "InvalidUser user=\"Invalid user root from 6.6.6.6\" addr=203.0.113.57 port=5 invalid suspicious",
        ),
        (
            "Failed password for invalid user [preauth] from 203.0.113.57 port 5 ssh2",
            "Failed method=password user=\"[preauth]\" addr=203.0.113.57 port=5 invalid",
        ),
        (
            "Accepted key RSA SHA256:a found at /home/x for root from 6.6.6.6 port 22 ssh2",
            "KeyFound 0=\"RSA SHA256:a\"",
        ),
        (
            "Disconnecting: Too many authentication failures for x from 6.6.6.6 port 22 ssh2 [preauth]",
            "Disconnecting user=\"x\" claimed=6.6.6.6 number=22 0=\"Too many authentication failures\" preauth",
        ),
        (
            "Failed password for invalid user x\\nAccepted password for root from 6.6.6.6 port 22 ssh2 from 203.0.113.57 port 5 ssh2",
            "Failed method=password user=\"x\\nAccepted password for root from 6.6.6.6 port 22 ssh2\" addr=203.0.113.57 port=5 invalid suspicious",
        ),
        (
            "Starting session: subsystem 'a' for root from 6.6.6.6 port 22 id 0' for bob from 203.0.113.57 port 5 id 0",
            "SessionStarting user=\"bob\" claimed=203.0.113.57 number=5 0=\"subsystem\" 1=\"a' for root from 6.6.6.6 port 22 id 0\"",
        ),
    ] {
        assert_eq!(described("sshd-session", text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn the_name_of_a_subsystem_proves_no_address() {
    let name = format!("x' for al from 6.6.6.6 port 22 id 0{}", " ".repeat(500));
    let text = format!("Starting session: subsystem '{name}' for bob from 203.0.113.57 port 5 id 0");
    let cut = text[..SSHD_MESSAGE_CUT].trim_end();
    assert!(cut.len() < SSHD_MESSAGE_CUT, "who trims blanks leaves nothing by which to see that it was cut");
    let expected = "SessionStarting user=\"al\" claimed=6.6.6.6 number=22 0=\"subsystem\" 1=\"x\"";
    assert_eq!(described("sshd-session", cut.as_bytes()), expected);
}

#[test]
fn the_unprivileged_process_cannot_log_a_login() {
    for verb in ["Accepted", "Partial"] {
        let text = format!("{verb} password for root from 6.6.6.6 port 22 ssh2 [preauth]");
        with_observation("sshd-session", text.as_bytes(), |view| {
            let entry = view.unwrap().entry;
            assert_eq!((entry.kind, entry.addr), (Kind::Unrecognized, None));
            assert!(entry.flags.has(Flags::SUSPICIOUS) && entry.flags.has(Flags::PREAUTH));
        });
    }
}

/// The spoof of a whole closing line: the true address is pushed past the cut, and the false one ends the line.
#[test]
fn an_address_that_ends_a_cut_line_is_claimed() {
    let name = format!("{} 6.6.6.6 port 22 [preauth]", "\u{e9}".repeat(56));
    let name = &name.as_bytes()[..name.len().min(187)];
    let whole =
        format!("Connection closed by invalid user {} 6.6.6.6 port 22 [preauth]", "\\303\\251".repeat(54));
    assert!(whole.len() >= 490 && !name.is_empty());
    let trimmed = whole.clone();
    let padded = format!("{whole:<500}");
    for (text, expected_cut) in [(trimmed, false), (padded, true)] {
        with_observation("sshd-session", text.as_bytes(), |view| {
            let entry = view.unwrap().entry;
            assert_eq!(entry.kind, Kind::ConnectionClosed, "{text}");
            assert_eq!(entry.addr, None, "{text}");
            assert_eq!(entry.flags.has(Flags::CUT), expected_cut, "{text}");
        });
    }
}

#[test]
fn an_address_cut_short_is_claimed_though_it_is_one() {
    let head = "error: PAM: User not known to the underlying authentication module for illegal user ";
    let text = format!("{head}{} from 203.0.113.57", "\\303\\251".repeat(50));
    let cut = &text.as_bytes()[..500];
    assert!(cut.ends_with(b" from 203.0.113."), "{}", String::from_utf8_lossy(cut));
    for end in [&b"5"[..], b"57"] {
        let text = [&text.as_bytes()[..501 - end.len()], end].concat();
        with_observation("sshd-session", &text, |view| {
            let view = view.unwrap();
            assert_eq!((view.entry.kind, view.entry.addr), (Kind::PamError, None));
            assert!(view.entry.flags.has(Flags::CUT));
        });
    }
}

#[test]
fn closing_lines_cut_within_the_name_still_close() {
    for (text, kind) in [
        ("Connection closed by invalid user ", Kind::ConnectionClosed),
        ("Connection reset by invalid user ", Kind::ConnectionReset),
        ("Disconnected from invalid user ", Kind::Disconnected),
        ("Disconnecting invalid user ", Kind::Disconnecting),
        ("Connection from invalid user ", Kind::ConnectionTimeout),
        ("error: maximum authentication attempts exceeded for invalid user ", Kind::MaxAuthTries),
        ("administratively prohibited connection for invalid user ", Kind::Prohibited),
        ("Postponed keyboard-interactive for invalid user ", Kind::Postponed),
        ("Failed keyboard-interactive/pam for invalid user ", Kind::Failed),
        ("error: PAM: Authentication failure for illegal user ", Kind::PamError),
    ] {
        let mut cut = format!("{text}{}", "\\\\303\\\\251".repeat(50));
        cut.truncate(500);
        with_observation("sshd", cut.as_bytes(), |view| {
            let entry = view.unwrap().entry;
            assert_eq!((entry.kind, entry.addr, entry.user.hash), (kind, None, 0), "{cut}");
            assert!(entry.flags.has(Flags::CUT) && entry.flags.has(Flags::INVALID_USER), "{cut}");
        });
        cut.truncate(400);
        with_observation("sshd", cut.as_bytes(), |view| {
            assert_eq!(view.unwrap().entry.kind, Kind::Unrecognized, "{cut}");
        });
    }
}

#[test]
fn what_stands_before_the_name_is_proved_even_when_cut() {
    let long = "x".repeat(500);
    for (text, port) in [
        (format!("Received disconnect from 203.0.113.57 port 5:11: {long}"), 5),
        (format!("Disconnecting invalid user x 203.0.113.57 port 5: {long}"), 5),
        (format!("Failed publickey for root from 203.0.113.57 port 5 ssh2: RSA-CERT SHA256:a ID {long}"), 5),
        (
            format!(
                "pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.57 user={long}"
            ),
            0,
        ),
    ] {
        with_observation("sshd-session", text.as_bytes(), |view| {
            let entry = view.unwrap().entry;
            assert!(entry.flags.has(Flags::CUT));
            assert_eq!((entry.addr, entry.port), (Some(TRUE.parse().unwrap()), port), "{text}");
        });
    }
}

#[test]
fn what_is_no_address_or_port_is_no_message_of_sshd() {
    for text in [
        "Failed password for root from 999.1.1.1 port 22 ssh2",
        "Failed password for root from 203.0.113.57 port 0 ssh2",
        "Failed password for root from 203.0.113.57 port 65536 ssh2",
        "Invalid user x from 01.2.3.4 port 5",
        "Connection closed by 2001:db8::7::1 port 5",
        "Accepted password for root from 203.0.113.57 port 22 ssh2 x",
        "xAccepted password for root from 203.0.113.57 port 22 ssh2",
        "Accepted password for ro:ot from 203.0.113.57 port 22 ssh2",
        "",
    ] {
        with_observation("sshd", text.as_bytes(), |view| {
            let entry = view.unwrap().entry;
            assert_eq!((entry.kind, entry.addr), (Kind::Unrecognized, None), "{text}");
        });
    }
}
