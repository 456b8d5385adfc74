//! One client's connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use http::{Request, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::cf::Identity;
use crate::connections::{Connections, Entry, Order};
use crate::forward;
use crate::gate::Gate;
use crate::headers::Rays;
use crate::locations::{Colo, Locations};
use crate::log::RequestLog;
use crate::pages::Pages;
use crate::settings::Settings;
use crate::stream::{self, ClientStream};

/// hyper's smallest and usual buffers for a head.
const SMALLEST_BUFFER: usize = 8 * 1024;
const USUAL_BUFFER: usize = 408 * 1024;

/// What all connections of a front door share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) local: SocketAddr,
    pub(crate) gate: Arc<Gate>,
    pub(crate) pages: Option<Arc<dyn Pages>>,
    pub(crate) log: Arc<dyn RequestLog>,
    pub(crate) rays: Rays,
    pub(crate) connections: Arc<Connections>,
    pub(crate) requests: AtomicUsize,
    pub(crate) locations: Locations,
}

/// One client.
pub(crate) struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) address: std::net::IpAddr,
    /// The location of the port it connected to.
    pub(crate) port: Option<Colo>,
    version: Version,
    identity: Arc<Identity>,
    /// The same at the location that its last request named.
    elsewhere: Mutex<Option<(Colo, Arc<Identity>)>>,
    pub(crate) entry: Arc<Entry>,
}

impl Client {
    /// What goes into a request at `colo`; `None` where there are no locations.
    pub(crate) fn identity(&self, colo: Option<&Colo>) -> Arc<Identity> {
        let Some(colo) = colo else { return Arc::clone(&self.identity) };
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, identity)) = elsewhere.as_ref()
            && known == colo
        {
            return Arc::clone(identity);
        }
        let identity = Arc::new(Identity::new(self.address, colo, self.version));
        *elsewhere = Some((Arc::clone(colo), Arc::clone(&identity)));
        identity
    }
}

/// Counts a request while it is in progress.
pub(crate) struct Serving {
    client: Arc<Client>,
}

impl Serving {
    /// `None`: there are as many as there may be.
    pub(crate) fn begin(client: &Arc<Client>) -> Option<Self> {
        let requests = &client.shared.requests;
        if requests.fetch_add(1, Ordering::Relaxed) >= client.shared.settings.request_limit {
            requests.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        client.entry.request_began();
        Some(Self { client: Arc::clone(client) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.client.shared.requests.fetch_sub(1, Ordering::Relaxed);
        self.client.entry.request_ended();
    }
}

/// Serves a client until it goes or is told to.
pub(crate) async fn serve(shared: Arc<Shared>, tcp: TcpStream, peer: SocketAddr, port: Option<Colo>) {
    let enrolled = shared.connections.enroll();
    let entry = Arc::clone(&enrolled.entry);
    let version = tokio::select! {
        version = stream::protocol(&tcp) => match version {
            Ok(version) => version,
            Err(_) => return,
        },
        () = enrolled.ordered() => return,
    };
    // An answer is written whole; waiting for more to send with it would only delay it.
    let _ = tcp.set_nodelay(true);
    let address = peer.ip().to_canonical();
    let limit = shared.settings.header_limit.max(SMALLEST_BUFFER);
    let identity = Arc::new(Identity::new(address, &shared.settings.colo, version));
    let elsewhere = Mutex::default();
    let entry_of = Arc::clone(&entry);
    let client = Arc::new(Client { shared, address, port, version, identity, elsewhere, entry: entry_of });
    let service = service_fn(move |request: Request<Incoming>| {
        let client = Arc::clone(&client);
        async move { Ok::<_, Infallible>(forward::handle(client, request).await) }
    });
    let io = TokioIo::new(ClientStream::new(tcp, Arc::clone(&entry)));
    let ended = if version == Version::HTTP_2 {
        entry.does_not_limit_heads();
        let connection = pin!(
            http2::Builder::new(TokioExecutor::new())
                .max_header_list_size(u32::try_from(limit).unwrap_or(u32::MAX))
                .initial_stream_window_size(1 << 20)
                .initial_connection_window_size(4 << 20)
                .serve_connection(io, service)
        );
        drive(&entry, connection, http2::Connection::graceful_shutdown).await
    } else {
        let connection = pin!(
            http1::Builder::new()
                .max_header_size(limit)
                .max_buf_size(limit.max(USUAL_BUFFER))
                .serve_connection(io, service)
                .with_upgrades()
        );
        drive(&entry, connection, http1::UpgradeableConnection::graceful_shutdown).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a client's connection ended early");
    }
}

/// Polls a connection, and passes on what it is ordered.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    entry: &Entry,
    mut connection: Pin<&mut C>,
    finish: fn(Pin<&mut C>),
) -> hyper::Result<()> {
    let mut seen = Order::GoOn;
    let mut listening = false;
    std::future::poll_fn(|cx| {
        if !listening {
            // This is the whole of a task, so the waker stays the same.
            entry.wake_with(cx.waker());
            listening = true;
        }
        let order = entry.order();
        if order != seen {
            seen = order;
            match order {
                Order::GoOn => {}
                Order::Finish => finish(connection.as_mut()),
                Order::Cut => return Poll::Ready(Ok(())),
            }
        }
        connection.as_mut().poll(cx)
    })
    .await
}
