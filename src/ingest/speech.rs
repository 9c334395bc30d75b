//! Floor 4: how records are told apart in a stream, and what the peer is answered.

use super::connection::Over;
use super::intake::Durable;
use super::notices::Refusal;
use super::relp::Relp;
use crate::batch::FrameSpan;
use crate::wire::framing::Framer;

/// What a peer speaks.
#[derive(Debug)]
pub(super) enum Speech {
    /// Syslog, framed as in RFC 6587.
    Syslog(Box<Framer>),
    /// RELP, in which records are answered.
    Relp(Box<Relp>),
}

impl Speech {
    /// Finds the records in `bytes`, at most so many; gives how many bytes are done with.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        records: &mut Vec<FrameSpan>,
        most: usize,
    ) -> Result<usize, Over> {
        match self {
            Self::Syslog(framer) => Ok(framer.advance(bytes, records, most)?),
            Self::Relp(relp) => {
                let done = relp.advance(bytes, records, most);
                done.map_err(|error| Over::Refused(Refusal::Framing, error.to_string()))
            }
        }
    }

    /// Whether so many bytes that are left are the beginning of something.
    pub(super) fn is_mid_frame(&self, rest: usize) -> bool {
        match self {
            Self::Syslog(framer) => framer.is_mid_frame(rest),
            Self::Relp(_) => rest > 0,
        }
    }

    /// Whether frames without a record were whole ones nevertheless.
    pub(super) fn has_other_frames(&self) -> bool {
        matches!(self, Self::Relp(_))
    }

    /// Finds the records that the end of the stream completes. A record of RELP that is not whole will be sent again.
    pub(super) fn finish(&mut self, rest: &[u8], records: &mut Vec<FrameSpan>) {
        if let Self::Syslog(framer) = self {
            framer.finish(rest, records);
        }
    }

    /// Takes the number of the last of the records found since the last time.
    pub(super) fn numbered(&mut self, last: u64) {
        if let Self::Relp(relp) = self {
            relp.numbered(last);
        }
    }

    /// Whether no more is to be read before something is answered.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Relp(relp) if relp.is_full())
    }

    /// Whether every record has its answer, if it gets one.
    pub(super) fn is_settled(&self) -> bool {
        match self {
            Self::Syslog(_) => true,
            Self::Relp(relp) => relp.is_settled(),
        }
    }

    /// Whether the peer has asked for the end, and everything is answered.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Relp(relp) if relp.is_over())
    }

    /// What to answer, now that records are durable so far.
    pub(super) fn settle(&mut self, durable: &mut Durable) -> Vec<u8> {
        match self {
            Self::Syslog(_) => Vec::new(),
            Self::Relp(relp) => relp.settle(durable.through()),
        }
    }

    /// What to say when the server ends the connection.
    pub(super) fn farewell(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.has_other_frames() {
            crate::wire::relp::server_close(&mut out);
        }
        out
    }
}
