//! Floor 4: connections that come through a proxy, and the header that says for whom.
//!
//! Invariant: not a byte behind the header is taken from the socket, so that whatever is spoken next finds all of it.

use super::notices::Refusal;
use crate::limits;
use crate::wire::proxy::{self, ProxyHeader};
use ipnet::IpNet;
use std::io;
use std::net::IpAddr;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Options of a listener's proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether connections come through a proxy.
    pub mode: Mode,
    /// Networks of the proxies, from which alone connections come then.
    pub from: Vec<IpNet>,
}

/// Whether connections come through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// None does.
    #[default]
    Off,
    /// All do.
    Required,
}

impl Options {
    /// Whether an address is that of a proxy.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.from.iter().any(|network| network.contains(&address))
    }
}

/// Reads the header; gives the address that the proxy speaks for, if it speaks for one.
pub(super) async fn source(stream: &TcpStream) -> Result<Option<IpAddr>, (Refusal, String)> {
    let read = timeout(limits::PROXY_TIMEOUT, read(stream)).await;
    let read = read.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)));
    let header = read.map_err(|error| {
        let detail = match error.kind() {
            io::ErrorKind::TimedOut => {
                format!("no whole PROXY header within {} s", limits::PROXY_TIMEOUT.as_secs())
            }
            io::ErrorKind::UnexpectedEof => "the connection ended within the PROXY header".to_owned(),
            _ => error.to_string(),
        };
        (Refusal::ProxyHeader, detail)
    })?;
    Ok(header.source.map(|source| source.to_canonical()))
}

async fn read(stream: &TcpStream) -> io::Result<ProxyHeader> {
    let mut header = vec![0; limits::MAX_PROXY_HEADER];
    let mut filled = 0;
    loop {
        let room = header.get_mut(filled..).unwrap_or_default();
        let seen = filled + stream.peek(room).await?;
        if seen == filled {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let parsed = proxy::parse(header.get(..seen).unwrap_or_default());
        let parsed = parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        // What is no whole header yet belongs to it.
        let end = parsed.map_or(seen, |header| header.len);
        while filled < end {
            match stream.try_read(header.get_mut(filled..end).unwrap_or_default()) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.readable().await?,
                Err(error) => return Err(error),
            }
        }
        if let Some(header) = parsed {
            return Ok(header);
        }
    }
}
