//! Whole messages, one after another, for conversations where speed does not matter: logging in and resetting.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::message::{HEADER, Header};

/// None of these conversations has longer messages.
const LONGEST: usize = 1 << 20;

#[derive(Debug)]
pub(super) enum ReadError {
    Io(io::Error),
    Malformed(&'static str),
}

#[derive(Debug, Default)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    /// Bytes of the message that was handed out last.
    used: usize,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// The kind and the body of the next message.
    pub(super) async fn message(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Result<(u8, &[u8]), ReadError> {
        self.buffer.drain(..std::mem::take(&mut self.used));
        loop {
            match Header::read(&self.buffer) {
                Err(_) => return Err(ReadError::Malformed("a length that cannot be")),
                Ok(Some(header)) if header.length > LONGEST => {
                    return Err(ReadError::Malformed("a message that is too long"));
                }
                Ok(Some(header)) if header.length <= self.buffer.len() => {
                    self.used = header.length;
                    return Ok((header.kind, &self.buffer[HEADER..header.length]));
                }
                Ok(_) => {}
            }
            self.buffer.reserve(1024);
            match stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(ReadError::Io(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(ReadError::Io(error)),
            }
        }
    }

    /// Whether nothing has arrived behind the last message.
    pub(super) fn is_empty(&self) -> bool {
        self.used == self.buffer.len()
    }

    /// What has arrived behind the last message.
    pub(super) fn into_rest(mut self) -> Vec<u8> {
        self.buffer.drain(..self.used);
        self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_come_whole_and_mad_lengths_are_refused() {
        let mut reader = Reader::new();
        let mut stream = tokio_test_stream(&[b"Z\0\0", b"\0\x05", b"IS\0\0\0\x04rest"]);
        assert_eq!(reader.message(&mut stream).await.unwrap(), (b'Z', &b"I"[..]));
        assert!(!reader.is_empty());
        assert_eq!(reader.message(&mut stream).await.unwrap(), (b'S', &b""[..]));
        assert_eq!(reader.into_rest(), b"rest");
        for bytes in [&b"Z\0\0\0\x03"[..], b"Z\x3f\0\0\0", b"Z\0\0"] {
            let mut reader = Reader::new();
            assert!(reader.message(&mut &*bytes).await.is_err());
        }
    }

    fn tokio_test_stream(parts: &[&'static [u8]]) -> impl AsyncRead + Unpin + use<> {
        let mut stream: Box<dyn AsyncRead + Unpin> = Box::new(tokio::io::empty());
        for part in parts.iter().rev() {
            stream = Box::new((*part).chain(stream));
        }
        stream
    }
}
