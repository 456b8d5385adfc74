use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};

use super::Socket;

/// After how long a silent peer is asked for a sign of life, how often then, and how many times: one that vanished
/// without a word is noticed after a minute.
const QUIET: Duration = Duration::from_secs(30);
const BETWEEN_PROBES: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// Why an origin could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("{address}: {source}")]
pub struct DialError {
    address: String,
    pub source: io::Error,
}

impl DialError {
    /// The failure in one word, as Cloudflare's messages have it: `connection_refused`.
    pub fn word(&self) -> &'static str {
        use io::ErrorKind as Kind;
        match self.source.kind() {
            Kind::ConnectionRefused => "connection_refused",
            Kind::ConnectionReset | Kind::ConnectionAborted | Kind::UnexpectedEof => "connection_reset",
            Kind::HostUnreachable | Kind::NetworkUnreachable => "host_unreachable",
            Kind::TimedOut => "timeout",
            Kind::NotFound | Kind::AddrNotAvailable => "not_found",
            Kind::PermissionDenied => "permission_denied",
            // What the resolver says has no number.
            _ if self.source.raw_os_error().is_none() => "dns_error",
            _ => "io_error",
        }
    }
}

/// A peer that vanished is noticed although nothing is sent to it.
pub(crate) fn notice_when_gone(stream: &TcpStream) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(QUIET).with_interval(BETWEEN_PROBES).with_retries(PROBES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Connects to `host`:`port`, or to the unix socket `host` if that is an absolute path.
pub async fn dial(host: &str, port: u16) -> Result<Socket, DialError> {
    if host.starts_with('/') {
        let stream = UnixStream::connect(host).await;
        return stream.map(Socket::Unix).map_err(|source| DialError { address: host.to_owned(), source });
    }
    let connecting = async {
        let stream = TcpStream::connect((host, port)).await?;
        // Small packets in both directions: waiting to fill one would double every query's time.
        stream.set_nodelay(true)?;
        notice_when_gone(&stream)?;
        Ok(Socket::Tcp(stream))
    };
    connecting.await.map_err(|source| DialError { address: format!("{host}:{port}"), source })
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, UnixListener};

    use super::*;

    #[tokio::test]
    async fn a_refusal_has_a_word_and_an_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = dial("127.0.0.1", port).await.unwrap_err();
        assert_eq!(error.word(), "connection_refused");
        assert!(error.to_string().starts_with(&format!("127.0.0.1:{port}: ")));
        assert_eq!(dial("/nonexistent/.s.PGSQL.1", port).await.unwrap_err().word(), "not_found");
    }

    #[tokio::test]
    async fn a_socket_is_quiet_until_it_is_spoken_to_or_closed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let mut socket = dial(path.to_str().unwrap(), 0).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        assert!(socket.is_quiet());
        drop(peer);
        while socket.is_quiet() {
            tokio::task::yield_now().await;
        }
    }
}
