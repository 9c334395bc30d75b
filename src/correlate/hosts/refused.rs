//! Floor 3: senders that name hosts for which they may not speak.
//!
//! Invariant: of one sender and host it is told once within [`limits::SENDER_TOLD_INTERVAL`]; a sender that makes names up
//! is told of a few, and all senders together of no more than there is room for.

use super::{Heard, Hosts};
use crate::correlate::names::NameId;
use crate::correlate::sink::{Raise, Sink};
use crate::event::{Field, Kind};
use crate::limits;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// When it was told that a sender may not speak for a host.
pub(super) type Refused = BTreeMap<(NameId, NameId), Timestamp>;

impl Hosts {
    /// Takes a record of a sender that may not speak for its host; whether that changed anything.
    pub(super) fn refuse(&mut self, heard: &Heard<'_>, sink: &mut Sink<'_>) -> bool {
        let account = heard.origin.account().as_bytes();
        let host = self.names.find(heard.note.host.hash, heard.host);
        let known = self.names.find_named(account).zip(host);
        if known.is_some_and(|pair| self.is_told(pair, heard.now)) {
            return false;
        }
        if !self.has_room(account) {
            let has_forgotten = self.forget_refused(heard.now);
            if !self.has_room(account) {
                return has_forgotten;
            }
        }
        let pair = (self.names.hold_named(account), self.names.hold(heard.note.host.hash, heard.host));
        if self.refused.insert(pair, heard.now).is_some() {
            self.names.release(pair.0);
            self.names.release(pair.1);
        }
        if let Some(mut event) = sink.raise(Raise::new(Kind::HostForged, heard.arrival)) {
            event
                .text(Field::Host, heard.host)
                .text(Field::Peer, heard.origin.peer.as_bytes())
                .text(Field::Listener, heard.origin.listener.as_bytes())
                .evidence([heard.position]);
        }
        true
    }

    fn is_told(&self, pair: (NameId, NameId), now: Timestamp) -> bool {
        self.refused.get(&pair).is_some_and(|told| now < told.plus(limits::SENDER_TOLD_INTERVAL))
    }

    /// Whether there is room for one more name of a sender.
    fn has_room(&self, account: &[u8]) -> bool {
        let of_sender = self.names.find_named(account).map_or(0, |peer| {
            self.refused.range((peer, NameId::NONE)..).take_while(|((other, _), _)| *other == peer).count()
        });
        self.refused.len() < limits::MAX_REFUSED_NAMES
            && of_sender < limits::MAX_REFUSED_NAMES_PER_SENDER
            && !self.names.is_full()
    }

    /// Forgets what may be told again; whether there was anything.
    fn forget_refused(&mut self, now: Timestamp) -> bool {
        let (names, before) = (&mut self.names, self.refused.len());
        self.refused.retain(|(peer, host), told| {
            let stays = now < told.plus(limits::SENDER_TOLD_INTERVAL);
            if !stays {
                names.release(*peer);
                names.release(*host);
            }
            stays
        });
        self.refused.len() < before
    }
}
