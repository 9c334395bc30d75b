//! Floor 3: what single messages tell of users, accounts and keys, and messages that may be forged.

use super::connection::{EndReason, Fact, Facts, Phase};
use super::ends::Ending;
use super::table::Id;
use super::{Input, Module};
use crate::correlate::sink::Sink;
use crate::detect::{Flags, Kind as Message, Method, parse_address};
use crate::event::{Field, Kind, Severity};

/// A way of misusing a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Misuse {
    Revoked,
    WrongHost,
    TouchMissing,
    Certificate,
}

impl Module {
    /// A fact that a record tells, with what every record has.
    pub(super) fn fact(&self, kind: Kind, input: &Input<'_>) -> Fact {
        Fact { pid: input.view.entry.pid, ..Fact::new(kind, input.time, input.number) }
    }

    /// Holds the user that a record names, for a fact.
    fn fact_user(&mut self, input: &Input<'_>) -> crate::correlate::names::NameId {
        let user = input.view.user();
        if user.is_empty() { Default::default() } else { self.names.hold(input.view.entry.user.hash, user) }
    }

    /// Compares the address that a message merely claims with the connection's, and tells once when they differ, or
    /// when the message was cut so that nothing it ends in proves anything.
    pub(super) fn check_claim(&mut self, id: Id, input: &Input<'_>, sink: &mut Sink<'_>) {
        let (entry, claimed) = (input.view.entry, input.view.claimed());
        if entry.addr.is_some() || (claimed.is_empty() && !entry.flags.has(Flags::CUT)) {
            return;
        }
        let connection = self.connections.get(id);
        let parsed = parse_address(claimed);
        let port_agrees =
            entry.number == 0 || connection.port == 0 || entry.number == u64::from(connection.port);
        let agrees = parsed.is_some() && parsed == connection.addr && port_agrees;
        let conflicts = parsed.is_some() && connection.addr.is_some() && !agrees;
        if parsed.is_some() && !agrees && !connection.rare().claimed.is_some() {
            let name = self.names.hold_text(claimed);
            self.connections.get_mut(id).rare_mut().claimed = name;
        }
        let cut = entry.flags.has(Flags::CUT) && !agrees;
        if (!conflicts && !cut) || !self.connections.get_mut(id).facts.add(Facts::SUSPICIOUS) {
            return;
        }
        let reason: &[u8] =
            if conflicts { b"its address is not the connection's" } else { b"it was cut on its way" };
        let mut fact = self.fact(Kind::SSHDLogInjectionSuspected, input);
        fact.reason = self.names.hold_text(reason);
        self.tell(id, fact, sink);
    }

    /// Takes `User NAME not allowed because ...`.
    pub(super) fn user_denied(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let reason = input.view.detail(0);
        let nologin = reason.starts_with(b"/");
        let opened = if nologin { self.find(input, sink) } else { self.open(input, sink) };
        let Some(id) = opened else {
            // The child of a login that /etc/nologin ends, or a record without a process.
            if let Some(mut event) = self.tell_record(Kind::SSHDUserDenied, None, input, sink) {
                event.text(Field::Reason, reason);
            }
            return;
        };
        self.learn_user(id, input);
        let connection = self.connections.get_mut(id);
        connection.add_evidence(input.number);
        if !connection.is_login() {
            for fact in [Facts::INVALID_USER, Facts::ATTEMPTED, Facts::PROBE] {
                connection.facts.add(fact);
            }
        }
        let mut fact = self.fact(Kind::SSHDUserDenied, input);
        fact.user = self.fact_user(input);
        fact.reason = self.names.hold_text(reason);
        if input.view.entry.addr.is_none() {
            fact.client_name = self.names.hold_text(input.view.claimed());
        }
        self.tell(id, fact, sink);
    }

    /// Takes an account that PAM or sshd refuses; sshd says so itself if that was the end of it.
    pub(super) fn account_refused(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.open(input, sink) else { return };
        let connection = self.connections.get(id);
        if connection.phase == Phase::Ended || connection.is_login() || connection.rare().denial.is_some() {
            return;
        }
        let mut fact = self.fact(Kind::SSHDAccountDenied, input);
        fact.user = self.fact_user(input);
        fact.reason = self.names.hold_text(input.view.detail(0));
        self.connections.get_mut(id).rare_mut().denial = Some(fact);
    }

    /// Takes `Access denied for user NAME by PAM account configuration`, with which sshd ends the connection.
    pub(super) fn account_denied(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.open(input, sink) else { return };
        self.learn_user(id, input);
        let connection = self.connections.get_mut(id);
        if connection.phase == Phase::Ended {
            return;
        }
        connection.facts.add(Facts::ATTEMPTED);
        connection.facts.add(Facts::BEYOND_KEYS);
        if connection.rare().denial.is_none() {
            let mut fact = self.fact(Kind::SSHDAccountDenied, input);
            fact.user = self.fact_user(input);
            fact.reason = self.names.hold_text(b"PAM account configuration");
            self.connections.get_mut(id).rare_mut().denial = Some(fact);
        }
        self.tell_denial(id, sink);
        self.finish(id, Ending::by(input, EndReason::AccountDenied), sink);
    }

    /// Tells that the account was denied, once; not where nothing but PAM spoke: then it was its helper, and the
    /// monitor told the same.
    pub(super) fn tell_denial(&mut self, id: Id, sink: &mut Sink<'_>) {
        let connection = self.connections.get_mut(id);
        if connection.facts.has(Facts::PAM_ONLY) || connection.is_login() {
            return;
        }
        if let Some(fact) = connection.take_denial() {
            self.tell(id, fact, sink);
        }
    }

    /// Forgets that the account was refused: the login was accepted all the same.
    pub(super) fn drop_denials(&mut self, id: Id) {
        if let Some(fact) = self.connections.get_mut(id).take_denial() {
            fact.names().into_iter().for_each(|name| self.names.release(name));
        }
    }

    /// Takes an account that PAM has locked.
    pub(super) fn account_locked(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let reason = input.view.detail(0);
        let Some(id) = self.find(input, sink) else {
            if let Some(mut event) = self.tell_record(Kind::SSHDAccountLocked, None, input, sink) {
                event.text(Field::Reason, reason);
            }
            return;
        };
        if !self.connections.get_mut(id).facts.add(Facts::ACCOUNT_LOCKED) {
            return;
        }
        let mut fact = self.fact(Kind::SSHDAccountLocked, input);
        fact.user = self.fact_user(input);
        fact.reason = self.names.hold_text(reason);
        self.tell(id, fact, sink);
    }

    /// Takes a key that was used as it may not be; each way once for a connection.
    pub(super) fn key_misused(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let (misuse, severity, reason): (_, _, &[u8]) = match input.view.entry.kind {
            Message::KeyRevoked => (Misuse::Revoked, Severity::Error, b"revoked key"),
            Message::KeyWrongHost => (Misuse::WrongHost, Severity::Warning, b"right key from a wrong host"),
            Message::KeyTouchMissing => (Misuse::TouchMissing, Severity::Notice, input.view.detail(0)),
            // Short-lived certificates expire every day.
            _ => (Misuse::Certificate, Severity::Warning, input.view.detail(1)),
        };
        let Some(id) = self.open(input, sink) else { return };
        let connection = self.connections.get_mut(id);
        connection.tried(Method::Publickey);
        connection.facts.add(Facts::ATTEMPTED);
        connection.add_evidence(input.number);
        let bit = 1 << (misuse as u8);
        let told = &mut connection.rare_mut().misuse;
        if *told & bit != 0 {
            return;
        }
        *told |= bit;
        let mut fact = Fact { severity, ..self.fact(Kind::SSHDKeyMisuse, input) };
        fact.user = self.fact_user(input);
        fact.reason = self.names.hold_text(if reason.is_empty() { b"refused certificate" } else { reason });
        match misuse {
            Misuse::Revoked => fact.key = self.names.hold_text(input.view.detail(0)),
            Misuse::WrongHost => fact.detail = self.names.hold_text(input.view.detail(0)),
            Misuse::TouchMissing => fact.key = self.names.hold_text(input.view.detail(1)),
            Misuse::Certificate => fact.cert_id = self.names.hold_text(input.view.detail(0)),
        }
        self.tell(id, fact, sink);
    }

    /// Takes `maximum authentication attempts exceeded`; sshd hangs up next.
    pub(super) fn max_tries(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.open(input, sink) else { return };
        self.learn_user(id, input);
        self.check_claim(id, input, sink);
        let connection = self.connections.get_mut(id);
        connection.facts.add(Facts::ATTEMPTED);
        connection.add_evidence(input.number);
        if connection.facts.add(Facts::MAX_TRIES) {
            let fact = self.fact(Kind::SSHDMaxAuthTries, input);
            self.tell(id, fact, sink);
        }
    }

    /// Takes `administratively prohibited connection`, with which sshd ends it.
    pub(super) fn prohibited(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.open(input, sink) else { return };
        self.connections.get_mut(id).facts.add(Facts::ATTEMPTED);
        self.learn_user(id, input);
        self.closing(input, EndReason::Refused, sink);
    }
}
