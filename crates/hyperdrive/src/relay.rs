use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;

use crate::Origin;

/// Cloudflare's limit for connecting to an origin.
const CONNECT: Duration = Duration::from_secs(15);

/// Joins every connection on `listener` to a connection of its own to the origin, until the future is
/// dropped. When the origin cannot be reached the Worker's connection is closed and the log says why.
pub async fn relay(listener: UnixListener, binding: String, origin: Origin) {
    let (binding, origin) = (Arc::<str>::from(binding), Arc::new(origin));
    loop {
        match listener.accept().await {
            Ok((worker, _)) => {
                tokio::spawn(join(worker, Arc::clone(&binding), Arc::clone(&origin)));
            }
            Err(error) => {
                // Out of file descriptors, most likely: others will be closed soon.
                tracing::warn!(%error, "a Hyperdrive connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn join(mut worker: UnixStream, binding: Arc<str>, origin: Arc<Origin>) {
    let connecting = timeout(CONNECT, TcpStream::connect((origin.host.as_str(), origin.port)));
    let mut database = match connecting.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::error!(
                "Hyperdrive {binding}: cannot connect to {}:{}: {error}",
                origin.host,
                origin.port
            );
            return;
        }
        Err(_) => {
            tracing::error!("Hyperdrive {binding}: {}:{} did not answer in time", origin.host, origin.port);
            return;
        }
    };
    // Small packets in both directions: waiting to fill one would double every query's time.
    if let Err(error) = database.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    if let Err(error) = copy_bidirectional(&mut worker, &mut database).await {
        tracing::debug!(%error, "a Hyperdrive connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn bytes_pass_both_ways_and_an_unreachable_origin_closes_the_connection() {
        let directory = tempfile::tempdir().unwrap();
        let database = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = database.local_addr().unwrap().port();
        let origin = Origin::parse(&format!("postgres://me@127.0.0.1:{port}/db")).unwrap();
        let path = directory.path().join("s");
        let relaying = tokio::spawn(relay(UnixListener::bind(&path).unwrap(), "HD".to_owned(), origin));

        let mut worker = UnixStream::connect(&path).await.unwrap();
        worker.write_all(b"ping").await.unwrap();
        let (mut session, _) = database.accept().await.unwrap();
        let mut bytes = [0; 4];
        session.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ping");
        session.write_all(b"pong").await.unwrap();
        worker.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"pong");

        drop(database);
        let mut refused = UnixStream::connect(&path).await.unwrap();
        assert_eq!(refused.read(&mut bytes).await.unwrap(), 0);
        relaying.abort();
    }
}
