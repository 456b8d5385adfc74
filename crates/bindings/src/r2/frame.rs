//! Where a request keeps its call, and where the bytes begin.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::Stream;
use http::{HeaderMap, Request, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::Refusal;
use super::request::Call;

const REQUEST: &str = "cf-r2-request";
pub(super) const METADATA_SIZE: &str = "cf-r2-metadata-size";

/// The longest call: a delete of 1,000 keys of 1,024 bytes, each byte of which JSON writes as six.
const METADATA_LIMIT: usize = 8 << 20;

/// A call with bytes behind it.
pub(super) struct Frame<'a> {
    pub(super) call: Call,
    pub(super) payload_size: u64,
    pub(super) payload: Payload<'a>,
}

/// The call in the header of a `GET`. Headers carry raw UTF-8.
pub(super) fn header(request: &Request<Incoming>) -> Result<Call, Refusal> {
    let value =
        request.headers().get(REQUEST).ok_or_else(|| Refusal::malformed("no cf-r2-request header"))?;
    serde_json::from_slice(value.as_bytes()).map_err(Refusal::malformed)
}

/// The call at the beginning of the body of a `PUT`.
pub(super) async fn read(request: &mut Request<Incoming>) -> Result<Frame<'_>, Refusal> {
    let size = number(request.headers(), METADATA_SIZE)?;
    let whole = number(request.headers(), header::CONTENT_LENGTH.as_str())?;
    let payload_size =
        whole.checked_sub(size).ok_or_else(|| Refusal::malformed("the metadata is longer than the body"))?;
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size <= METADATA_LIMIT)
        .ok_or_else(|| Refusal::malformed("the metadata is too long"))?;
    let mut payload = Payload { pending: Bytes::new(), body: request.body_mut() };
    let metadata = payload.prefix(size).await?;
    let call = serde_json::from_slice(&metadata).map_err(Refusal::malformed)?;
    Ok(Frame { call, payload_size, payload })
}

fn number(headers: &HeaderMap, name: &str) -> Result<u64, Refusal> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .ok_or_else(|| Refusal::malformed(format!("no {name} header that is a number")))
}

/// What is left of a body after the call.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    pending: Bytes,
    body: &'a mut Incoming,
}

impl Payload<'_> {
    /// The next `size` bytes, however the network cut them up.
    async fn prefix(&mut self, size: usize) -> Result<Vec<u8>, Refusal> {
        let mut prefix = Vec::with_capacity(size.min(64 * 1024));
        while prefix.len() < size {
            if self.pending.is_empty() {
                let next = std::future::poll_fn(|context| self.poll_bytes(context)).await;
                self.pending = match next {
                    Some(Ok(bytes)) => bytes,
                    Some(Err(error)) => return Err(Refusal::malformed(error)),
                    None => return Err(Refusal::malformed("the body ends inside the metadata")),
                };
            }
            let taken = self.pending.len().min(size - prefix.len());
            prefix.extend_from_slice(&self.pending[..taken]);
            self.pending.advance(taken);
        }
        Ok(prefix)
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let frame = match ready!(Pin::new(&mut *self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                None => return Poll::Ready(None),
            };
            // Trailers are nobody's business here.
            if let Ok(bytes) = frame.into_data() {
                return Poll::Ready(Some(Ok(bytes)));
            }
        }
    }
}

impl Stream for Payload<'_> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.pending.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.pending))));
        }
        self.poll_bytes(context)
    }
}
