//! The body of a request on its way to the runtime: never gathered, only counted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

const GOING: u8 = 0;
const OVER_LIMIT: u8 = 1;
const CLIENT_FAILED: u8 = 2;
const ENDED: u8 = 3;

/// How an upload stands, seen from outside.
#[derive(Clone)]
pub(crate) struct Progress(Arc<AtomicU8>);

impl Progress {
    fn set(&self, state: u8) {
        // The first reason is the true one.
        let _ = self.0.compare_exchange(GOING, state, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn over_limit(&self) -> bool {
        self.0.load(Ordering::Relaxed) == OVER_LIMIT
    }

    pub(crate) fn client_failed(&self) -> bool {
        self.0.load(Ordering::Relaxed) == CLIENT_FAILED
    }

    pub(crate) fn going(&self) -> bool {
        self.0.load(Ordering::Relaxed) == GOING
    }
}

pub(crate) struct Upload {
    /// `None` for a request without a body.
    going: Option<(Incoming, Progress)>,
    left: u64,
}

impl Upload {
    pub(crate) fn new(body: Incoming, limit: Option<u64>) -> (Self, Option<Progress>) {
        let left = limit.unwrap_or(u64::MAX);
        if body.is_end_stream() {
            return (Self { going: None, left }, None);
        }
        let progress = Progress(Arc::new(AtomicU8::new(GOING)));
        (Self { going: Some((body, progress.clone())), left }, Some(progress))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        let Some((body, progress)) = &mut this.going else { return Poll::Ready(None) };
        let frame = match ready!(Pin::new(body).poll_frame(cx)) {
            None => {
                progress.set(ENDED);
                return Poll::Ready(None);
            }
            Some(Err(error)) => {
                progress.set(CLIENT_FAILED);
                return Poll::Ready(Some(Err(io::Error::other(error))));
            }
            Some(Ok(frame)) => frame,
        };
        let Ok(data) = frame.into_data() else {
            // Trailers end the body; they are not passed on.
            progress.set(ENDED);
            return Poll::Ready(None);
        };
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        if length > this.left {
            progress.set(OVER_LIMIT);
            return Poll::Ready(Some(Err(io::Error::other("the request body is over the limit"))));
        }
        this.left -= length;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.going.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.going.as_ref().map_or_else(|| SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Dropped by the connection: it was sent, or nobody wants more of it.
        if let Some((_, progress)) = &self.going {
            progress.set(ENDED);
        }
    }
}
