//! Floor 3: interned texts: hosts, users, keys, kept once and known by a number.
//!
//! Invariant: equal numbers are equal bytes; a text lives as long as somebody holds it; what it is found by can be
//! made again from the text alone.

use crate::detect::NameHasher;
use crate::limits;
use hashbrown::HashTable;

/// A held text; [`NameId::NONE`] is none at all, which is not the empty text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameId(u32);

impl NameId {
    /// No text.
    pub(super) const NONE: Self = Self(0);

    /// Whether there is a text.
    pub(super) const fn is_some(self) -> bool {
        self.0 != 0
    }

    /// The number, for hashing.
    pub(super) const fn number(self) -> u32 {
        self.0
    }
}

/// Bytes of a text that its entry holds itself: most hosts and users, so that comparing one takes a single cache line.
const INLINE: usize = 32;

#[derive(Debug)]
#[repr(align(64))]
struct Entry {
    hash: u64,
    holders: u32,
    /// Length of the text, where it is held here.
    len: u8,
    here: [u8; INLINE],
    /// The text where it is longer; else empty.
    apart: Box<[u8]>,
}

impl Entry {
    fn new() -> Self {
        Self { hash: 0, holders: 0, len: 0, here: [0; INLINE], apart: Box::default() }
    }

    #[inline]
    fn text(&self) -> &[u8] {
        if self.apart.is_empty() {
            self.here.get(..usize::from(self.len)).unwrap_or_default()
        } else {
            &self.apart
        }
    }

    fn set_text(&mut self, text: &[u8]) {
        self.apart = Box::default();
        match (self.here.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(here), Ok(len)) => {
                here.copy_from_slice(text);
                self.len = len;
            }
            _ => self.apart = text.into(),
        }
    }
}

/// The table of texts.
#[derive(Debug)]
pub(super) struct Names {
    table: HashTable<u32>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    bytes: usize,
    hasher: NameHasher,
}

impl Names {
    pub(super) fn new(hasher: NameHasher) -> Self {
        Self { table: HashTable::new(), entries: Vec::new(), free: Vec::new(), bytes: 0, hasher }
    }

    /// The number of a text, if anybody holds it.
    pub(super) fn find(&self, borne: u64, text: &[u8]) -> Option<NameId> {
        let (hash, text) = self.key(borne, text);
        self.look_up(hash, text)
    }

    /// The number of a text that bears no hash, if anybody holds it.
    pub(super) fn find_named(&self, text: &[u8]) -> Option<NameId> {
        self.find(self.hasher.hash(text), text)
    }

    fn look_up(&self, hash: u64, text: &[u8]) -> Option<NameId> {
        let found = self.table.find(hash, |&index| {
            self.entries.get(index as usize).is_some_and(|entry| entry.hash == hash && entry.text() == text)
        });
        found.map(|&index| NameId(index + 1))
    }

    /// Holds a text by the hash that its observation bears.
    pub(super) fn hold(&mut self, borne: u64, text: &[u8]) -> NameId {
        let (hash, text) = self.key(borne, text);
        if let Some(id) = self.look_up(hash, text) {
            return self.share(id);
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.entries.push(Entry::new());
                u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX - 1)
            }
        };
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.set_text(text);
            (entry.hash, entry.holders) = (hash, 1);
        }
        self.bytes += text.len();
        let entries = &self.entries;
        self.table
            .insert_unique(hash, index, |&other| entries.get(other as usize).map_or(0, |entry| entry.hash));
        NameId(index + 1)
    }

    /// Holds a text that bears no hash; none for the empty text.
    pub(super) fn hold_text(&mut self, text: &[u8]) -> NameId {
        if text.is_empty() {
            return NameId::NONE;
        }
        self.hold_named(text)
    }

    /// Holds a text that bears no hash, though it be the empty one.
    pub(super) fn hold_named(&mut self, text: &[u8]) -> NameId {
        self.hold(self.hasher.hash(text), text)
    }

    /// Holds a text once more.
    pub(super) fn share(&mut self, id: NameId) -> NameId {
        if let Some(entry) = self.entry_mut(id) {
            entry.holders += 1;
        }
        id
    }

    /// Lets go of a text; with its last holder it goes.
    pub(super) fn release(&mut self, id: NameId) {
        let Some(entry) = self.entry_mut(id) else { return };
        entry.holders = entry.holders.saturating_sub(1);
        if entry.holders > 0 {
            return;
        }
        let (hash, len, index) = (entry.hash, entry.text().len(), id.0 - 1);
        entry.set_text(b"");
        if let Ok(found) = self.table.find_entry(hash, |&other| other == index) {
            found.remove();
            self.bytes = self.bytes.saturating_sub(len);
            self.free.push(index);
        }
    }

    /// Lets go of the text in `slot` and puts another one there.
    pub(super) fn replace(&mut self, slot: &mut NameId, id: NameId) {
        self.release(std::mem::replace(slot, id));
    }

    /// The bytes of a text; nothing for none.
    pub(super) fn text(&self, id: NameId) -> &[u8] {
        let index = (id.0 as usize).wrapping_sub(1);
        self.entries.get(index).map_or(&[][..], Entry::text)
    }

    /// How many texts are held, and how many bytes they have.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.table.len(), self.bytes)
    }

    /// How many texts are held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether holders should let go before more is held.
    pub(super) fn is_full(&self) -> bool {
        self.table.len() >= limits::MAX_NAMES || self.bytes >= limits::MAX_NAME_BYTES
    }

    /// What a text is kept by. An observation without a name bears no hash, and one of a name that is cut here bears
    /// that of the whole.
    fn key<'t>(&self, borne: u64, text: &'t [u8]) -> (u64, &'t [u8]) {
        match text.get(..limits::MAX_NAME_LEN) {
            Some(kept) if kept.len() < text.len() => (self.hasher.hash(kept), kept),
            _ if text.is_empty() => (self.hasher.hash(text), text),
            _ => (borne, text),
        }
    }

    fn entry_mut(&mut self, id: NameId) -> Option<&mut Entry> {
        self.entries.get_mut((id.0 as usize).wrapping_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_once_and_go_with_their_last_holder() {
        let mut names = Names::new(NameHasher::of_process());
        let alice = names.hold(7, b"alice");
        assert_eq!(names.hold(7, b"alice"), alice);
        let bob = names.hold(7, b"bob");
        assert_ne!(bob, alice, "an equal hash is not an equal name");
        assert_eq!((names.text(alice), names.text(bob), names.len()), (&b"alice"[..], &b"bob"[..], 2));
        names.release(alice);
        assert_eq!(names.find(7, b"alice"), Some(alice));
        names.release(alice);
        assert_eq!(names.find(7, b"alice"), None);
        assert_eq!(names.len(), 1);
        names.release(NameId::NONE);
        assert_eq!(names.text(NameId::NONE), b"");
    }

    #[test]
    fn the_empty_name_is_a_name() {
        let mut names = Names::new(NameHasher::of_process());
        assert!(names.hold(0, b"").is_some());
        assert_eq!(names.hold_text(b""), NameId::NONE);
    }

    #[test]
    fn a_long_text_is_cut_and_still_found() {
        let mut names = Names::new(NameHasher::of_process());
        let long = vec![b'x'; limits::MAX_NAME_LEN + 9];
        let id = names.hold(3, &long);
        assert_eq!(names.text(id).len(), limits::MAX_NAME_LEN);
        assert_eq!(names.find(3, &long), Some(id));
        let kept = names.text(id).to_vec();
        assert_eq!(names.hold_text(&kept), id, "what is kept of it leads to it too");
    }
}
