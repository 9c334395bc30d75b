//! Floor 4: the handler `email`: a mail for each event, and for each digest, through an SMTP server.
//!
//! A mail has a part of text and one of HTML, from templates. What the server says of each recipient decides: who has had
//! a mail gets it no second time, who may have it later makes the delivery fail for now, and who is refused for good is
//! named in the outcome. What keeps a server from taking any mail (no network, no TLS, a wrong certificate, a wrong
//! password) can be mended, and the events wait for it.
//!
//! Invariant: nothing of an event can become a header, a part, or markup; nothing is sent in the clear, except to this
//! machine itself.

mod connection;
mod message;
mod options;
mod post;
mod replies;
mod templates;
mod view;

#[cfg(test)]
mod tests;

pub use self::options::{Line, Options, Server, WrongServer, mailbox};
pub use self::templates::{Rendered, TemplateError, Templates};
pub use self::view::EventView;
pub use lettre::message::Mailbox;

use self::connection::Route;
use self::message::{Marks, Stationery};
use self::post::{Letter, Post};
use self::view::DigestView;
use super::{
    Delivery, DigestDelivery, Environment, Evidence, Gathered, Handler, Outcome, Probing, Selection,
};
use crate::event::Event;
use crate::event::render::LocalTime;
use crate::limits;
use crate::time::Clock;
use std::io;
use std::sync::Arc;

/// Tries what needs no credential: the templates.
///
/// # Errors
/// When they cannot be used.
pub fn check(options: &Options, environment: &Environment) -> io::Result<()> {
    templates(options, environment).map(drop)
}

fn templates(options: &Options, environment: &Environment) -> io::Result<Templates> {
    let directory = options.templates.as_deref().map(|path| environment.directory.join(path));
    Templates::load(directory.as_deref(), &environment.zone).map_err(io::Error::other)
}

/// Builds the handler. Nothing is connected to before the first mail.
///
/// # Errors
/// When the templates or the file of certificates cannot be used.
pub fn build(options: &Options, environment: &Environment) -> io::Result<Box<dyn Handler>> {
    let lacks = |what: &str| io::Error::other(format!("there is no {what}"));
    let templates = templates(options, environment)?;
    let route = Route::new(options, &environment.directory, &environment.secrets)?;
    let stationery = Stationery::new(options, environment.occasion).ok_or_else(|| lacks("sender"))?;
    let sender = options.from.as_ref().map(|from| from.email.clone()).ok_or_else(|| lacks("sender"))?;
    let desk = Desk {
        templates,
        stationery,
        evidence: Arc::clone(&environment.evidence),
        clock: Arc::clone(&environment.clock),
        times: LocalTime::new(environment.zone.clone()),
    };
    Ok(Box::new(Email { desk: Arc::new(desk), post: Post::new(route, sender, options.recipients()) }))
}

struct Email {
    desk: Arc<Desk>,
    post: Post,
}

/// Writes mails.
struct Desk {
    templates: Templates,
    stationery: Stationery,
    evidence: Arc<dyn Evidence>,
    clock: Arc<dyn Clock>,
    times: LocalTime,
}

impl Desk {
    fn event(&self, event: Event<'_>) -> Result<Letter, Outcome> {
        let mut times = self.times.clone();
        let view = EventView::new(event, self.evidence.of(event), &mut times);
        let rendered = self.templates.event(&view);
        self.letter(rendered, Marks::of(event))
    }

    fn digest(&self, gathered: &Gathered) -> Result<Letter, Outcome> {
        let view = DigestView::new(gathered, &mut self.times.clone());
        self.letter(self.templates.digest(&view), Marks::of_digest(gathered))
    }

    fn letter(&self, rendered: Rendered, marks: Marks) -> Result<Letter, Outcome> {
        let bytes = self.stationery.write(rendered, &marks, self.clock.now()).map_err(Outcome::Permanent)?;
        Ok(Letter { key: marks.id, bytes })
    }
}

impl Email {
    /// Writes mails where the reading of evidence holds up nobody else, and sends them.
    async fn send(
        &mut self,
        count: usize,
        write: impl FnOnce(&Desk) -> Vec<Result<Letter, Outcome>> + Send + 'static,
    ) -> Vec<Outcome> {
        let desk = Arc::clone(&self.desk);
        match tokio::task::spawn_blocking(move || write(&desk)).await {
            Ok(letters) => self.post.send(letters).await,
            Err(failed) => {
                vec![Outcome::Permanent(format!("the mail could not be written: {failed}")); count]
            }
        }
    }
}

impl Handler for Email {
    fn deliver<'a>(&'a mut self, events: &'a Selection) -> Delivery<'a> {
        let (count, chosen) = (events.len(), events.clone());
        Box::pin(self.send(count, move |desk| chosen.events().map(|event| desk.event(event)).collect()))
    }

    fn most(&self) -> usize {
        limits::MAX_MAILS
    }

    fn probe(&mut self) -> Probing<'_> {
        Box::pin(self.post.probe())
    }

    fn digest<'a>(&'a mut self, gathered: &'a Gathered) -> DigestDelivery<'a> {
        let gathered = gathered.clone();
        Box::pin(async move {
            let outcomes = self.send(1, move |desk| vec![desk.digest(&gathered)]).await;
            outcomes.into_iter().next().unwrap_or(Outcome::Permanent("it gave no answer".to_owned()))
        })
    }
}
