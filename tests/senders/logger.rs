//! `logger` of util-linux, with every transport and form that it has.

use crate::server::{Server, configuration, has, machine};
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// What a message may hold besides words.
const MESSAGE: &str = "Failed password for it's \"q\" \\ [x] ü from 203.0.113.9 port 5555 ssh2";

/// A server with every kind of address that `logger` can send to.
fn server(home: &Path) -> Server {
    let [stream, datagrams] = ["stream", "datagrams"].map(|name| home.join(name).display().to_string());
    let listener = format!(
        "address = [\"tcp://127.0.0.1:0\", \"udp://127.0.0.1:0\", \"unix://{stream}\", \"unix-datagram://{datagrams}\"]"
    );
    Server::start(home, &configuration(&listener), &[])
}

fn log(arguments: &[&str]) {
    let status = Command::new("logger")
        .args(["--tag", "sshd", "--id=4711", "--priority", "auth.info"])
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success(), "{arguments:?}");
}

/// The arguments by which `logger` sends to an address over a network.
fn over(how: &str, to: SocketAddr) -> Vec<String> {
    let (ip, port) = (to.ip().to_string(), to.port().to_string());
    ["--server", &ip, "--port", &port, how].map(str::to_owned).to_vec()
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event["fields"][field].as_str().unwrap_or("-")
}

#[test]
fn every_way_that_logger_has_gives_the_same_record() {
    if !has(&["logger"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut server = server(home);
    let (tcp, udp) = (over("--tcp", server.at("tcp")), over("--udp", server.at("udp")));
    let local = |name: &str| vec!["--socket".to_owned(), home.join(name).display().to_string()];
    let (stream, datagrams) = (local("stream"), local("datagrams"));
    let (peer, machine) = (Some("127.0.0.1"), machine());
    // The way, its form, and what stands for the host where the record tells none.
    let ways: [(&[String], &[&str], Option<&str>); 11] = [
        (&tcp, &[], None),
        (&tcp, &["--octet-count"], None),
        (&tcp, &["--rfc3164"], None),
        (&tcp, &["--rfc3164", "--octet-count"], None),
        (&tcp, &["--rfc5424=notime,nohost"], peer),
        (&udp, &[], None),
        (&udp, &["--rfc3164"], None),
        (&stream, &[], Some(&machine)),
        (&stream, &["--rfc5424"], None),
        (&datagrams, &[], Some(&machine)),
        (&datagrams, &["--rfc5424"], None),
    ];
    for (way, form, host) in ways {
        let way: Vec<_> = way.iter().map(String::as_str).chain(form.iter().copied()).collect();
        log(&[&way[..], &[MESSAGE]].concat());
        let event = server.next("ReportRecord");
        let read = ["app_name", "procid", "facility", "level", "message"].map(|field| text(&event, field));
        assert_eq!(read, ["sshd", "4711", "auth", "info", MESSAGE], "{way:?}");
        let read = text(&event, "host");
        assert!(host.map_or(read != "-" && Some(read) != peer, |host| read == host), "{way:?}: {event}");
    }
    server.stop();
}

#[test]
fn structured_data_and_names_of_messages_arrive() {
    if !has(&["logger"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut server = server(home.path());
    let way = over("--tcp", server.at("tcp"));
    let way: Vec<_> = way.iter().map(String::as_str).collect();
    let more = ["--rfc5424", "--msgid", "ID47", "--sd-id", "x@32473", "--sd-param", "a=\"b\\]\"", "hello"];
    log(&[&way[..], &more].concat());
    let event = server.next("ReportRecord");
    assert_eq!([text(&event, "msgid"), text(&event, "message")], ["ID47", "hello"]);
    server.stop();
}

#[test]
fn each_line_of_a_file_is_a_record() {
    if !has(&["logger"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut server = server(home);
    let long = "x".repeat(150);
    let lines = ["first", &long, "last"];
    let file = home.join("lines");
    fs::write(&file, lines.join("\n") + "\n").unwrap();
    let file = file.to_str().unwrap();
    let tcp = over("--tcp", server.at("tcp"));
    for framing in [&[][..], &["--octet-count"]] {
        let way: Vec<_> = tcp.iter().map(String::as_str).chain(framing.iter().copied()).collect();
        log(&[&way[..], &["--file", file]].concat());
        for line in lines {
            assert_eq!(text(&server.next("ReportRecord"), "message"), line, "{framing:?}");
        }
    }
    server.stop();
}
