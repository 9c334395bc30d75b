//! An HTTP server for tests: it plays whoever takes requests, one after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// A server, and the requests that it has answered.
pub(crate) struct Hook {
    pub(crate) url: String,
    pub(crate) requests: Receiver<String>,
}

impl Hook {
    /// Starts a server that takes every request.
    pub(crate) fn start() -> Self {
        Self::answering(|_, _| (200, String::new()))
    }

    /// Starts a server that gives the status and the body of each answer by how many came before, and by the request.
    pub(crate) fn answering(answer: impl Fn(usize, &str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        thread::spawn(move || {
            for (count, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let request = read_request(&mut stream);
                let (status, body) = answer(count, &request);
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).ok();
                if sender.send(request).is_err() {
                    break;
                }
            }
        });
        Self { url, requests }
    }

    /// Waits for a request of which this is a part.
    pub(crate) fn wait(&self, part: &str) -> String {
        loop {
            let request = self.requests.recv_timeout(Duration::from_secs(60)).unwrap();
            if request.contains(part) {
                return request;
            }
        }
    }

    /// Every request until now, other than connections that asked for nothing. One connection is taken after the
    /// other, so what comes before this one is all.
    pub(crate) fn until_now(&self) -> Vec<String> {
        let mut last = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        last.write_all(b"GET /until-now HTTP/1.1\r\n\r\n").unwrap();
        let next = || self.requests.recv_timeout(Duration::from_secs(60)).unwrap();
        let all = std::iter::repeat_with(next).take_while(|request| !request.starts_with("GET /until-now "));
        all.filter(|request| !request.is_empty()).collect()
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        text.push_str(&line);
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    text + &String::from_utf8(body).unwrap()
}
