//! R2 as workerd's `r2Bucket` binding speaks it.
//!
//! Every call goes to `/`. Head, get and list are a `GET` with the call as JSON in a header; everything else is
//! a `PUT` whose body begins with that JSON. Replies to `GET` have the same shape: JSON of a size that a header
//! names, then the object's bytes.

mod frame;
mod number;
mod reply;
mod request;

use std::error::Error;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use selvedge_r2::{Bucket, ClaimedPart, Get, PartOptions};

use crate::body::{self, Body};
use frame::Frame;
use request::Call;

pub(crate) async fn handle(bucket: &Bucket, mut request: Request<Incoming>) -> Response<Body> {
    let answer = if request.method() == Method::GET {
        read(bucket, &request).await
    } else {
        write(bucket, &mut request).await
    };
    body::drain(request.body_mut()).await;
    answer.unwrap_or_else(Refusal::reply)
}

async fn read(bucket: &Bucket, request: &Request<Incoming>) -> Result<Response<Body>, Refusal> {
    match frame::header(request)? {
        Call::Head(call) => match bucket.head(&call.object).await? {
            Some(object) => Ok(reply::object(&object)),
            None => Err(selvedge_r2::Error::NoSuchKey.into()),
        },
        Call::Get(call) => {
            let (key, options) = call.into_parts()?;
            match bucket.get_with(&key, &options).await? {
                Get::Missing => Err(selvedge_r2::Error::NoSuchKey.into()),
                Get::Unmet(object) => Ok(reply::unmet(&object)),
                Get::Found(found) => Ok(reply::found(*found)),
            }
        }
        Call::List(call) => {
            let (options, listed) = call.into_options();
            Ok(reply::listing(&bucket.list(&options).await?, listed))
        }
        _ => Err(Refusal::malformed("this method is not called with GET")),
    }
}

async fn write(bucket: &Bucket, request: &mut Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let Frame { call, payload_size, payload } = frame::read(request).await?;
    match call {
        Call::Put(call) => {
            let (key, options) = call.into_options()?;
            let object = bucket.put(&key, payload, payload_size, options).await?;
            Ok(reply::object_without_range(&object))
        }
        Call::Delete(call) => {
            bucket.delete(call.into_keys()?).await?;
            Ok(body::empty(StatusCode::OK))
        }
        Call::CreateMultipartUpload(call) => {
            let (key, options) = call.into_options()?;
            let id = bucket.create_multipart(&key, options).await?;
            Ok(reply::json(&serde_json::json!({ "uploadId": id })))
        }
        Call::UploadPart(call) => {
            let options = PartOptions { ssec: request::ssec(call.ssec)?, ..PartOptions::default() };
            let (upload, number) = (&call.upload_id, call.part_number);
            let part =
                bucket.upload_part_with(&call.object, upload, number, payload, payload_size, options).await?;
            Ok(reply::json(&serde_json::json!({ "etag": part.etag })))
        }
        Call::CompleteMultipartUpload(call) => {
            let parts = call.parts.into_iter().map(|p| ClaimedPart::new(p.part, p.etag)).collect();
            let object = bucket.complete_multipart(&call.object, &call.upload_id, parts).await?;
            Ok(reply::object_without_range(&object))
        }
        Call::AbortMultipartUpload(call) => {
            bucket.abort_multipart(&call.object, &call.upload_id).await?;
            Ok(body::empty(StatusCode::OK))
        }
        Call::Head(_) | Call::Get(_) | Call::List(_) => {
            Err(Refusal::malformed("this method is called with GET"))
        }
    }
}

/// A call that was refused, here or by the bucket.
#[derive(Debug)]
enum Refusal {
    /// Not a call that the runtime makes. The reason is for the log; the caller hears R2's own text.
    Malformed(Box<dyn Error + Send + Sync>),
    Bucket(selvedge_r2::Error),
}

impl Refusal {
    fn malformed(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Malformed(reason.into())
    }

    fn reply(self) -> Response<Body> {
        match self {
            Self::Malformed(reason) => {
                tracing::debug!(%reason, "a malformed R2 call");
                let error = selvedge_r2::Error::InvalidArgument("Metadata missing or invalid".to_owned());
                reply::error(&error)
            }
            Self::Bucket(error) => {
                if error.is_internal() {
                    tracing::error!(error = &error as &dyn Error, "an R2 call failed");
                }
                reply::error(&error)
            }
        }
    }
}

impl From<selvedge_r2::Error> for Refusal {
    fn from(error: selvedge_r2::Error) -> Self {
        Self::Bucket(error)
    }
}
