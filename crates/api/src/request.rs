//! What was asked for: a path of decoded segments, a query and a body of bounded size.

use std::borrow::Cow;
use std::path::Path;

use bytes::{Buf as _, Bytes, BytesMut};
use http::request::Parts;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt as _;

use crate::envelope::Refused;

/// Bytes of a JSON body at most: a bulk put of 10,000 pairs is 100 MB at most on Cloudflare.
const JSON_LIMIT: usize = 100 << 20;

/// A request on its way to the engine that answers it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) parts: Parts,
    pub(crate) body: Incoming,
}

impl Call {
    pub(crate) fn method(&self) -> &Method {
        &self.parts.method
    }

    /// The path's segments, each decoded once; a segment may hold a `/`.
    pub(crate) fn segments(&self) -> Result<Vec<String>, Refused> {
        let path = self.parts.uri.path().trim_start_matches('/');
        let decode = |segment: &str| percent_decode_str(segment).decode_utf8().map(Cow::into_owned);
        let segments: Result<Vec<String>, _> = path.split('/').map(decode).collect();
        segments.map_err(|_| Refused::bad_request("the path is not percent-encoded UTF-8"))
    }

    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let query = self.parts.uri.query()?;
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }

    /// The query's `name` as a number; absent is `default`.
    pub(crate) fn number(&self, name: &str, default: usize) -> Result<usize, Refused> {
        let Some(given) = self.query(name) else { return Ok(default) };
        let not = |_| Refused::bad_request(format!("{name} must be a number, not {given:?}"));
        given.parse().map_err(not)
    }

    /// The whole body, in memory; one over 100 MB is refused.
    pub(crate) async fn bytes(&mut self) -> Result<Bytes, Refused> {
        self.bytes_up_to(JSON_LIMIT).await
    }

    /// The whole body, in memory.
    pub(crate) async fn bytes_up_to(&mut self, limit: usize) -> Result<Bytes, Refused> {
        let mut all = BytesMut::new();
        while let Some(frame) = self.body.frame().await {
            let frame =
                frame.map_err(|error| Refused::bad_request(format!("the body broke off: {error}")))?;
            let Ok(mut data) = frame.into_data() else { continue };
            if all.len() + data.remaining() > limit {
                let message = format!("the body is longer than {limit} bytes");
                return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, 10001, message));
            }
            all.extend_from_slice(&data.copy_to_bytes(data.remaining()));
        }
        Ok(all.freeze())
    }

    /// The body as a file in `directory`, which is gone when it is dropped.
    pub(crate) async fn file(&mut self, directory: &Path) -> Result<tempfile::NamedTempFile, Refused> {
        let failed = |error: std::io::Error| Refused::internal(&error);
        let file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
        let mut out = tokio::fs::File::from_std(file.reopen().map_err(failed)?);
        while let Some(frame) = self.body.frame().await {
            let frame =
                frame.map_err(|error| Refused::bad_request(format!("the body broke off: {error}")))?;
            if let Ok(data) = frame.into_data() {
                out.write_all(&data).await.map_err(failed)?;
            }
        }
        out.flush().await.map_err(failed)?;
        Ok(file)
    }

    /// The body as JSON, whatever its content type says: wrangler often sends none.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Refused> {
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Refused::bad_request(format!("the body is not what it should be: {error}")))
    }
}
