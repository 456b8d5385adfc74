//! One call per request, when it is over.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{Method, StatusCode};

use crate::client::Serving;

/// Is told about every request once, after its answer was handed over or cut. It is called on the thread that
/// serves requests, so it must not block.
pub trait RequestLog: Send + Sync {
    fn request(&self, line: &RequestLine<'_>);
}

/// What became of one request.
#[derive(Clone, Copy, Debug)]
pub struct RequestLine<'a> {
    pub method: &'a Method,
    /// Path and query as the client sent them.
    pub target: &'a str,
    pub client: IpAddr,
    /// `None`: the client went away before there was an answer.
    pub status: Option<StatusCode>,
    /// From the request's head to the end of the answer's body; for a WebSocket, of the whole conversation.
    pub duration: Duration,
    /// Bytes of the answer's body; for a WebSocket, the bytes sent to the client.
    pub bytes: u64,
    /// Whether the answer was handed over whole.
    pub complete: bool,
}

/// Follows one request; says what became of it when dropped.
pub(crate) struct Ticket {
    log: Arc<dyn RequestLog>,
    pub(crate) method: Method,
    pub(crate) target: Option<PathAndQuery>,
    client: IpAddr,
    started: Instant,
    pub(crate) status: Option<StatusCode>,
    pub(crate) bytes: u64,
    pub(crate) complete: bool,
    /// Ends with the ticket: the request is in progress for as long.
    _serving: Option<Serving>,
}

impl Ticket {
    pub(crate) fn new(
        log: Arc<dyn RequestLog>,
        method: Method,
        target: Option<PathAndQuery>,
        client: IpAddr,
        serving: Option<Serving>,
    ) -> Self {
        let started = Instant::now();
        Self {
            log,
            method,
            target,
            client,
            started,
            status: None,
            bytes: 0,
            complete: false,
            _serving: serving,
        }
    }

    pub(crate) fn target(&self) -> &str {
        self.target.as_ref().map_or("/", PathAndQuery::as_str)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.log.request(&RequestLine {
            method: &self.method,
            target: self.target(),
            client: self.client,
            status: self.status,
            duration: self.started.elapsed(),
            bytes: self.bytes,
            complete: self.complete,
        });
    }
}
