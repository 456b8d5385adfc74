//! A namespace with locations: which one is asked, and what is said of the cache.

use std::path::Path;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use selvedge_base::SystemClock;
use selvedge_bindings::{COLO_HEADER, ISOLATE_HEADER, Registry, Resource};
use selvedge_kv::{Edge, EdgeOptions, Limits, Store};
use serde_json::json;

use super::request;
use crate::support::Service;

async fn start() -> Service<()> {
    let open = async |directory: &Path, registry: &Registry| {
        let store = Store::open(&directory.join("kv"), SystemClock::shared(), Limits::default()).unwrap();
        let options = EdgeOptions {
            locations: vec!["AMS".to_owned(), "NRT".to_owned()],
            own_writes_visible: true,
            cache_bytes: 1 << 20,
        };
        let edge = Edge::new(store.namespace("sessions").await.unwrap(), &options);
        registry.insert("kv/sessions".to_owned(), Resource::KvEdge(edge));
    };
    Service::start("kv/sessions", open).await
}

impl Service<()> {
    async fn at(&self, colo: &str, method: &str, target: &str, body: &str) -> Response<Bytes> {
        let request = request(method, target).header(COLO_HEADER, colo);
        self.send(request.body(Full::new(body.to_owned().into())).unwrap()).await
    }
}

fn cache_status(response: &Response<Bytes>) -> &str {
    response.headers().get("cf-cache-status").map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_location_is_stale_and_says_where_its_answer_came_from() {
    let service = start().await;
    assert_eq!(service.at("AMS", "PUT", "/k?urlencoded=true", "old").await.status(), StatusCode::OK);
    let first = service.at("NRT", "GET", "/k?urlencoded=true", "").await;
    assert_eq!((first.body().as_ref(), cache_status(&first)), (&b"old"[..], "MISS"));
    let absent = service.at("NRT", "GET", "/absent?urlencoded=true", "").await;
    assert_eq!((absent.status(), cache_status(&absent)), (StatusCode::NOT_FOUND, "MISS"));
    service.at("AMS", "PUT", "/k?urlencoded=true", "new").await;
    service.at("AMS", "PUT", "/absent?urlencoded=true", "new").await;
    let again = service.at("NRT", "GET", "/k?urlencoded=true&cache_ttl=3600", "").await;
    assert_eq!((again.body().as_ref(), cache_status(&again)), (&b"old"[..], "HIT"));
    let absent = service.at("NRT", "GET", "/absent?urlencoded=true", "").await;
    assert_eq!((absent.status(), cache_status(&absent)), (StatusCode::NOT_FOUND, "HIT"));
    let home = service.at("AMS", "GET", "/k?urlencoded=true", "").await;
    assert_eq!((home.body().as_ref(), cache_status(&home)), (&b"new"[..], "MISS"));
    let bulk = service.at("NRT", "POST", "/bulk/get", r#"{"keys":["k","absent"],"cacheTtl":"60"}"#).await;
    let bulk: serde_json::Value = serde_json::from_slice(bulk.body()).unwrap();
    assert_eq!(bulk, json!({ "k": "old", "absent": null }));
    let short = service.at("NRT", "GET", "/k?urlencoded=true&cache_ttl=29", "").await;
    assert_eq!(short.status(), StatusCode::BAD_REQUEST);
    for status in ["MISS", "HIT"] {
        assert_eq!(cache_status(&service.at("NRT", "GET", "/", "").await), status);
    }
}

#[tokio::test]
async fn an_isolate_is_told_how_long_it_may_keep_an_answer() {
    let service = start().await;
    let mut asked = request("GET", "/k?urlencoded=true&cache_ttl=90").header(ISOLATE_HEADER, "1");
    asked = asked.header(COLO_HEADER, "AMS");
    let answer = service.send(asked.body(Full::default()).unwrap()).await;
    assert_eq!(cache_status(&answer), "MISS;0;90000");
    let asked = request("GET", "/k?urlencoded=true").header(ISOLATE_HEADER, "1");
    let answer = service.send(asked.body(Full::default()).unwrap()).await;
    let parts: Vec<&str> = cache_status(&answer).split(';').collect();
    let age: u64 = parts[1].parse().unwrap();
    assert!(parts[0] == "HIT" && age < 60_000 && parts[2] == "60000", "{parts:?}");
}
