use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

use crate::net::notice_when_gone;

/// What a client speaks through: a TCP or unix socket, or anything that behaves like one.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Who answers clients, whatever they come through.
pub trait Serve: Send + Sync + 'static {
    /// Speaks with one client until it has gone.
    fn serve<S: Stream>(self: Arc<Self>, client: S) -> impl Future<Output = ()> + Send;

    /// A client came while `limit` others were connected. It is closed unheard.
    fn refuse(&self, limit: usize) {
        tracing::warn!("a client was refused: {limit} are connected already");
    }
}

/// Where clients come in.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// Serves every client on `listener`, `limit` of them at a time, until the future is dropped. Clients that are
/// being served then go on.
pub async fn listen<T: Serve>(listener: Listener, service: Arc<T>, limit: usize) {
    let places = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = match &listener {
            Listener::Tcp(tcp) => tcp.accept().await.map(|(client, _)| {
                // A whole answer is written at once: waiting to fill a packet would only delay it.
                let _ = client.set_nodelay(true);
                // A client whose machine has gone would hold its place, and in session mode a connection, for ever.
                let _ = notice_when_gone(&client);
                admit(&service, &places, limit, client);
            }),
            Listener::Unix(unix) => unix.accept().await.map(|(client, _)| {
                admit(&service, &places, limit, client);
            }),
        };
        if let Err(error) = accepted {
            pause(&error).await;
        }
    }
}

fn admit<T: Serve, S: Stream>(service: &Arc<T>, places: &Arc<Semaphore>, limit: usize, client: S) {
    let Ok(place) = Arc::clone(places).try_acquire_owned() else {
        return service.refuse(limit);
    };
    let service = Arc::clone(service);
    tokio::spawn(async move {
        service.serve(client).await;
        drop(place);
    });
}

async fn pause(error: &io::Error) {
    // Out of file descriptors, most likely: others will be closed soon.
    tracing::warn!(%error, "a Hyperdrive connection was not accepted");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpStream, UnixStream};

    use super::*;

    struct Echo;

    impl Serve for Echo {
        async fn serve<S: Stream>(self: Arc<Self>, mut client: S) {
            let mut byte = [0];
            while client.read_exact(&mut byte).await.is_ok() && client.write_all(&byte).await.is_ok() {}
        }
    }

    async fn answers<S: Stream>(client: &mut S) -> bool {
        let mut byte = [0];
        client.write_all(b"x").await.is_ok() && client.read_exact(&mut byte).await.is_ok()
    }

    #[tokio::test]
    async fn one_client_more_than_the_limit_is_closed_until_another_goes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listening = tokio::spawn(listen(listener.into(), Arc::new(Echo), 1));
        let mut first = TcpStream::connect(address).await.unwrap();
        assert!(answers(&mut first).await);
        let mut second = TcpStream::connect(address).await.unwrap();
        assert!(!answers(&mut second).await);
        drop(first);
        while !answers(&mut TcpStream::connect(address).await.unwrap()).await {
            tokio::task::yield_now().await;
        }
        listening.abort();
    }

    /// The kernel asks clients that say nothing for a sign of life.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_client_that_vanishes_would_be_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listening = tokio::spawn(listen(listener.into(), Arc::new(Echo), 1));
        let mut client = TcpStream::connect(address).await.unwrap();
        assert!(answers(&mut client).await);
        let ends = format!(":{:04X} 0100007F:{:04X}", address.port(), client.local_addr().unwrap().port());
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let socket = sockets.lines().find(|line| line.contains(&ends)).unwrap();
        // Its timer: 02 is keepalive's.
        assert!(socket.split_whitespace().nth(5).unwrap().starts_with("02:"), "{socket}");
        listening.abort();
    }

    #[tokio::test]
    async fn a_unix_socket_is_as_good() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listening = tokio::spawn(listen(UnixListener::bind(&path).unwrap().into(), Arc::new(Echo), 1));
        assert!(answers(&mut UnixStream::connect(&path).await.unwrap()).await);
        listening.abort();
    }
}
