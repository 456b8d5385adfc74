//! A socket to the runtime, whose answer is read even if it does not want all of the request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// A Worker may answer without reading the body. workerd then sends the answer and closes, and writing the rest
/// of the body fails. What is left of it is dropped here instead: reading shows whether there is an answer.
pub(crate) struct RuntimeStream {
    unix: UnixStream,
    /// The runtime reads no more.
    deaf: bool,
}

impl RuntimeStream {
    pub(crate) fn new(unix: UnixStream) -> Self {
        Self { unix, deaf: false }
    }

    fn unless_deaf(&mut self, length: usize, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Err(error))
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) =>
            {
                self.deaf = true;
                Poll::Ready(Ok(length))
            }
            written => written,
        }
    }
}

impl AsyncRead for RuntimeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.unix).poll_read(cx, buf)
    }
}

impl AsyncWrite for RuntimeStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.unix).poll_write(cx, buf);
        self.unless_deaf(buf.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if self.deaf {
            return Poll::Ready(Ok(length));
        }
        let written = Pin::new(&mut self.unix).poll_write_vectored(cx, bufs);
        self.unless_deaf(length, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.unix.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.unix).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.unix).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn the_answer_of_a_runtime_that_reads_no_more_is_read() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut ours = RuntimeStream::new(ours);
        ours.write_all(b"request").await.unwrap();
        theirs.write_all(b"answer").await.unwrap();
        drop(theirs);
        ours.write_all(&vec![0; 1_000_000]).await.unwrap();
        ours.write_all(b"more").await.unwrap();
        let mut answer = [0; 6];
        ours.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");
    }
}
