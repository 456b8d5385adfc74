//! Calls as the runtime writes them, and what they mean.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use selvedge_r2::{
    Algorithm, Checksums, Conditions, CreateOptions, Error, EtagMatcher, GetOptions, HttpMetadata,
    ListOptions, PutOptions, Range, SsecKey, StorageClass,
};
use serde::Deserialize;

use super::Refusal;
use super::number::Wide;

#[derive(Debug, Deserialize)]
#[serde(tag = "method", rename_all = "camelCase")]
pub(super) enum Call {
    Head(Head),
    Get(Box<GetCall>),
    Put(Box<Put>),
    List(List),
    Delete(Delete),
    CreateMultipartUpload(Create),
    UploadPart(UploadPart),
    CompleteMultipartUpload(Complete),
    AbortMultipartUpload(Abort),
}

#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) object: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetCall {
    object: String,
    range: Option<RangeFields>,
    range_header: Option<String>,
    only_if: Option<OnlyIf>,
    ssec: Option<SsecFields>,
}

#[derive(Debug, Deserialize)]
struct RangeFields {
    offset: Option<Wide>,
    length: Option<Wide>,
    suffix: Option<Wide>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OnlyIf {
    etag_matches: Vec<Etag>,
    etag_does_not_match: Vec<Etag>,
    uploaded_before: Option<Wide>,
    uploaded_after: Option<Wide>,
    seconds_granularity: bool,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Etag {
    Strong { value: String },
    Weak { value: String },
    Wildcard,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Put {
    object: String,
    #[serde(flatten)]
    metadata: Metadata,
    only_if: Option<OnlyIf>,
    /// Base64, unlike the others, which are hex.
    md5: Option<String>,
    sha1: Option<String>,
    sha256: Option<String>,
    sha384: Option<String>,
    sha512: Option<String>,
    ssec: Option<SsecFields>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Create {
    object: String,
    #[serde(flatten)]
    metadata: Metadata,
    ssec: Option<SsecFields>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    custom_fields: Vec<CustomField>,
    http_fields: HttpFields,
    storage_class: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CustomField {
    k: String,
    v: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HttpFields {
    content_type: Option<String>,
    content_language: Option<String>,
    content_disposition: Option<String>,
    content_encoding: Option<String>,
    cache_control: Option<String>,
    cache_expiry: Option<Wide>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct List {
    limit: Option<Wide>,
    prefix: Option<String>,
    cursor: Option<String>,
    delimiter: Option<String>,
    start_after: Option<String>,
    include: Vec<u8>,
}

/// Which kinds of metadata a listing gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) http: bool,
    pub(super) custom: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Delete {
    object: Option<String>,
    objects: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadPart {
    pub(super) object: String,
    pub(super) upload_id: String,
    pub(super) part_number: u32,
    pub(super) ssec: Option<SsecFields>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Complete {
    pub(super) object: String,
    pub(super) upload_id: String,
    pub(super) parts: Vec<PublishedPart>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PublishedPart {
    pub(super) etag: String,
    pub(super) part: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Abort {
    pub(super) object: String,
    pub(super) upload_id: String,
}

/// A key in hex: the runtime makes hex of bytes, and looks at the shape of both.
#[derive(Deserialize)]
pub(super) struct SsecFields {
    key: String,
}

impl fmt::Debug for SsecFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SsecFields(..)")
    }
}

pub(super) fn ssec(fields: Option<SsecFields>) -> Result<Option<SsecKey>, Refusal> {
    let Some(SsecFields { key }) = fields else { return Ok(None) };
    let key = SsecKey::new(&from_hex(&key)?);
    key.map(Some).ok_or_else(|| Refusal::malformed("an SSE-C key that is not 32 bytes"))
}

impl GetCall {
    pub(super) fn into_parts(self) -> Result<(String, GetOptions), Refusal> {
        let range = match (self.range_header, self.range) {
            (Some(header), _) => Some(Range::Header(header)),
            (None, Some(fields)) => fields.into_range()?,
            (None, None) => None,
        };
        let conditions = self.only_if.unwrap_or_default().into();
        Ok((self.object, GetOptions { range, conditions, ssec: ssec(self.ssec)? }))
    }
}

impl RangeFields {
    fn into_range(self) -> Result<Option<Range>, Error> {
        let count = |Wide(n): Wide| u64::try_from(n).map_err(|_| Error::InvalidRange);
        let offset = self.offset.map(count).transpose()?;
        let length = self.length.map(count).transpose()?;
        let suffix = self.suffix.map(count).transpose()?;
        Ok(match (offset, length, suffix) {
            (_, _, Some(suffix)) => Some(Range::Suffix(suffix)),
            (None, None, None) => None,
            (offset, length, None) => Some(Range::From { offset: offset.unwrap_or(0), length }),
        })
    }
}

impl From<OnlyIf> for Conditions {
    fn from(only_if: OnlyIf) -> Self {
        Self {
            etag_matches: only_if.etag_matches.into_iter().map(EtagMatcher::from).collect(),
            etag_does_not_match: only_if.etag_does_not_match.into_iter().map(EtagMatcher::from).collect(),
            uploaded_before: only_if.uploaded_before.map(|Wide(n)| n),
            uploaded_after: only_if.uploaded_after.map(|Wide(n)| n),
            seconds_granularity: only_if.seconds_granularity,
        }
    }
}

impl From<Etag> for EtagMatcher {
    fn from(etag: Etag) -> Self {
        match etag {
            Etag::Strong { value } => Self::Strong(value),
            Etag::Weak { value } => Self::Weak(value),
            Etag::Wildcard => Self::Any,
        }
    }
}

impl Put {
    pub(super) fn into_options(self) -> Result<(String, PutOptions), Refusal> {
        let mut checksums = Checksums::default();
        if let Some(md5) = self.md5 {
            checksums.insert(Algorithm::Md5, &STANDARD.decode(md5).map_err(Refusal::malformed)?);
        }
        let in_hex = [
            (Algorithm::Sha1, self.sha1),
            (Algorithm::Sha256, self.sha256),
            (Algorithm::Sha384, self.sha384),
            (Algorithm::Sha512, self.sha512),
        ];
        for (algorithm, text) in in_hex {
            if let Some(text) = text {
                checksums.insert(algorithm, &from_hex(&text)?);
            }
        }
        let CreateOptions { http, custom, class, .. } = self.metadata.into_options()?;
        let conditions = self.only_if.unwrap_or_default().into();
        let ssec = ssec(self.ssec)?;
        let options =
            PutOptions { conditions, http, custom, class, checksums, ssec, ..PutOptions::default() };
        Ok((self.object, options))
    }
}

impl Create {
    pub(super) fn into_options(self) -> Result<(String, CreateOptions), Refusal> {
        Ok((self.object, CreateOptions { ssec: ssec(self.ssec)?, ..self.metadata.into_options()? }))
    }
}

impl Metadata {
    fn into_options(self) -> Result<CreateOptions, Error> {
        let class = match self.storage_class.as_deref() {
            None | Some("") => None,
            Some(name) => Some(StorageClass::parse(name).ok_or_else(|| {
                let text = "The storage class must be \"Standard\" or \"InfrequentAccess\".";
                Error::InvalidArgument(text.to_owned())
            })?),
        };
        let http = HttpMetadata {
            content_type: self.http_fields.content_type,
            content_language: self.http_fields.content_language,
            content_disposition: self.http_fields.content_disposition,
            content_encoding: self.http_fields.content_encoding,
            cache_control: self.http_fields.cache_control,
            cache_expiry: self.http_fields.cache_expiry.map(|Wide(n)| n),
        };
        let custom = self.custom_fields.into_iter().map(|field| (field.k, field.v)).collect();
        Ok(CreateOptions { http, custom, class, ..CreateOptions::default() })
    }
}

impl List {
    pub(super) fn into_options(self) -> (ListOptions, Listed) {
        let listed = Listed { http: self.include.contains(&0), custom: self.include.contains(&1) };
        let options = ListOptions {
            limit: self.limit.map(|Wide(n)| n),
            prefix: self.prefix.unwrap_or_default(),
            cursor: self.cursor,
            delimiter: self.delimiter.unwrap_or_default(),
            start_after: self.start_after,
            include_http: listed.http,
            include_custom: listed.custom,
        };
        (options, listed)
    }
}

impl Delete {
    pub(super) fn into_keys(self) -> Result<Vec<String>, Refusal> {
        match (self.object, self.objects) {
            (Some(key), None) => Ok(vec![key]),
            (None, Some(keys)) => Ok(keys),
            _ => Err(Refusal::malformed("a delete names one object or several")),
        }
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>, Refusal> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
    bytes.ok_or_else(|| Refusal::malformed("a checksum that is not hex"))
}
