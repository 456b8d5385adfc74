//! What there is of uploads that are not complete.

use rusqlite::Connection;
use selvedge_base::Millis;

use crate::limits::PAGE;
use crate::list::{behind, group};
use crate::multipart::{PART_COLUMNS, StoredPart, Upload, UploadChecksum, stored_part};
use crate::rows::{self, KeyBytes, unsigned};
use crate::{Bucket, Error, Result, StorageClass};

#[derive(Clone, Debug, Default)]
pub struct ListUploads {
    /// Uploads and groups together, 1 to 1,000. `None` means 1,000.
    pub limit: Option<usize>,
    pub prefix: String,
    /// As in [`crate::ListOptions`].
    pub delimiter: String,
    /// Only uploads of keys behind this one; with `upload_id_marker`, also those of this key behind that id.
    pub key_marker: Option<String>,
    pub upload_id_marker: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uploads {
    /// In the order of their keys, those of one key in the order in which they were begun.
    pub uploads: Vec<OpenUpload>,
    pub groups: Vec<String>,
    pub truncated: bool,
    /// Markers for the next page, when there is one: the last upload, or the last group and nothing.
    pub next: Option<(String, Option<String>)>,
}

/// An upload that takes parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenUpload {
    pub id: String,
    pub key: String,
    pub created: Millis,
    pub class: StorageClass,
    pub checksum: Option<UploadChecksum>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    pub upload: OpenUpload,
    /// In the order of their numbers.
    pub parts: Vec<StoredPart>,
    pub truncated: bool,
}

impl Bucket {
    /// One page of the uploads that are not complete.
    pub async fn list_uploads(&self, options: &ListUploads) -> Result<Uploads> {
        let limit = page_size(options.limit)?;
        self.inner.database.read(|c| page(c, options, limit)).await?
    }

    /// The parts of an upload with numbers above `after`.
    pub async fn list_parts(
        &self,
        key: &str,
        upload: &str,
        after: u32,
        limit: Option<usize>,
    ) -> Result<Parts> {
        self.check_key(key)?;
        let limit = page_size(limit)?;
        self.inner.database.read(|c| parts(c, key, upload, after, limit)).await?
    }
}

fn page_size(limit: Option<usize>) -> Result<usize> {
    let limit = limit.unwrap_or(PAGE);
    if (1..=PAGE).contains(&limit) { Ok(limit) } else { Err(Error::InvalidMaxKeys) }
}

/// Behind every id there can be.
const LAST: &str = "\u{7f}";

fn page(c: &Connection, options: &ListUploads, limit: usize) -> Result<Uploads> {
    let mut statement = c.prepare_cached(
        "SELECT id, key, created, class, checksum FROM uploads
         WHERE finished IS NULL AND (key, id) > (?1, ?2) ORDER BY key, id",
    )?;
    let mut place = (options.prefix.clone().into_bytes(), String::new());
    if let Some(marker) = &options.key_marker
        && marker.as_bytes() >= place.0.as_slice()
    {
        let is_group = !options.delimiter.is_empty()
            && options.upload_id_marker.is_none()
            && group(marker, &options.prefix, &options.delimiter) == Some(marker);
        place = if is_group {
            (behind(marker), String::new())
        } else {
            (marker.clone().into_bytes(), options.upload_id_marker.clone().unwrap_or_else(|| LAST.to_owned()))
        };
    }
    let mut page = Uploads::default();
    'seek: loop {
        let mut found = statement.query((KeyBytes(&place.0), &place.1))?;
        while let Some(row) = found.next()? {
            let upload = open_upload(row)?;
            if !upload.key.starts_with(&options.prefix) {
                return Ok(page);
            }
            if page.uploads.len() + page.groups.len() == limit {
                page.truncated = true;
                return Ok(page);
            }
            if let Some(group) = group(&upload.key, &options.prefix, &options.delimiter) {
                place = (behind(group), String::new());
                page.next = Some((group.to_owned(), None));
                page.groups.push(group.to_owned());
                continue 'seek;
            }
            page.next = Some((upload.key.clone(), Some(upload.id.clone())));
            page.uploads.push(upload);
        }
        return Ok(page);
    }
}

fn open_upload(row: &rusqlite::Row<'_>) -> Result<OpenUpload> {
    Ok(OpenUpload {
        id: row.get(0)?,
        key: row.get(1)?,
        created: Millis(unsigned(row.get(2)?)),
        class: row.get(3)?,
        checksum: rows::maybe_json(row, 4, "a checksum")?,
    })
}

fn parts(c: &Connection, key: &str, id: &str, after: u32, limit: usize) -> Result<Parts> {
    let content = Upload::open(c, key, id)?.content;
    let mut statement =
        c.prepare_cached("SELECT id, key, created, class, checksum FROM uploads WHERE id = ?1")?;
    let mut found = statement.query([id])?;
    let upload = open_upload(found.next()?.ok_or(Error::NoSuchUpload)?)?;
    let sql = format!(
        "SELECT {PART_COLUMNS} FROM parts WHERE content = ?1 AND number > ?2 ORDER BY number LIMIT ?3"
    );
    let mut statement = c.prepare_cached(&sql)?;
    let mut rows = statement.query((content, after, rows::signed(limit as u64 + 1)))?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        parts.push(stored_part(row)?);
    }
    let truncated = parts.len() > limit;
    parts.truncate(limit);
    Ok(Parts { upload, parts, truncated })
}
