//! KV as workerd's `kvNamespace` binding speaks it.
//!
//! A key is one percent-encoded path segment: `GET`, `PUT` and `DELETE /<key>`. `GET /` lists, `POST /bulk/get`
//! reads several keys. What user code sees of a refusal is the reason phrase of the status line.

mod bulk;
mod reply;
mod target;

use std::io;

use futures_util::TryStreamExt as _;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyDataStream;
use hyper::body::Incoming;
use selvedge_kv::{Error, ListOptions, Namespace, PutOptions, Refusal, View};

use crate::body::{self, Body};
use crate::server::ISOLATE_HEADER;
use target::{Query, decode_key};

const METADATA: &str = "cf-kv-metadata";

pub(crate) async fn handle(view: &View, request: Request<Incoming>) -> Response<Body> {
    let (parts, mut body) = request.into_parts();
    let answer = answer(view, &parts, &mut body).await;
    body::drain(&mut body).await;
    answer.unwrap_or_else(|problem| problem.reply())
}

async fn answer(view: &View, parts: &Parts, body: &mut Incoming) -> Result<Response<Body>, Problem> {
    let query = Query::new(parts.uri.query().unwrap_or(""));
    // The path as it came: a key may be called `bulk/get`, which is `/bulk%2Fget`.
    match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/") => list(view, query).await,
        (&Method::GET, path) => get(view, &decode_key(path)?, query, parts).await,
        (&Method::PUT, path) => put(view, &decode_key(path)?, query, parts, body).await,
        (&Method::DELETE, path) => {
            view.delete(&decode_key(path)?).await?;
            Ok(body::empty(StatusCode::OK))
        }
        (&Method::POST, "/bulk/get") => bulk::get(view, body).await,
        _ => Err(Problem::Method),
    }
}

async fn get(view: &View, key: &str, query: Query<'_>, parts: &Parts) -> Result<Response<Body>, Problem> {
    let cache_ttl = match query.find("cache_ttl")? {
        Some(given) => Some(cache_ttl(view.namespace(), &given)?),
        None => None,
    };
    let (found, state) = view.get(key, cache_ttl).await?;
    let mut response = found.map_or_else(|| body::empty(StatusCode::NOT_FOUND), reply::entry);
    let isolate = parts.headers.contains_key(ISOLATE_HEADER);
    reply::cache_state(&mut response, state, isolate);
    Ok(response)
}

async fn put(
    view: &View,
    key: &str,
    query: Query<'_>,
    parts: &Parts,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let metadata = match parts.headers.get(METADATA) {
        // Raw UTF-8, which `HeaderValue::to_str` would not take.
        Some(value) => {
            Some(str::from_utf8(value.as_bytes()).map_err(|_| Problem::NotUtf8("metadata"))?.to_owned())
        }
        None => None,
    };
    let expiration_ttl = match query.find("expiration_ttl")? {
        Some(given) => Some(given.parse().map_err(|_| Refusal::ExpirationTtlNotPositive { given })?),
        None => None,
    };
    let expiration = match query.find("expiration")? {
        // The other form wins, whatever this one says.
        Some(given) if expiration_ttl.is_none() => {
            Some(given.parse().map_err(|_| Refusal::ExpirationPast { given })?)
        }
        _ => None,
    };
    let options = PutOptions { expiration, expiration_ttl, metadata, length: body.size_hint().exact() };
    let value = BodyDataStream::new(body).map_err(io::Error::other);
    view.put_stream(key, value, &options).await?;
    Ok(body::empty(StatusCode::OK))
}

async fn list(view: &View, query: Query<'_>) -> Result<Response<Body>, Problem> {
    let limit = match query.find("key_count_limit")? {
        Some(given) => {
            // Cloudflare names what its `parseInt` made of it.
            let not = |_| Refusal::ListLimitNotPositive { given: "NaN".to_owned() };
            Some(given.parse().map_err(not)?)
        }
        None => None,
    };
    let (prefix, cursor) = (query.find("prefix")?, query.find("cursor")?);
    let options = ListOptions { prefix: prefix.as_deref().unwrap_or(""), limit, cursor: cursor.as_deref() };
    let (page, state) = view.list(&options).await?;
    let mut response = reply::page(&page);
    reply::cache_state(&mut response, state, false);
    Ok(response)
}

/// How many seconds a location may keep what it reads. Where there are no locations it must be well-formed, too.
fn cache_ttl(namespace: &Namespace, given: &str) -> Result<u64, Problem> {
    let limits = namespace.limits();
    let not = |_| Refusal::CacheTtlTooShort { given: given.to_owned(), least: limits.min_cache_ttl };
    let seconds: i64 = given.parse().map_err(not)?;
    limits.check_cache_ttl(seconds)?;
    Ok(seconds.unsigned_abs())
}

/// Why there is no answer of the kind that was asked for.
#[derive(Debug)]
enum Problem {
    Engine(Error),
    /// What is not UTF-8 although it must be, or is not percent-encoded UTF-8.
    NotUtf8(&'static str),
    BulkNotJson,
    BulkTooLong,
    Method,
}

impl From<Error> for Problem {
    fn from(failed: Error) -> Self {
        Self::Engine(failed)
    }
}

impl From<Refusal> for Problem {
    fn from(no: Refusal) -> Self {
        Self::Engine(no.into())
    }
}

impl Problem {
    fn reply(&self) -> Response<Body> {
        let (status, reason) = match self {
            Self::Engine(Error::Refused(no)) => {
                (StatusCode::from_u16(no.status()).unwrap_or(StatusCode::BAD_REQUEST), no.to_string())
            }
            Self::Engine(Error::Sender(error)) => {
                tracing::debug!(%error, "a value did not arrive whole");
                (StatusCode::BAD_REQUEST, "The value did not arrive whole.".to_owned())
            }
            Self::Engine(error) if error.is_disk_full() => {
                log(error);
                (StatusCode::INSUFFICIENT_STORAGE, "The disk is full: nothing was stored.".to_owned())
            }
            Self::Engine(error @ Error::Damaged { .. }) => {
                log(error);
                let reason =
                    "The stored value is damaged and cannot be served; the log of Selvedge says more.";
                (StatusCode::INTERNAL_SERVER_ERROR, reason.to_owned())
            }
            Self::Engine(Error::Deleted) => {
                (StatusCode::SERVICE_UNAVAILABLE, "The KV namespace was deleted.".to_owned())
            }
            Self::Engine(error) => {
                log(error);
                (StatusCode::INTERNAL_SERVER_ERROR, "The store failed; its log says why.".to_owned())
            }
            Self::NotUtf8("key") => (StatusCode::BAD_REQUEST, "Could not URL-decode key name".to_owned()),
            Self::NotUtf8(what) => (StatusCode::BAD_REQUEST, format!("The {what} must be UTF-8.")),
            Self::BulkNotJson => (
                StatusCode::BAD_REQUEST,
                "A bulk get must be JSON with a list of strings called \"keys\".".to_owned(),
            ),
            Self::BulkTooLong => {
                (StatusCode::PAYLOAD_TOO_LARGE, "The list of keys is too long to be read.".to_owned())
            }
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed".to_owned()),
        };
        body::refusal(status, &reason)
    }
}

fn log(error: &Error) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, source, "a KV operation failed");
}
