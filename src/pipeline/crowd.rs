//! Floor 6: when to tell that there is no room to know more hosts.
//!
//! Invariant: it is told once, until there has been room for many again: a table that is full stays about as full as it is.

use crate::correlate::hosts::Presence;
use crate::limits;

/// Whether it was told.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    is_told: bool,
}

impl Crowd {
    /// Whether it is to be told now.
    pub(super) fn tells_of(&mut self, presence: &Presence) -> bool {
        let has_room = presence.known.saturating_add(limits::HOSTS_ROOM_AGAIN) <= limits::MAX_HOSTS;
        if has_room && !presence.is_full {
            self.is_told = false;
        }
        let tells = presence.is_full && !self.is_told;
        self.is_told |= tells;
        tells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_there_is_no_room_for_hosts_is_told_once_until_there_has_been_room_again() {
        let mut crowd = Crowd::default();
        let mut at = |room: usize| {
            let known = limits::MAX_HOSTS - room;
            crowd.tells_of(&Presence { known, is_full: room == 0, ..Presence::default() })
        };
        let again = limits::HOSTS_ROOM_AGAIN;
        let told = [9_999, 1, 0, 0, 1, 0, again - 1, 0, again, 7, 0].map(&mut at);
        let expected = [false, false, true, false, false, false, false, false, false, false, true];
        assert_eq!(told, expected);
    }
}
