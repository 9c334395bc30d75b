//! Floor 1: bytes and spans on their way from a reader to the correlator.
//!
//! Invariant: every span of a batch lies within its bytes, and the spans are in the order of their arrival.

use crate::span::Span;
use crate::time::Timestamp;
use bytes::Bytes;
use std::net::IpAddr;
use std::sync::Arc;

/// One syslog message within the bytes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSpan {
    /// Where the message stands, without its count or delimiter.
    pub span: Span,
    /// Whether the message was longer than the limit and the rest of it was discarded.
    pub truncated: bool,
}

/// Where the bytes of a batch came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The listener's name in the configuration, or the path of a file.
    pub listener: String,
    /// The peer's address without its port, and after `,name=` what its certificate proves it to be; or what the kernel
    /// says of a process of this machine (its number last), and after `,host=` what the machine is called; or nothing where
    /// there is no peer.
    pub peer: String,
}

/// What the peer of records begins with that stood in a file before anybody followed it. Paths of files are absolute, and no
/// other peer begins like this.
const BACKLOG: &str = "backlog:";

impl Origin {
    /// The records that a file has when it is first followed, for which handlers are not to be called.
    #[must_use]
    pub fn backlog(&self) -> Self {
        Self { listener: self.listener.clone(), peer: format!("{BACKLOG}{}", self.peer) }
    }

    /// Whether it is such.
    pub fn is_backlog(&self) -> bool {
        self.peer.starts_with(BACKLOG)
    }

    /// Who sent the records, over the network or a socket of this machine; nobody where they were read from a file, whose path,
    /// an absolute one, then stands in place of a peer.
    pub fn sender(&self) -> Option<&str> {
        let is_file = self.peer.is_empty() || self.peer.starts_with('/') || self.is_backlog();
        (!is_file).then_some(&self.peer)
    }

    /// Where who sent the records is: its address on the network, or what the machine is called on which it was a process.
    pub fn place(&self) -> Option<&str> {
        let sender = self.sender()?;
        if sender.starts_with("unix:") {
            return sender.split_once(",host=").map(|(_, name)| name);
        }
        let address = sender.split_once(',').map_or(sender, |(address, _)| address);
        address.parse::<IpAddr>().is_ok().then_some(address)
    }

    /// What a peer's books go by: all processes of one user of this machine are one peer.
    pub fn account(&self) -> &str {
        self.peer.split_once(",pid=").map_or(&self.peer, |(account, _)| account)
    }
}

/// The bytes of one read and the complete frames in them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where they came from.
    pub origin: Arc<Origin>,
    /// The bytes; usually a pooled buffer that returns to its pool when the last reference goes.
    pub bytes: Bytes,
    /// The complete frames, in order. A batch without frames is a clock tick.
    pub frames: Vec<FrameSpan>,
}

/// When the frames of a batch arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// All at once: the batch is one read.
    One(Timestamp),
    /// In runs: from the frame of this index on, up to the next run, this is the arrival. Indices and instants
    /// ascend, and the first index is 0.
    Runs(Vec<(u32, Timestamp)>),
}

impl Arrivals {
    /// The runs, each as the index of its first frame and the arrival.
    pub fn runs(&self) -> impl Iterator<Item = (u32, Timestamp)> + '_ {
        let (one, runs) = match self {
            Self::One(arrival) => (Some((0, *arrival)), &[][..]),
            Self::Runs(runs) => (None, runs.as_slice()),
        };
        one.into_iter().chain(runs.iter().copied())
    }

    /// The arrival of the last frame.
    pub fn last(&self) -> Timestamp {
        match self {
            Self::One(arrival) => *arrival,
            Self::Runs(runs) => runs.last().map_or(Timestamp::MIN, |run| run.1),
        }
    }
}

/// A batch with its place in the order of inputs.
#[derive(Clone, Debug)]
pub struct Sequenced {
    /// Place among the batches of this run, without gaps, from 0: what the reorder ring goes by.
    pub slot: u64,
    /// Number of the first input in the batch. A tick takes one number, any other batch one for each frame.
    pub first: u64,
    /// When the inputs arrived.
    pub arrivals: Arrivals,
    /// The bytes and frames.
    pub batch: Batch,
}

impl Sequenced {
    /// How many numbers the batch takes.
    pub fn inputs(&self) -> u64 {
        self.batch.frames.len().max(1) as u64
    }

    /// The same inputs in a batch for each run of arrivals.
    pub fn by_run(self) -> Vec<Self> {
        let runs: Vec<(u32, Timestamp)> = self.arrivals.runs().collect();
        if runs.len() < 2 {
            return vec![self];
        }
        let ends = runs.iter().skip(1).map(|(start, _)| *start as usize).chain([self.batch.frames.len()]);
        let parts = runs.iter().zip(ends).map(|(&(start, arrival), end)| Self {
            slot: self.slot,
            first: self.first.saturating_add(u64::from(start)),
            arrivals: Arrivals::One(arrival),
            batch: Batch {
                origin: Arc::clone(&self.batch.origin),
                bytes: self.batch.bytes.clone(),
                frames: self.batch.frames.get(start as usize..end).unwrap_or_default().to_vec(),
            },
        });
        parts.collect()
    }

    /// Whether the batch is a clock tick: no frames, only a number and an arrival.
    pub fn is_tick(&self) -> bool {
        self.batch.frames.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_for_each_run_keeps_numbers_and_arrivals() {
        let at = Timestamp::from_micros;
        let frames = (0..5).map(|start| FrameSpan { span: Span::new(start, 1), truncated: false }).collect();
        let origin = Arc::new(Origin { listener: "lan".into(), peer: String::new() });
        let batch = Batch { origin, bytes: Bytes::from_static(b"abcde"), frames };
        let arrivals = Arrivals::Runs(vec![(0, at(1)), (2, at(5)), (3, at(9))]);
        let parts = Sequenced { slot: 0, first: 100, arrivals, batch }.by_run();
        let seen: Vec<_> = parts
            .iter()
            .map(|part| {
                (
                    part.first,
                    part.arrivals.last(),
                    part.batch.frames.iter().map(|f| f.span.start).collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(seen, [(100, at(1), vec![0, 1]), (102, at(5), vec![2]), (103, at(9), vec![3, 4])]);
    }
}
