//! Floor 7: `[handlers.NAME]` with `type = "sms"`.

use crate::config::codec::{
    AbsolutePath, Count, Credential, HttpUrl, Lasting, Text, TextOrCredential, TextsOrCredentials,
};
use crate::config::option::{Opt, options};
use crate::config::problem::Problem;
use crate::config::section::{Given, Reader, Section};
use crate::config::tree::{Content, Node};
use crate::handlers::sms::Options;
use crate::limits::{MAX_SMS_QUOTA, MAX_SMS_SEGMENTS};

impl Section for Options {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        (required) account_sid = account_sid as TextOrCredential,
            "The SID of the account at Twilio.";
        (required) auth_token = auth_token as Credential,
            "The account's token.";
        from = from as TextOrCredential,
            "The number or the name that sends.";
        messaging_service_sid = messaging_service_sid as TextOrCredential,
            "The messaging service that sends, in place of `from`.";
        (required) to = to as TextsOrCredentials,
            "The numbers that get the messages, as in \"+4917012345678\".";
        api_url = api_url as HttpUrl,
            "Where the API is.";
        template = template as Text,
            "What a message says: the text of a template (docs/handlers/sms.md).";
        max_segments = max_segments as Count<1, MAX_SMS_SEGMENTS>,
            "The segments that a message may take, each of which is billed; a longer one is cut.";
        max_per_hour = max_per_hour as Count<1, MAX_SMS_QUOTA>,
            "The messages that go in an hour, each to all recipients; further events wait.";
        max_per_day = max_per_day as Count<1, MAX_SMS_QUOTA>,
            "The same for a day.";
        ca = ca as AbsolutePath,
            "A PEM file with the authorities that vouch for the server, in place of the system's.";
        timeout = timeout as Lasting<1, 300>,
            "The time within which a request must be answered in full.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}

/// Checks that there is one sender, and somebody to send to, and that neither account nor numbers are what Twilio would
/// refuse at the first event.
pub(super) fn check(reader: &mut Reader, given: Given<'_>) {
    let has = |key| given.table.get(key);
    let message = match (has("from"), has("messaging_service_sid")) {
        (Some(_), Some(_)) => format!("`{}` has both `from` and `messaging_service_sid`", given.path),
        (None, None) => format!("`{}` lacks `from`, or `messaging_service_sid`", given.path),
        _ => String::new(),
    };
    if !message.is_empty() {
        reader.problems.push(Problem::new(given.at, message).hint("expected one of them"));
    }
    // Another server may call its accounts as it likes.
    if let Some(node) = has("account_sid").filter(|_| has("api_url").is_none())
        && matches!(&node.content, Content::Text(sid) if !is_account(sid))
    {
        let message = format!("`{}.account_sid`: no account at Twilio", given.path);
        reader.problems.push(Problem::new(&node.at, message).hint("expected AC and 32 hexadecimal digits"));
    }
    for node in has("to").into_iter().flat_map(Node::items) {
        if matches!(&node.content, Content::Text(number) if !is_number(number)) {
            let message = format!("`{}.to`: no telephone number", given.path);
            reader
                .problems
                .push(Problem::new(&node.at, message).hint("expected one such as \"+4917012345678\""));
        }
    }
    if let Some(node) =
        has("to").filter(|node| matches!(&node.content, Content::List(nodes) if nodes.is_empty()))
    {
        let message = format!("`{}.to`: expected at least one number", given.path);
        reader.problems.push(Problem::new(&node.at, message));
    }
}

/// Whether a text can be the SID of an account at Twilio.
fn is_account(sid: &str) -> bool {
    let digits = sid.strip_prefix("AC").unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a text can be a number, perhaps behind the name of a channel, as in `whatsapp:+49...`, and written for people.
fn is_number(text: &str) -> bool {
    let number = text.split_once(':').map_or(text, |(_, number)| number);
    let is_punctuation = |c: char| matches!(c, '+' | ' ' | '-' | '.' | '/' | '(' | ')');
    number.chars().any(|c| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || is_punctuation(c))
}
