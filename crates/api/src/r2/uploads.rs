//! `r2/buckets/<name>/selvedge/uploads`: objects that come in parts. Ours: Cloudflare's API has no such thing, and takes
//! nothing over 300 MB.

use std::io;

use futures_util::TryStreamExt as _;
use http::Method;
use http_body_util::BodyDataStream;
use selvedge_r2::{Bucket, ClaimedPart, CreateOptions, PartOptions};
use serde::Deserialize;
use serde_json::json;

use super::objects::{custom, md5, metadata, row, size};
use crate::envelope::{Outcome, Refused, success};
use crate::request::Call;

#[derive(Deserialize)]
struct Part {
    number: u32,
    etag: String,
}

/// The key is in the query.
pub(super) async fn answer(bucket: &Bucket, mut call: Call, path: &[&str]) -> Outcome {
    let key = call.query("key").ok_or_else(|| Refused::bad_request("an upload needs a key"))?;
    match (&call.method().clone(), path) {
        (&Method::POST, []) => {
            let headers = &call.parts.headers;
            let options = CreateOptions {
                http: metadata(headers),
                custom: custom(headers)?,
                class: super::class(headers)?,
                ..CreateOptions::default()
            };
            success(json!({ "uploadId": bucket.create_multipart(&key, options).await? }))
        }
        (&Method::PUT, [id, number]) => {
            let number = number.parse().map_err(|_| Refused::bad_request("a part has a number"))?;
            let size = size(&call)?;
            let options = PartOptions { checksums: md5(&call.parts.headers)?, ..PartOptions::default() };
            let body = BodyDataStream::new(call.body).map_err(io::Error::other);
            let part = bucket.upload_part_with(&key, id, number, body, size, options).await?;
            success(json!({ "number": part.number, "etag": part.etag }))
        }
        (&Method::POST, [id]) => {
            let parts: Vec<Part> = call.json().await?;
            let parts = parts.into_iter().map(|part| ClaimedPart::new(part.number, part.etag)).collect();
            success(row(&bucket.complete_multipart(&key, id, parts).await?))
        }
        (&Method::DELETE, [id]) => {
            bucket.abort_multipart(&key, id).await?;
            success(json!({}))
        }
        _ => Err(Refused::no_route()),
    }
}
