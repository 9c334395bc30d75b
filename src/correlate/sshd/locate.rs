//! Floor 3: which connection a record speaks of.
//!
//! The client's address and port lead to a connection before the process does: they are unique among live connections
//! and the only link between the monitor, which authenticates, and the user's child, which sees the end. A process
//! that shows up with another address serves another connection now, and so does a port that another monitor speaks
//! for; what they served before is lost.
//!
//! Invariant: nothing that a message merely claims finds, makes or moves a connection.

use super::connection::{Connection, EndReason, Facts, Phase};
use super::ends::Ending;
use super::network::standing;
use super::table::Id;
use super::thresholds::Failure;
use super::{Input, Module};
use crate::correlate::names::NameId;
use crate::correlate::sink::Sink;
use crate::detect::{Flags, Kind as Message, Observation};
use crate::limits;
use std::net::IpAddr;

/// Whether a message is of a connection's monitor, before authentication: it cannot follow the connection's end, and
/// if it comes from a process that the connection does not know, it is of another connection.
fn opens(message: Message) -> bool {
    matches!(
        message,
        Message::ConnectionFrom
            | Message::Accepted
            | Message::Failed
            | Message::Partial
            | Message::Postponed
            | Message::InvalidUser
            | Message::RootRefused
            | Message::MaxAuthTries
            | Message::KeyTouchMissing
    )
}

/// Whether a message is of a connection's monitor by its kind or by its words: sshd writes `authenticating user` and
/// `invalid user` itself, and only before authentication. ` [preauth]` proves nothing here, as text of the client may
/// end in it.
fn of_monitor(entry: &Observation) -> bool {
    opens(entry.kind) || entry.flags.has(Flags::AUTHENTICATING) || entry.flags.has(Flags::INVALID_USER)
}

/// Whether a message is of one of PAM's modules: with keyboard-interactive they run in a process of their own.
fn of_pam(message: Message) -> bool {
    matches!(
        message,
        Message::PamAuthFailure
            | Message::PamUserUnknown
            | Message::PamMoreFailures
            | Message::PamAuthSuccess
            | Message::PamAccountRefused
            | Message::PamLocked
            | Message::PamOther
    )
}

/// Whether a message names a user even where the name is empty.
fn names_user(message: Message, flags: Flags) -> bool {
    flags.has(Flags::INVALID_USER)
        || flags.has(Flags::AUTHENTICATING)
        || matches!(
            message,
            Message::Accepted
                | Message::Failed
                | Message::Partial
                | Message::Postponed
                | Message::InvalidUser
        )
}

impl Module {
    /// The connection that a record speaks of, made if it is not there. Nothing when the record has neither a process
    /// nor an address with its port by which it could be found again.
    pub(super) fn open(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) -> Option<Id> {
        if let Some(id) = self.find(input, sink) {
            return Some(id);
        }
        let entry = input.view.entry;
        (entry.pid != 0 || (entry.addr.is_some() && entry.port != 0)).then(|| self.create(input, sink))
    }

    /// The connection that a record speaks of, if there is one. The record's address, port and process lead to it
    /// from now on.
    pub(super) fn find(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) -> Option<Id> {
        let entry = input.view.entry;
        let host = self.names.find(entry.host.hash, input.view.host())?;
        let id = self
            .find_by_addr(host, input, sink)
            .or_else(|| self.find_by_pid(host, input, sink))
            .inspect(|id| self.connections.touch(*id, input.arrival))?;
        let connection = self.connections.get_mut(id);
        connection.last = connection.last.max(input.time);
        if !of_pam(input.view.entry.kind) {
            connection.facts.remove(Facts::PAM_ONLY);
        }
        if connection.facts.has(Facts::IGNORED) {
            self.ignored = true;
        }
        Some(id)
    }

    fn find_by_addr(&mut self, host: NameId, input: &Input<'_>, sink: &mut Sink<'_>) -> Option<Id> {
        let entry = input.view.entry;
        let addr = entry.addr.filter(|_| entry.port != 0)?;
        let id = self.connections.by_addr(host, addr, entry.port)?;
        let connection = self.connections.get(id);
        let stranger = entry.pid != 0 && !connection.has_pid(entry.pid);
        let over = connection.phase == Phase::Ended && connection.facts.has(Facts::ACCEPTED);
        let again = entry.pid == 0 && over && entry.kind == Message::Accepted;
        if again || (stranger && connection.monitor() != 0 && of_monitor(entry)) {
            self.lose(id, input, sink);
            self.connections.forget_addr(id);
            return None;
        }
        if stranger {
            self.attach(id, entry.pid, input, sink);
        }
        Some(id)
    }

    fn find_by_pid(&mut self, host: NameId, input: &Input<'_>, sink: &mut Sink<'_>) -> Option<Id> {
        let entry = input.view.entry;
        let id = (entry.pid != 0).then(|| self.connections.by_pid(host, entry.pid))??;
        let Some(addr) = entry.addr else { return Some(id) };
        let connection = self.connections.get(id);
        let (ended, port) = (connection.phase == Phase::Ended, connection.port);
        let same = match connection.addr {
            None => !(ended && opens(entry.kind)),
            Some(known) => known == addr && (port == 0 || entry.port == 0 || port == entry.port),
        };
        if !same {
            self.lose(id, input, sink);
            self.connections.forget_pid(id, entry.pid);
            return None;
        }
        let news = connection.addr.is_none() || (port == 0 && entry.port != 0);
        if news && !ended {
            self.adopt(id, addr, input, sink);
        }
        Some(id)
    }

    /// Finds a connection by a process that a message quotes, unless the message gives another client.
    pub(super) fn find_quoted(&self, input: &Input<'_>) -> Option<Id> {
        let entry = input.view.entry;
        let host = self.names.find(entry.host.hash, input.view.host())?;
        let id = (entry.other_pid != 0).then(|| self.connections.by_pid(host, entry.other_pid))??;
        let Connection { addr, port, .. } = *self.connections.get(id);
        let other_addr = addr.is_some() && entry.addr.is_some() && addr != entry.addr;
        let other_port = port != 0 && entry.port != 0 && port != entry.port;
        (!other_addr && !other_port).then_some(id)
    }

    /// Lets a process lead to a connection; another one that it led to has ended unseen.
    pub(super) fn attach(&mut self, id: Id, pid: u32, input: &Input<'_>, sink: &mut Sink<'_>) {
        if pid == 0 || self.connections.get(id).has_pid(pid) {
            return;
        }
        let host = self.connections.get(id).host;
        if let Some(other) = self.connections.by_pid(host, pid) {
            self.lose(other, input, sink);
            self.connections.forget_pid(other, pid);
        }
        self.connections.attach(id, pid);
    }

    /// Gives a connection the address that a message proves, counts the failures of before towards it, and tells what
    /// waited for it.
    fn adopt(&mut self, id: Id, addr: IpAddr, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Connection { addr: known, failures, last, .. } = *self.connections.get(id);
        self.connections.set_addr(id, addr, input.view.entry.port);
        self.connections.get_mut(id).facts.add(standing(&self.options, addr));
        if !self.connections.get(id).rare().pending.is_empty() {
            self.learn_user(id, input);
            self.tell_pending(id, sink);
        }
        if known.is_none() && failures > 0 {
            let number = self.connections.get(id).evidence.first().copied().unwrap_or(input.number);
            let failure = Failure { count: failures, number, time: last, now: input.arrival };
            self.count_failure(id, failure, sink);
        }
    }

    fn create(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) -> Id {
        self.make_room(input, sink);
        let entry = input.view.entry;
        let host = self.names.hold(entry.host.hash, input.view.host());
        let id = self.connections.add(host, input.arrival);
        if let Some(addr) = entry.addr {
            self.adopt(id, addr, input, sink);
        }
        if entry.pid != 0 {
            // `find` has seen that it leads nowhere, or made it so.
            self.connections.attach(id, entry.pid);
        }
        let connection = self.connections.get_mut(id);
        (connection.start, connection.last) = (input.time, input.time);
        if of_pam(entry.kind) {
            connection.facts.add(Facts::PAM_ONLY);
        }
        connection.add_evidence(input.number);
        if connection.facts.has(Facts::IGNORED) {
            self.ignored = true;
        }
        id
    }

    /// Makes room for a connection and its names: what has ended goes first, then what has waited longest.
    fn make_room(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        self.make_name_room();
        if self.connections.len() < self.most_connections {
            return;
        }
        let order = [Phase::Ended, Phase::Preauth, Phase::Ending, Phase::Open];
        let Some(id) = order.into_iter().find_map(|phase| self.connections.first(phase)) else { return };
        self.stats.evicted += 1;
        if self.connections.get(id).phase != Phase::Ended {
            self.finish(id, Ending::by(input, EndReason::Evicted), sink);
        }
        self.discard(id);
    }

    /// Makes room for names: sources that have been quiet longest let go of theirs.
    pub(super) fn make_name_room(&mut self) {
        let mut tries = limits::MAX_USERS_PER_SOURCE;
        while self.names.is_full() && tries > 0 {
            self.evict_source();
            tries -= 1;
        }
    }

    /// Ends a connection whose process or port serves another one now.
    fn lose(&mut self, id: Id, input: &Input<'_>, sink: &mut Sink<'_>) {
        let connection = self.connections.get(id);
        if connection.phase == Phase::Ended {
            return;
        }
        let finish = connection.last;
        let (reason, finish) =
            if connection.phase == Phase::Ending { connection.end } else { (EndReason::Lost, finish) };
        if connection.is_login() && reason == EndReason::Lost {
            self.stats.partial += 1;
        }
        self.finish(id, Ending { finish, ..Ending::by(input, reason) }, sink);
    }

    /// Remembers the user that a message names, unless the message was cut and another one told it whole.
    pub(super) fn learn_user(&mut self, id: Id, input: &Input<'_>) {
        let (entry, user) = (input.view.entry, input.view.user());
        if entry.flags.has(Flags::INVALID_USER) {
            self.connections.get_mut(id).facts.add(Facts::INVALID_USER);
        }
        if user.is_empty() && !names_user(entry.kind, entry.flags) {
            return;
        }
        let known = self.connections.get(id).user;
        if known.is_some() && (entry.flags.has(Flags::CUT) || self.names.text(known) == user) {
            return;
        }
        let user = self.names.hold(entry.user.hash, user);
        self.names.replace(&mut self.connections.get_mut(id).user, user);
    }
}
