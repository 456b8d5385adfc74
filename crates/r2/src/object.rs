use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use selvedge_base::Millis;
use serde::{Deserialize, Serialize};

use crate::ssec::Ssec;
use crate::{ChecksumKind, Checksums};

/// An object without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    /// Opaque, and new with every write.
    pub version: String,
    /// Bytes.
    pub size: u64,
    /// Unquoted. The MD5 in hex, or `<md5 of the parts' md5s>-<parts>` for an object made of parts.
    pub etag: String,
    pub uploaded: Millis,
    pub class: StorageClass,
    /// The MD5 of an object put in one piece, and whatever else its writer asked to have checked.
    pub checksums: Checksums,
    /// What those besides the MD5 are of.
    pub checksum_kind: ChecksumKind,
    /// Whose key it is encrypted with, if it is.
    pub ssec: Option<Ssec>,
    /// Empty in a listing that did not ask for it.
    pub http: HttpMetadata,
    /// In the order given. Empty in a listing that did not ask for it.
    pub custom: Vec<(String, String)>,
}

impl Object {
    /// How many parts it was made of, `None` when it was put in one piece.
    pub fn parts(&self) -> Option<u32> {
        self.etag.split_once('-')?.1.parse().ok()
    }
}

/// The headers that are kept with an object and given back with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpMetadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// Milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_expiry: Option<i64>,
}

impl HttpMetadata {
    pub(crate) fn size(&self) -> usize {
        let texts = [
            &self.content_type,
            &self.content_language,
            &self.content_disposition,
            &self.content_encoding,
            &self.cache_control,
        ];
        texts.into_iter().flatten().map(String::len).sum()
    }
}

/// What an object costs to keep and to read, on Cloudflare. Kept and given back; all are stored alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StorageClass {
    #[default]
    Standard,
    InfrequentAccess,
}

impl StorageClass {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::InfrequentAccess => "InfrequentAccess",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Standard, Self::InfrequentAccess].into_iter().find(|class| class.as_str() == text)
    }
}

impl ToSql for StorageClass {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for StorageClass {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::parse(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}
