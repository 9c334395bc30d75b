//! Floor 4: a TLS session: what the socket holds is decrypted into the buffer that records are framed in.
//!
//! A read takes as much from the socket as one of plain TCP does. It uses a second pooled buffer for that, which goes back
//! before the read ends, unless the room was too small for all of it.
//!
//! Invariant: an idle session holds no more than an incomplete TLS record.

use crate::ingest::pool::{Buffer, Pool};
use crate::ingest::stream::held;
use rustls::ServerConnection;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use tokio::net::TcpStream;

/// An established session.
#[derive(Debug)]
pub(in crate::ingest) struct Session {
    stream: TcpStream,
    session: Box<ServerConnection>,
    pool: Arc<Pool>,
    /// What was received and is not decrypted yet: a buffer, and where in it that begins.
    encrypted: Option<(Buffer, usize)>,
    /// Whether there is something to read, whatever the socket holds.
    is_ready: bool,
    /// What is wrong, to be said now that everything before it has been read.
    failure: Option<io::Error>,
}

impl Session {
    pub(super) fn new(stream: TcpStream, session: ServerConnection, pool: Arc<Pool>) -> Self {
        let session = Box::new(session);
        // Records may have come with the last message of the handshake.
        Self { stream, session, pool, encrypted: None, is_ready: true, failure: None }
    }

    /// Waits until there may be something to read.
    pub(in crate::ingest) async fn readable(&self) -> io::Result<()> {
        if self.is_ready { Ok(()) } else { self.stream.readable().await }
    }

    /// The socket that carries it.
    pub(in crate::ingest) fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Bytes that it holds itself, decrypted or not.
    pub(in crate::ingest) fn held(&mut self) -> usize {
        let encrypted = self.encrypted.as_ref();
        let encrypted = encrypted.map_or(0, |(buffer, done)| buffer.as_ref().len().saturating_sub(*done));
        // What is wrong with the session, reading will find out.
        let decrypted = self.session.process_new_packets().map_or(0, |state| state.plaintext_bytes_to_read());
        encrypted.saturating_add(decrypted)
    }

    /// Reads what there is, as far as there is room: with `at_end`, what the kernel holds, whether or not the runtime has
    /// heard of it. An end that the peer did not announce is an error of the kind `UnexpectedEof`.
    pub(in crate::ingest) fn read(&mut self, room: &mut [u8], at_end: bool) -> io::Result<usize> {
        self.is_ready = false;
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut filled = 0;
        let end = loop {
            match self.decrypt(room, &mut filled) {
                Ok(false) if filled > 0 || room.is_empty() => break None,
                Ok(false) => match self.receive(at_end) {
                    Ok(()) => {}
                    Err(error) => break Some(Err(error)),
                },
                Ok(true) => break Some(Ok(0)),
                Err(error) => break Some(Err(error)),
            }
        };
        self.flush();
        match end {
            None => self.is_ready = self.encrypted.is_some() || filled == room.len(),
            Some(end) if filled == 0 => return end,
            // Said again by the next read, which must not wait for the socket.
            Some(end) => (self.is_ready, self.failure) = (true, end.err()),
        }
        Ok(filled)
    }

    /// Decrypts what was received, as far as there is room; tells whether the peer has ended the session.
    fn decrypt(&mut self, room: &mut [u8], filled: &mut usize) -> io::Result<bool> {
        while let Some(rest) = room.get_mut(*filled..).filter(|rest| !rest.is_empty()) {
            match self.session.reader().read(rest) {
                Ok(0) => return Ok(true),
                Ok(count) => *filled += count,
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) if self.process()? => {}
                Err(_) => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Hands the session a piece of what was received, if there is any.
    fn process(&mut self) -> io::Result<bool> {
        let Some((buffer, done)) = &mut self.encrypted else { return Ok(false) };
        let mut rest = buffer.as_ref().get(*done..).unwrap_or_default();
        let taken = self.session.read_tls(&mut rest)?;
        *done += taken;
        // What comes after the end of a session is nothing to it.
        if taken == 0 || *done == buffer.as_ref().len() {
            self.encrypted = None;
        }
        self.session.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(true)
    }

    /// Reads from the socket.
    fn receive(&mut self, at_end: bool) -> io::Result<()> {
        let mut buffer = self.pool.take();
        let room = buffer.room();
        let count = if at_end { held(&self.stream, room)? } else { self.stream.try_read(room)? };
        if count == 0 {
            // Tells the session that there is no more.
            self.session.read_tls(&mut io::empty())?;
            return Ok(());
        }
        buffer.advance(count);
        self.encrypted = Some((buffer, 0));
        Ok(())
    }

    /// Sends what the session itself has to say, as far as the peer takes it now: alerts, new keys.
    fn flush(&mut self) {
        while self.session.wants_write() {
            if self.session.write_tls(&mut Socket(&self.stream)).is_err() {
                return;
            }
        }
    }

    /// Writes all of it.
    pub(in crate::ingest) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = self.session.writer().write(bytes)?;
            bytes = bytes.get(taken..).unwrap_or_default();
            while self.session.wants_write() {
                self.stream.writable().await?;
                match self.session.write_tls(&mut Socket(&self.stream)) {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Tells the peer, if it listens, that nothing more is read.
    pub(in crate::ingest) fn close(&mut self) {
        self.session.send_close_notify();
        self.flush();
    }
}

/// A socket that takes what it can without waiting.
struct Socket<'a>(&'a TcpStream);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
