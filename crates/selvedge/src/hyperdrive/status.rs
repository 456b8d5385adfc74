//! The metrics address: `/metrics` for Prometheus, anything else a summary for people.

use std::convert::Infallible;
use std::fmt::Write as _;

use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use selvedge_hyperdrive::Pooler;
use tokio::net::TcpListener;

pub(super) async fn serve(listener: TcpListener, pooler: Pooler, database: String) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: others will be closed soon.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let (pooler, database) = (pooler.clone(), database.clone());
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let text = if request.uri().path() == "/metrics" {
                    pooler.prometheus(&database)
                } else {
                    summary(&pooler, &database)
                };
                let mut response = Response::new(Full::new(Bytes::from(text)));
                let kind = header::HeaderValue::from_static("text/plain; version=0.0.4");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                std::future::ready(Ok::<_, Infallible>(response))
            });
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a metrics connection ended early");
            }
        });
    }
}

fn summary(pooler: &Pooler, database: &str) -> String {
    let mut out = format!("database         {database}\n");
    for (name, _, value) in pooler.gauges() {
        // Writing to memory does not fail.
        let _ = writeln!(out, "{name:16} {value}");
    }
    if let Some(cache) = pooler.cache_counters() {
        let _ = writeln!(
            out,
            "cache            {} hits, {} stale, {} misses",
            cache.hit, cache.stale, cache.miss
        );
    }
    out
}
