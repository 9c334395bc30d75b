//! Floor 2: the complete way to read a message: normalise it, and let the automata say what it is.

use super::automaton::{Cache, Found, Program};
use super::normalize::{Level, Normalized};
use super::reading::Reading;
use super::row::Scope;
use super::{Flags, Kind, pam, sshd};
use crate::span::Span;

/// The programs whose messages we understand, by APP-NAME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum App {
    /// `sshd`: the listener; up to 9.7 all of sshd.
    Sshd,
    /// `sshd-session`, from 9.8 on, and `sshd-auth`.
    Session,
    /// `sshd(pam_unix)`: a PAM module of before Linux-PAM 0.99.
    LegacyPam,
    /// A program beside sshd: `unix_chkpwd`, `sftp-server`.
    Helper,
}

impl App {
    /// The program of an APP-NAME.
    #[inline]
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"sshd" => Self::Sshd,
            b"sshd-session" | b"sshd-auth" => Self::Session,
            b"sshd(pam_unix)" => Self::LegacyPam,
            b"unix_chkpwd" | b"sftp-server" | b"internal-sftp" => Self::Helper,
            _ => return None,
        })
    }
}

/// A message with where it comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'m> {
    /// The program that wrote it.
    pub(super) app: App,
    /// What the reading's spans are of.
    pub(super) whole: &'m [u8],
    /// The message, a part of `whole`.
    pub(super) text: &'m [u8],
    /// Whether its end may be missing.
    pub(super) cut: bool,
}

/// The automata of all programs.
#[derive(Debug)]
pub(super) struct Reader {
    sshd: Program,
    pam: Program,
    helpers: Program,
}

/// The memory that the automata of one worker need.
#[derive(Debug)]
pub(super) struct Caches {
    sshd: Cache,
    pam: Cache,
    helpers: Cache,
}

/// A reading, and the pattern that gave it.
pub(super) struct Read<'r> {
    pub(super) reading: Reading,
    pub(super) found: Option<Found<'r>>,
    /// What the pattern matched, a part of the message.
    pub(super) body: Span,
}

impl Reader {
    /// Compiles the patterns of all programs.
    ///
    /// # Errors
    /// Says what is wrong with the patterns.
    pub(super) fn compile() -> Result<Self, String> {
        Ok(Self {
            sshd: Program::compile(sshd::rows())?,
            pam: Program::compile(pam::ROWS)?,
            helpers: Program::compile(pam::HELPER_ROWS)?,
        })
    }

    /// Makes the memory that one worker needs.
    pub(super) fn caches(&self) -> Caches {
        Caches { sshd: self.sshd.cache(), pam: self.pam.cache(), helpers: self.helpers.cache() }
    }

    /// Reads a message; nothing for a helper's that is none of ours.
    pub(super) fn read<'r>(&'r self, caches: &mut Caches, message: Message<'_>) -> Option<Read<'r>> {
        let normalized = Normalized::of(message.text);
        let mut read = match message.app {
            App::Sshd | App::Session => self.read_sshd(caches, message, normalized),
            App::LegacyPam => {
                let pam = pam::Message { module: b"pam_unix", body: normalized.marked };
                self.read_pam(&mut caches.pam, message, pam)
            }
            App::Helper => {
                let body = normalized.body;
                let (reading, found) = Self::run(&self.helpers, &mut caches.helpers, message, body)?;
                let reading = Reading { escaped: reading.kind == Kind::SftpSession, ..reading };
                Read { reading, found: Some(found), body: Span::locate(message.whole, body) }
            }
        };
        read.reading.repeat = normalized.repeat;
        Some(read)
    }

    fn read_sshd<'r>(
        &'r self,
        caches: &mut Caches,
        message: Message<'_>,
        normalized: Normalized<'_>,
    ) -> Read<'r> {
        if let Some(pam) = pam::Message::of(normalized.marked) {
            return self.read_pam(&mut caches.pam, message, pam);
        }
        let body = Span::locate(message.whole, normalized.body);
        let (mut reading, found) = match Self::run(&self.sshd, &mut caches.sshd, message, normalized.body) {
            Some((reading, found)) => match found.pattern.row.scope {
                Scope::Cut if !message.cut => (unrecognized(normalized, body), None),
                Scope::Monitor if normalized.relayed => {
                    let mut reading = unrecognized(normalized, body);
                    reading.flags.set(Flags::SUSPICIOUS, true);
                    (reading, None)
                }
                _ => (reading, Some(found)),
            },
            None => (unrecognized(normalized, body), None),
        };
        reading.flags.set(Flags::PREAUTH, normalized.relayed);
        reading.flags.set(Flags::ERROR, normalized.level == Level::Error);
        Read { reading, found, body }
    }

    fn read_pam<'r>(&'r self, cache: &mut Cache, message: Message<'_>, pam: pam::Message<'_>) -> Read<'r> {
        let body = Span::locate(message.whole, pam.body);
        let (mut reading, found) = match Self::run(&self.pam, cache, message, pam.body) {
            Some((reading, found)) => (reading, Some(found)),
            None => (Reading::new(Kind::PamOther), None),
        };
        if reading.kind == Kind::PamOther {
            reading.detail[0] = body;
        }
        reading.escaped = false;
        if !pam.module.is_empty() {
            reading.detail[1] = Span::locate(message.whole, pam.module);
        }
        Read { reading, found, body }
    }

    fn run<'r>(
        program: &'r Program,
        cache: &mut Cache,
        message: Message<'_>,
        body: &[u8],
    ) -> Option<(Reading, Found<'r>)> {
        let found = program.find(cache, body)?;
        let reading = Reading::of(&found, body, Span::locate(message.whole, body).start, message.cut)?;
        Some((reading, found))
    }
}

fn unrecognized(normalized: Normalized<'_>, body: Span) -> Reading {
    let kind = if normalized.level == Level::Debug { Kind::Noise } else { Kind::Unrecognized };
    let mut reading = Reading::new(kind);
    if kind == Kind::Unrecognized {
        reading.detail[0] = body;
    }
    reading
}
