//! Floor 2: what is configured of senders: which hosts they may speak for, and how far off clocks may be.
//!
//! Invariant: rules look at where a record came from and at its host, which captures and the journal hold; so they decide
//! the same live and in a replay.

use super::Word;
use crate::batch::Origin;
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;

/// What is configured of senders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The sources. A sender that belongs to none may speak for any host, and one that belongs to several for the hosts of
    /// each.
    pub sources: Vec<Source>,
    /// Of where records come in: the host of those that name none.
    pub hosts: Vec<(String, String)>,
    /// How far after its arrival the time of a record may lie.
    pub most_ahead: Option<Duration>,
    /// How far before its arrival the time of a record may lie.
    pub most_behind: Option<Duration>,
}

/// Some senders, and the hosts that they may speak for. What is empty makes no difference between senders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// The networks of the senders' addresses.
    pub peers: Vec<IpNet>,
    /// The verified names of senders; `*` stands for any text.
    pub names: Vec<String>,
    /// Where their records come in.
    pub listeners: Vec<String>,
    /// The hosts; `*` stands for any text.
    pub hosts: Vec<String>,
}

impl Rules {
    /// Whether a sender that belongs to these of the sources may speak for a host.
    pub(super) fn may_speak(&self, sources: &[usize], host: &[u8]) -> bool {
        let mut known = sources.iter().filter_map(|index| self.sources.get(*index));
        sources.is_empty() || known.any(|source| source.speaks_for(host))
    }

    /// The host of records that name none: what is configured of where they came in, else where their sender is. Nothing for
    /// lines of files: where they were written, neither a capture nor the journal tells.
    pub(super) fn nameless<'a>(&'a self, origin: &'a Origin) -> &'a str {
        let configured = self.hosts.iter().find(|(place, _)| *place == origin.listener);
        configured.map_or_else(|| origin.place().unwrap_or_default(), |(_, host)| host)
    }

    /// Whether one source names a host in full, and both of two senders belong to it: then they are that host.
    pub fn are_one(&self, host: &[u8], senders: [&Origin; 2]) -> bool {
        let names =
            |source: &Source| source.hosts.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(host));
        let has_both = |source: &&Source| senders.iter().all(|sender| source.covers(sender));
        self.sources.iter().filter(has_both).any(names)
    }

    /// What is wrong with a clock whose record has its time so many microseconds before its arrival.
    #[inline]
    pub(super) fn clock(&self, lag: i64) -> Option<Word> {
        let is_beyond = |most: Option<Duration>| {
            most.is_some_and(|most| u128::from(lag.unsigned_abs()) > most.as_micros())
        };
        match lag {
            ..0 => is_beyond(self.most_ahead).then_some(Word::Ahead),
            _ => is_beyond(self.most_behind).then_some(Word::Behind),
        }
    }
}

impl Source {
    /// Whether a sender belongs to it.
    pub(super) fn covers(&self, origin: &Origin) -> bool {
        let (address, rest) = origin.peer.split_once(',').unwrap_or((&origin.peer, ""));
        let is_peer = || {
            let address = address.parse::<IpAddr>().ok();
            address.is_some_and(|address| self.peers.iter().any(|net| net.contains(&address)))
        };
        let is_named = || {
            let name = rest.strip_prefix("name=");
            name.is_some_and(|name| is_any(&self.names, name.as_bytes()))
        };
        // A line of a file has no sender, unless it is said where its file is read.
        let is_sent = origin.sender().is_some() || !self.listeners.is_empty();
        is_sent
            && (self.peers.is_empty() || is_peer())
            && (self.names.is_empty() || is_named())
            && (self.listeners.is_empty() || self.listeners.contains(&origin.listener))
    }

    fn speaks_for(&self, host: &[u8]) -> bool {
        is_any(&self.hosts, host)
    }
}

/// Whether a name matches any of these patterns.
pub fn is_any(patterns: &[String], name: &[u8]) -> bool {
    patterns.iter().any(|pattern| matches(pattern.as_bytes(), name))
}

/// Whether a name matches a pattern in which `*` stands for any text; letters of either case are the same, as in names of
/// hosts.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    // Where the last `*` stands, and how much of the name it stands for, at least.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(in_name) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(wanted) if wanted.eq_ignore_ascii_case(byte) => {
                at += 1;
                in_name += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, in_name) = (place + 1, taken + 1);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, by what a `*` may stand for.
    fn oracle(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (Some((b'*', rest)), _) => (0..=name.len()).any(|taken| oracle(rest, &name[taken..])),
            (Some((wanted, rest)), Some((byte, name))) => {
                wanted.eq_ignore_ascii_case(byte) && oracle(rest, name)
            }
            (None, None) => true,
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn stars_stand_for_any_text(pattern in "[abA*]{0,7}", name in "[abB]{0,9}") {
            prop_assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                oracle(pattern.as_bytes(), name.as_bytes())
            );
        }
    }

    fn origin(listener: &str, peer: &str) -> Origin {
        Origin { listener: listener.into(), peer: peer.into() }
    }

    #[test]
    fn a_sender_belongs_to_a_source_by_all_that_it_says() {
        let source = Source {
            peers: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            names: vec!["*.example.com".into()],
            listeners: vec!["dmz".into()],
            ..Source::default()
        };
        for (listener, peer, expected) in [
            ("dmz", "10.1.2.3,name=relay.example.com", true),
            ("dmz", "2001:db8::1,name=RELAY.example.com", true),
            ("dmz", "10.1.2.3,name=relay.example.org", false),
            ("dmz", "10.1.2.3", false),
            ("dmz", "192.0.2.1,name=relay.example.com", false),
            ("lan", "10.1.2.3,name=relay.example.com", false),
            ("dmz", "unix:uid=0,gid=0,pid=1", false),
            ("dmz", "", false),
        ] {
            assert_eq!(source.covers(&origin(listener, peer)), expected, "{listener} {peer}");
        }
        let all = Source::default();
        assert!(all.covers(&origin("lan", "10.1.2.3")) && all.covers(&origin("lan", "unix:unknown")));
        assert!(!all.covers(&origin("auth", "")), "a line of a file has no sender");
        let auth = Source { listeners: vec!["auth".into()], ..Source::default() };
        assert!(auth.covers(&origin("auth", "")) && !auth.covers(&origin("other", "")));
    }

    #[test]
    fn a_sender_speaks_for_the_hosts_of_all_its_sources() {
        let source = |net: &str, hosts: &[&str]| Source {
            peers: vec![net.parse().unwrap()],
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ..Source::default()
        };
        let rules = Rules {
            sources: vec![
                source("10.0.0.0/8", &["web*"]),
                source("10.1.0.0/16", &["db1"]),
                source("0.0.0.0/0", &[]),
            ],
            ..Rules::default()
        };
        for (sources, host, expected) in [
            (&[0, 2][..], "web1", true),
            (&[0, 2], "db1", false),
            (&[0, 1, 2], "DB1", true),
            (&[2], "web1", false),
            (&[], "web1", true),
        ] {
            assert_eq!(rules.may_speak(sources, host.as_bytes()), expected, "{sources:?} {host}");
        }
    }

    #[test]
    fn clocks_are_wrong_beyond_what_is_allowed() {
        let rules = Rules {
            most_ahead: Some(Duration::from_secs(300)),
            most_behind: Some(Duration::from_secs(3600)),
            ..Rules::default()
        };
        let second = 1_000_000;
        for (lag, expected) in [
            (0, None),
            (-300 * second, None),
            (-300 * second - 1, Some(Word::Ahead)),
            (3600 * second, None),
            (3600 * second + 1, Some(Word::Behind)),
            (i64::MIN, Some(Word::Ahead)),
        ] {
            assert_eq!(rules.clock(lag), expected, "{lag}");
        }
        assert_eq!(Rules::default().clock(i64::MAX), None);
    }
}
