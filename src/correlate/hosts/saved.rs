//! Floor 3: what is known of hosts as rows, in the order of their names, and back.
//!
//! Invariant: what is read keeps to the caps of `limits`.

use super::shared::Speaker;
use super::{Host, Hosts, Options};
use crate::correlate::names::{NameId, Names};
use crate::correlate::saved::columns::{Column, Damaged, length};
use crate::correlate::saved::texts::{Texts, TextsIn, TextsOut};
use crate::detect::NameHasher;
use crate::limits;
use crate::time::Timestamp;
use rkyv::{Archive, Deserialize, Serialize};

/// Everything.
#[derive(Debug, Default, Archive, Serialize, Deserialize)]
pub(in crate::correlate) struct Saved {
    texts: Texts,
    hosts: Vec<HostRow>,
    speakers: Vec<SpeakerRow>,
    refused: Vec<RefusedRow>,
}

#[derive(Debug, Archive, Serialize, Deserialize)]
struct HostRow {
    since: Timestamp,
    heard: Timestamp,
    clock_told: Option<Timestamp>,
    name: u32,
    speakers: u32,
    is_silent: bool,
}

#[derive(Debug, Archive, Serialize, Deserialize)]
struct SpeakerRow {
    since: Timestamp,
    last: Timestamp,
    peer: u32,
    is_told: bool,
    is_relay: bool,
}

#[derive(Debug, Archive, Serialize, Deserialize)]
struct RefusedRow {
    told: Timestamp,
    peer: u32,
    host: u32,
}

impl Saved {
    /// Bytes that they take in an archive.
    pub(in crate::correlate) fn size(&self) -> usize {
        self.texts.size()
            + size_of::<ArchivedHostRow>() * self.hosts.len()
            + size_of::<ArchivedSpeakerRow>() * self.speakers.len()
            + size_of::<ArchivedRefusedRow>() * self.refused.len()
    }
}

impl Hosts {
    /// The whole state.
    pub(in crate::correlate) fn save(&self) -> Saved {
        let mut texts = TextsOut::new(&self.names);
        let mut saved = Saved::default();
        let mut ids: Vec<NameId> = self.due.iter().map(|(_, id)| *id).collect();
        ids.sort_unstable_by_key(|id| self.names.text(*id));
        for id in ids {
            let Some(host) = self.host(id) else { continue };
            let Host { since, heard, clock_told, is_silent, ref speakers, .. } = *host;
            let (name, count) = (texts.put(id), length(speakers.len()));
            saved.hosts.push(HostRow { since, heard, clock_told, name, speakers: count, is_silent });
            for &Speaker { peer, since, last, is_told } in speakers {
                let is_relay = self.peer(peer).is_some_and(|known| known.is_relay);
                saved.speakers.push(SpeakerRow { since, last, peer: texts.put(peer), is_told, is_relay });
            }
        }
        let mut refused: Vec<_> = self.refused.iter().collect();
        let pair = |(peer, host): (NameId, NameId)| (self.names.text(peer), self.names.text(host));
        refused.sort_unstable_by_key(|(key, _)| pair(**key));
        saved.refused = refused
            .into_iter()
            .map(|(&(peer, host), &told)| RefusedRow { told, peer: texts.put(peer), host: texts.put(host) })
            .collect();
        saved.texts = texts.texts;
        saved
    }

    /// Hosts of these options with a saved state.
    pub(in crate::correlate) fn restore(options: Options, saved: Saved) -> Result<Self, Damaged> {
        let mut hosts = Self::new(options);
        if saved.hosts.len() > limits::MAX_HOSTS || saved.refused.len() > limits::MAX_REFUSED_NAMES {
            return Err(Damaged("there are more hosts than there may be"));
        }
        let mut names = Names::new(NameHasher::of_process());
        let mut texts = TextsIn::new(&mut names, &saved.texts)?;
        let mut speakers = Column::new(saved.speakers);
        for row in saved.hosts {
            let HostRow { since, heard, clock_told, name, speakers: count, is_silent } = row;
            let id = texts.get(name)?;
            if !id.is_some() || hosts.host(id).is_some() {
                return Err(Damaged("a host has no name, or another one's"));
            }
            let due = Timestamp::MAX;
            let mut host = Host { since, heard, is_silent, due, clock_told, speakers: Vec::new() };
            for SpeakerRow { since, last, peer, is_told, is_relay } in
                speakers.take(count, limits::MAX_SPEAKERS)?
            {
                let peer = texts.get(peer)?;
                if !peer.is_some() || host.speakers.iter().any(|speaker| speaker.peer == peer) {
                    return Err(Damaged("a host has a sender twice, or one without a name"));
                }
                hosts.join(peer, is_relay);
                host.speakers.push(Speaker { peer, since, last, is_told });
            }
            hosts.put(id, host);
        }
        speakers.finish()?;
        for RefusedRow { told, peer, host } in saved.refused {
            let pair = (texts.get(peer)?, texts.get(host)?);
            if hosts.refused.insert(pair, told).is_some() {
                return Err(Damaged("a refusal stands there twice"));
            }
        }
        texts.finish();
        hosts.names = names;
        hosts.find_silent();
        Ok(hosts)
    }
}
