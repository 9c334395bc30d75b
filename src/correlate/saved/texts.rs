//! Floor 3: the texts of a saved state, each once, in the order in which they are first referred to.
//!
//! Invariant: a reference is 0 for none, or the place of a text, counted from 1; a text that nothing refers to is
//! neither saved nor kept.

use super::columns::{Damaged, length};
use crate::correlate::names::{NameId, Names};
use crate::limits;
use rkyv::{Archive, Deserialize, Serialize};

/// The texts.
#[derive(Debug, Default, Archive, Serialize, Deserialize)]
pub(in crate::correlate) struct Texts {
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl Texts {
    /// Bytes that they take in an archive.
    pub(in crate::correlate) fn size(&self) -> usize {
        size_of::<u32>() * self.lengths.len() + self.bytes.len()
    }
}

/// Collects the texts that rows refer to.
#[derive(Debug)]
pub(in crate::correlate) struct TextsOut<'a> {
    names: &'a Names,
    /// The reference of each name, by its number.
    references: Vec<u32>,
    pub(in crate::correlate) texts: Texts,
}

impl<'a> TextsOut<'a> {
    pub(in crate::correlate) fn new(names: &'a Names) -> Self {
        let (count, bytes) = names.held();
        let texts = Texts { lengths: Vec::with_capacity(count), bytes: Vec::with_capacity(bytes) };
        Self { names, references: Vec::new(), texts }
    }

    /// The reference to a text.
    pub(in crate::correlate) fn put(&mut self, id: NameId) -> u32 {
        if !id.is_some() {
            return 0;
        }
        let number = id.number() as usize;
        if self.references.len() <= number {
            self.references.resize(number + 1, 0);
        }
        let Some(reference) = self.references.get_mut(number) else { return 0 };
        if *reference == 0 {
            let text = self.names.text(id);
            self.texts.lengths.push(length(text.len()));
            self.texts.bytes.extend_from_slice(text);
            *reference = length(self.texts.lengths.len());
        }
        *reference
    }
}

/// Holds the texts that rows refer to.
#[derive(Debug)]
pub(in crate::correlate) struct TextsIn<'a> {
    pub(in crate::correlate) names: &'a mut Names,
    ids: Vec<NameId>,
}

impl<'a> TextsIn<'a> {
    pub(in crate::correlate) fn new(names: &'a mut Names, texts: &Texts) -> Result<Self, Damaged> {
        let mut ids = Vec::with_capacity(texts.lengths.len());
        let mut bytes = texts.bytes.as_slice();
        for length in &texts.lengths {
            let (text, rest) = usize::try_from(*length)
                .ok()
                .filter(|length| *length <= limits::MAX_NAME_LEN)
                .and_then(|length| bytes.split_at_checked(length))
                .ok_or(Damaged("a text is longer than it may be, or than what there is"))?;
            bytes = rest;
            ids.push(names.hold_named(text));
        }
        if !bytes.is_empty() {
            return Err(Damaged("there are bytes of no text"));
        }
        Ok(Self { names, ids })
    }

    /// Holds the text that is referred to.
    pub(in crate::correlate) fn get(&mut self, reference: u32) -> Result<NameId, Damaged> {
        if reference == 0 {
            return Ok(NameId::NONE);
        }
        let id = self.ids.get((reference as usize).wrapping_sub(1));
        id.map(|id| self.names.share(*id)).ok_or(Damaged("a reference leads to no text"))
    }

    /// Lets go of the texts that nothing referred to.
    pub(in crate::correlate) fn finish(self) {
        for id in self.ids {
            self.names.release(id);
        }
    }
}
