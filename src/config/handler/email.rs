//! Floor 7: the options of `type = "email"`.

use crate::config::codec::{
    Credential, FilePath, Lasting, MailAddress, MailAddresses, MailHeaders, MailServer, TextOrCredential,
};
use crate::config::option::{Opt, options};
use crate::config::problem::Problem;
use crate::config::section::{Given, Reader, Section};
use crate::handlers::email::Options;

impl Section for Options {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        (required) smtp = smtp as MailServer,
            "The server that takes the mails: `smtps://` for TLS (port 465), `smtp://` for STARTTLS (port 587), which must \
             be offered. To this machine itself mails go in the clear, unless `ca` is set.";
        ca = ca as FilePath,
            "A file of certificates (PEM) that vouch for the server in place of those of the system.";
        timeout = timeout as Lasting<1, 300>,
            "The time within which the server has to answer each command.";
        username = username as TextOrCredential,
            "The name to log in with. Without it nobody logs in.";
        password = password as Credential,
            "The password for it.";
        (required) from = from as MailAddress,
            "The sender. Its domain is also that of the mails' ids.";
        (required) to = to as MailAddresses,
            "The recipients.";
        cc = cc as MailAddresses,
            "The recipients of copies.";
        reply_to = reply_to as MailAddress,
            "Where answers go, if not to the sender.";
        headers = headers as MailHeaders,
            "Further headers. Those that mails have anyway cannot be set.";
        templates = templates as FilePath,
            "A directory of templates in place of the built-in ones (docs/handlers/email.md).";
    };

    fn defaults() -> Self {
        Self::default()
    }
}

/// Says what does not go together.
pub(super) fn contradictions(options: &Options, given: Given<'_>, reader: &mut Reader) {
    for (has, named, lacking) in [
        (options.username.is_some(), "username", "password"),
        (options.password.is_some(), "password", "username"),
    ] {
        // What is there and was refused has been told already.
        if has && given.table.get(lacking).is_none() {
            let place = given.table.get(named).map_or(given.at, |node| &node.at);
            let message = format!("`{}` has a `{named}` and no `{lacking}`", given.path);
            reader.problems.push(Problem::new(place, message));
        }
    }
}
