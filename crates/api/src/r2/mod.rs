//! `r2/buckets`: buckets, their objects and their rules.

mod objects;
mod rules;
mod uploads;

use http::{HeaderMap, Method, StatusCode};
use selvedge_catalog::ResourceKind;
use selvedge_r2::{Bucket, BucketInfo, BucketOptions, Error, FsckOptions, ListBuckets, StorageClass};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::envelope::{Outcome, Refused, success, with_info};
use crate::request::Call;
use crate::server::Api;

pub(crate) async fn answer(api: &Api, mut call: Call, path: &[&str]) -> Outcome {
    let method = call.method().clone();
    match (&method, path) {
        (&Method::GET, []) => list(api, &call).await,
        (&Method::POST, []) => create(api, &mut call).await,
        (_, [name, rest @ ..]) => {
            if (&method, rest) == (&Method::DELETE, &[]) {
                api.check_unbound(ResourceKind::R2, name)?;
                api.r2.delete_bucket(name).await?;
                api.catalog.forget_resource(ResourceKind::R2, name).await?;
                return success(json!({}));
            }
            let bucket = api.r2.existing_bucket(name).await?;
            match (&method, rest) {
                (&Method::GET, []) => success(row(&api.r2.bucket_info(name).await?)),
                (&Method::PATCH, []) => {
                    bucket.set_default_class(class(&call.parts.headers)?.unwrap_or_default()).await?;
                    success(row(&api.r2.bucket_info(name).await?))
                }
                (&Method::GET, ["usage"]) => usage(&bucket).await,
                (&Method::POST, ["selvedge", "fsck"]) => {
                    let options = FsckOptions { repair: call.query("repair").is_some() };
                    success(bucket.fsck(options, |_| ()).await?)
                }
                (_, ["selvedge", "uploads", rest @ ..]) => uploads::answer(&bucket, call, rest).await,
                (_, ["objects", key @ ..]) => objects::answer(&bucket, call, &key.join("/")).await,
                (_, feature) => rules::answer(&bucket, call, feature).await,
            }
        }
        _ => Err(Refused::no_route()),
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        if error.is_internal() {
            return Self::internal(&error);
        }
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
        Self::new(status, error.v4code(), error.message())
    }
}

fn row(info: &BucketInfo) -> Value {
    json!({
        "name": info.name,
        "creation_date": info.created.iso(),
        "location": info.options.location.as_deref().unwrap_or("LOCAL"),
        "storage_class": info.options.class,
    })
}

async fn list(api: &Api, call: &Call) -> Outcome {
    let options = ListBuckets {
        prefix: call.query("name_contains").unwrap_or_default(),
        start_after: call.query("cursor").or_else(|| call.query("start_after")),
        limit: Some(call.number("per_page", 1000)?),
    };
    let page = api.r2.list_buckets(&options).await?;
    let next = page.buckets.last().filter(|_| page.truncated).map(|info| info.name.clone());
    let rows: Vec<_> = page.buckets.iter().map(row).collect();
    with_info(json!({ "buckets": rows }), Some(json!({ "cursor": next })))
}

async fn create(api: &Api, call: &mut Call) -> Outcome {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wanted {
        name: String,
        storage_class: Option<StorageClass>,
        location_hint: Option<String>,
        /// Ours: one that is there already is no mistake.
        #[serde(default, rename = "if_missing")]
        if_missing: bool,
    }
    let wanted: Wanted = call.json().await?;
    let options =
        BucketOptions { location: wanted.location_hint, class: wanted.storage_class.unwrap_or_default() };
    match api.r2.create_bucket(&wanted.name, &options).await {
        Err(_) if wanted.if_missing && api.r2.existing_bucket(&wanted.name).await.is_ok() => {}
        created => drop(created?),
    }
    api.catalog.name_resource(ResourceKind::R2, &wanted.name, &wanted.name).await?;
    success(row(&api.r2.bucket_info(&wanted.name).await?))
}

async fn usage(bucket: &Bucket) -> Outcome {
    let usage = bucket.usage().await?;
    success(json!({
        "objectCount": usage.objects,
        "payloadSize": usage.bytes,
        "infrequentAccessObjectCount": usage.infrequent_objects,
        "infrequentAccessPayloadSize": usage.infrequent_bytes,
        "uploadCount": usage.uploads,
        "uploadSize": usage.upload_bytes,
    }))
}

/// The storage class that wrangler asks for in a header.
fn class(headers: &HeaderMap) -> Result<Option<StorageClass>, Refused> {
    let Some(given) = headers.get("cf-r2-storage-class") else { return Ok(None) };
    let class = given.to_str().ok().and_then(StorageClass::parse);
    class.map(Some).ok_or_else(|| Refused::bad_request("a storage class is Standard or InfrequentAccess"))
}
