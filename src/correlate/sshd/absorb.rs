//! Floor 3: what events say of connections, where the records that caused them are gone.
//!
//! Events are then all that is kept of some inputs. They tell which logins began and which connections ended; what was
//! counted on the way is lost.
//!
//! Invariant: nothing is raised, and nothing is counted.

use super::Module;
use super::connection::{EndReason, Facts, Phase};
use super::network::standing;
use super::stats::Stats;
use super::table::Id;
use crate::event::{Event, Field, Kind, Value};
use crate::time::Timestamp;
use std::net::IpAddr;

/// By what an event names a connection; 0 where it does not.
struct Client<'a> {
    host: &'a [u8],
    addr: Option<IpAddr>,
    port: u16,
    pid: u32,
}

impl<'a> Client<'a> {
    fn of(event: Event<'a>) -> Self {
        let addr = match event.get(Field::Addr) {
            Value::Addr(addr) => Some(addr),
            _ => None,
        };
        // Where the listener speaks, the event's process is the listener's.
        let session = number(event, Field::SessionPid);
        let pid = if session == 0 { number(event, Field::Pid) } else { session };
        Self { host: text(event, Field::Host), addr, port: number(event, Field::Port), pid }
    }
}

impl Module {
    /// Takes an event that was raised after the state was saved; what it tells of happened by `now`.
    pub(in crate::correlate) fn absorb(&mut self, event: Event<'_>, now: Timestamp) {
        self.quiet_until = Timestamp::MIN;
        match event.kind() {
            Kind::SSHDStats => self.stats = Stats { start: Some(event.head().time), ..Stats::default() },
            Kind::SSHDSessionStarted => self.absorb_start(event, now),
            Kind::SSHDLoginSucceeded
            | Kind::SSHDLoginFailed
            | Kind::SSHDProtocolProbe
            | Kind::SSHDPreauthTimeout
            | Kind::SSHDChildCrash => self.absorb_end(event, now),
            _ => {}
        }
    }

    fn absorb_start(&mut self, event: Event<'_>, now: Timestamp) {
        let client = Client::of(event);
        let Value::Time(start) = event.get(Field::Start) else { return };
        let known = self.find_told(&client).filter(|id| self.connections.get(*id).start == start);
        let Some(id) = known.or_else(|| self.open_told(&client, start, now)) else { return };
        let connection = self.connections.get_mut(id);
        if !connection.facts.add(Facts::ACCEPTED) {
            return;
        }
        connection.accepted = event.head().time;
        connection.last = connection.last.max(event.head().time);
        connection.failures = number(event, Field::Failures);
        connection.key_failures = number(event, Field::KeyFailures);
        connection.evidence.clear();
        event.evidence().iter().for_each(|position| connection.add_evidence(*position));
        let user = self.names.hold_named(text(event, Field::User));
        self.names.replace(&mut connection.user, user);
        let auth = self.names.hold_text(text(event, Field::Auth));
        self.names.replace(&mut connection.auth, auth);
        let key = self.names.hold_text(text(event, Field::Key));
        self.names.replace(&mut connection.key, key);
        if connection.phase == Phase::Preauth {
            self.connections.advance(id, Phase::Open, now);
        }
        self.drop_denials(id);
    }

    /// Ends the connection that an event tells the end of. It is kept for a while, as always, so that late records of
    /// it open nothing.
    fn absorb_end(&mut self, event: Event<'_>, now: Timestamp) {
        let Some(id) = self.find_told(&Client::of(event)) else { return };
        let connection = self.connections.get_mut(id);
        let outlives = event.kind() == Kind::SSHDPreauthTimeout && connection.is_login();
        if connection.phase == Phase::Ended || outlives {
            return;
        }
        connection.end = (EndReason::Closed, event.head().time);
        for fact in connection.take_pending() {
            fact.names().into_iter().for_each(|name| self.names.release(name));
        }
        self.drop_denials(id);
        self.connections.advance(id, Phase::Ended, now);
    }

    /// The connection of an address and port, or else that of a process, unless it has another client.
    fn find_told(&self, client: &Client<'_>) -> Option<Id> {
        let &Client { host, addr, port, pid } = client;
        let host = self.names.find_named(host)?;
        let by_addr = addr.filter(|_| port != 0).and_then(|addr| self.connections.by_addr(host, addr, port));
        by_addr.or_else(|| {
            let id = self.connections.by_pid(host, pid)?;
            let known = self.connections.get(id);
            let other_addr = known.addr.is_some() && addr.is_some() && known.addr != addr;
            let other_port = known.port != 0 && port != 0 && known.port != port;
            (!other_addr && !other_port).then_some(id)
        })
    }

    /// A connection that began after the state was saved, if there is room and it can be found again. What its address
    /// or its process led to before has ended unseen.
    fn open_told(&mut self, client: &Client<'_>, start: Timestamp, now: Timestamp) -> Option<Id> {
        let &Client { host, addr, port, pid } = client;
        let unknown = pid == 0 && (addr.is_none() || port == 0);
        if unknown || self.connections.len() >= self.most_connections || self.names.is_full() {
            return None;
        }
        let host = self.names.hold_named(host);
        let id = self.connections.add(host, now);
        if let Some(addr) = addr {
            if let Some(other) = self.connections.by_addr(host, addr, port) {
                self.connections.forget_addr(other);
            }
            self.connections.set_addr(id, addr, port);
            self.connections.get_mut(id).facts.add(standing(&self.options, addr));
        }
        if pid != 0 {
            if let Some(other) = self.connections.by_pid(host, pid) {
                self.connections.forget_pid(other, pid);
            }
            self.connections.attach(id, pid);
        }
        let connection = self.connections.get_mut(id);
        (connection.start, connection.last) = (start, start);
        Some(id)
    }
}

fn text(event: Event<'_>, field: Field) -> &[u8] {
    match event.get(field) {
        Value::Text(text) => text,
        _ => &[],
    }
}

/// A number; 0 where there is none that fits.
fn number<N: TryFrom<u64> + Default>(event: Event<'_>, field: Field) -> N {
    match event.get(field) {
        Value::Count(count) => N::try_from(count).unwrap_or_default(),
        _ => N::default(),
    }
}
