//! The socket, and which engine answers which path.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use selvedge_base::SharedClock;
use selvedge_catalog::{Catalog, ResourceKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use crate::clock::{self, ClockMove};
use crate::envelope::{Body, Outcome, Refused};
use crate::request::Call;
use crate::{access_keys, d1, kv, r2};

/// The engines that the API is about.
pub struct Api {
    pub kv: Arc<selvedge_kv::Store>,
    pub d1: Arc<selvedge_d1::Store>,
    pub r2: Arc<selvedge_r2::Store>,
    pub catalog: Catalog,
    pub clock: SharedClock,
    /// A directory for files that are on their way in, on the disk of the data.
    pub scratch: PathBuf,
    /// Who moves the clock of a running node.
    pub clock_moves: Option<mpsc::Sender<ClockMove>>,
    /// Whether a Worker that runs on this node has a resource bound.
    pub is_bound: Box<IsBound>,
}

type IsBound = dyn Fn(ResourceKind, &str) -> bool + Send + Sync;

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    pub(crate) async fn answer(&self, call: Call) -> Response<Body> {
        self.route(call).await.unwrap_or_else(|refused| refused.reply())
    }

    /// Refuses what must not happen to a resource that a running Worker has in its hands.
    pub(crate) fn check_unbound(&self, kind: ResourceKind, id: &str) -> Result<(), Refused> {
        if (self.is_bound)(kind, id) {
            let message = format!(
                "{id} is bound to the Worker that runs on this node: stop the node, or remove the binding first"
            );
            return Err(Refused::new(StatusCode::CONFLICT, 10001, message));
        }
        Ok(())
    }

    async fn route(&self, call: Call) -> Outcome {
        let segments = call.segments()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match &segments[..] {
            ["client", "v4", "accounts", _, "storage", "kv", "namespaces", rest @ ..] => {
                kv::answer(self, call, rest).await
            }
            ["client", "v4", "accounts", _, "d1", "database", rest @ ..] => {
                d1::answer(self, call, rest).await
            }
            ["client", "v4", "accounts", _, "r2", "access-keys", rest @ ..] => {
                access_keys::answer(self, call, rest).await
            }
            ["client", "v4", "accounts", _, "r2", "buckets", rest @ ..] => r2::answer(self, call, rest).await,
            ["client", "v4", "accounts", _, "selvedge", "clock"] => clock::answer(self, call).await,
            _ => Err(Refused::no_route()),
        }
    }
}

/// Answers API requests on `listener` until the future is dropped.
pub async fn serve(listener: UnixListener, api: Arc<Api>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve_connection(stream, Arc::clone(&api)));
            }
            Err(error) => {
                // Out of file descriptors, most likely: others will be closed soon.
                tracing::warn!(%error, "an API connection was not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

pub(crate) async fn serve_connection<S>(stream: S, api: Arc<Api>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let api = Arc::clone(&api);
        async move {
            let (parts, body) = request.into_parts();
            let call = Call { parts, body };
            Ok::<_, Infallible>(api.answer(call).await)
        }
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "an API connection ended early");
    }
}
