//! What the front door asks about an exception it saw only from outside.

use futures_util::future::BoxFuture;

/// A request whose Worker threw.
#[derive(Clone, Debug)]
pub struct RequestSummary {
    pub method: http::Method,
    /// The `Host` the client asked for.
    pub host: String,
    /// Path and query.
    pub target: String,
    /// The request's `CF-Ray`.
    pub ray: String,
}

/// An uncaught exception, as a developer wants to read it.
#[derive(Clone, Debug)]
pub struct ExceptionDetails {
    /// Such as `TypeError: x is not a function`.
    pub message: String,
    /// The stack below the message, one frame a line; may be empty.
    pub stack: String,
}

/// Knows why a request failed. The runtime answers an uncaught exception with a bare `Internal Server Error`
/// and reports the exception elsewhere, possibly a moment later: the implementation waits for it, but not long.
pub trait Pages: Send + Sync {
    /// `None` leaves the runtime's own answer as it is.
    fn exception<'a>(&'a self, request: &'a RequestSummary) -> BoxFuture<'a, Option<ExceptionDetails>>;
}
