//! Floor 4: what a mail server sends, in portions that keep it from speaking out of turn.
//!
//! Invariant: no read gives out anything behind the end of a line, so that nobody reads ahead: what came in the clear
//! behind the answer to STARTTLS is met by TLS, which fails, and not by whoever waits for the next reply (RFC 3207
//! section 6). No reply grows beyond [`limits::MAX_SMTP_REPLY_BYTES`].

use crate::limits;
use lettre::transport::smtp::client::AsyncTokioStream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};

/// A stream that gives out at most one line at a time, and so much between two writes. Where it carries TLS, its lines
/// are portions like any others.
#[derive(Debug)]
pub(super) struct Replies<S> {
    stream: BufReader<S>,
    peer: SocketAddr,
    /// Bytes that were given out since something was written.
    received: usize,
}

impl<S: AsyncRead> Replies<S> {
    pub(super) fn new(stream: S, peer: SocketAddr) -> Self {
        Self { stream: BufReader::new(stream), peer, received: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replies<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, received, .. } = &mut *self;
        let held = ready!(Pin::new(&mut *stream).poll_fill_buf(context))?;
        let line = memchr::memchr(b'\n', held).map_or(held.len(), |end| end + 1);
        let portion = held.get(..line.min(buffer.remaining())).unwrap_or_default();
        buffer.put_slice(portion);
        let length = portion.len();
        Pin::new(stream).consume(length);
        *received += length;
        if *received > limits::MAX_SMTP_REPLY_BYTES {
            let why = format!("a reply of more than {} bytes", limits::MAX_SMTP_REPLY_BYTES);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Replies<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.received = 0;
        Pin::new(self.stream.get_mut()).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> AsyncTokioStream for Replies<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn replies(stream: tokio::io::DuplexStream) -> Replies<tokio::io::DuplexStream> {
        Replies::new(stream, "127.0.0.1:25".parse().unwrap())
    }

    #[tokio::test]
    async fn a_read_ends_with_the_line() {
        let (near, mut far) = duplex(1024);
        far.write_all(b"220 go on\r\n250 forged\r\n").await.unwrap();
        drop(far);
        let mut replies = replies(near);
        for expected in [&b"220 go on\r\n"[..], b"250 forged\r\n", b""] {
            let mut buffer = [0; 64];
            let length = replies.read(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], expected);
        }
    }

    #[tokio::test]
    async fn a_reply_has_an_end_and_the_next_one_its_own_room() {
        let (near, mut far) = duplex(4 * limits::MAX_SMTP_REPLY_BYTES);
        let most = vec![b'A'; limits::MAX_SMTP_REPLY_BYTES];
        let mut replies = replies(near);
        let mut read = vec![0; most.len()];
        for _ in 0..2 {
            far.write_all(&most).await.unwrap();
            replies.read_exact(&mut read).await.unwrap();
            replies.write_all(b"NOOP\r\n").await.unwrap();
        }
        far.write_all(&most).await.unwrap();
        far.write_all(b"A").await.unwrap();
        replies.read_exact(&mut read).await.unwrap();
        let error = replies.read_u8().await.unwrap_err();
        assert_eq!(error.to_string(), "a reply of more than 65536 bytes");
    }
}
