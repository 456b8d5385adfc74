//! What moving objects takes of a bucket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::{BodyDataStream, BodyExt as _};
use md5::{Digest as _, Md5};
use percent_encoding::percent_decode_str;
use selvedge_base::Millis;
use serde::de::DeserializeOwned;

use crate::request::{Ask, Asker, text};
use crate::{Error, Meta, Result, xml};

/// Which bucket, of whom. What is not said is taken from the variables that AWS's tools read.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub bucket: String,
    /// `https://…`; AWS's own without one, and without `AWS_ENDPOINT_URL`.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// An access key's id and secret.
    pub key: Option<(String, String)>,
    /// Do not sign: for a bucket that everybody may read.
    pub anonymous: bool,
}

/// Somebody else's bucket.
#[derive(Debug)]
pub struct Bucket {
    asker: Asker,
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Unquoted.
    pub etag: String,
    pub modified: Millis,
}

/// A page of a listing, and where the next begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<Entry>,
    pub next: Option<String>,
}

/// A part that was written: what complete wants to hear of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartTag {
    pub number: u32,
    pub etag: String,
}

/// Keys in one request at most.
const DELETE: usize = 1000;

impl Bucket {
    pub fn open(place: &Place) -> Result<Self> {
        Ok(Self { asker: Asker::new(place)? })
    }

    /// The keys that begin with `prefix`, a page at a time, in S3's order.
    pub async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Page> {
        let mut query = format!("list-type=2&encoding-type=url&max-keys=1000&prefix={}", text(prefix));
        if let Some(token) = after {
            query = format!("{query}&continuation-token={}", text(token));
        }
        let ask = Ask::bucket(Method::GET, &query);
        let listing: xml::Listing = self.read(&ask, "ListBucketResult").await?;
        let encoded = listing.encoding_type.as_deref() == Some("url");
        let entries = listing.contents.into_iter().map(|found| {
            let key = if encoded {
                // A space may be a plus there, and a plus is not as it is.
                percent_decode_str(&found.key.replace('+', " ")).decode_utf8().ok()?.into_owned()
            } else {
                found.key
            };
            let modified = Millis::parse_iso(&found.last_modified)?;
            Some(Entry { key, size: found.size, etag: unquoted(&found.etag), modified })
        });
        let entries = entries.collect::<Option<Vec<_>>>();
        let entries = entries.ok_or_else(|| ask.malformed("a key or a time cannot be read"))?;
        Ok(Page { entries, next: listing.next_continuation_token.filter(|_| listing.is_truncated) })
    }

    /// The object's metadata, its entry and its bytes.
    pub async fn get(&self, key: &str) -> Result<(Meta, Entry, impl Stream<Item = Result<Bytes>> + use<>)> {
        let ask = Ask::key(Method::GET, key, "");
        let response = self.asker.ask(&ask).await?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let size = header("content-length").and_then(|size| size.parse().ok());
        let size = size.ok_or_else(|| ask.malformed("there is no length"))?;
        // Of what is encrypted with a key of Amazon's service, the ETag is no MD5.
        let is_md5 = header("x-amz-server-side-encryption").is_none_or(|how| how == "AES256");
        let etag = header("etag").filter(|_| is_md5).map(unquoted).unwrap_or_default();
        let entry = Entry { key: key.to_owned(), size, etag, modified: Millis(0) };
        let meta = Meta::of(response.headers());
        let body = BodyDataStream::new(response.into_body().map_err(Error::from));
        Ok((meta, entry, body))
    }

    /// Writes an object. Answers the names of metadata that were left out, because no header can carry them.
    pub async fn put(&self, key: &str, meta: &Meta, bytes: Bytes) -> Result<Vec<String>> {
        let mut headers = HeaderMap::new();
        let left_out = meta.set(&mut headers);
        self.asker.ask_whole(&Ask::key(Method::PUT, key, "").headers(headers).body(bytes)).await?;
        Ok(left_out)
    }

    /// Begins an upload. Answers its id and what [`Bucket::put`] answers.
    pub async fn begin(&self, key: &str, meta: &Meta) -> Result<(String, Vec<String>)> {
        let mut headers = HeaderMap::new();
        let left_out = meta.set(&mut headers);
        let ask = Ask::key(Method::POST, key, "uploads=").headers(headers);
        let begun: xml::Begun = self.read(&ask, "InitiateMultipartUploadResult").await?;
        Ok((begun.upload_id, left_out))
    }

    pub async fn put_part(&self, key: &str, upload: &str, number: u32, bytes: Bytes) -> Result<PartTag> {
        let query = format!("partNumber={number}&uploadId={}", text(upload));
        let ask = Ask::key(Method::PUT, key, &query).body(bytes);
        let response = self.asker.ask(&ask).await?;
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok());
        let etag = etag.ok_or_else(|| ask.malformed("the part has no ETag"))?.to_owned();
        Ok(PartTag { number, etag })
    }

    /// Makes an object of the parts, which come in any order.
    pub async fn complete(&self, key: &str, upload: &str, mut parts: Vec<PartTag>) -> Result<()> {
        parts.sort_unstable_by_key(|part| part.number);
        let parts = parts.iter().map(|part| {
            let (number, etag) = (part.number, xml::escaped(&part.etag));
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        });
        let parts: String = parts.collect();
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let ask = Ask::key(Method::POST, key, &format!("uploadId={}", text(upload))).body(body);
        let answer = self.asker.ask_whole(&ask).await?;
        // The status was sent before the outcome was known.
        if xml::root(&answer) == Some("Error") {
            let xml::Refusal { code, message } = quick_xml::de::from_str(&answer).unwrap_or_default();
            return Err(ask.malformed(format!("{code}: {message}")));
        }
        Ok(())
    }

    pub async fn abort(&self, key: &str, upload: &str) -> Result<()> {
        let ask = Ask::key(Method::DELETE, key, &format!("uploadId={}", text(upload)));
        self.asker.ask_whole(&ask).await.map(drop)
    }

    /// Removes keys, whether they are there or not.
    pub async fn delete(&self, keys: &[String]) -> Result<()> {
        for keys in keys.chunks(DELETE) {
            let objects = keys.iter().map(|key| format!("<Object><Key>{}</Key></Object>", xml::escaped(key)));
            let body = format!("<Delete><Quiet>true</Quiet>{}</Delete>", objects.collect::<String>());
            let mut headers = HeaderMap::new();
            let sum = STANDARD.encode(Md5::digest(&body));
            if let Ok(sum) = HeaderValue::from_str(&sum) {
                headers.insert("content-md5", sum);
            }
            let ask = Ask::bucket(Method::POST, "delete=").headers(headers).body(body);
            let deleted: xml::Deleted = self.read(&ask, "DeleteResult").await?;
            if let Some(first) = deleted.errors.first() {
                let (n, key) = (deleted.errors.len(), &first.key);
                let why = format!("{n} keys were not deleted, {key:?}: {}: {}", first.code, first.message);
                return Err(ask.malformed(why));
            }
        }
        Ok(())
    }

    /// All pages of [`Bucket::list`], one after the other.
    pub fn entries<'b>(&'b self, prefix: &'b str) -> impl Stream<Item = Result<Entry>> + 'b {
        enum At {
            Start,
            Token(String),
            End,
        }
        let pages = stream::try_unfold(At::Start, move |at| async move {
            let page = match &at {
                At::Start => self.list(prefix, None).await?,
                At::Token(token) => self.list(prefix, Some(token)).await?,
                At::End => return Ok::<_, Error>(None),
            };
            let next = page.next.map_or(At::End, At::Token);
            Ok(Some((page.entries, next)))
        });
        pages.flat_map(|page| {
            let (entries, error) = match page {
                Ok(entries) => (entries, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            stream::iter(entries.into_iter().map(Ok).chain(error))
        })
    }

    async fn read<T: DeserializeOwned>(&self, ask: &Ask, root: &str) -> Result<T> {
        let answer = self.asker.ask_whole(ask).await?;
        if xml::root(&answer) != Some(root) {
            return Err(ask.malformed(format!("there is no {root}")));
        }
        quick_xml::de::from_str(&answer).map_err(|error| ask.malformed(error))
    }
}

fn unquoted(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}
