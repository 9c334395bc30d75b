//! Floor 4: how much a sender may send: a token bucket for each sender, and for each host that datagrams name.
//!
//! A bucket is one instant: up to when the records that were let in have been paid for. It may lie ahead of now by what may
//! come at once; records of authentication may go that far, all others half as far, so that they are shed first. Streams
//! are not shed: their reader rests until the bucket is no longer overdrawn.
//!
//! Invariant: what is not let in is not paid for; the tables are bounded, and senders beyond them share one bucket.

use super::notices::Refusal;
use crate::limits;
use crate::time::{Timestamp, Zone};
use crate::wire::{Priority, Record};
use hashbrown::HashMap;
use std::hash::RandomState;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a sender may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Records of one sender in a second; 0 for any number.
    pub of_sender: u32,
    /// Datagrams of one host in a second; 0 for any number.
    pub of_host: u32,
}

/// The buckets of one listener.
#[derive(Debug)]
pub(super) struct Rates {
    options: Options,
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    senders: Table,
    hosts: Table,
}

/// Buckets by what they are for.
#[derive(Debug, Default)]
struct Table {
    of: HashMap<Vec<u8>, Bucket, RandomState>,
    /// The bucket of all for whom there is no room.
    others: Bucket,
    /// Until when nobody looks for room in it again.
    full_until: Option<Instant>,
}

/// Up to when what was let in has been paid for.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket(Option<Instant>);

impl Bucket {
    /// How far it is overdrawn.
    fn ahead(self, now: Instant) -> Duration {
        self.0.map_or(Duration::ZERO, |paid| paid.saturating_duration_since(now))
    }

    fn pay(&mut self, price: Duration, now: Instant) {
        self.0 = Some(now + self.ahead(now) + price);
    }

    /// Forgives what goes beyond `most`.
    fn forgive(&mut self, most: Duration, now: Instant) {
        self.0 = self.0.min(Some(now + most));
    }
}

impl Table {
    fn bucket(&mut self, key: &[u8], now: Instant) -> &mut Bucket {
        if self.of.len() >= limits::MAX_RATE_BUCKETS && !self.of.contains_key(key) && !self.make_room(now) {
            return &mut self.others;
        }
        self.of.entry_ref(key).or_default()
    }

    /// Forgets the buckets that are paid for; whether there is room then. A flood of unknown names does not make it look
    /// for each of them.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.full_until.is_some_and(|until| now < until) {
            return false;
        }
        self.full_until = Some(now + limits::RATE_ROOM_INTERVAL);
        self.of.retain(|_, bucket| !bucket.ahead(now).is_zero());
        self.of.len() < limits::MAX_RATE_BUCKETS
    }
}

/// What one record costs at so many in a second.
fn price(rate: u32, records: usize) -> Duration {
    let records = u32::try_from(records).unwrap_or(u32::MAX);
    Duration::from_secs(1).saturating_mul(records) / rate.max(1)
}

/// How far a bucket may be overdrawn by a record.
fn credit(is_authentication: bool) -> Duration {
    if is_authentication { limits::RATE_BURST } else { limits::RATE_BURST / 2 }
}

/// Whether a datagram is of a facility whose loss is the worst: auth and authpriv (RFC 5424, table 1).
pub(super) fn is_authentication(datagram: &[u8]) -> bool {
    Priority::of(datagram).is_some_and(|priority| matches!(priority.facility(), 4 | 10))
}

/// The host that a datagram names; nobody where it is no record, and the empty name where it names none.
fn host(datagram: &[u8]) -> Option<&[u8]> {
    let record = Record::parse(datagram, Timestamp::EPOCH, &Zone::UTC).ok()?;
    Some(record.hostname.unwrap_or_default())
}

impl Rates {
    pub(super) fn new(options: Options) -> Self {
        Self { options, buckets: Mutex::default() }
    }

    /// Leaves of some datagrams of a sender, each of which `bytes` gives, those that may come in; tells how many may not,
    /// by the reason.
    pub(super) fn admit<'d, T>(
        &self,
        sender: &str,
        datagrams: &mut Vec<T>,
        bytes: impl Fn(&T) -> &'d [u8],
        now: Instant,
    ) -> [(Refusal, u64); 2] {
        let Options { of_sender, of_host } = self.options;
        let (mut by_sender, mut by_host) = (0, 0);
        if of_sender > 0 || of_host > 0 {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let Buckets { senders, hosts } = &mut *buckets;
            let mut of_this = (of_sender > 0).then(|| senders.bucket(sender.as_bytes(), now));
            datagrams.retain(|datagram| {
                let bytes = bytes(datagram);
                let credit = credit(is_authentication(bytes));
                if of_this.as_ref().is_some_and(|bucket| bucket.ahead(now) > credit) {
                    by_sender += 1;
                    return false;
                }
                if of_host > 0
                    && let Some(host) = host(bytes)
                {
                    // One that names no host counts as its sender's, as its record does.
                    let host = if host.is_empty() { sender.as_bytes() } else { host };
                    let bucket = hosts.bucket(host, now);
                    if bucket.ahead(now) > credit {
                        by_host += 1;
                        return false;
                    }
                    bucket.pay(price(of_host, 1), now);
                }
                if let Some(bucket) = &mut of_this {
                    bucket.pay(price(of_sender, 1), now);
                }
                true
            });
        }
        [(Refusal::RateLimit, by_sender), (Refusal::HostRateLimit, by_host)]
    }

    /// Lets in so many records of a stream; tells until when its reader must rest, if it must.
    pub(super) fn pace(&self, sender: &str, records: usize, now: Instant) -> Option<Instant> {
        let rate = self.options.of_sender;
        if rate == 0 {
            return None;
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.senders.bucket(sender.as_bytes(), now);
        bucket.pay(price(rate, records), now);
        bucket.forgive(limits::RATE_BURST + limits::MAX_RATE_REST, now);
        let rest = bucket.ahead(now).saturating_sub(limits::RATE_BURST);
        (!rest.is_zero()).then(|| now + rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRON: &str = "<78>1 - web1 cron - - - x";
    const AUTH: &str = "<86>1 - web1 sshd - - - x";

    fn admitted(rates: &Rates, sender: &str, record: &str, count: usize, now: Instant) -> (usize, [u64; 2]) {
        let mut datagrams = vec![record; count];
        let shed = rates.admit(sender, &mut datagrams, |datagram| datagram.as_bytes(), now);
        (datagrams.len(), shed.map(|(_, count)| count))
    }

    #[test]
    fn without_a_limit_everything_comes_in() {
        let rates = Rates::new(Options::default());
        assert_eq!(admitted(&rates, "192.0.2.1", CRON, 100_000, Instant::now()), (100_000, [0, 0]));
        assert_eq!(rates.pace("192.0.2.1", 1_000_000, Instant::now()), None);
    }

    #[test]
    fn authentication_is_shed_last_and_senders_are_apart() {
        let rates = Rates::new(Options { of_sender: 10, of_host: 0 });
        let now = Instant::now();
        // 10 seconds' worth may come at once, half of that of other facilities.
        assert_eq!(admitted(&rates, "192.0.2.1", CRON, 1000, now), (51, [949, 0]));
        assert_eq!(admitted(&rates, "192.0.2.1", AUTH, 1000, now), (50, [950, 0]));
        assert_eq!(admitted(&rates, "192.0.2.1", CRON, 1, now), (0, [1, 0]));
        assert_eq!(admitted(&rates, "192.0.2.2", CRON, 20, now), (20, [0, 0]));
        let later = now + Duration::from_secs(7);
        assert_eq!(
            admitted(&rates, "192.0.2.1", CRON, 100, later),
            (20, [80, 0]),
            "what seven seconds pay for"
        );
    }

    #[test]
    fn a_host_is_limited_whoever_speaks_for_it() {
        let rates = Rates::new(Options { of_sender: 0, of_host: 10 });
        let now = Instant::now();
        assert_eq!(admitted(&rates, "192.0.2.1", CRON, 40, now), (40, [0, 0]));
        assert_eq!(admitted(&rates, "192.0.2.2", CRON, 40, now), (11, [0, 29]));
        assert_eq!(admitted(&rates, "192.0.2.2", &CRON.replace("web1", "web2"), 40, now), (40, [0, 0]));
        assert_eq!(admitted(&rates, "192.0.2.2", "no record", 40, now), (40, [0, 0]), "is rejected later");
        let nameless = CRON.replace("web1", "-");
        assert_eq!(admitted(&rates, "192.0.2.1", &nameless, 52, now), (51, [0, 1]));
        assert_eq!(admitted(&rates, "192.0.2.2", &nameless, 40, now), (40, [0, 0]), "of another sender");
    }

    #[test]
    fn a_stream_rests_for_what_it_took_beyond_the_burst() {
        let rates = Rates::new(Options { of_sender: 100, of_host: 0 });
        let now = Instant::now();
        assert_eq!(rates.pace("192.0.2.1", 1000, now), None);
        assert_eq!(rates.pace("192.0.2.1", 300, now), Some(now + Duration::from_secs(3)));
        assert_eq!(rates.pace("192.0.2.1", 0, now + Duration::from_secs(3)), None);
    }

    #[test]
    fn a_stream_never_rests_for_longer_than_a_minute() {
        let rates = Rates::new(Options { of_sender: 1, of_host: 0 });
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(rates.pace("192.0.2.1", 1_000_000, now), Some(now + limits::MAX_RATE_REST));
        }
        assert_eq!(rates.pace("192.0.2.1", 0, now + limits::MAX_RATE_REST), None);
    }

    #[test]
    fn senders_without_room_share_a_bucket() {
        let rates = Rates::new(Options { of_sender: 1, of_host: 0 });
        let now = Instant::now();
        for sender in 0..limits::MAX_RATE_BUCKETS {
            assert_eq!(admitted(&rates, &sender.to_string(), CRON, 1, now), (1, [0, 0]));
        }
        assert_eq!(admitted(&rates, "one", CRON, 6, now), (6, [0, 0]));
        assert_eq!(admitted(&rates, "another", CRON, 6, now), (0, [6, 0]));
        let later = now + Duration::from_secs(60);
        assert_eq!(admitted(&rates, "another", CRON, 6, later), (6, [0, 0]), "the idle ones have made room");
    }

    #[test]
    fn a_full_table_is_not_searched_for_room_at_every_unknown_name() {
        let mut table = Table::default();
        let now = Instant::now();
        for sender in 0..limits::MAX_RATE_BUCKETS {
            table.bucket(sender.to_string().as_bytes(), now).pay(Duration::from_millis(1), now);
        }
        let mut is_known = |name: &str, after: Duration| {
            table.bucket(name.as_bytes(), now + after);
            table.of.contains_key(name.as_bytes())
        };
        assert!(!is_known("one", Duration::ZERO));
        let soon = limits::RATE_ROOM_INTERVAL - Duration::from_millis(1);
        assert!(!is_known("another", soon), "it was full just now");
        assert!(is_known("1", soon), "who was known still is");
        assert!(is_known("another", limits::RATE_ROOM_INTERVAL));
    }
}
