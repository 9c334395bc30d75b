//! Floor 4: read buffers that are used again and again.
//!
//! Invariant: a buffer is either in the pool or owned by exactly one reader or batch; dropping the last reference to
//! a batch's bytes brings it back.

use crate::limits;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};

/// Buffers of [`limits::READ_SIZE`] bytes, the hottest on top.
#[derive(Debug, Default)]
pub struct Pool {
    free: Mutex<Vec<Vec<u8>>>,
}

impl Pool {
    /// Takes a buffer of [`limits::READ_SIZE`] bytes, whose content is of no meaning.
    pub fn take(self: &Arc<Self>) -> Buffer {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Buffer {
            bytes: free.unwrap_or_else(|| vec![0; limits::READ_SIZE]),
            len: 0,
            pool: Some(Arc::clone(self)),
        }
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < limits::IN_FLIGHT_BATCHES {
            free.push(buffer);
        }
    }
}

/// A buffer out of a pool, or one of its own that grew with a long frame.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    len: usize,
    pool: Option<Arc<Pool>>,
}

impl Buffer {
    /// A buffer that belongs to no pool and begins with the `len` bytes that `bytes` holds.
    pub(super) fn unpooled(bytes: Vec<u8>, len: usize) -> Self {
        Self { bytes, len, pool: None }
    }

    /// Appends bytes, as far as there is room.
    pub fn fill(&mut self, bytes: &[u8]) {
        let end = self.bytes.len().min(self.len.saturating_add(bytes.len()));
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(bytes.get(..room.len()).unwrap_or_default());
        }
        self.len = end;
    }

    /// The room after what was filled.
    pub fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.len..).unwrap_or_default()
    }

    /// Counts `count` bytes of the room as filled.
    pub fn advance(&mut self, count: usize) {
        self.len = self.bytes.len().min(self.len.saturating_add(count));
    }

    /// Doubles the room of a buffer that belongs to no pool.
    pub(super) fn grow(&mut self, least: usize) {
        if self.pool.is_none() && self.bytes.len() - self.len < least {
            self.bytes.resize((self.bytes.len() * 2).max(self.len + least), 0);
        }
    }

    /// Whether the buffer belongs to no pool.
    pub(super) fn is_unpooled(&self) -> bool {
        self.pool.is_none()
    }

    /// Bytes of memory that the buffer occupies.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Shares what was filled; the buffer returns to its pool when the last share is dropped.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.give_back(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_when_the_last_share_goes() {
        let pool = Arc::new(Pool::default());
        let mut buffer = pool.take();
        buffer.fill(b"one");
        buffer.room()[..3].copy_from_slice(b"two");
        buffer.advance(3);
        let address = buffer.as_ref().as_ptr();
        let bytes = buffer.freeze();
        let share = bytes.slice(3..);
        drop(bytes);
        assert_eq!(pool.free.lock().unwrap().len(), 0);
        assert_eq!(&share[..], b"two");
        drop(share);
        assert_eq!(pool.take().bytes.as_ptr(), address);
    }

    #[test]
    fn filling_stops_at_the_end() {
        let pool = Arc::new(Pool::default());
        let mut buffer = pool.take();
        buffer.advance(limits::READ_SIZE - 1);
        buffer.fill(b"abc");
        assert_eq!(buffer.as_ref().len(), limits::READ_SIZE);
        assert_eq!(buffer.as_ref().last(), Some(&b'a'));
        assert!(buffer.room().is_empty());
    }
}
