//! Floor 7: `[apps.NAME.modules.NAME]`: the options of each type of module.

use super::codec::{Count, Lasting, Networks, Raises, Switches};
use super::option::{Opt, options};
use super::section::{Given, Reader, Section};
use crate::correlate::{ModuleOptions, report, sshd};

/// A type of module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModuleType {
    Sshd,
    Report,
}

/// The types of modules, by name.
pub(super) const TYPES: &[(&str, ModuleType)] = &[("sshd", ModuleType::Sshd), ("report", ModuleType::Report)];

/// Types that later versions bring.
const LATER_TYPES: &[&str] = &["rules", "patterns"];

/// Reads the options of a module.
pub(super) fn read(reader: &mut Reader, given: Given<'_>) -> Option<ModuleOptions> {
    let options = match reader.typed(given, TYPES, LATER_TYPES)? {
        ModuleType::Sshd => ModuleOptions::Sshd(reader.section(given, &["type"])),
        ModuleType::Report => ModuleOptions::Report(reader.section(given, &["type"])),
    };
    reader.list_type(given, TYPES);
    Some(options)
}

impl Raises for sshd::Options {
    const PREFIX: &'static str = "SSHD";
}

/// A day's seconds.
const DAY: u64 = 86_400;

impl Section for sshd::Options {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        login_failure_limit = login_failure_limit as Count<1, 1_000_000>,
            "Failed attempts of one source within the window from which on `SSHDAttemptsExceeded` is raised.";
        login_failure_window = login_failure_window as Lasting<1, { 7 * DAY }>,
            "The window in which failed attempts count together.";
        trusted_login_failure_limit = trusted_login_failure_limit as Count<1, 1_000_000>,
            "The same limit for sources in `trusted_networks`.";
        trusted_networks = trusted_networks as Networks,
            "Networks whose events are at most NOTICE: bastions, for instance.";
        ignore_networks = ignore_networks as Networks,
            "Networks whose records are only counted: a scanner of your own, for instance.";
        ipv6_prefix = ipv6_prefix as Count<1, 128>,
            "Bits of an IPv6 address that make one source.";
        max_preauth_age = max_preauth_age as Lasting<1, { 30 * DAY }>,
            "Time after its last record at which a connection that has not authenticated is given up.";
        max_transaction_age = max_transaction_age as Lasting<1, { 366 * DAY }>,
            "Time after which what is unfinished is given up.";
        max_session_age = max_session_age as Lasting<1, { 3660 * DAY }>,
            "Time after which a session that was never closed is given up.";
        events = events as Switches<Self>,
            "Which kinds of events are raised, and how severe they are.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}

impl Raises for report::Options {
    const PREFIX: &'static str = "Report";
}

impl Section for report::Options {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        max_length = max_length as Count<16, 65_536>,
            "Characters of a message that a summary shows at most; it is cut at a word.";
        events = events as Switches<Self>,
            "Which kinds of events are raised, and how severe they are.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}
