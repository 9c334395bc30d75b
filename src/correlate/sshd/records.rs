//! Floor 3: what is told of records that are of no login: probes, the listener, sessions' subsystems.

use super::connection::{EndReason, Facts, Phase};
use super::ends::Ending;
use super::table::Id;
use super::thresholds::TIMEOUT_WINDOW;
use super::{Input, Module};
use crate::correlate::sink::Sink;
use crate::detect::{Flags, Kind as Message, Observation};
use crate::event::{Field, Kind, Severity};
use std::time::Duration;

impl Module {
    /// Takes a connection that does not speak SSH, or not ours: remembers why, and ends it if sshd does.
    pub(super) fn probed(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.open(input, sink) else { return };
        let (entry, view) = (input.view.entry, input.view);
        let reason: &[u8] = match (entry.kind, view.detail(0)) {
            (_, text) if !text.is_empty() => text,
            (Message::NoIdentification, _) => b"no identification",
            (Message::BadBanner, _) => b"bad banner",
            (Message::ProtocolMismatch, _) => b"protocol versions differ",
            (Message::Scanned, _) => b"scanned",
            (Message::NoMatch, _) => b"nothing to agree on",
            (Message::BadPacket, _) => b"bad packet",
            (Message::IpOptions, _) => b"IP options",
            _ => b"protocol error",
        };
        let connection = self.connections.get_mut(id);
        if !connection.rare().probe[0].is_some() && !connection.is_login() && connection.phase != Phase::Ended
        {
            let probe = [reason, view.detail(1)].map(|text| self.names.hold_text(text));
            connection.rare_mut().probe = probe;
            connection.add_evidence(input.number);
        }
        let last = match entry.kind {
            Message::ProtocolError | Message::NoMatch | Message::IpOptions => true,
            Message::BadPacket => false,
            // Without an address another message follows that has it.
            _ => entry.addr.is_some(),
        };
        if last {
            self.closing(input, EndReason::ProtocolError, sink);
        }
    }

    /// Takes `refused connect` of TCP wrappers.
    pub(super) fn wrapper_refused(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        if let Some(mut event) = self.tell_record(Kind::SSHDProtocolProbe, None, input, sink) {
            event.text(Field::Reason, b"refused by TCP wrappers");
        }
    }

    /// Takes a name that does not lead back to its address.
    pub(super) fn reverse_mismatch(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let (name, claimed) = (input.view.detail(0), input.view.claimed());
        if let Some(mut event) = self.tell_record(Kind::SSHDReverseDnsMismatch, None, input, sink) {
            event.text(Field::PtrName, name);
            if !claimed.is_empty() {
                event.text(Field::ClaimedAddr, claimed);
            }
        }
    }

    /// Takes `Timeout before authentication`: of the session's own process, or of the listener that names it.
    pub(super) fn grace_timeout(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let entry = input.view.entry;
        let id = if entry.other_pid != 0 { self.find_quoted(input) } else { self.find(input, sink) };
        let id = id.filter(|id| self.connections.get(*id).phase != Phase::Ended);
        let told = self.with_client(id, entry);
        let input = &Input { view: input.view.with_entry(&told), ..*input };
        let (entry, addr) = (input.view.entry, told.addr);
        let (count, many) = addr.map_or((1, false), |addr| self.count_timeout(addr, input));
        let severity = many.then_some(Severity::Warning);
        if let Some(mut event) = self.tell_record(Kind::SSHDPreauthTimeout, severity, input, sink) {
            event.count(Field::Count, count).duration(Field::Window, TIMEOUT_WINDOW);
            if entry.other_pid != 0 {
                event.count(Field::SessionPid, u64::from(entry.other_pid));
            }
        }
        let Some(id) = id else { return };
        if !self.connections.get(id).is_login() {
            self.connections.get_mut(id).facts.add(Facts::GRACE_TOLD);
            self.finish(id, Ending::by(input, EndReason::GraceTimeout), sink);
        }
    }

    /// Takes a session process that crashed, as the listener tells it.
    pub(super) fn crashed(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let (entry, view) = (input.view.entry, input.view);
        let severity =
            if matches!(entry.number, 4 | 6 | 7 | 11) { Severity::Critical } else { Severity::Error };
        let id = self.find_quoted(input);
        let told = self.with_client(id, entry);
        let input = &Input { view: view.with_entry(&told), ..*input };
        if let Some(mut event) = self.tell_record(Kind::SSHDChildCrash, Some(severity), input, sink) {
            event.text(Field::Reason, view.detail(0));
            if entry.other_pid != 0 {
                event.count(Field::SessionPid, u64::from(entry.other_pid));
            }
            if entry.number != 0 {
                event.count(Field::Signal, entry.number);
            }
        }
        if let Some(id) = id.filter(|id| self.connections.get(*id).phase != Phase::Ended) {
            self.finish(id, Ending::by(input, EndReason::Crashed), sink);
        }
    }

    /// Takes `srclimit_penalise`.
    pub(super) fn penalised(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let view = input.view;
        if let Some(mut event) = self.tell_record(Kind::SSHDPenalty, None, input, sink) {
            event
                .text(Field::Network, view.detail(0))
                .text(Field::State, view.detail(1))
                .text(Field::Reason, view.detail(2))
                .duration(Field::Penalty, Duration::from_millis(view.entry.number));
        }
    }

    /// Takes `Server listening` and the signals that end or restart the listener.
    pub(super) fn lifecycle(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let (entry, view) = (input.view.entry, input.view);
        let Some(mut event) = self.tell_record(Kind::SSHDServerLifecycle, None, input, sink) else { return };
        event.text(Field::Detail, view.detail(0));
        if entry.kind == Message::Listening {
            event.text(Field::State, b"listening");
        } else {
            let state: &[u8] = if entry.number == 1 { b"restarting" } else { b"terminating" };
            event.text(Field::State, state).count(Field::Signal, entry.number);
        }
    }

    /// Takes `Starting session`, `subsystem request`, and what the SFTP server says.
    pub(super) fn subsystem(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let (entry, view) = (input.view.entry, input.view);
        let (subsystem, state): (&[u8], &[u8]) = match entry.kind {
            Message::SftpSession => {
                (b"sftp", if entry.flags.has(Flags::BEGIN) { b"started" } else { b"ended" })
            }
            Message::SessionStarting if !view.detail(1).is_empty() => (view.detail(1), b"started"),
            _ => (view.detail(0), b"started"),
        };
        let id = if entry.kind == Message::SftpSession { None } else { self.find(input, sink) };
        let told = self.with_client(id, entry);
        let input = &Input { view: view.with_entry(&told), ..*input };
        let Some(mut event) = self.tell_record(Kind::SSHDSubsystem, None, input, sink) else { return };
        event.text(Field::Subsystem, subsystem).text(Field::State, state);
    }

    /// An observation with the client of the connection that it speaks of, where it gives none itself.
    fn with_client(&self, id: Option<Id>, entry: &Observation) -> Observation {
        let Some(id) = id else { return *entry };
        let connection = self.connections.get(id);
        let port = if entry.port == 0 { connection.port } else { entry.port };
        Observation { addr: entry.addr.or(connection.addr), port, ..*entry }
    }

    /// Takes `User child is on pid N`: the child speaks of the same connection.
    pub(super) fn user_child(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        if let Some(id) = self.find(input, sink) {
            self.attach(id, input.view.entry.other_pid, input, sink);
        }
    }

    /// Takes `Transferred: sent N, received N bytes`.
    pub(super) fn transferred(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) {
        let Some(id) = self.find(input, sink) else { return };
        let received = std::str::from_utf8(input.view.detail(0)).ok().and_then(|text| text.parse().ok());
        let bytes = (input.view.entry.number, received.unwrap_or(0));
        self.connections.get_mut(id).rare_mut().bytes = Some(bytes);
    }

    /// Takes a record that says nothing by itself, but that its connection is alive.
    pub(super) fn alive(&mut self, input: &Input<'_>, sink: &mut Sink<'_>) -> Option<Id> {
        self.find(input, sink)
    }
}
