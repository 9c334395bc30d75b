//! Floor 4: a session of RELP: what of it are records, and what is answered when.
//!
//! Invariant: a record is answered only once it is durable, in the order in which the records came; one that is known to
//! have come before is answered like it, and not taken again.

use super::repeats::Repeats;
use crate::batch::FrameSpan;
use crate::limits;
use crate::span::Span;
use crate::wire::relp::{self, Command, Frame, FrameError};
use std::collections::VecDeque;

/// A session.
#[derive(Debug)]
pub(super) struct Relp {
    max_message_size: usize,
    is_open: bool,
    /// Transactions of records that have not been numbered yet.
    unnumbered: Vec<u32>,
    /// Numbers and transactions of records that are to be answered.
    unanswered: VecDeque<(u64, u32)>,
    /// The transaction that ends the session.
    closing: Option<u32>,
    /// What is to be sent.
    out: Vec<u8>,
    repeats: Repeats,
}

impl Relp {
    /// A session that is not open yet.
    pub(super) fn new(max_message_size: usize, repeats: Repeats) -> Self {
        Self {
            max_message_size,
            is_open: false,
            unnumbered: Vec::new(),
            unanswered: VecDeque::new(),
            closing: None,
            out: Vec::new(),
            repeats,
        }
    }

    /// Takes whole frames; gives the records among them, at most so many, and how many bytes are done with.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        records: &mut Vec<FrameSpan>,
        most: usize,
    ) -> Result<usize, FrameError> {
        let mut done = 0;
        while records.len() < most && self.closing.is_none() {
            let Some(frame) = relp::parse(bytes.get(done..).unwrap_or_default())? else { break };
            // A buffer is far shorter than 4 GiB.
            let data = frame.data.shifted(u32::try_from(done).unwrap_or(u32::MAX));
            self.take(frame, data, bytes, records);
            done += frame.len;
        }
        Ok(done)
    }

    fn take(&mut self, frame: Frame, data: Span, bytes: &[u8], records: &mut Vec<FrameSpan>) {
        let transaction = frame.transaction;
        match frame.command {
            Command::Open => {
                self.is_open = true;
                let software = concat!("relp_software=correlator,", env!("CARGO_PKG_VERSION"));
                let offers = format!("200 OK\nrelp_version=0\n{software}\ncommands=syslog\n");
                relp::answer(&mut self.out, transaction, &offers);
            }
            Command::Syslog if self.is_open => {
                let known = self.repeats.known(data.of(bytes));
                if let Some(number) = known {
                    self.unanswered.push_back((number, transaction));
                } else {
                    self.unnumbered.push(transaction);
                    records.push(self.record(data));
                }
            }
            Command::Close => self.closing = Some(transaction),
            Command::Syslog => relp::answer(&mut self.out, transaction, "500 the session is not open"),
            Command::Other => relp::answer(&mut self.out, transaction, "500 no such command"),
        }
    }

    fn record(&self, data: Span) -> FrameSpan {
        let most = u32::try_from(self.max_message_size).unwrap_or(u32::MAX);
        let truncated = data.len > most;
        FrameSpan { span: Span::new(data.start, data.len.min(most)), truncated }
    }

    /// Takes the number of the last of the records that were given since the last time.
    pub(super) fn numbered(&mut self, last: u64) {
        let first = (last + 1).saturating_sub(self.unnumbered.len() as u64);
        self.repeats.numbered(first, self.unnumbered.len());
        self.unanswered.extend((first..).zip(self.unnumbered.drain(..)));
    }

    /// Answers all records up to a number, and then the end of the session; gives what is to be sent.
    pub(super) fn settle(&mut self, durable: u64) -> Vec<u8> {
        while let Some((_, transaction)) = self.unanswered.pop_front_if(|(number, _)| *number <= durable) {
            relp::answer(&mut self.out, transaction, "200 OK");
        }
        if self.is_settled()
            && let Some(transaction) = self.closing
        {
            relp::answer(&mut self.out, transaction, "");
            relp::server_close(&mut self.out);
            self.repeats.forget();
        }
        std::mem::take(&mut self.out)
    }

    /// Whether every record has been answered.
    pub(super) fn is_settled(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Whether the peer has asked for the end, and everything is answered.
    pub(super) fn is_over(&self) -> bool {
        self.closing.is_some() && self.is_settled()
    }

    /// Whether no more is to be read before something is answered.
    pub(super) fn is_full(&self) -> bool {
        self.unanswered.len() >= limits::RELP_WINDOW || self.closing.is_some()
    }
}
