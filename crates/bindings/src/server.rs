//! The socket: who is calling, for what.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};

use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use selvedge_kv::View;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;

use crate::body::{self, Body};
use crate::{d1, kv, r2};

/// Carries the resource a binding stands for: a key of the [`Registry`].
pub const RESOURCE_HEADER: &str = "x-selvedge-resource";
/// Carries the token made at boot.
pub const TOKEN_HEADER: &str = "x-selvedge-token";

/// Carries the location at which the Worker runs, if the app has several.
pub const COLO_HEADER: &str = "x-selvedge-colo";
/// Says that the caller keeps what it reads in its isolate, and wants to know for how long it may.
pub const ISOLATE_HEADER: &str = "x-selvedge-isolate";

/// What a binding stands for.
#[derive(Clone, Debug)]
pub enum Resource {
    Kv(selvedge_kv::Namespace),
    /// A namespace whose readers are at locations.
    KvEdge(selvedge_kv::Edge),
    D1(selvedge_d1::Database),
    R2(selvedge_r2::Bucket),
}

/// The resources that may be called, by the name that workerd injects, and the token that must come with it.
#[derive(Debug)]
pub struct Registry {
    token: String,
    resources: RwLock<HashMap<String, Resource>>,
}

impl Registry {
    pub fn new(token: String) -> Self {
        Self { token, resources: RwLock::default() }
    }

    pub fn insert(&self, name: String, resource: Resource) {
        self.resources.write().unwrap_or_else(PoisonError::into_inner).insert(name, resource);
    }

    pub fn contains(&self, name: &str) -> bool {
        self.resources.read().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    fn find(&self, headers: &HeaderMap) -> Option<Resource> {
        let token = headers.get(TOKEN_HEADER)?.as_bytes();
        if !same(token, self.token.as_bytes()) {
            return None;
        }
        let name = headers.get(RESOURCE_HEADER)?.to_str().ok()?;
        self.resources.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// Compares without telling by its duration where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |seen, (x, y)| seen | (x ^ y)) == 0
}

/// Answers binding calls on `listener` until the future is dropped.
pub async fn serve(listener: UnixListener, registry: Arc<Registry>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: others will be closed soon.
                tracing::warn!(%error, "a binding's connection was not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        tokio::spawn(serve_stream(stream, Arc::clone(&registry)));
    }
}

/// Answers the binding calls of one connection, until it is closed.
pub async fn serve_stream<S>(stream: S, registry: Arc<Registry>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let registry = Arc::clone(&registry);
        async move { Ok::<_, Infallible>(answer(&registry, request).await) }
    });
    // No keep-alive timeout: workerd closes idle connections itself, after five seconds.
    let connection = http1::Builder::new()
        // Nobody reads the date, and the runtime makes an object of every header.
        .auto_date_header(false)
        .max_buf_size(512 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a binding's connection ended early");
    }
}

async fn answer(registry: &Registry, mut request: Request<Incoming>) -> Response<Body> {
    match registry.find(request.headers()) {
        Some(Resource::Kv(namespace)) => kv::handle(&View::Strong(namespace), request).await,
        Some(Resource::KvEdge(edge)) => {
            let location = request.headers().get(COLO_HEADER).and_then(|name| name.to_str().ok());
            let view = View::Edge(edge.at(location));
            kv::handle(&view, request).await
        }
        Some(Resource::D1(database)) => d1::handle(&database, request).await,
        Some(Resource::R2(bucket)) => r2::handle(&bucket, request).await,
        None => {
            body::drain(request.body_mut()).await;
            body::refusal(StatusCode::FORBIDDEN, "This socket serves the bindings of Selvedge's own Workers.")
        }
    }
}
