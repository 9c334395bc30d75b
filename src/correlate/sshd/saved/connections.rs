//! Floor 3: the connections of a saved state, phase by phase, each phase in the order of its queue.
//!
//! Invariant: what a connection is found by leads to it alone, here as in the table.

use crate::correlate::names::NameId;
use crate::correlate::saved::columns::{Column, Damaged, count, length};
use crate::correlate::saved::texts::{TextsIn, TextsOut};
use crate::correlate::sshd::Options;
use crate::correlate::sshd::connection::{Connection, EndReason, Fact, Facts, Phase, Rare};
use crate::correlate::sshd::network::standing;
use crate::correlate::sshd::table::Connections;
use crate::event::{Kind, Severity};
use crate::limits;
use crate::time::Timestamp;
use rkyv::{Archive, Deserialize, Serialize};
use std::net::IpAddr;

/// All connections.
#[derive(Debug, Archive, Serialize, Deserialize)]
pub(super) struct SavedConnections {
    /// How many connections the table has ever had.
    serial: u64,
    /// How many rows are of each phase.
    phases: [u32; 4],
    rows: Vec<ConnectionRow>,
    /// The evidence of all rows.
    evidence: Vec<u64>,
    /// The facts of all rows: those that wait for the address, then the denial.
    facts: Vec<FactRow>,
}

/// One connection; the names are references to texts.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct ConnectionRow {
    serial: u64,
    created: Timestamp,
    queued: Timestamp,
    start: Timestamp,
    accepted: Timestamp,
    last: Timestamp,
    finish: Timestamp,
    pam_failed: Option<Timestamp>,
    root_refused: Option<Timestamp>,
    bytes: Option<(u64, u64)>,
    host: u32,
    user: u32,
    auth: u32,
    key: u32,
    claimed: u32,
    probe: [u32; 2],
    pids: [u32; 3],
    failures: u32,
    key_failures: u32,
    evidence: u32,
    pending: u32,
    addr: Option<IpAddr>,
    port: u16,
    facts: u16,
    methods: u16,
    misuse: u8,
    reason: u8,
    denied: bool,
    counted: bool,
    /// Whether its address and port lead to it.
    found: bool,
}

/// One fact.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct FactRow {
    time: Timestamp,
    number: u64,
    pid: u32,
    /// In the order of [`Fact::names`].
    names: [u32; 7],
    kind: u8,
    severity: u8,
}

impl SavedConnections {
    pub(super) fn of(connections: &Connections, texts: &mut TextsOut<'_>) -> Self {
        let found = connections.found_by_addr();
        let mut saved = Self {
            serial: connections.serial(),
            phases: [0; 4],
            rows: Vec::with_capacity(connections.len()),
            evidence: Vec::new(),
            facts: Vec::new(),
        };
        for (phase, count) in Phase::ALL.into_iter().zip(0_usize..) {
            let before = saved.rows.len();
            for id in connections.in_phase(phase) {
                let found = found.get(id as usize).is_some_and(|found| *found);
                saved.put(connections.get(id), found, texts);
            }
            if let Some(phase) = saved.phases.get_mut(count) {
                *phase = length(saved.rows.len() - before);
            }
        }
        saved
    }

    /// Bytes that they take in an archive.
    pub(super) fn size(&self) -> usize {
        size_of::<ArchivedConnectionRow>() * self.rows.len()
            + size_of::<u64>() * self.evidence.len()
            + size_of::<ArchivedFactRow>() * self.facts.len()
    }

    fn put(&mut self, connection: &Connection, found: bool, texts: &mut TextsOut<'_>) {
        let rare = connection.rare();
        for fact in rare.pending.iter().chain(&rare.denial) {
            self.facts.push(FactRow {
                time: fact.time,
                number: fact.number,
                pid: fact.pid,
                names: fact.names().map(|name| texts.put(name)),
                kind: fact.kind as u8,
                severity: fact.severity as u8,
            });
        }
        self.evidence.extend_from_slice(&connection.evidence);
        self.rows.push(ConnectionRow {
            serial: connection.serial,
            created: connection.created,
            queued: connection.queued,
            start: connection.start,
            accepted: connection.accepted,
            last: connection.last,
            finish: connection.end.1,
            pam_failed: rare.pam_failed,
            root_refused: rare.root_refused,
            bytes: rare.bytes,
            host: texts.put(connection.host),
            user: texts.put(connection.user),
            auth: texts.put(connection.auth),
            key: texts.put(connection.key),
            claimed: texts.put(rare.claimed),
            probe: rare.probe.map(|name| texts.put(name)),
            pids: connection.pids,
            failures: connection.failures,
            key_failures: connection.key_failures,
            evidence: length(connection.evidence.len()),
            pending: length(rare.pending.len()),
            addr: connection.addr,
            port: connection.port,
            facts: connection.facts.bits(),
            methods: connection.methods,
            misuse: rare.misuse,
            reason: connection.end.0 as u8,
            denied: rare.denial.is_some(),
            counted: connection.counted,
            found,
        });
    }

    pub(super) fn restore(
        self,
        connections: &mut Connections,
        options: &Options,
        texts: &mut TextsIn<'_>,
    ) -> Result<(), Damaged> {
        if self.rows.len() > limits::MAX_CONNECTIONS_TRACKED {
            return Err(Damaged("there are more connections than a module keeps"));
        }
        connections.continue_from(count(self.serial)?);
        let mut rows = Column::new(self.rows);
        let mut columns =
            Columns { evidence: Column::new(self.evidence), facts: Column::new(self.facts), texts };
        for (phase, count) in Phase::ALL.into_iter().zip(self.phases) {
            for row in rows.take(count, limits::MAX_CONNECTIONS_TRACKED)? {
                let found = row.found;
                let connection = columns.connection(phase, row, options)?;
                connections
                    .restore(connection, found)
                    .ok_or(Damaged("two connections have one address or one process"))?;
            }
        }
        connections.restore_ages();
        rows.finish()?;
        columns.evidence.finish()?;
        columns.facts.finish()
    }
}

/// What rows take their parts of.
struct Columns<'a, 't> {
    evidence: Column<u64>,
    facts: Column<FactRow>,
    texts: &'a mut TextsIn<'t>,
}

impl Columns<'_, '_> {
    fn connection(
        &mut self,
        phase: Phase,
        row: ConnectionRow,
        options: &Options,
    ) -> Result<Connection, Damaged> {
        let mut facts = Facts::of_bits(row.facts);
        if let Some(addr) = row.addr {
            facts.remove(Facts::TRUSTED);
            facts.remove(Facts::IGNORED);
            facts.add(standing(options, addr));
        }
        let reason = EndReason::ALL.get(usize::from(row.reason)).copied();
        let reason = reason.ok_or(Damaged("a connection ended for no known reason"))?;
        let [reached, text] = row.probe;
        if row.pending > length(limits::MAX_PENDING_FACTS) {
            return Err(Damaged("more facts wait for an address than may"));
        }
        let pending = (0..row.pending).map(|_| self.fact()).collect::<Result<_, _>>()?;
        let evidence = self.evidence.take(row.evidence, limits::MAX_EVIDENCE)?.collect();
        let rare = Rare {
            claimed: self.texts.get(row.claimed)?,
            probe: [self.texts.get(reached)?, self.texts.get(text)?],
            misuse: row.misuse,
            pam_failed: row.pam_failed,
            root_refused: row.root_refused,
            bytes: row.bytes,
            pending,
            denial: if row.denied { Some(self.fact()?) } else { None },
        };
        Ok(Connection {
            host: self.texts.get(row.host)?,
            addr: row.addr,
            port: row.port,
            pids: row.pids,
            phase,
            counted: row.counted,
            facts,
            user: self.texts.get(row.user)?,
            auth: self.texts.get(row.auth)?,
            key: self.texts.get(row.key)?,
            methods: row.methods,
            failures: row.failures,
            key_failures: row.key_failures,
            start: row.start,
            accepted: row.accepted,
            last: row.last,
            end: (reason, row.finish),
            serial: row.serial,
            created: row.created,
            queued: row.queued,
            evidence,
            rare: rare.is_something().then(|| Box::new(rare)),
            ..Connection::default()
        })
    }

    fn fact(&mut self) -> Result<Fact, Damaged> {
        let row = self.facts.next()?;
        let kind = Kind::ALL.iter().copied().find(|kind| *kind as u8 == row.kind);
        let kind = kind.ok_or(Damaged("a fact is of no known kind"))?;
        let severity = Severity::ALL.get(usize::from(row.severity)).copied();
        let severity = severity.ok_or(Damaged("a fact is of no known severity"))?;
        let mut names = [NameId::NONE; 7];
        for (name, reference) in names.iter_mut().zip(row.names) {
            *name = self.texts.get(reference)?;
        }
        let [user, auth, reason, key, cert_id, client_name, detail] = names;
        Ok(Fact {
            kind,
            severity,
            time: row.time,
            number: row.number,
            pid: row.pid,
            user,
            auth,
            reason,
            key,
            cert_id,
            client_name,
            detail,
        })
    }
}
