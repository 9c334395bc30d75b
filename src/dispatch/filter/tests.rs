//! What filters say of events, and what they refuse.

use super::*;
use crate::event::{EventBlock, Field, FieldType, Head, Kind, ModuleName, Severity, Stamp, StreamId};
use crate::time::Timestamp;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn block() -> EventBlock {
    let module = ModuleName { app: "fleet".into(), module: "openssh".into() };
    let mut block = EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules: vec![module] }));
    let head = |kind, severity| Head {
        number: 1,
        ordinal: 0,
        module: 0,
        kind,
        severity,
        time: Timestamp::from_civil(2026, 2, 1, 3600, 0),
    };
    block
        .push(head(Kind::SSHDLoginSucceeded, Severity::Info))
        .text(Field::User, b"admin")
        .text(Field::Host, b"web1")
        .addr(Field::Addr, "10.1.2.3".parse().unwrap())
        .count(Field::Port, 5555)
        .count(Field::Failures, 3)
        .duration(Field::Duration, Duration::from_secs(90))
        .flag(Field::Trusted, true);
    block
        .push(head(Kind::SSHDUserEnumeration, Severity::Warning))
        .texts(Field::Users, [&b"root"[..], b"x"])
        .text(Field::Source, b"203.0.113.9");
    block
        .push(head(Kind::SSHDDistributedBruteForce, Severity::Error))
        .addrs(Field::Addrs, ["203.0.113.9".parse().unwrap(), "2001:db8::1".parse().unwrap()]);
    block
}

#[test]
fn filters_answer_for_each_event() {
    let block = block();
    let cases: &[(&str, [bool; 3])] = &[
        ("true", [true, true, true]),
        ("severity >= WARNING", [false, true, true]),
        ("severity == ERROR", [false, false, true]),
        ("WARNING < severity", [false, false, true]),
        ("severity in [INFO, ERROR]", [true, false, true]),
        ("kind == 'SSHDLoginSucceeded'", [true, false, false]),
        ("kind in ['SSHDLoginSucceeded', 'SSHDUserEnumeration']", [true, true, false]),
        ("kind.startsWith('SSHDUser')", [false, true, false]),
        ("app == 'fleet' && module == 'openssh'", [true, true, true]),
        ("host == 'web1'", [true, false, false]),
        ("fields.user == 'admin'", [true, false, false]),
        ("fields.user != 'admin'", [false, false, false]),
        ("!(fields.user == 'admin')", [false, true, true]),
        ("fields.port > 1024", [true, false, false]),
        ("fields.port < 1024", [false, false, false]),
        ("fields.port >= 5555.0", [true, false, false]),
        ("fields.failures > -1", [true, false, false]),
        ("fields.duration > 60", [true, false, false]),
        ("fields.duration == duration('1m30s')", [true, false, false]),
        ("fields.duration >= duration('2m')", [false, false, false]),
        ("fields.trusted", [true, false, false]),
        ("!fields.trusted", [false, true, true]),
        ("fields.trusted == true", [true, false, false]),
        ("has(fields.users)", [false, true, false]),
        ("'root' in fields.users", [false, true, false]),
        ("size(fields.users) == 2", [false, true, false]),
        ("size(fields.user) == 5", [true, false, false]),
        ("fields.addr == '10.1.2.3'", [true, false, false]),
        ("fields.addr in ['10.1.2.3', '::1']", [true, false, false]),
        ("'2001:db8::1' in fields.addrs", [false, false, true]),
        ("in_net(fields.addr, '10.0.0.0/8')", [true, false, false]),
        ("in_net(fields.addr, ['192.0.2.0/24', '10.1.2.3'])", [true, false, false]),
        ("!in_net(fields.addr, '10.0.0.0/8')", [false, true, true]),
        ("fields.user.matches('^adm')", [true, false, false]),
        ("fields.user.matches('dmi')", [true, false, false]),
        (r"host.matches(r'(?i)^WEB\d$')", [true, false, false]),
        ("in_net(fields.addr, '::ffff:10.0.0.0/104')", [true, false, false]),
        ("fields.user.endsWith('min') || fields.source.contains('.113.')", [true, true, false]),
        ("time >= timestamp('2026-02-01T01:00:00Z')", [true, true, true]),
        ("time < timestamp('2026-02-01T01:00:00Z')", [false, false, false]),
    ];
    for (source, expected) in cases {
        let filter = Filter::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        let answers: Vec<_> = block.iter().map(|event| filter.wants(event)).collect();
        assert_eq!(answers, expected, "{source}");
    }
}

#[test]
fn what_is_no_filter_is_refused_with_the_remedy() {
    let long = format!("kind == '{}'", "x".repeat(limits::MAX_FILTER_LENGTH));
    let deep = format!("{}true{}", "(".repeat(200), ")".repeat(200));
    let cases: &[(&str, &str)] = &[
        ("", "it is no expression: at character 1: it ends too soon"),
        ("severity >=", "it is no expression: at character 12: it ends too soon"),
        ("true &&\n  host ==", "at line 2, character 10: it ends too soon"),
        ("host = 'web1'", "at character 6: "),
        ("host = 'web1'", "`==` asks whether two values are equal"),
        ("true and true", "`and` is written `&&`"),
        ("severity >= \"ERROR\"", "without quotation marks"),
        ("severity == 4", "a severity cannot be compared with a number"),
        ("severity >= HIGH", "there is no `HIGH`"),
        ("severity >= warn", "WARNING"),
        ("sevrity >= ERROR", "did you mean `severity`?"),
        ("user == 'root'", "did you mean `fields.user`?"),
        ("fields.usr == 'root'", "did you mean `fields.user`?"),
        ("fields.user", "must give yes or no"),
        ("fields", "fields are written `fields.NAME`"),
        ("fields['user'] == 'root'", "fields are written `fields.NAME`"),
        ("size(fields.users)", "it gives a number, and must give yes or no"),
        ("duration('5m')", "it gives a length of time, and must give yes or no"),
        ("duration('5m', '6m') < fields.duration", "`duration` wants one argument"),
        ("true == (severity == ERROR)", "join answers with `&&`"),
        ("fields.port == 'x'", "a number cannot be compared with text"),
        ("fields.duration > '5m'", "written `duration(\"5m\")`"),
        ("22 in fields.users", "text cannot be compared with a number"),
        ("fields.addr in fields.users", "text cannot be compared with an address"),
        ("fields.users in [fields.users]", "no list holds a list"),
        ("host in []", "the list is empty"),
        ("in_net(fields.addr, [])", "the list is empty"),
        ("fields.addr == '10.0.0.0/8'", "in_net(fields.addr"),
        ("fields.users == 'root'", "ask what it holds with `in`"),
        ("kind == 'SSHDLoginSuceeded'", "did you mean `SSHDLoginSucceeded`?"),
        ("fields.user.matches('(')", "is no pattern"),
        ("fields.user.matches(host)", "in quotation marks"),
        ("fields.users.exists(u, u == 'root')", "macros such as `exists`"),
        ("in_net(fields.addr, 'ten')", "`ten` is no network"),
        ("in_net('x', '10.0.0.0/8')", "wants an address"),
        ("fields.duration > duration('soon')", "as in `duration(\"5m\")`"),
        ("fields.port + 1 == 2", "`+` is not for filters"),
        ("fields.user == null", "has(fields.NAME)"),
        ("fields.user.startWith('x')", "did you mean `startsWith`?"),
        (&long, "may be 1024"),
        (&deep, "it is nested too deeply: more than 48 levels"),
    ];
    for (source, expected) in cases {
        let error = Filter::compile(source).expect_err(source).to_string();
        assert!(error.contains(expected), "{source}: {error}");
    }
}

#[test]
fn the_longest_chain_is_read() {
    let chain = vec!["fields.trusted"; limits::MAX_FILTER_LENGTH / 18].join(" || ");
    assert!(Filter::compile(&chain).unwrap().wants(block().get(0).unwrap()));
}

#[test]
fn the_examples_of_the_documentation_are_filters() {
    let page = include_str!("../../../docs/filters.md");
    let blocks = page.split("```cel\n").skip(1).filter_map(|rest| rest.split("```").next());
    let in_toml = page.lines().filter_map(|line| line.strip_prefix("filter = '")?.strip_suffix('\''));
    let examples: Vec<_> = blocks.flat_map(str::lines).chain(in_toml).collect();
    assert!(examples.len() > 5);
    for example in examples {
        Filter::compile(example).unwrap_or_else(|error| panic!("{example}: {error}"));
    }
}

/// A literal that a field can be compared with, if there is any.
fn literal(field: Field) -> Option<&'static str> {
    Some(match field.spec().ty {
        FieldType::Text => "'x'",
        FieldType::Count => "1",
        FieldType::Flag => "true",
        FieldType::Time => "timestamp('2026-02-01T12:00:00Z')",
        FieldType::Duration => "duration('5m')",
        FieldType::Addr => "'10.1.2.3'",
        FieldType::Texts | FieldType::Addrs => return None,
    })
}

#[test]
fn what_is_absent_compares_with_nothing() {
    let mut block = block();
    block.clear();
    let (number, kind, severity) = (1, Kind::ServerStarted, Severity::Info);
    block.push(Head { number, ordinal: 0, module: 0, kind, severity, time: Timestamp::EPOCH });
    let event = block.get(0).unwrap();
    for field in Field::ALL {
        let (name, Some(literal)) = (field.spec().name, literal(*field)) else { continue };
        for operator in ["==", "!=", "<", "<=", ">", ">="] {
            for source in
                [format!("fields.{name} {operator} {literal}"), format!("{literal} {operator} fields.{name}")]
            {
                let filter = Filter::compile(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
                assert!(!filter.wants(event), "{source}");
            }
        }
    }
}

#[test]
fn no_source_overflows_the_stack() {
    let parts = [
        "0==",
        "0||",
        "0&&",
        "0+",
        "0 in ",
        "1?1:",
        "0:",
        "a.",
        "a[",
        "[",
        "{",
        "{1:",
        "(",
        "!",
        "-",
        "!(",
        "-(",
        "[1].map(x,",
        "[1].all(x,",
        "a.f(",
        "has(",
        "size(",
        "a{b:",
        "[1,",
        "\"",
        "\\",
        "\n",
    ];
    for part in parts {
        for tail in ["true", ""] {
            let source = part.repeat((limits::MAX_FILTER_LENGTH - tail.len()) / part.len()) + tail;
            drop(Filter::compile(&source));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_it_panic(source in "[a-z_.()'\"!&|<>=0-9 ,\\[\\]]{0,60}") {
        if let Ok(filter) = Filter::compile(&source) {
            let answers: Vec<_> = block().iter().map(|event| filter.wants(event)).collect();
            prop_assert_eq!(answers.len(), 3);
        }
    }
}
