//! Floor 3: all connections of a module: found by host, address and port, or by host and process; queued by deadline.
//!
//! Invariant: an address with its port, and a process, lead to one connection at most; every connection stands in the
//! queue of its phase, ascending by the arrival that its deadline counts from, and a pre-authentication one also in
//! the queue of ages.

use super::connection::{Connection, Link, NIL, Phase};
use crate::correlate::names::NameId;
use crate::time::Timestamp;
use ahash::RandomState;
use hashbrown::HashTable;
use std::net::IpAddr;

/// A connection's place in the table.
pub(super) type Id = u32;

#[derive(Clone, Copy, Debug)]
struct Queue {
    head: u32,
    tail: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self { head: NIL, tail: NIL }
    }
}

/// A process that leads to a connection.
#[derive(Clone, Copy, Debug)]
struct PidAlias {
    id: Id,
    pid: u32,
}

/// The table.
#[derive(Debug)]
pub(super) struct Connections {
    slots: Vec<Connection>,
    free: Vec<Id>,
    by_addr: HashTable<Id>,
    by_pid: HashTable<PidAlias>,
    queues: [Queue; 4],
    ages: Queue,
    serial: u64,
    logins: u64,
    ended: usize,
    random: RandomState,
}

impl Connections {
    pub(super) fn new(random: RandomState) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_addr: HashTable::new(),
            by_pid: HashTable::new(),
            queues: [Queue::default(); 4],
            ages: Queue::default(),
            serial: 0,
            logins: 0,
            ended: 0,
            random,
        }
    }

    /// The connection in a slot.
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "ids are handed out by this table and slots are never taken away"
    )]
    pub(super) fn get(&self, id: Id) -> &Connection {
        &self.slots[id as usize]
    }

    /// The connection in a slot, to be changed. Its host, address, processes and phase change by the table only.
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "ids are handed out by this table and slots are never taken away"
    )]
    pub(super) fn get_mut(&mut self, id: Id) -> &mut Connection {
        &mut self.slots[id as usize]
    }

    /// How many connections there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many logins are open.
    pub(super) fn logins(&self) -> u64 {
        self.logins
    }

    /// How many connections have ended, and are kept for late records.
    pub(super) fn ended(&self) -> usize {
        self.ended
    }

    /// Finds a connection by its host and the client's address and port.
    pub(super) fn by_addr(&self, host: NameId, addr: IpAddr, port: u16) -> Option<Id> {
        let hash = addr_hash(&self.random, host, addr, port);
        self.by_addr
            .find(hash, |&id| {
                let connection = self.get(id);
                connection.host == host && connection.addr == Some(addr) && connection.port == port
            })
            .copied()
    }

    /// Finds a connection by its host and a process.
    pub(super) fn by_pid(&self, host: NameId, pid: u32) -> Option<Id> {
        let hash = pid_hash(&self.random, host, pid);
        self.by_pid
            .find(hash, |alias| alias.pid == pid && self.get(alias.id).host == host)
            .map(|alias| alias.id)
    }

    /// Adds a connection of a host, before authentication, as of now.
    pub(super) fn add(&mut self, host: NameId, now: Timestamp) -> Id {
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Connection::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(NIL - 1)
        });
        self.serial += 1;
        let serial = self.serial;
        let slot = self.get_mut(id);
        (slot.host, slot.serial, slot.created, slot.queued) = (host, serial, now, now);
        slot.phase = Phase::Preauth;
        self.enqueue(id, Some(Phase::Preauth));
        self.enqueue(id, None);
        id
    }

    /// Takes a connection out; what it held is for the caller to let go of.
    pub(super) fn remove(&mut self, id: Id) -> Connection {
        self.forget_addr(id);
        for pid in self.get(id).pids {
            self.forget_pid(id, pid);
        }
        self.leave(id);
        self.free.push(id);
        std::mem::take(self.get_mut(id))
    }

    /// How many connections there have ever been.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// For each slot, whether its connection is found by its address and port.
    pub(super) fn found_by_addr(&self) -> Vec<bool> {
        let mut found = vec![false; self.slots.len()];
        for id in &self.by_addr {
            if let Some(found) = found.get_mut(*id as usize) {
                *found = true;
            }
        }
        found
    }

    /// Counts further connections from this one on.
    pub(super) fn continue_from(&mut self, serial: u64) {
        self.serial = serial;
    }

    /// Adds a connection with all that is known of it, at the end of its phase's queue; nothing if what it is found by
    /// leads elsewhere or nowhere. Afterwards [`Connections::restore_ages`] is needed.
    pub(super) fn restore(&mut self, connection: Connection, found: bool) -> Option<()> {
        let id = u32::try_from(self.slots.len()).ok().filter(|id| *id < NIL)?;
        let Connection { host, addr, port, pids, phase, counted, .. } = connection;
        self.slots.push(connection);
        self.logins += u64::from(counted);
        self.enqueue(id, Some(phase));
        for pid in pids.into_iter().filter(|pid| *pid != 0) {
            if self.by_pid(host, pid).is_some() {
                return None;
            }
            self.index_pid(id, pid);
        }
        if found {
            let addr = addr.filter(|addr| port != 0 && self.by_addr(host, *addr, port).is_none())?;
            self.index_addr(id, addr, port);
        }
        Some(())
    }

    /// Queues the connections that are not authenticated by age, as they came.
    pub(super) fn restore_ages(&mut self) {
        let mut ids: Vec<Id> = self.in_phase(Phase::Preauth).collect();
        ids.sort_unstable_by_key(|id| self.get(*id).serial);
        for id in ids {
            self.enqueue(id, None);
        }
    }

    /// Gives a connection its address and port, by which it is found from now on if the port is known.
    pub(super) fn set_addr(&mut self, id: Id, addr: IpAddr, port: u16) {
        self.forget_addr(id);
        let slot = self.get_mut(id);
        (slot.addr, slot.port) = (Some(addr), port);
        if port == 0 {
            return;
        }
        self.index_addr(id, addr, port);
    }

    fn index_addr(&mut self, id: Id, addr: IpAddr, port: u16) {
        let hash = addr_hash(&self.random, self.get(id).host, addr, port);
        let (slots, random) = (&self.slots, &self.random);
        self.by_addr.insert_unique(hash, id, |&other| {
            slots.get(other as usize).map_or(0, |other| match other.addr {
                Some(addr) => addr_hash(random, other.host, addr, other.port),
                None => 0,
            })
        });
    }

    /// Lets a process lead to a connection; the caller knows that it leads to none.
    pub(super) fn attach(&mut self, id: Id, pid: u32) {
        let host = self.get(id).host;
        debug_assert!(
            pid != 0 && self.by_pid(host, pid).is_none(),
            "a process leads to one connection at most"
        );
        let Some(slot) = self.get_mut(id).pids.iter_mut().find(|slot| **slot == 0) else { return };
        *slot = pid;
        self.index_pid(id, pid);
    }

    fn index_pid(&mut self, id: Id, pid: u32) {
        let host = self.get(id).host;
        let hash = pid_hash(&self.random, host, pid);
        let (slots, random) = (&self.slots, &self.random);
        self.by_pid.insert_unique(hash, PidAlias { id, pid }, |alias| {
            slots.get(alias.id as usize).map_or(0, |other| pid_hash(random, other.host, alias.pid))
        });
    }

    /// Makes a connection no longer be found by its address and port.
    pub(super) fn forget_addr(&mut self, id: Id) {
        let connection = self.get(id);
        let Some(addr) = connection.addr.filter(|_| connection.port != 0) else { return };
        let hash = addr_hash(&self.random, connection.host, addr, connection.port);
        if let Ok(found) = self.by_addr.find_entry(hash, |&other| other == id) {
            found.remove();
        }
    }

    /// Makes a connection no longer be found by a process.
    pub(super) fn forget_pid(&mut self, id: Id, pid: u32) {
        if pid == 0 {
            return;
        }
        let hash = pid_hash(&self.random, self.get(id).host, pid);
        if let Ok(found) = self.by_pid.find_entry(hash, |alias| alias.id == id && alias.pid == pid) {
            found.remove();
        }
        if let Some(slot) = self.get_mut(id).pids.iter_mut().find(|slot| **slot == pid) {
            *slot = 0;
        }
    }

    /// Moves a connection on to a phase, whose deadline counts from now.
    pub(super) fn advance(&mut self, id: Id, phase: Phase, now: Timestamp) {
        self.leave(id);
        let slot = self.get_mut(id);
        (slot.phase, slot.queued) = (phase, now);
        slot.counted = matches!(phase, Phase::Open | Phase::Ending) && slot.is_login();
        self.logins += u64::from(self.get(id).counted);
        self.enqueue(id, Some(phase));
        if phase == Phase::Preauth {
            self.enqueue(id, None);
        }
    }

    /// Puts off the deadline of a connection that is not authenticated: it has spoken.
    pub(super) fn touch(&mut self, id: Id, now: Timestamp) {
        let connection = self.get(id);
        if connection.phase != Phase::Preauth || connection.queued == now {
            return;
        }
        self.dequeue(id, Some(Phase::Preauth));
        self.get_mut(id).queued = now;
        self.enqueue(id, Some(Phase::Preauth));
    }

    /// The connection whose deadline in a phase comes first.
    pub(super) fn first(&self, phase: Phase) -> Option<Id> {
        let head = self.queue(Some(phase)).head;
        (head != NIL).then_some(head)
    }

    /// The connections of a phase, in the order of their deadlines.
    pub(super) fn in_phase(&self, phase: Phase) -> impl Iterator<Item = Id> {
        std::iter::successors(self.first(phase), move |id| {
            let next = self.get(*id).queue.next;
            (next != NIL).then_some(next)
        })
    }

    /// The oldest connection that is not authenticated.
    pub(super) fn oldest(&self) -> Option<Id> {
        (self.ages.head != NIL).then_some(self.ages.head)
    }

    fn leave(&mut self, id: Id) {
        let slot = self.get_mut(id);
        let phase = slot.phase;
        let counted = std::mem::take(&mut slot.counted);
        self.logins -= u64::from(counted);
        self.dequeue(id, Some(phase));
        if phase == Phase::Preauth {
            self.dequeue(id, None);
        }
    }

    /// The queue of a phase, or of ages.
    fn queue(&self, phase: Option<Phase>) -> Queue {
        match phase {
            Some(phase) => self.queues.get(phase as usize).copied().unwrap_or_default(),
            None => self.ages,
        }
    }

    fn queue_mut(&mut self, phase: Option<Phase>) -> &mut Queue {
        match phase.and_then(|phase| self.queues.get_mut(phase as usize)) {
            Some(queue) => queue,
            None => &mut self.ages,
        }
    }

    fn link_mut(&mut self, id: Id, phase: Option<Phase>) -> &mut Link {
        let slot = self.get_mut(id);
        if phase.is_some() { &mut slot.queue } else { &mut slot.age }
    }

    fn enqueue(&mut self, id: Id, phase: Option<Phase>) {
        let tail = self.queue(phase).tail;
        *self.link_mut(id, phase) = Link { prev: tail, next: NIL };
        self.ended += usize::from(phase == Some(Phase::Ended));
        if tail == NIL {
            self.queue_mut(phase).head = id;
        } else {
            self.link_mut(tail, phase).next = id;
        }
        self.queue_mut(phase).tail = id;
    }

    fn dequeue(&mut self, id: Id, phase: Option<Phase>) {
        let Link { prev, next } = std::mem::take(self.link_mut(id, phase));
        self.ended -= usize::from(phase == Some(Phase::Ended));
        if prev == NIL {
            self.queue_mut(phase).head = next;
        } else {
            self.link_mut(prev, phase).next = next;
        }
        if next == NIL {
            self.queue_mut(phase).tail = prev;
        } else {
            self.link_mut(next, phase).prev = prev;
        }
    }
}

fn addr_hash(random: &RandomState, host: NameId, addr: IpAddr, port: u16) -> u64 {
    let at = (u64::from(host.number()) << 16) | u64::from(port);
    match addr {
        IpAddr::V4(v4) => random.hash_one((u128::from(at) << 32) | u128::from(v4.to_bits())),
        IpAddr::V6(v6) => random.hash_one((v6.to_bits(), at)),
    }
}

fn pid_hash(random: &RandomState, host: NameId, pid: u32) -> u64 {
    random.hash_one((u64::from(host.number()) << 32) | u64::from(pid))
}
