//! Floor 4: mails handed to a server, with an outcome for each recipient.
//!
//! Invariant: who has had a mail is remembered before anything else is waited for, so that a delivery that is given up
//! half-way sends nobody the same mail again.

use super::connection::{Kept, Route, Trouble};
use crate::handlers::Outcome;
use crate::handlers::memory::Memory;
use crate::handlers::probe::{Trial, Trials};
use crate::limits;
use lettre::Address;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use std::sync::Arc;

/// A mail on its way.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// What it is known by: an event's id, or a digest's.
    pub(super) key: String,
    /// The mail itself, with its headers.
    pub(super) bytes: Vec<u8>,
}

/// Hands mails to a server.
pub(super) struct Post {
    route: Arc<Route>,
    sender: Address,
    recipients: Vec<Address>,
    /// What the server said when it took a mail for a recipient.
    memory: Memory<Vec<(Address, String)>>,
    kept: Kept,
}

/// What became of a mail for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Accepted(String),
    Refused(String),
    Later(String),
}

impl Fate {
    /// What a refusal means.
    fn of(trouble: &Trouble) -> Self {
        match trouble.code {
            // These ask for a login, or for a better one: what an operator mends (RFC 4954 section 6).
            Some(530 | 534 | 535 | 538) => Self::Later(trouble.why.clone()),
            Some(500..=599) => Self::Refused(trouble.why.clone()),
            _ => Self::Later(trouble.why.clone()),
        }
    }
}

impl Post {
    /// Hands mails of this sender to these recipients.
    pub(super) fn new(route: Route, sender: Address, recipients: Vec<Address>) -> Self {
        let (memory, kept) = (Memory::default(), Kept::default());
        Self { route: Arc::new(route), sender, recipients, memory, kept }
    }

    /// Tries whether the server can be reached, encrypts as it should, and takes the login.
    pub(super) async fn probe(&self) -> Vec<Trial> {
        let route = &self.route;
        // What the route waits for has its own end.
        let mut trials = Trials::within(limits::TRIALS_TIME).hushing(route.hushed());
        trials.resolve(route.place()).await;
        let open = async { route.open().await.map_err(|trouble| trouble.why) };
        let what = format!("SMTP {}", route.place().shown);
        if let Some(connection) = trials.attempt(what, open, |_| route.manner()).await {
            route.close(connection).await;
        }
        trials.made()
    }

    /// Sends mails over one connection; where there is no mail, the reason stands for its outcome.
    pub(super) async fn send(&mut self, letters: Vec<Result<Letter, Outcome>>) -> Vec<Outcome> {
        let mut connection = self.kept.take().await;
        let mut outcomes = Vec::with_capacity(letters.len());
        let mut away: Option<String> = None;
        for letter in letters {
            outcomes.push(match (letter, &away) {
                (Err(outcome), _) => outcome,
                // A server that cannot be reached for one mail cannot be for the next.
                (Ok(_), Some(why)) => Outcome::Temporary(why.clone()),
                (Ok(letter), None) => match self.one(&mut connection, &letter).await {
                    Ok(outcome) => outcome,
                    Err(trouble) => {
                        away = Some(trouble.why.clone());
                        Outcome::Temporary(trouble.why)
                    }
                },
            });
        }
        if let Some(connection) = connection {
            self.kept.keep(connection, &self.route);
        }
        outcomes
    }

    /// Sends a mail to those who have not had it.
    ///
    /// # Errors
    /// When there is no connection to be had.
    async fn one(
        &mut self,
        connection: &mut Option<AsyncSmtpConnection>,
        letter: &Letter,
    ) -> Result<Outcome, Trouble> {
        let has_not = |recipient: &&Address| self.reply(&letter.key, recipient).is_none();
        let waiting: Vec<Address> = self.recipients.iter().filter(has_not).cloned().collect();
        if waiting.is_empty() {
            return Ok(self.outcome(&letter.key, &[]));
        }
        // While it is in use the connection is nobody's: one that is given up half-way is closed, not used again.
        let (mut open, begun) = self.begin(connection.take()).await?;
        let (fates, is_usable) = match begun {
            Ok(()) => self.transact(&mut open, &waiting, &letter.bytes).await,
            Err(trouble) => (vec![Fate::of(&trouble); waiting.len()], trouble.leaves_usable()),
        };
        let fates: Vec<_> = waiting.into_iter().zip(fates).collect();
        for (recipient, fate) in &fates {
            if let Fate::Accepted(reply) = fate {
                self.memory.of(&letter.key).push((recipient.clone(), reply.clone()));
            }
        }
        *connection = is_usable.then_some(open);
        Ok(self.outcome(&letter.key, &fates))
    }

    /// Begins a transaction, over a connection that was kept or, where that one has died, over a new one; gives the
    /// server's answer with it.
    async fn begin(
        &self,
        kept: Option<AsyncSmtpConnection>,
    ) -> Result<(AsyncSmtpConnection, Result<(), Trouble>), Trouble> {
        let mail = || Mail::new(Some(self.sender.clone()), Vec::new());
        if let Some(mut connection) = kept {
            let answer = self.route.within(connection.command(mail())).await;
            match answer {
                Err(trouble) if !trouble.leaves_usable() => drop(connection),
                answer => return Ok((connection, answer.map(drop))),
            }
        }
        let mut connection = self.route.open().await?;
        let answer = self.route.within(connection.command(mail())).await;
        Ok((connection, answer.map(drop)))
    }

    /// Brings a transaction that has begun to its end (RFC 5321 section 3.3); says whether the connection can be used
    /// again.
    async fn transact(
        &self,
        connection: &mut AsyncSmtpConnection,
        recipients: &[Address],
        bytes: &[u8],
    ) -> (Vec<Fate>, bool) {
        let mut fates = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            let command = Rcpt::new(recipient.clone(), Vec::new());
            match self.route.within(connection.command(command)).await {
                Ok(_) => fates.push(None),
                Err(trouble) if trouble.leaves_usable() => fates.push(Some(Fate::of(&trouble))),
                Err(trouble) => return (vec![Fate::Later(trouble.why); recipients.len()], false),
            }
        }
        let takes_any = fates.iter().any(Option::is_none);
        let end = if takes_any { Some(self.data(connection, bytes).await) } else { None };
        let mut is_usable = !matches!(&end, Some(Err(trouble)) if !trouble.leaves_usable());
        if is_usable && !matches!(end, Some(Ok(_))) {
            is_usable = self.route.within(connection.command(Rset)).await.is_ok();
        }
        let end = match end {
            Some(Ok(reply)) => Fate::Accepted(reply),
            Some(Err(trouble)) => Fate::of(&trouble),
            None => Fate::Later(String::new()),
        };
        (fates.into_iter().map(|fate| fate.unwrap_or_else(|| end.clone())).collect(), is_usable)
    }

    async fn data(&self, connection: &mut AsyncSmtpConnection, bytes: &[u8]) -> Result<String, Trouble> {
        self.route.within(connection.command(Data)).await?;
        let reply = self.route.within(connection.message(bytes)).await?;
        let text: Vec<_> = reply.message().collect();
        Ok(self.route.line(&format!("{} {}", reply.code(), text.join(" "))))
    }

    /// What the server said when it took a mail for a recipient, if it did.
    fn reply(&self, mail: &str, recipient: &Address) -> Option<&str> {
        let known = self.memory.get(mail)?.iter().find(|(address, _)| address == recipient)?;
        Some(&known.1)
    }

    /// What became of a mail, by what became of it for each recipient now and before.
    fn outcome(&self, mail: &str, fates: &[(Address, Fate)]) -> Outcome {
        let told = |wanted: fn(&Fate) -> Option<&str>| {
            let told = fates.iter().filter_map(|(recipient, fate)| Some((recipient, wanted(fate)?)));
            told.map(|(recipient, why)| format!("{recipient}: {why}")).collect::<Vec<_>>().join("; ")
        };
        let later = told(|fate| if let Fate::Later(why) = fate { Some(why) } else { None });
        if !later.is_empty() {
            return Outcome::Temporary(later);
        }
        let refused = told(|fate| if let Fate::Refused(why) = fate { Some(why) } else { None });
        let mut replies = self.recipients.iter().filter_map(|recipient| self.reply(mail, recipient));
        match replies.next() {
            Some(reply) if refused.is_empty() => Outcome::Accepted(reply.to_owned()),
            Some(reply) => Outcome::Partial { note: format!("{reply}; refused for {refused}"), refused },
            None => Outcome::Permanent(refused),
        }
    }
}
