//! R2 over a real unix socket: what the runtime sends, to the byte, and what a Worker in a real workerd sees.

mod frames;
mod wire;
mod worker;

use std::path::Path;

use http::{Method, Request};
use selvedge_base::SystemClock;
use selvedge_bindings::{RESOURCE_HEADER, Registry, Resource, TOKEN_HEADER};
use selvedge_r2::{Bucket, Limits, Store};

use crate::support::{Service, TOKEN};

/// A bucket behind a socket.
async fn start() -> Service<Bucket> {
    let open = async |directory: &Path, registry: &Registry| {
        let store = Store::open(&directory.join("r2"), SystemClock::shared(), Limits::default()).unwrap();
        let bucket = store.bucket("photos").await.unwrap();
        registry.insert("r2/photos".to_owned(), Resource::R2(bucket.clone()));
        bucket
    };
    Service::start("r2/photos", open).await
}

/// A request as workerd would send it, with the headers that it injects.
fn request(method: Method) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri("/")
        .header("host", "fake-host")
        .header(RESOURCE_HEADER, "r2/photos")
        .header(TOKEN_HEADER, TOKEN)
}
