//! A client's socket: notes when bytes arrive, and closes without losing an answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::connections::Entry;

/// How long a client may go on sending after the front door has closed.
const LINGER: Duration = Duration::from_secs(2);

const H2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Finds out what a client speaks, leaving every byte in the socket. HTTP/2 starts with a preface that no
/// HTTP/1 request can be taken for.
pub(crate) async fn protocol(stream: &TcpStream) -> io::Result<Version> {
    let mut start = [0; H2_PREFACE.len()];
    loop {
        let seen = stream.peek(&mut start).await?;
        if start[..seen] != H2_PREFACE[..seen] || seen == 0 {
            return Ok(Version::HTTP_11);
        }
        if seen == H2_PREFACE.len() {
            return Ok(Version::HTTP_2);
        }
        // A preface in pieces. The socket stays readable, so there is nothing to wait for but time.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(crate) struct ClientStream {
    tcp: TcpStream,
    entry: Arc<Entry>,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl ClientStream {
    pub(crate) fn new(tcp: TcpStream, entry: Arc<Entry>) -> Self {
        Self { tcp, entry, lingering: None }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        self.entry.bytes_arrived();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    /// Ends our side, then reads what the client still sends, for a while. Closing a socket with unread bytes
    /// resets it, and a reset can overtake the answer: the client would never read its 413.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
            self.lingering = Some(Box::pin(tokio::time::sleep(LINGER)));
        }
        let mut scratch = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.tcp).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        self.lingering.as_mut().map_or(Poll::Ready(()), |sleep| sleep.as_mut().poll(cx)).map(Ok)
    }
}
