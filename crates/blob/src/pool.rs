use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Large buffers that are used again, since getting fresh ones from the system costs as much as filling them.
#[derive(Clone, Debug)]
pub struct Pool {
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Buffers kept while nobody uses them.
    keep: usize,
}

impl Pool {
    pub fn new(keep: usize) -> Self {
        Self { idle: Arc::default(), keep }
    }

    /// A buffer, with whatever was in it last.
    pub fn take(&self) -> Vec<u8> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// The buffer's bytes, to hand out. It comes back when the last of them is dropped.
    pub fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, pool: self.clone() })
    }

    /// Gives back a buffer that was not lent.
    pub fn give_back(&self, buffer: Vec<u8>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.keep {
            idle.push(buffer);
        }
    }
}

struct Lent {
    buffer: Vec<u8>,
    pool: Pool,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lent_buffer_comes_back_with_the_last_of_its_bytes() {
        let pool = Pool::new(1);
        let mut buffer = pool.take();
        buffer.reserve(4096);
        buffer.extend_from_slice(b"bytes");
        let place = buffer.as_ptr();
        let bytes = pool.lend(buffer);
        let part = bytes.slice(1..3);
        drop(bytes);
        assert_eq!(part, "yt");
        assert_eq!(pool.take().capacity(), 0, "still lent");
        drop(part);
        let again = pool.take();
        assert_eq!(again.as_ptr(), place);
    }
}
