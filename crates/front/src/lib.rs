//! The HTTP front door: between clients and one workerd process that listens on a unix socket.
//!
//! It speaks HTTP/1.1 and h2c to clients, adds what Cloudflare's edge adds (`CF-*` headers, `request.cf`),
//! keeps limits, holds requests while one runtime process is exchanged for the next, passes WebSockets through
//! and shows a readable page when something is wrong. It does not know what a Worker is, starts no process and
//! decides nothing about routing: whoever owns the runtime tells it through [`Upstream`] where to send requests.

mod backend;
mod bind;
mod cf;
mod client;
mod connections;
mod exception;
mod exchange;
mod forward;
mod front;
mod gate;
mod headers;
mod locations;
mod log;
mod page;
mod pages;
mod refused;
mod reply;
mod runtime_stream;
mod send;
mod settings;
mod stream;
mod tunnel;
mod upload;

pub use bind::BindError;
pub use front::{Front, Stopped};
pub use gate::Upstream;
pub use headers::{CF_HEADER, COLO_HEADER};
pub use log::{RequestLine, RequestLog};
pub use page::ErrorPage;
pub use pages::{ExceptionDetails, Pages, RequestSummary};
pub use settings::Settings;
