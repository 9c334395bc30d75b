//! rsyslog as a sender, in every form and framing that it forwards in.

use crate::server::{Rsyslog, Server, configuration, has};

#[test]
fn every_form_in_which_rsyslog_forwards_gives_the_same_record() {
    if !has(&["rsyslogd"]) {
        return;
    }
    let counted = "TCP_Framing=\"octet-counted\"";
    for (protocol, template, framing) in [
        ("tcp", "RSYSLOG_SyslogProtocol23Format", counted),
        ("tcp", "RSYSLOG_SyslogProtocol23Format", ""),
        ("tcp", "RSYSLOG_ForwardFormat", counted),
        ("tcp", "RSYSLOG_TraditionalForwardFormat", ""),
        ("udp", "RSYSLOG_SyslogProtocol23Format", ""),
        ("udp", "RSYSLOG_TraditionalForwardFormat", ""),
    ] {
        let home = tempfile::tempdir().unwrap();
        let listener = format!("address = \"{protocol}://127.0.0.1:0\"");
        let mut server = Server::start(home.path(), &configuration(&listener), &[]);
        let way_out = format!(
            "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{}\" protocol=\"{protocol}\" template=\"{template}\" {framing})",
            server.address.port()
        );
        let sender = Rsyslog::start(home.path(), "", &way_out);
        for number in 0..20 {
            sender.log(&format!("it's \"record\" {number} \\ [x] ü"));
            let event = server.next("ReportRecord");
            let fields = ["app_name", "procid", "facility", "level", "message"];
            let read = fields.map(|field| event["fields"][field].as_str().unwrap_or("-").to_owned());
            let message = format!("it's \"record\" {number} \\ [x] ü");
            assert_eq!(
                read,
                ["sshd", "7", "auth", "info", message.as_str()],
                "{template} {protocol} {framing}"
            );
        }
        drop(sender);
        server.stop();
    }
}

#[test]
fn what_we_tell_of_rsyslog_keeps_records_while_the_server_is_away() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for file in ["README.md", "contrib/rsyslog.conf", "docs/listeners.md"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        for action in text.split("action(").skip(1) {
            let action = action.split(")\n").next().unwrap();
            for option in ["queue.type=", "queue.saveOnShutdown=\"on\"", "action.resumeRetryCount=\"-1\""] {
                assert!(action.contains(option), "{file}: no {option} in {action}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 4);
}
