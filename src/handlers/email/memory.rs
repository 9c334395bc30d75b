//! Floor 4: who has had which mail already, so that a second attempt goes only to the others.
//!
//! Invariant: bounded; where it forgets, a recipient gets a mail twice, and nobody gets one less.

use crate::limits;
use lettre::Address;
use std::collections::{HashMap, VecDeque};

/// What servers accepted, by mail.
#[derive(Debug, Default)]
pub(super) struct Memory {
    mails: HashMap<String, Vec<(Address, String)>>,
    order: VecDeque<String>,
}

impl Memory {
    /// Remembers that a server took a mail for a recipient, and what it said.
    pub(super) fn accepted(&mut self, mail: &str, recipient: Address, reply: String) {
        if let Some(known) = self.mails.get_mut(mail) {
            return known.push((recipient, reply));
        }
        if self.order.len() >= limits::MAX_REMEMBERED_MAILS
            && let Some(oldest) = self.order.pop_front()
        {
            self.mails.remove(&oldest);
        }
        self.order.push_back(mail.to_owned());
        self.mails.insert(mail.to_owned(), vec![(recipient, reply)]);
    }

    /// What the server said when it took a mail for a recipient, if it did.
    pub(super) fn reply(&self, mail: &str, recipient: &Address) -> Option<&str> {
        let known = self.mails.get(mail)?;
        known.iter().find(|(address, _)| address == recipient).map(|(_, reply)| reply.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_mails_are_forgotten() {
        let recipient: Address = "a@example.com".parse().unwrap();
        let mut memory = Memory::default();
        for mail in 0..=limits::MAX_REMEMBERED_MAILS {
            memory.accepted(&mail.to_string(), recipient.clone(), format!("250 {mail}"));
        }
        assert_eq!(memory.reply("0", &recipient), None);
        assert_eq!(memory.reply("1", &recipient), Some("250 1"));
        assert_eq!(memory.reply("1", &"b@example.com".parse().unwrap()), None);
        assert_eq!(
            (memory.mails.len(), memory.order.len()),
            (limits::MAX_REMEMBERED_MAILS, memory.mails.len())
        );
    }
}
