//! WebSockets: after the handshake, bytes in both directions that nobody here looks at.

use std::io;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::backend::{Link, Pass};
use crate::client::Shared;
use crate::headers;
use crate::log::Ticket;
use crate::refused::Refused;
use crate::reply::Reply;
use crate::send::Patience;
use crate::upload::Upload;

/// Bytes that are passed on at one time.
const BUFFER: usize = 16 * 1024;

/// Sends a request for a WebSocket on a connection of its own. If the runtime agrees, the two sides are
/// connected; any other answer is passed on as it is.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    colo: Option<&str>,
    client: OnUpgrade,
    mut request: Request<Upload>,
    html: bool,
    mut ticket: Ticket,
) -> Response<Reply> {
    headers::ask_for_websocket(request.headers_mut());
    let (mut response, pass) = match ask(shared, colo, request).await {
        Ok(answered) => answered,
        Err(refused) => return refused.response(&shared.settings, html, ticket),
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Reply::download(response, None, None, pass, ticket);
    }
    let runtime = hyper::upgrade::on(&mut response);
    ticket.status = Some(StatusCode::SWITCHING_PROTOCOLS);
    tokio::spawn(tunnel(Arc::clone(shared), client, runtime, pass, ticket));
    response.map(|_| Reply::empty())
}

async fn ask(
    shared: &Shared,
    colo: Option<&str>,
    request: Request<Upload>,
) -> Result<(Response<Incoming>, Pass), Refused> {
    let mut patience = Patience::new(shared, colo);
    let pass = match shared.gate.admit(colo).map_err(Refused::Gate)? {
        Some(pass) => pass,
        None => patience.admitted().await?,
    };
    let (link, pass) = patience.connected(pass).await?;
    let Link { mut sender, connection: Some(connection) } = link else { return Err(Refused::Lost) };
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection that was to become a WebSocket ended early");
        }
    });
    let response = sender.send_request(request).await.map_err(|error| {
        tracing::debug!(%error, "the runtime ended a connection in the middle of a handshake");
        Refused::Lost
    })?;
    Ok((response, pass))
}

async fn tunnel(shared: Arc<Shared>, client: OnUpgrade, runtime: OnUpgrade, pass: Pass, mut ticket: Ticket) {
    let enrolled = shared.connections.enroll();
    enrolled.entry.request_began();
    // A WebSocket has no end to wait for, so any order ends it.
    tokio::select! {
        ended = talk(client, runtime, &mut ticket.bytes) => match ended {
            Ok(()) => ticket.complete = true,
            Err(error) => tracing::debug!(%error, "a WebSocket ended early"),
        },
        () = enrolled.ordered() => {}
        () = pass.backend().tunnels_cut() => {}
    }
}

/// Passes bytes until the runtime has closed its side: after that nobody is there to listen to the client.
async fn talk(client: OnUpgrade, runtime: OnUpgrade, sent: &mut u64) -> io::Result<()> {
    let (client, runtime) = tokio::try_join!(client, runtime).map_err(io::Error::other)?;
    let (mut from_client, mut to_client) = tokio::io::split(TokioIo::new(client));
    let (mut from_runtime, mut to_runtime) = tokio::io::split(TokioIo::new(runtime));
    let mut received = 0;
    let up = async {
        pass_on(&mut from_client, &mut to_runtime, &mut received).await?;
        // The runtime closes in return.
        std::future::pending().await
    };
    tokio::select! {
        ended = pass_on(&mut from_runtime, &mut to_client, sent) => ended,
        failed = up => failed,
    }
}

/// Copies to the end, and passes that on, too.
async fn pass_on(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    bytes: &mut u64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        *bytes += u64::try_from(read).unwrap_or_default();
    }
}
