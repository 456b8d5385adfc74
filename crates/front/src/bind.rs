//! Taking the port, and what to say when that fails.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// The front door could not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "port {} on {} is already in use; stop the program that uses it, or choose another port (0 takes a free one)",
        .0.port(), .0.ip()
    )]
    InUse(SocketAddr),
    #[error("port {} may not be used without more rights; choose a port above 1023", .0.port())]
    NotPermitted(SocketAddr),
    #[error("{} is not an address of this machine; 127.0.0.1 or 0.0.0.0 usually is what is wanted", .0.ip())]
    NoSuchAddress(SocketAddr),
    #[error("cannot listen on {address}")]
    Other { address: SocketAddr, source: io::Error },
}

pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        io::ErrorKind::PermissionDenied => BindError::NotPermitted(address),
        io::ErrorKind::AddrNotAvailable => BindError::NoSuchAddress(address),
        _ => BindError::Other { address, source },
    };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let local = listener.local_addr().map_err(fail)?;
    Ok((listener, local))
}
