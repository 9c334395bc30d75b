//! Floor 3: what an operator may say of the sshd module.

use crate::event::{Kind, Severity};
use ipnet::IpNet;
use std::time::Duration;

/// Options of `type = "sshd"`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Failed attempts of one source within the window from which on it is over the limit.
    pub login_failure_limit: u32,
    /// The window.
    pub login_failure_window: Duration,
    /// The same limit for sources in `trusted_networks`.
    pub trusted_login_failure_limit: u32,
    /// Networks whose events are at most NOTICE.
    pub trusted_networks: Vec<IpNet>,
    /// Networks that are only counted.
    pub ignore_networks: Vec<IpNet>,
    /// Bits of an IPv6 address that make one source.
    pub ipv6_prefix: u8,
    /// Age after its last record at which a connection that has not authenticated is given up.
    pub max_preauth_age: Duration,
    /// Age at which an unfinished transaction is given up.
    pub max_transaction_age: Duration,
    /// Age at which a session that was never closed is given up.
    pub max_session_age: Duration,
    /// Kinds that are switched on, off, or have another severity.
    pub events: Vec<(Kind, Switch)>,
}

/// What the configuration says of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Not raised.
    Off,
    /// Raised with the default severity.
    On,
    /// Raised with this severity.
    Severity(Severity),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            login_failure_limit: 5,
            login_failure_window: Duration::from_secs(300),
            trusted_login_failure_limit: 50,
            trusted_networks: Vec::new(),
            ignore_networks: Vec::new(),
            ipv6_prefix: 64,
            max_preauth_age: Duration::from_secs(600),
            max_transaction_age: Duration::from_secs(48 * 3600),
            max_session_age: Duration::from_secs(30 * 86_400),
            events: Vec::new(),
        }
    }
}
