//! Connections to an origin: dialling, TLS, and the one type that all of them are.

mod binding;
mod dial;
mod socket;
mod tls;
mod verify;

pub(crate) use dial::notice_when_gone;
pub use dial::{DialError, dial};
pub use socket::Socket;
pub use tls::{TlsClient, TlsError, TlsMode, TlsServer, TlsSettings};
