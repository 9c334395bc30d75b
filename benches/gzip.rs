//! A backlog: one gzip file of 2 GB of records, replayed from end to end; how fast that is, and the memory that it takes.
//!
//! `cargo bench --profile dist --bench gzip -- [RECORDS]` generates the records (`support/load.rs`, a line each) into
//! a temporary file, replays it as JSON into nothing, and watches the memory of that process all the while.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool for developers, on the command line"
)]

#[path = "support/load.rs"]
#[allow(dead_code, reason = "other benches need more of it")]
mod load;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "other benches need more of it")]
mod process;

use correlator::flood::SceneOptions;
use flate2::Compression;
use flate2::write::GzEncoder;
use load::Load;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Writes so many records; how many bytes they have unpacked.
fn write(path: &Path, records: usize) -> usize {
    let file = BufWriter::new(File::create(path).unwrap());
    let mut packed = GzEncoder::new(file, Compression::fast());
    let mut load = Load::of(SceneOptions::default());
    let (mut line, mut bytes) = (Vec::new(), 0);
    for _ in 0..records {
        line.clear();
        load.next(&mut line);
        line.push(b'\n');
        packed.write_all(&line).unwrap();
        bytes += line.len();
    }
    packed.finish().unwrap().flush().unwrap();
    bytes
}

/// The most memory that a process has occupied until now, in KiB; 0 once it has ended.
fn peak_memory(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let given = words.iter().find_map(|word| word.parse().ok());
    let is_measured = words.iter().any(|word| word == "--bench");
    let records = given.unwrap_or(if is_measured { 14_000_000 } else { 1_000 });
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("backlog.gz");
    let bytes = write(&path, records) as f64;
    let packed = fs::metadata(&path).unwrap().len() as f64;

    let mut command = process::correlator();
    command.args(["replay", "--format", "json"]).arg(&path).stdout(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut memory = 0;
    let status = loop {
        memory = memory.max(peak_memory(&child));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    assert!(status.success());
    println!(
        "| records | unpacked, MB | packed, MB | seconds | MB a second | records a second | peak memory, MiB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    println!(
        "| {records} | {:.0} | {:.0} | {seconds:.1} | {:.0} | {:.0} | {} |",
        bytes / 1e6,
        packed / 1e6,
        bytes / 1e6 / seconds,
        records as f64 / seconds,
        memory >> 10
    );
}
