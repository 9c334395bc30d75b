//! Not a measurement: writes the generated load to a file, for whole-process measurements.
//!
//! `cargo bench --bench load -- 2000000 target/mixed.raw [PERCENT [LOGINS [SOURCES]]]` writes so many octet-counted
//! records, of which so many in 100 (50 unless told) are sshd's; of its connections so many in 100 (58) log in, and they
//! come from so many addresses (250,000).

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a tool for developers, on the command line")]

use correlator::flood::SceneOptions;

mod support {
    pub(crate) mod load;
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [records, path, rest @ ..] = words.as_slice() else {
        println!("usage: cargo bench --bench load -- RECORDS FILE [PERCENT [LOGINS [SOURCES]]]");
        return;
    };
    let records = records.parse().expect("a number of records");
    let number =
        |index: usize, unless: u64| rest.get(index).map_or(unless, |word| word.parse().expect("a number"));
    let options = SceneOptions {
        sshd_percent: number(0, 50),
        logins_percent: number(1, 58),
        sources: number(2, 250_000),
        ..SceneOptions::default()
    };
    let stream = support::load::Load::of(options.clone()).stream(records);
    std::fs::write(path, &stream).expect("a file that can be written");
    println!("{records} records, {} bytes, {} % sshd: {path}", stream.len(), options.sshd_percent);
}
