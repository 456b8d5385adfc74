//! The body of an answer on its way to the client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::backend::{Link, Pass, silent};
use crate::log::Ticket;
use crate::upload::Progress;

/// An answer's body. Dropping it before its end cuts the runtime's side too, by closing that connection.
pub(crate) enum Reply {
    /// A text of the front door's own.
    Text {
        text: Option<Bytes>,
        ticket: Option<Ticket>,
    },
    Download(Download),
}

pub(crate) struct Download {
    body: Incoming,
    /// `None` if a task of its own drives the connection.
    link: Option<Link>,
    ended: bool,
    pass: Pass,
    ticket: Option<Ticket>,
}

impl Reply {
    pub(crate) fn text(text: Bytes) -> Self {
        Self::Text { text: Some(text).filter(|text| !text.is_empty()), ticket: None }
    }

    pub(crate) fn empty() -> Self {
        Self::Text { text: None, ticket: None }
    }

    /// What becomes of this answer will not be logged.
    pub(crate) fn take_ticket(&mut self) -> Option<Ticket> {
        match self {
            Self::Text { ticket, .. } | Self::Download(Download { ticket, .. }) => ticket.take(),
        }
    }

    /// Ties the end of the answer to the line in the log. (Downloads carry their ticket from the start.)
    pub(crate) fn log_with(response: &mut Response<Self>, mut new: Ticket) {
        new.status = Some(response.status());
        if let Self::Text { ticket, .. } = response.body_mut() {
            *ticket = Some(new);
        }
    }

    pub(crate) fn download(
        response: Response<Incoming>,
        link: Option<Link>,
        upload: Option<&Progress>,
        pass: Pass,
        mut ticket: Ticket,
    ) -> Response<Self> {
        ticket.status = Some(response.status());
        let link = match link {
            // The answer came before the request was sent: the upload must go on even while the client does
            // not read the answer, so the connection gets a task of its own. It is not used again.
            Some(Link { sender, connection: Some(connection) }) if upload.is_some_and(Progress::going) => {
                tokio::spawn(async move {
                    let _sender = sender;
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "an upload ended early");
                    }
                });
                None
            }
            link => link,
        };
        response.map(|body| Self::Download(Download { body, link, ended: false, pass, ticket: Some(ticket) }))
    }
}

impl Download {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = match &mut self.link {
            None => Pin::new(&mut self.body).poll_frame(cx),
            Some(link) => {
                link.drive(cx);
                let mut polled = Pin::new(&mut self.body).poll_frame(&mut silent());
                if polled.is_pending() && link.connection.is_none() {
                    polled = Pin::new(&mut self.body).poll_frame(cx);
                }
                polled
            }
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some(ticket)) = (frame.data_ref(), &mut self.ticket) {
                    ticket.bytes += u64::try_from(data.len()).unwrap_or_default();
                }
            }
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Text { text, ticket } => {
                let text = text.take();
                if let (Some(text), Some(ticket)) = (&text, ticket) {
                    ticket.bytes = u64::try_from(text.len()).unwrap_or_default();
                }
                Poll::Ready(text.map(|text| Ok(Frame::data(text))))
            }
            Self::Download(download) => download.poll(cx).map_err(io::Error::other),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text { text, .. } => text.is_none(),
            Self::Download(download) => download.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text { text, .. } => {
                let length = text.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or_default())
            }
            Self::Download(download) => download.body.size_hint(),
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        match self {
            Self::Text { text, ticket } => {
                if let Some(ticket) = ticket {
                    ticket.complete = text.is_none();
                }
            }
            Self::Download(download) => {
                let complete = download.ended || download.body.is_end_stream();
                if let Some(ticket) = &mut download.ticket {
                    ticket.complete = complete;
                }
                let Some(mut link) = download.link.take() else { return };
                if !complete {
                    return;
                }
                if !link.reusable() {
                    // Has it read the end of the body already?
                    link.drive(&mut silent());
                }
                if link.reusable() {
                    download.pass.give_back(link);
                }
            }
        }
    }
}
