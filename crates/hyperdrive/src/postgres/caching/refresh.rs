//! Asking anew behind a client's back, while it and others get an answer that is a little too old.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::cancel::ClientHandle;
use super::super::config::Mode;
use super::super::kind::Kind;
use super::super::message::TERMINATE;
use super::super::params::Params;
use super::super::server::Postgres;
use super::super::session::{Admitted, Session};
use super::Recorder;

/// A client that has said all it wants before it came, and does not listen.
struct Nobody;

impl AsyncRead for Nobody {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Nobody {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Sends `request` as a client with these settings would, and records the answer.
pub(in super::super) fn refresh(
    server: Arc<Postgres>,
    params: Arc<Params>,
    kind: Kind,
    mut request: Vec<u8>,
    recorder: Recorder,
) {
    request.extend_from_slice(TERMINATE);
    let handle = Arc::new(ClientHandle::of_nobody());
    let admitted = Admitted { handle, mode: Mode::Transaction, params, kind, inbox: request };
    tokio::spawn(Session::for_cache(Nobody, server, admitted, recorder).run());
}
