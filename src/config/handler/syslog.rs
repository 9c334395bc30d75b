//! Floor 7: `[handlers.NAME]` with `type = "syslog"`.

use crate::config::codec::{AbsolutePath, AppName, Lasting, OneOf, SyslogAddress};
use crate::config::option::{Opt, options};
use crate::config::problem::Problem;
use crate::config::section::{Given, Reader, Section};
use crate::config::tree::Content;
use crate::handlers::syslog::{Facility, Options};

impl Section for Options {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        (required) address = address as SyslogAddress,
            "Where records go.";
        facility = facility as OneOf<Facility>,
            "The facility of the records.";
        app_name = app_name as AppName,
            "The APP-NAME of the records. With its default, a Correlator that gets them knows them for a Correlator's \
             and leaves them out, so that no loop can arise.";
        ca = ca as AbsolutePath,
            "With `tls`: a PEM file with the authorities that vouch for the server, in place of the system's.";
        certificate = certificate as AbsolutePath,
            "With `tls`: a PEM file with the certificate that is shown to the server.";
        key = key as AbsolutePath,
            "With `tls`: a PEM file with the key of that certificate.";
        timeout = timeout as Lasting<1, 300>,
            "The time within which the server must take a connection, and then what is sent to it.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}

/// Checks that a certificate has a key, and that both are of use.
pub(super) fn check(reader: &mut Reader, given: Given<'_>) {
    let get = |key| given.table.get(key);
    for (one, other) in [("certificate", "key"), ("key", "certificate")] {
        if let (Some(node), None) = (get(one), get(other)) {
            let message = format!("`{}` has `{one}` without `{other}`", given.path);
            reader.problems.push(Problem::new(&node.at, message));
        }
    }
    let Some(Content::Text(address)) = get("address").map(|node| &node.content) else { return };
    if address.starts_with("tls:") {
        return;
    }
    for key in ["ca", "certificate", "key"] {
        if let Some(node) = get(key) {
            let message = format!("`{}.{key}` is of no use without TLS", given.path);
            reader.problems.push(Problem::new(&node.at, message).hint("expected an `address` with `tls://`"));
        }
    }
}
