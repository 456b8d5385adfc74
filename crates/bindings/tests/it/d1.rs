//! D1 over a real unix socket: what the runtime sends, and what a Worker in a real workerd sees.

mod corpus;
mod isolation;
mod wire;
mod worker;

use std::path::Path;

use http::{Method, Request};
use selvedge_base::SystemClock;
use selvedge_bindings::{RESOURCE_HEADER, Registry, Resource, TOKEN_HEADER};
use selvedge_d1::{Database, Limits, Store};

use crate::support::{Service, TOKEN};

/// A database behind a socket.
async fn start() -> Service<Database> {
    let open = async |directory: &Path, registry: &Registry| {
        let store = Store::open(&directory.join("d1"), SystemClock::shared(), Limits::default()).unwrap();
        let database = store.database("shop").await.unwrap();
        registry.insert("d1/shop".to_owned(), Resource::D1(database.clone()));
        database
    };
    Service::start("d1/shop", open).await
}

/// A request as workerd would send it, with the headers that it injects.
fn request(target: &str) -> http::request::Builder {
    Request::builder()
        .method(Method::POST)
        .uri(target)
        .header("host", "d1")
        .header("content-type", "application/json")
        .header(RESOURCE_HEADER, "d1/shop")
        .header(TOKEN_HEADER, TOKEN)
}
