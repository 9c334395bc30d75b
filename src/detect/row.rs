//! Floor 2: the form in which message patterns are written down: one row each.
//!
//! Invariant: a pattern is anchored at both ends, and every group that it names has a role.

use super::{Flags, Kind};

/// One format of message.
///
/// The pattern is a regular expression over bytes, without Unicode, in which `.` matches all of them, anchored at both
/// ends by whoever compiles it. [`expand`] replaces the words in braces. A group's name says what it captures: see
/// [`Role`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// What people know it by.
    pub(super) name: &'static str,
    /// The kind of message.
    pub(super) kind: Kind,
    /// What it looks like.
    pub(super) pattern: &'static str,
    /// A message that matches it, and no row before it.
    pub(super) example: &'static str,
    /// The groups that become details, by index.
    pub(super) details: &'static [&'static str],
    /// What its address is worth.
    pub(super) trust: Trust,
    /// The number, where the pattern captures none.
    pub(super) number: Option<u64>,
    /// Flags that all its messages have.
    pub(super) flags: Flags,
    /// When it applies.
    pub(super) scope: Scope,
}

/// What an address in a message is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// It ends the message, or stands after text of the peer: proved unless the message is cut.
    Tail,
    /// It stands before all text of the peer, or a colon after it closes it off: proved also when what follows is cut.
    Head,
    /// A message of auth_log() (auth.c): as `Tail`, or as `Head` when the info after the colon is there; and only with
    /// a port, which it always writes, and for which the longest name, escaped twice, leaves no room.
    AuthLog,
    /// As `Tail`, but never when the user is invalid: such names are long enough to push the address out.
    TailUnlessInvalid,
    /// Text of the peer can stand in its place: never proved.
    Claim,
}

impl Trust {
    /// Whether an address is proved.
    pub(super) const fn proves(self, cut: bool, invalid_user: bool, has_info: bool, has_port: bool) -> bool {
        match self {
            Self::Tail => !cut,
            Self::Head => true,
            Self::AuthLog => has_port && (!cut || has_info),
            Self::TailUnlessInvalid => !cut && !invalid_user,
            Self::Claim => false,
        }
    }
}

/// When a row applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// To any message.
    Any,
    /// Only to messages that are cut: it tells the kind by what is left.
    Cut,
    /// Only to messages of the monitor: in one with ` [preauth]`, sshd's unprivileged process speaks for itself.
    Monitor,
}

/// What a named group captures; any other name is a detail and stands in [`Row::details`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `user`.
    User,
    /// `addr`: must be numeric, or `UNKNOWN`.
    Addr,
    /// `host`: an address, or a name.
    Host,
    /// `port`.
    Port,
    /// `invalid`: there when the user is invalid.
    Invalid,
    /// `authenticating`: there when the user is `authenticating`.
    Authenticating,
    /// `method`.
    Method,
    /// `number`.
    Number,
    /// `seconds`, with an optional fraction.
    Seconds,
    /// `pid`: a process that the message quotes.
    OtherPid,
    /// A detail, by index.
    Detail(u8),
}

impl Row {
    /// The role of a group of this row.
    pub(super) fn role(&self, group: &str) -> Option<Role> {
        Some(match group {
            "user" => Role::User,
            "addr" => Role::Addr,
            "host" => Role::Host,
            "port" => Role::Port,
            "invalid" => Role::Invalid,
            "authenticating" => Role::Authenticating,
            "method" => Role::Method,
            "number" => Role::Number,
            "seconds" => Role::Seconds,
            "pid" => Role::OtherPid,
            detail => {
                let index = self.details.iter().position(|&name| name == detail)?;
                Role::Detail(u8::try_from(index).ok()?)
            }
        })
    }

    /// Names the groups that become details, by index.
    pub(super) const fn details(mut self, names: &'static [&'static str]) -> Self {
        self.details = names;
        self
    }

    /// Says what the address is worth.
    pub(super) const fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Gives the number.
    pub(super) const fn number(mut self, number: u64) -> Self {
        self.number = Some(number);
        self
    }

    /// Gives flags.
    pub(super) const fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// Says when the row applies.
    pub(super) const fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }
}

/// A row without details, whose address is at the tail.
pub(super) const fn row(name: &'static str, kind: Kind, pattern: &'static str, example: &'static str) -> Row {
    Row {
        name,
        kind,
        pattern,
        example,
        details: &[],
        trust: Trust::Tail,
        number: None,
        flags: Flags::NONE,
        scope: Scope::Any,
    }
}

/// What stands for a word in braces, and why.
const WORDS: &[(&str, &str)] = &[
    // The preamble and address of sshpkt_fmt_connection_id() (packet.c). The blank is missing after `authenticating`
    // in one message of monitor.c.
    (
        "{id}",
        "(?:(?:(?P<authenticating>authenticating ?)|(?P<invalid>invalid ?))?user {user} )?{addr}{port?}",
    ),
    // What looks like an address; whether it is one is for the parser to say.
    ("{addr}", "(?P<addr>[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*(?:%[\\w.-]+)?|UNKNOWN)"),
    ("{host}", "(?P<host>\\S+)"),
    ("{port}", " port (?P<port>\\d{1,5})"),
    ("{port?}", "(?: port (?P<port>\\d{1,5}))?"),
    // input_userauth_request() (auth2.c) ends a name at its first colon, so that no name that is logged has one.
    ("{user}", "(?P<user>[^:]*)"),
    // After `User `, where a quote would begin another message; accounts that exist have none.
    ("{account}", "(?P<user>[^':][^:]*)"),
    ("{invalid}", "(?P<invalid>(?:invalid|illegal) user )?"),
];

/// Replaces the words in braces and anchors the pattern at both ends.
pub(super) fn expand(pattern: &str) -> String {
    let expanded =
        WORDS.iter().fold(pattern.to_owned(), |text, (word, expression)| text.replace(word, expression));
    format!("\\A(?:{expanded})\\z")
}
