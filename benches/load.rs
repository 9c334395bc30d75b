//! Not a measurement: writes the generated load to a file, for whole-process measurements.
//!
//! `cargo bench --bench load -- 2000000 target/mixed.raw [PERCENT]` writes so many octet-counted records, of which so
//! many in 100 (50 unless told) are sshd's.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a tool for developers, on the command line")]

mod support {
    pub(crate) mod load;
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [records, path, rest @ ..] = words.as_slice() else {
        println!("usage: cargo bench --bench load -- RECORDS FILE [PERCENT]");
        return;
    };
    let records = records.parse().expect("a number of records");
    let percent = rest.first().map_or(50, |percent| percent.parse().expect("a percentage"));
    let stream = support::load::Load::with_percent(percent).stream(records);
    std::fs::write(path, &stream).expect("a file that can be written");
    println!("{records} records, {} bytes, {percent} % sshd: {path}", stream.len());
}
