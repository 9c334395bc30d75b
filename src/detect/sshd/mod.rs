//! Floor 2: the messages of sshd, as data: what a new OpenSSH release adds is a row here.
//!
//! The rows follow the life of a connection, file by file. Where two rows match one message the earlier one counts;
//! those that tell a kind by the beginning of a message that was cut come last.
//!
//! Source: the format strings of OpenSSH portable, 3.9p1 to 10.5p1; function and file are named where it helps.

mod authentication;
mod closing;
mod connection;
mod keys;
mod listener;

use super::row::Row;

/// All rows, in the order of precedence.
pub(super) fn rows() -> Vec<&'static Row> {
    [
        authentication::ROWS,
        closing::ROWS,
        connection::ROWS,
        keys::ROWS,
        listener::ROWS,
        authentication::CUT_ROWS,
        closing::CUT_ROWS,
        connection::CUT_ROWS,
        keys::CUT_ROWS,
    ]
    .into_iter()
    .flatten()
    .collect()
}
