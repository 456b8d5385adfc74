//! Request bodies: no patience without end for a slow one, and an answer for one that was not wanted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// What of an unwanted body is read, so that a client that sends first and listens then hears why not.
const UNWANTED: usize = 16 * 1024 * 1024;
const UNWANTED_TIME: Duration = Duration::from_secs(5);

/// A body that fails when nothing of it comes for a while.
pub(crate) struct Patient {
    body: Option<Incoming>,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    /// The timer runs. While somebody else takes his time with what came, it does not.
    waiting: bool,
    ran_out: Arc<AtomicBool>,
    /// Whether the client is waiting to be asked for it.
    asked_first: bool,
    ended: bool,
}

impl Patient {
    pub(crate) fn new(
        body: Incoming,
        patience: Duration,
        ran_out: Arc<AtomicBool>,
        asked_first: bool,
    ) -> Self {
        let ended = body.is_end_stream();
        let timer = Box::pin(tokio::time::sleep(patience));
        Self { body: Some(body), patience, timer, waiting: false, ran_out, asked_first, ended }
    }
}

impl Body for Patient {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        this.asked_first = false;
        match Pin::new(body).poll_frame(context) {
            Poll::Ready(frame) => {
                this.waiting = false;
                this.ended = !matches!(frame, Some(Ok(_)));
                Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
            }
            Poll::Pending => {
                if !this.waiting {
                    this.waiting = true;
                    this.timer.as_mut().reset(Instant::now() + this.patience);
                }
                if this.timer.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                this.ran_out.store(true, Ordering::Relaxed);
                this.ended = true;
                Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        if self.ended || self.asked_first || self.is_end_stream() {
            return;
        }
        if let (Some(body), Ok(runtime)) = (self.body.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(UNWANTED_TIME, skip(body)));
        }
    }
}

async fn skip(mut body: Incoming) {
    let mut left = UNWANTED;
    while let Some(Ok(frame)) = body.frame().await {
        let size = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(size) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
