//! The port.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::S3ServiceBuilder;
use selvedge_base::SharedClock;
use selvedge_catalog::Catalog;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::access::{Rules, Signers};
use crate::buckets::Buckets;
use crate::cors::Cors;
use crate::exchange::{Exchange, RequestIds};
use crate::hosts::{Hosts, Names};
use crate::service::{Extras, Service};

/// Bytes of an XML body: a thousand keys to delete of 1,024 bytes each, or ten thousand parts, with room to spare.
pub(crate) const XML: u64 = 8 * 1024 * 1024;
/// Bytes of a file in a form, and how many forms are read at once: `s3s` holds them in memory.
const FORM: u64 = 32 * 1024 * 1024;
const FORMS: usize = 4;
/// Bytes of a connection's buffers.
const BUFFER: usize = 256 * 1024;

/// How an endpoint serves.
#[derive(Clone, Debug)]
pub struct Settings {
    pub address: SocketAddr,
    /// `<bucket>.<domain>` is a bucket for each of these; any other host is path-style.
    pub domains: Vec<String>,
    /// Connections at once; more wait to be let in.
    pub connections: usize,
    /// How long a request's head or the next piece of its body may take to come.
    pub patience: Duration,
    pub extras: Extras,
    /// How long requests in progress may go on when the endpoint stops.
    pub drain: Duration,
}

impl Settings {
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            domains: vec!["localhost".to_owned()],
            connections: 4096,
            patience: Duration::from_mins(1),
            extras: Extras::default(),
            drain: Duration::from_secs(5),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    pub address: SocketAddr,
    pub source: io::Error,
}

/// An S3 endpoint that listens.
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
    settings: Settings,
    exchange: Arc<Exchange>,
}

impl Endpoint {
    /// Takes the port. Requests wait until [`Endpoint::serve`].
    pub async fn bind(
        settings: Settings,
        store: selvedge_r2::Store,
        catalog: Catalog,
        clock: SharedClock,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError { address: settings.address, source };
        let listener = TcpListener::bind(settings.address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let buckets = Buckets::new(store, catalog.clone());
        let mut config = S3Config::default();
        config.post_object_max_file_size = FORM;
        config.xml_max_body_size = usize::try_from(XML).unwrap_or(usize::MAX);
        let mut builder =
            S3ServiceBuilder::new(Service { buckets: buckets.clone(), extras: settings.extras });
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        builder.set_auth(Signers { keys: catalog.access_keys().clone(), clock: Arc::clone(&clock) });
        builder.set_access(Rules { buckets: buckets.clone() });
        let domains: Arc<[String]> =
            settings.domains.iter().map(|domain| domain.to_ascii_lowercase()).collect();
        builder.set_host(Hosts { domains: Arc::clone(&domains) });
        builder.set_validation(Names);
        let exchange = Exchange {
            service: builder.build(),
            cors: Cors { buckets, hosts: Hosts { domains } },
            ids: RequestIds::new(&clock),
            clock,
            patience: settings.patience,
            forms: settings.extras.forms.then(|| Semaphore::new(FORMS)),
        };
        Ok(Self { listener, address, settings, exchange: Arc::new(exchange) })
    }

    /// Where it listens, with the port that port 0 became.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves one client that came another way than through the port, until it goes.
    pub async fn serve_stream<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|request| self.exchange.answer(request));
        let connection = http(self.settings.patience).serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an S3 client's connection ended early");
        }
    }

    /// Serves until `shutdown` resolves, then lets nobody new in, gives requests in progress their time and cuts
    /// what is left. Dropping the future cuts everything.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, settings, exchange, .. } = self;
        let mut shutdown = pin!(shutdown);
        let places = Arc::new(Semaphore::new(settings.connections));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&listener, &places) => accepted,
            };
            let (tcp, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: others will be closed soon.
                    tracing::warn!(%error, "an S3 client's connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // An answer is written as a whole; waiting for more to send would only delay it.
            let _ = tcp.set_nodelay(true);
            let exchange = Arc::clone(&exchange);
            let service = service_fn(move |request| {
                let exchange = Arc::clone(&exchange);
                async move { exchange.answer(request).await }
            });
            let connection = http(settings.patience).serve_connection(TokioIo::new(tcp), service);
            let connection = graceful.watch(connection);
            connections.spawn(async move {
                let _place = place;
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "an S3 client's connection ended early");
                }
            });
        }
        drop(listener);
        let _ = tokio::time::timeout(settings.drain, graceful.shutdown()).await;
        connections.shutdown().await;
    }
}

fn http(patience: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(BUFFER);
    builder
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (tcp, _) = listener.accept().await?;
    Ok((tcp, place))
}
