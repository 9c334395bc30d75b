//! What durability costs: CPU time and rate of a whole server with each durability, and how long an event takes from the
//! last byte of its record to the handler.
//!
//! `cargo bench --profile dist --bench durability -- [RECORDS] [ROUNDS] [RATE] [NTH]`; what is told is the best of the
//! rounds, which take turns. The data lie in `$TMPDIR`, so that it chooses the disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool for developers, on the command line"
)]

mod support {
    pub(crate) mod load;
    pub(crate) mod process;
    pub(crate) mod server;
}

use correlator::flood::SceneOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use support::process::end;
use support::server::serve;

const DURABILITIES: [&str; 3] = ["none", "events", "observations"];

/// Records a second at which the latency is taken, unless another rate is asked for.
const RATE: u64 = 100_000;

/// Each of how many records raises an event that is timed, unless asked otherwise.
const NTH: u64 = 10;

fn server(home: &Path, durability: &str, out: Stdio) -> (Child, SocketAddr) {
    serve(home, &[&format!("server.durability={durability}")], out)
}

/// CPU time in µs a record, and records a second.
fn cost(stream: &[u8], records: u64, durability: &str) -> (f64, f64) {
    let home = tempfile::tempdir().unwrap();
    let (mut child, address) = server(home.path(), durability, Stdio::null());
    let mut socket = TcpStream::connect(address).unwrap();
    let begun = Instant::now();
    socket.write_all(stream).unwrap();
    drop(socket);
    let cpu = end(&mut child);
    let records = records as f64;
    (cpu * 1e6 / records, records / begun.elapsed().as_secs_f64())
}

/// Sorted latencies in ms, from the last byte of a record to the event of it, of every `nth` of so many records sent at an
/// even rate; the others are of the load.
fn latencies(records: u64, rate: u64, nth: u64, durability: &str) -> Vec<f64> {
    let home = tempfile::tempdir().unwrap();
    let (mut child, address) = server(home.path(), durability, Stdio::piped());
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    let (tell, told) = mpsc::channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    let reader = thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            // More sessions than are kept end some: only the beginnings are what is waited for.
            let begins = line.contains("\"SSHDSessionStarted\"");
            let Some(rest) = line.split("\"user\":\"u").nth(1).filter(|_| begins) else { continue };
            let number = rest.split('"').next().and_then(|number| number.parse::<usize>().ok());
            number.into_iter().for_each(|number| tell.send((number, Instant::now())).unwrap());
        }
    });
    // All is written down before the clock runs, so that the sender takes little of the machine.
    let mut load = support::load::Load::of(SceneOptions::default());
    let (mut stream, mut ends) = (Vec::new(), Vec::new());
    for n in 0..records {
        let mut record = Vec::new();
        if n % nth == 0 {
            let n = n / nth;
            let (host, port) = (n % 8, 1024 + n % 60_000);
            let text = format!("Accepted password for u{n} from 10.{}.0.9 port {port} ssh2", n / 60_000);
            record.extend_from_slice(format!("<38>1 - web{host} sshd {} - - {text}", 1 + n).as_bytes());
        } else {
            load.next(&mut record);
        }
        stream.extend_from_slice(format!("{} ", record.len()).as_bytes());
        stream.extend_from_slice(&record);
        ends.push(stream.len());
    }
    let begun = Instant::now();
    // When a record is due: what waits because the server does not take it counts, too.
    let due = |n: usize| begun + Duration::from_secs(n as u64) / rate as u32;
    let (mut sent, mut at) = (0, 0);
    while sent < ends.len() {
        thread::sleep(due(sent).saturating_duration_since(Instant::now()));
        // What is due by now goes in one write.
        let by_now = (begun.elapsed().as_nanos() * u128::from(rate) / 1_000_000_000) as usize + 1;
        sent = by_now.clamp(sent + 1, ends.len());
        socket.write_all(&stream[at..ends[sent - 1]]).unwrap();
        at = ends[sent - 1];
    }
    drop(socket);
    end(&mut child);
    reader.join().unwrap();
    let since = |(n, at): (usize, Instant)| at.duration_since(due(n * nth as usize)).as_secs_f64() * 1e3;
    let mut found: Vec<f64> = told.iter().map(since).collect();
    assert_eq!(found.len() as u64, records.div_ceil(nth), "an event for each of these records");
    found.sort_by(f64::total_cmp);
    found
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_measured = words.iter().any(|word| word == "--bench");
    let mut numbers = words.iter().filter_map(|word| word.parse::<u64>().ok());
    let records = numbers.next().unwrap_or(if is_measured { 2_000_000 } else { 1_000 });
    let rounds = numbers.next().unwrap_or(if is_measured { 5 } else { 1 });

    let stream = support::load::Load::of(SceneOptions::default()).stream(records.try_into().unwrap());
    let mut best = [(f64::MAX, 0.0_f64); DURABILITIES.len()];
    for _ in 0..rounds {
        for (best, durability) in best.iter_mut().zip(DURABILITIES) {
            let (cpu, rate) = cost(&stream, records, durability);
            *best = (best.0.min(cpu), best.1.max(rate));
        }
    }
    println!("{records} records, half of them sshd's, best of {rounds}");
    println!("durability     CPU µs a record    more than none    records a second");
    for ((cpu, rate), durability) in best.into_iter().zip(DURABILITIES) {
        println!("{durability:14} {cpu:15.3} {:17.3} {rate:19.0}", cpu - best[0].0);
    }
    let (rate, nth) = (numbers.next().unwrap_or(RATE), numbers.next().unwrap_or(NTH).max(1));
    let count = if is_measured { rate * 5 } else { 200 };
    println!(
        "latency of the event of every {nth}. record of {count}, at {rate} records a second, best of {rounds}"
    );
    println!("durability          p50 ms    p99 ms    most ms");
    for durability in DURABILITIES {
        let all: Vec<_> = (0..rounds).map(|_| latencies(count, rate, nth, durability)).collect();
        let at = |part: f64| {
            let of = |found: &Vec<f64>| found[((found.len() - 1) as f64 * part) as usize];
            all.iter().map(of).fold(f64::MAX, f64::min)
        };
        println!("{durability:14} {:11.2} {:9.2} {:10.2}", at(0.5), at(0.99), at(1.0));
    }
}
