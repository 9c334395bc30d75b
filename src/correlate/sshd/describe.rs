//! Floor 3: what events say of a connection, and facts that wait until it can be said whose they are.
//!
//! Many messages tell something grave and not from where: a revoked key, a denied user. Where the connection's address
//! is not known yet, such a fact waits for it, or for the connection's end.

use super::connection::{Connection, Fact, Facts, Phase};
use super::network::{SourceKey, standing};
use super::table::Id;
use super::{Input, Module};
use crate::correlate::sink::{Raise, Sink};
use crate::detect::KeyInfo;
use crate::event::{EventWriter, Field, Kind, Severity};
use crate::limits;

impl Module {
    /// Puts all that is known of a connection; the event's schema selects.
    pub(super) fn describe(&self, connection: &Connection, event: &mut EventWriter<'_>) {
        let Connection { facts, user, auth, .. } = *connection;
        let claimed = connection.rare().claimed;
        self.describe_client(connection, event);
        if user.is_some() {
            event.text(Field::User, self.names.text(user));
        }
        if auth.is_some() {
            event.text(Field::Auth, self.names.text(auth));
        }
        if connection.key.is_some() {
            put_key(self.names.text(connection.key), event);
        }
        if claimed.is_some() {
            event.text(Field::ClaimedAddr, self.names.text(claimed));
        }
        event
            .flag(Field::InvalidUser, facts.has(Facts::INVALID_USER))
            .flag(Field::Suspicious, facts.has(Facts::SUSPICIOUS))
            .count(Field::Failures, u64::from(connection.failures))
            .count(Field::KeyFailures, u64::from(connection.key_failures))
            .time(Field::Start, connection.start);
    }

    /// Puts the host, and who speaks to it.
    fn describe_client(&self, connection: &Connection, event: &mut EventWriter<'_>) {
        event
            .text(Field::Host, self.names.text(connection.host))
            .flag(Field::Trusted, connection.facts.has(Facts::TRUSTED));
        if let Some(addr) = connection.addr {
            event.addr(Field::Addr, addr);
        }
        if connection.port != 0 {
            event.count(Field::Port, u64::from(connection.port));
        }
        if connection.monitor() != 0 {
            event.count(Field::Pid, u64::from(connection.monitor()));
        }
    }

    /// Puts the source that a connection is of.
    pub(super) fn describe_source(
        &self,
        connection: &Connection,
        key: SourceKey,
        event: &mut EventWriter<'_>,
    ) {
        let mut source = String::new();
        key.write(self.options.ipv6_prefix, &mut source);
        self.describe_client(connection, event);
        event.text(Field::Source, source.as_bytes());
    }

    /// Raises an event that one record gives, and puts what the record alone tells. Nothing when its source is ignored
    /// or its kind is switched off.
    pub(super) fn tell_record<'s>(
        &mut self,
        kind: Kind,
        severity: Option<Severity>,
        input: &Input<'_>,
        sink: &'s mut Sink<'_>,
    ) -> Option<EventWriter<'s>> {
        let (entry, view) = (input.view.entry, input.view);
        let facts = entry.addr.map(|addr| standing(&self.options, addr)).unwrap_or_default();
        if facts.has(Facts::IGNORED) {
            self.ignored = true;
            return None;
        }
        let severity = severity.unwrap_or(kind.spec().severity);
        let trusted = facts.has(Facts::TRUSTED);
        let mut event = sink.raise(Raise { severity, trusted, ..Raise::new(kind, input.time) })?;
        event.text(Field::Host, view.host()).flag(Field::Trusted, trusted).evidence([input.number]);
        if let Some(addr) = entry.addr {
            event.addr(Field::Addr, addr);
        }
        if entry.port != 0 {
            event.count(Field::Port, u64::from(entry.port));
        }
        if entry.pid != 0 {
            event.count(Field::Pid, u64::from(entry.pid));
        }
        if !view.user().is_empty() {
            event.text(Field::User, view.user());
        }
        Some(event)
    }

    /// Tells a fact of a connection, or lets it wait for the connection's address.
    pub(super) fn tell(&mut self, id: Id, fact: Fact, sink: &mut Sink<'_>) {
        let connection = self.connections.get_mut(id);
        let waits = connection.addr.is_none() && connection.phase != Phase::Ended;
        if waits && connection.rare().pending.len() < limits::MAX_PENDING_FACTS {
            connection.rare_mut().pending.push(fact);
            return;
        }
        self.tell_now(id, fact, sink);
    }

    /// Tells the facts that have waited.
    pub(super) fn tell_pending(&mut self, id: Id, sink: &mut Sink<'_>) {
        for fact in self.connections.get_mut(id).take_pending() {
            self.tell_now(id, fact, sink);
        }
    }

    fn tell_now(&mut self, id: Id, fact: Fact, sink: &mut Sink<'_>) {
        let connection = self.connections.get(id);
        if !connection.facts.has(Facts::IGNORED) {
            let trusted = connection.facts.has(Facts::TRUSTED);
            let raise = Raise { kind: fact.kind, severity: fact.severity, time: fact.time, trusted };
            if let Some(mut event) = sink.raise(raise) {
                self.describe(connection, &mut event);
                self.describe_fact(&fact, &mut event);
            }
        }
        fact.names().into_iter().for_each(|name| self.names.release(name));
    }

    fn describe_fact(&self, fact: &Fact, event: &mut EventWriter<'_>) {
        let texts = [
            (Field::User, fact.user),
            (Field::Auth, fact.auth),
            (Field::Reason, fact.reason),
            (Field::CertId, fact.cert_id),
            (Field::ClientName, fact.client_name),
            (Field::Detail, fact.detail),
        ];
        if fact.key.is_some() {
            put_key(self.names.text(fact.key), event);
        }
        for (field, name) in texts.into_iter().filter(|(_, name)| name.is_some()) {
            event.text(field, self.names.text(name));
        }
        if fact.pid != 0 {
            event.count(Field::Pid, u64::from(fact.pid));
        }
        event.evidence([fact.number]);
    }
}

/// Puts a key as sshd describes it: its type and fingerprint, and what a certificate says.
fn put_key(info: &[u8], event: &mut EventWriter<'_>) {
    let key = KeyInfo::parse(info);
    let both = key.key_type.len() + 1 + key.fingerprint.len();
    match info.split_at_checked(both) {
        Some((head, _)) if !key.fingerprint.is_empty() && head.ends_with(key.fingerprint) => {
            event.text(Field::Key, head);
        }
        _ => {
            event.text(Field::Key, if key.key_type.is_empty() { info } else { key.key_type });
        }
    }
    let parts = [
        (Field::KeyType, key.key_type),
        (Field::Fingerprint, key.fingerprint),
        (Field::CertId, key.cert_id),
        (Field::CaKey, key.ca_key),
    ];
    for (field, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
        event.text(field, text);
    }
    if let Some(serial) = key.serial {
        event.count(Field::CertSerial, serial);
    }
}
