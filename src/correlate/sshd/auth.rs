//! Floor 3: attempts to authenticate, and what becomes of them.
//!
//! What counts as a failure: `Failed METHOD`, but for `none` and, apart, keys; PAM's error that sshd logs, unless
//! `Failed keyboard-interactive` tells of the same one; a refusal of root. What PAM's modules log does not count: they
//! log the failures of other modules' users as well, once for several, or from a process of their own.

use super::connection::{Facts, Phase};
use super::table::Id;
use super::thresholds::Failure;
use super::{Input, Module};
use crate::correlate::sink::{Raise, Sink};
use crate::detect::{Flags, Method};
use crate::event::{Field, Kind};
use std::time::Duration;

/// How long after PAM's error, or the refusal of root, sshd's own message of the same failure may come.
const SAME_FAILURE: Duration = Duration::from_secs(2);

impl Module {
    /// Takes `Connection from`.
    pub(super) fn connected(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        self.open(input, sink);
    }

    /// Takes `Invalid user`.
    pub(super) fn invalid_user(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        if let Some(mut event) = self.tell_record(Kind::SSHDInvalidUser, None, input, sink) {
            let flags = input.view.entry.flags;
            let suspicious = flags.has(Flags::SUSPICIOUS) || flags.has(Flags::CUT);
            event.text(Field::User, input.view.user()).flag(Field::Suspicious, suspicious);
        }
        let Some(id) = self.open(input, sink) else { return };
        let connection = self.connections.get_mut(id);
        for fact in [Facts::INVALID_USER, Facts::ATTEMPTED, Facts::PROBE] {
            connection.facts.add(fact);
        }
        connection.add_evidence(input.number);
        self.learn_user(id, input);
    }

    /// Takes `Failed METHOD`.
    pub(super) fn failed(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let entry = input.view.entry;
        if entry.flags.has(Flags::PREAUTH) {
            // The network child's copy of what the monitor logs (auth2-gss.c since OpenSSH 10.4).
            return;
        }
        let Some(id) = self.open(input, sink) else { return };
        self.learn_user(id, input);
        self.check_claim(id, input, sink);
        let connection = self.connections.get_mut(id);
        connection.tried(entry.method);
        connection.add_evidence(input.number);
        match entry.method {
            Method::None => {}
            Method::Publickey => {
                connection.facts.add(Facts::ATTEMPTED);
                if let Some(rare) = &mut connection.rare {
                    rare.root_refused = None;
                }
                connection.key_failures = connection.key_failures.saturating_add(entry.repeat);
            }
            method => {
                let typed = method == Method::KeyboardInteractive;
                let before = connection
                    .rare
                    .as_mut()
                    .map_or([None; 2], |rare| [rare.pam_failed.take_if(|_| typed), rare.root_refused.take()]);
                let counted = before.into_iter().flatten().any(|at| input.time.since(at) <= SAME_FAILURE);
                self.fail(id, entry.repeat.saturating_sub(u32::from(counted)), input, sink);
            }
        }
    }

    /// Takes `authentication failure` of a PAM module, which counts nothing: it may be the first that is heard of a
    /// connection, or come from a helper that nothing else is heard of.
    pub(super) fn pam_failure(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        self.open(input, sink);
    }

    /// Takes `error: PAM: ... for USER`: a failure by the keyboard.
    pub(super) fn pam_error(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.open(input, sink) else { return };
        self.learn_user(id, input);
        self.check_claim(id, input, sink);
        let connection = self.connections.get_mut(id);
        connection.tried(Method::KeyboardInteractive);
        connection.add_evidence(input.number);
        connection.rare_mut().pam_failed = Some(input.time);
        self.fail(id, input.view.entry.repeat, input, sink);
    }

    fn fail(&mut self, id: Id, count: u32, input: &Input<'_>, sink: &mut Sink<'_>) {
        let connection = self.connections.get_mut(id);
        connection.facts.add(Facts::ATTEMPTED);
        connection.facts.add(Facts::BEYOND_KEYS);
        connection.failures = connection.failures.saturating_add(count);
        if count > 0 {
            self.count_failure(id, Failure::by(input, count), sink);
        }
    }

    /// Takes `ROOT LOGIN REFUSED`, which sshd logs twice.
    pub(super) fn root_refused(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.open(input, sink) else { return };
        let connection = self.connections.get_mut(id);
        if !connection.facts.add(Facts::ROOT_REFUSED) {
            return;
        }
        connection.rare_mut().root_refused = Some(input.time);
        connection.add_evidence(input.number);
        let fact = self.fact(Kind::SSHDRootLoginRefused, input);
        self.tell(id, fact, sink);
        self.fail(id, 1, input, sink);
    }

    /// Takes `Partial METHOD`.
    pub(super) fn partial(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.open(input, sink) else { return };
        self.learn_user(id, input);
        let connection = self.connections.get_mut(id);
        connection.tried(input.view.entry.method);
        connection.add_evidence(input.number);
        for fact in [Facts::ATTEMPTED, Facts::BEYOND_KEYS, Facts::PARTIAL] {
            connection.facts.add(fact);
        }
        let mut fact = self.fact(Kind::SSHDMfaPartial, input);
        fact.auth = self.method_text(input);
        fact.key = self.names.hold_text(input.view.detail(1));
        self.tell(id, fact, sink);
    }

    /// Takes `Postponed METHOD`: not yet a result.
    pub(super) fn postponed(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.open(input, sink) else { return };
        self.learn_user(id, input);
        self.check_claim(id, input, sink);
        self.connections.get_mut(id).tried(input.view.entry.method);
    }

    /// Takes a key that is of no use here.
    pub(super) fn key_not_accepted(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.open(input, sink) else { return };
        let connection = self.connections.get_mut(id);
        connection.tried(Method::Publickey);
        connection.facts.add(Facts::ATTEMPTED);
        connection.key_failures = connection.key_failures.saturating_add(input.view.entry.repeat);
    }

    /// Takes `Accepted METHOD`.
    pub(super) fn accepted(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.open(input, sink) else { return };
        if !self.connections.get_mut(id).facts.add(Facts::ACCEPTED) {
            return;
        }
        self.learn_user(id, input);
        self.check_claim(id, input, sink);
        self.drop_denials(id);
        let auth = self.method_text(input);
        let key = self.names.hold_text(input.view.detail(1));
        let connection = self.connections.get_mut(id);
        connection.tried(input.view.entry.method);
        connection.add_evidence(input.number);
        connection.accepted = input.time;
        self.names.replace(&mut connection.auth, auth);
        self.names.replace(&mut connection.key, key);
        match connection.phase {
            // A goodbye that overtook it stays the end.
            phase @ (Phase::Preauth | Phase::Open | Phase::Ending) => {
                let next = if phase == Phase::Preauth { Phase::Open } else { phase };
                if phase != Phase::Open {
                    self.connections.advance(id, next, input.arrival);
                }
                self.tell_started(id, input, sink);
            }
            Phase::Ended => {
                self.tell_started(id, input, sink);
                self.tell_login(id, input.time, sink);
            }
        }
        self.judge_success(id, input.view.entry.method, input, sink);
    }

    fn tell_started(&mut self, id: Id, input: &Input<'_>, sink: &mut Sink<'_>) {
        let connection = self.connections.get(id);
        if connection.facts.has(Facts::IGNORED) {
            return;
        }
        let trusted = connection.facts.has(Facts::TRUSTED);
        let raise = Raise { trusted, ..Raise::new(Kind::SSHDSessionStarted, input.time) };
        if let Some(mut event) = sink.raise(raise) {
            self.describe(connection, &mut event);
            event.evidence(connection.evidence.iter().copied());
        }
    }

    /// The method that a message names, with its sub-method after a slash.
    fn method_text(&mut self, input: &Input<'_>) -> crate::correlate::names::NameId {
        let method = input.view.entry.method;
        let name = if method == Method::Other { input.view.detail(2) } else { method.name().as_bytes() };
        let sub = input.view.detail(0);
        if sub.is_empty() {
            return self.names.hold_text(name);
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(name);
        self.scratch.push(b'/');
        self.scratch.extend_from_slice(sub);
        self.names.hold_text(&self.scratch)
    }
}
