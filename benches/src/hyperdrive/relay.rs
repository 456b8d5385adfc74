//! The least that anything in between can do: bytes from one connection to another, one to one, on one thread. What it
//! costs beside a pooler is what the pooler adds; the rest belongs to the system's sockets.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Joins every connection at `listen` to one of its own to `target`, until it is killed.
pub(crate) async fn serve(listen: SocketAddr, target: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (mut client, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut origin = TcpStream::connect(target).await?;
            client.set_nodelay(true)?;
            origin.set_nodelay(true)?;
            copy_bidirectional(&mut client, &mut origin).await
        });
    }
}
