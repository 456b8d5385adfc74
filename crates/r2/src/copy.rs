//! Objects and parts made of other objects. The bytes are read and written in blocks: however large they are,
//! they take the memory of one upload.

use crate::features::events::CopySource;
use crate::multipart::{PartOptions, StoredPart};
use crate::ssec::SsecKey;
use crate::{
    Bucket, Conditions, Error, Found, Get, GetOptions, HttpMetadata, Object, PutOptions, Range, Result,
    StorageClass,
};

/// What becomes of the metadata of a copied object.
#[derive(Clone, Debug, Default)]
pub enum CopyMetadata {
    /// The source's.
    #[default]
    Copy,
    /// These.
    Replace { http: HttpMetadata, custom: Vec<(String, String)> },
    /// The source's, with these over them: R2's extension.
    Merge { http: HttpMetadata, custom: Vec<(String, String)> },
}

#[derive(Clone, Debug, Default)]
pub struct CopyOptions {
    /// On the source.
    pub source_conditions: Conditions,
    /// The key that the source is encrypted with.
    pub source_ssec: Option<SsecKey>,
    /// On what the copy replaces: R2's `cf-copy-destination-if-*`. Tried in the transaction that writes it, but not
    /// together with those on the source.
    pub conditions: Conditions,
    pub metadata: CopyMetadata,
    /// `None` for the bucket's.
    pub class: Option<StorageClass>,
    /// Counted and kept besides those that the source has.
    pub count: Vec<crate::Algorithm>,
    /// Encrypt the copy with this key.
    pub ssec: Option<SsecKey>,
}

#[derive(Clone, Debug, Default)]
pub struct PartCopyOptions {
    /// `None` for all of the source.
    pub range: Option<Range>,
    pub source_conditions: Conditions,
    pub source_ssec: Option<SsecKey>,
    /// The key of the upload.
    pub ssec: Option<SsecKey>,
}

impl Bucket {
    /// Writes `key` as a copy of `source_key` in `source`, which may be this bucket. The copy is in one piece,
    /// with the etag of such an object.
    pub async fn copy(
        &self,
        key: &str,
        source: &Self,
        source_key: &str,
        options: CopyOptions,
    ) -> Result<Object> {
        let CopyOptions { source_conditions, source_ssec, conditions, metadata, class, mut count, ssec } =
            options;
        let get = GetOptions { range: None, conditions: source_conditions, ssec: source_ssec };
        let Found { object, content, .. } = source.open_source(source_key, &get).await?;
        count.extend(object.checksums.iter().map(|(algorithm, _)| algorithm));
        let (http, custom) = merged(object.http, object.custom, metadata);
        let put = PutOptions { conditions, http, custom, class, count, ssec, ..PutOptions::default() };
        let from = CopySource { bucket: source.name().to_owned(), object: source_key.to_owned() };
        self.put_as(key, content.into_stream(), object.size, put, Some(from)).await
    }

    /// Writes part `number` of an upload as a copy of `source_key` in `source`, or of a range of it.
    pub async fn upload_part_copy(
        &self,
        key: &str,
        upload: &str,
        number: u32,
        source: (&Self, &str),
        options: PartCopyOptions,
    ) -> Result<StoredPart> {
        let (bucket, source_key) = source;
        let PartCopyOptions { range, source_conditions, source_ssec, ssec } = options;
        let get = GetOptions { range, conditions: source_conditions, ssec: source_ssec };
        let Found { span, content, .. } = bucket.open_source(source_key, &get).await?;
        let part = PartOptions { ssec, ..PartOptions::default() };
        self.upload_part_with(key, upload, number, content.into_stream(), span.length, part).await
    }

    async fn open_source(&self, key: &str, options: &GetOptions) -> Result<Found> {
        match self.get_with(key, options).await? {
            Get::Missing => Err(Error::NoSuchKey),
            Get::Unmet(_) => Err(Error::PreconditionFailed),
            Get::Found(found) => Ok(*found),
        }
    }
}

fn merged(
    mut http: HttpMetadata,
    mut custom: Vec<(String, String)>,
    metadata: CopyMetadata,
) -> (HttpMetadata, Vec<(String, String)>) {
    match metadata {
        CopyMetadata::Copy => {}
        CopyMetadata::Replace { http: new, custom: over } => (http, custom) = (new, over),
        CopyMetadata::Merge { http: new, custom: over } => {
            http = HttpMetadata {
                content_type: new.content_type.or(http.content_type),
                content_language: new.content_language.or(http.content_language),
                content_disposition: new.content_disposition.or(http.content_disposition),
                content_encoding: new.content_encoding.or(http.content_encoding),
                cache_control: new.cache_control.or(http.cache_control),
                cache_expiry: new.cache_expiry.or(http.cache_expiry),
            };
            custom.retain(|(name, _)| !over.iter().any(|(other, _)| other == name));
            custom.extend(over);
        }
    }
    (http, custom)
}
