//! Floor 3: the state of an sshd module as rows and columns, and back.
//!
//! Invariant: rows stand in the order of the queues that they are in, so that tables and queues follow from the rows.

mod connections;
mod sources;

use super::ends::UnseenEnd;
use super::stats::Stats;
use super::{Module, Options};
use crate::correlate::names::Names;
use crate::correlate::saved::columns::{Damaged, count};
use crate::correlate::saved::texts::{Texts, TextsIn, TextsOut};
use crate::detect::NameHasher;
use crate::limits;
use crate::time::Timestamp;
use connections::SavedConnections;
use rkyv::{Archive, Deserialize, Serialize};
use sources::SavedSources;

/// The state of an sshd module.
#[derive(Debug, Archive, Serialize, Deserialize)]
pub(in crate::correlate) struct Saved {
    texts: Texts,
    connections: SavedConnections,
    sources: SavedSources,
    stats: Stats,
    unseen_end: Option<SavedEnd>,
}

/// The end of a login that was not seen to begin.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct SavedEnd {
    arrival: Timestamp,
    host: Vec<u8>,
    user: Vec<u8>,
}

impl Saved {
    /// Bytes that all but a few of its rows take in an archive.
    pub(in crate::correlate) fn size(&self) -> usize {
        self.texts.size() + self.connections.size() + self.sources.size()
    }
}

impl Module {
    /// The whole state.
    pub(in crate::correlate) fn save(&self) -> Saved {
        let mut texts = TextsOut::new(&self.names);
        let connections = SavedConnections::of(&self.connections, &mut texts);
        let sources = SavedSources::of(self, &mut texts);
        let UnseenEnd { host, user, arrival } = &self.unseen_end;
        let unseen_end = arrival.map(|arrival| SavedEnd { arrival, host: host.clone(), user: user.clone() });
        Saved { texts: texts.texts, connections, sources, stats: self.stats, unseen_end }
    }

    /// A module of these options with a saved state.
    pub(in crate::correlate) fn restore(options: Options, saved: Saved) -> Result<Self, Damaged> {
        let mut module = Self::new(options);
        saved.stats.counts().into_iter().try_for_each(|saved| count(saved).map(drop))?;
        module.stats = saved.stats;
        if let Some(SavedEnd { arrival, host, user }) = saved.unseen_end {
            if host.len().max(user.len()) > limits::MAX_NAME_LEN {
                return Err(Damaged("a text is longer than it may be"));
            }
            module.unseen_end = UnseenEnd { host, user, arrival: Some(arrival) };
        }
        let mut names = Names::new(NameHasher::of_process());
        let mut texts = TextsIn::new(&mut names, &saved.texts)?;
        saved.connections.restore(&mut module.connections, &module.options, &mut texts)?;
        saved.sources.restore(&mut module, &mut texts)?;
        texts.finish();
        module.names = names;
        Ok(module)
    }
}
