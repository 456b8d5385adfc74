//! KV over a real unix socket: what the runtime sends, to the byte, and what a Worker in a real workerd sees.

mod edge;
mod faults;
mod wire;
mod worker;

use std::path::Path;

use http::Request;
use selvedge_base::SystemClock;
use selvedge_bindings::{RESOURCE_HEADER, Registry, Resource, TOKEN_HEADER};
use selvedge_kv::{Limits, Namespace, Store};

use crate::support::{Service, TOKEN};

/// A namespace behind a socket, and another one, `kv/other`.
async fn start() -> Service<Namespace> {
    let open = async |directory: &Path, registry: &Registry| {
        let store = Store::open(&directory.join("kv"), SystemClock::shared(), Limits::default()).unwrap();
        let namespace = store.namespace("sessions").await.unwrap();
        registry.insert("kv/sessions".to_owned(), Resource::Kv(namespace.clone()));
        registry.insert("kv/other".to_owned(), Resource::Kv(store.namespace("other").await.unwrap()));
        namespace
    };
    Service::start("kv/sessions", open).await
}

/// A request as workerd would send it, with the headers that it injects.
fn request(method: &str, target: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(target)
        .header("host", "fake-host")
        .header("cf-kv-flprod-405", "https://fake-host/")
        .header(RESOURCE_HEADER, "kv/sessions")
        .header(TOKEN_HEADER, TOKEN)
}
