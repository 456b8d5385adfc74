//! Objects that arrive in parts. Parts are files from the start, and completing names them as the object's
//! bytes without touching them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use rusqlite::{Connection, OptionalExtension as _};
use selvedge_base::random_hex;

use crate::digest::parts_etag;
use crate::limits::PARTS;
use crate::receive::{Stored, md5};
use crate::rows::{signed, unsigned};
use crate::{Bucket, Checksums, Error, HttpMetadata, Limits, Object, Result, StorageClass, garbage, rows};

#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    pub http: HttpMetadata,
    pub custom: Vec<(String, String)>,
    pub class: StorageClass,
}

/// A part as the caller of complete knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedPart {
    pub number: u32,
    pub etag: String,
}

impl Bucket {
    /// Begins an upload of `key` and answers its id.
    pub async fn create_multipart(&self, key: &str, options: CreateOptions) -> Result<String> {
        self.check_key(key)?;
        self.check_metadata(&options.http, &options.custom)?;
        let id = random_hex(&*self.inner.clock, 32);
        let (key, content, now) = (key.to_owned(), self.new_content(), self.inner.clock.now());
        self.write(move |c| {
            c.prepare_cached(
                "INSERT INTO uploads (id, key, content, created, class, http, custom)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                &id,
                key,
                content,
                signed(now.0),
                options.class,
                rows::text(&options.http)?,
                rows::text(&options.custom)?,
            ))?;
            Ok((id, false))
        })
        .await
    }

    /// Writes part `number` of an upload, over the one there may be, and answers its etag. `body` is as in
    /// [`Bucket::put`].
    pub async fn upload_part(
        &self,
        key: &str,
        upload: &str,
        number: u32,
        body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
        size: u64,
    ) -> Result<String> {
        self.check_key(key)?;
        if !(1..=PARTS).contains(&number) {
            let text =
                format!("Part number must be between 1 and {PARTS} (inclusive). Actual value was: {number}");
            return Err(Error::InvalidArgument(text));
        }
        if size > self.inner.limits.part {
            return Err(Error::EntityTooLarge);
        }
        // Spares the bytes of an upload that is over; the transaction looks again.
        self.inner.database.read(|c| running(c, key, upload)).await??;
        let (sink, counted) = self.receive(body, size, None, &Checksums::default()).await?;
        let etag = md5(&counted)?.to_owned();
        let (key, upload) = (key.to_owned(), upload.to_owned());
        self.write_with(sink, move |c, stored| {
            let content = running(c, &key, &upload)?;
            let garbage = garbage::discard_part(c, content, number)?;
            stored.write(c, content, number, size, &etag)?;
            Ok((etag, garbage))
        })
        .await
    }

    /// Makes an object of the parts listed, in the order of their numbers. Parts that are not listed are gone.
    pub async fn complete_multipart(
        &self,
        key: &str,
        upload: &str,
        parts: Vec<ClaimedPart>,
    ) -> Result<Object> {
        self.check_key(key)?;
        let (key, id) = (key.to_owned(), upload.to_owned());
        let (version, limits) = (self.new_version(), self.inner.limits);
        let clock = Arc::clone(&self.inner.clock);
        self.write(move |c| {
            let upload = Upload::find(c, &key, &id)?.ok_or(Error::UnknownUpload)?;
            if upload.finished {
                return Err(Error::NoSuchUpload);
            }
            let stored = stored_parts(c, upload.content)?;
            let chosen = choose(&parts, &stored, &limits)?;
            let mut garbage = false;
            let kept: HashSet<u32> = chosen.iter().map(|part| part.number).collect();
            for number in stored.keys().filter(|number| !kept.contains(number)) {
                garbage |= garbage::discard_part(c, upload.content, *number)?;
            }
            let object = Object {
                key,
                version,
                size: chosen.iter().map(|part| part.size).sum(),
                etag: parts_etag(chosen.iter().map(|part| part.md5.as_str()))?,
                uploaded: clock.now(),
                class: upload.class,
                checksums: Checksums::default(),
                http: upload.http,
                custom: upload.custom,
            };
            if chosen.is_empty() {
                // Every object has a row of bytes, even this one.
                Stored::Inline(Vec::new()).write(c, upload.content, 1, 0, "")?;
            }
            let existing = rows::existing(c, &object.key)?;
            rows::write(c, &object, upload.content)?;
            if let Some(replaced) = existing {
                garbage |= garbage::discard(c, replaced.content)?;
            }
            finish(c, &id, object.uploaded.0)?;
            Ok((object, garbage))
        })
        .await
    }

    /// Ends an upload and removes its parts. One that is already over is no error.
    pub async fn abort_multipart(&self, key: &str, upload: &str) -> Result<()> {
        self.check_key(key)?;
        let (key, id) = (key.to_owned(), upload.to_owned());
        let now = self.inner.clock.now();
        self.write(move |c| {
            let upload = Upload::find(c, &key, &id)?.ok_or(Error::UnknownUpload)?;
            if upload.finished {
                return Ok(((), false));
            }
            let garbage = garbage::discard(c, upload.content)?;
            finish(c, &id, now.0)?;
            Ok(((), garbage))
        })
        .await
    }
}

/// The content of an upload that takes parts.
fn running(c: &Connection, key: &str, id: &str) -> Result<i64> {
    c.prepare_cached("SELECT content FROM uploads WHERE id = ?1 AND key = ?2 AND finished IS NULL")?
        .query_row((id, key), |row| row.get(0))
        .optional()?
        .ok_or(Error::NoSuchUpload)
}

fn finish(c: &Connection, id: &str, now: u64) -> Result<()> {
    c.prepare_cached("UPDATE uploads SET finished = ?2 WHERE id = ?1")?.execute((id, signed(now)))?;
    Ok(())
}

struct Upload {
    content: i64,
    finished: bool,
    class: StorageClass,
    http: HttpMetadata,
    custom: Vec<(String, String)>,
}

impl Upload {
    fn find(c: &Connection, key: &str, id: &str) -> Result<Option<Self>> {
        let mut statement = c.prepare_cached(
            "SELECT content, finished IS NOT NULL, class, http, custom FROM uploads WHERE id = ?1 AND key = ?2",
        )?;
        let mut found = statement.query((id, key))?;
        let Some(row) = found.next()? else { return Ok(None) };
        Ok(Some(Self {
            content: row.get(0)?,
            finished: row.get(1)?,
            class: row.get(2)?,
            http: rows::json(row, 3, "HTTP metadata")?,
            custom: rows::json(row, 4, "custom metadata")?,
        }))
    }
}

#[derive(Clone, Debug)]
struct Part {
    number: u32,
    size: u64,
    md5: String,
}

fn stored_parts(c: &Connection, content: i64) -> Result<HashMap<u32, Part>> {
    let mut statement = c.prepare_cached("SELECT number, size, md5 FROM parts WHERE content = ?1")?;
    let rows = statement.query_map([content], |row| {
        Ok(Part { number: row.get(0)?, size: unsigned(row.get(1)?), md5: row.get(2)? })
    })?;
    rows.map(|part| part.map(|part| (part.number, part)).map_err(Error::from)).collect()
}

/// The parts that were claimed, in the order of their numbers, if an object can be made of them.
fn choose(claimed: &[ClaimedPart], stored: &HashMap<u32, Part>, limits: &Limits) -> Result<Vec<Part>> {
    let mut numbers: Vec<u32> = claimed.iter().map(|part| part.number).collect();
    numbers.sort_unstable();
    if numbers.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::RepeatedPart);
    }
    let find = |claim: &ClaimedPart| {
        stored.get(&claim.number).filter(|part| part.md5 == claim.etag).cloned().ok_or(Error::InvalidPart)
    };
    let mut parts = claimed.iter().map(find).collect::<Result<Vec<_>>>()?;
    parts.sort_unstable_by_key(|part| part.number);
    let Some((last, others)) = parts.split_last() else { return Ok(parts) };
    if others.iter().any(|part| part.size < limits.part_minimum) {
        return Err(Error::PartTooSmall);
    }
    if let Some(first) = others.first()
        && (others.iter().any(|part| part.size != first.size) || last.size > first.size)
    {
        return Err(Error::UnequalParts);
    }
    let size = parts.iter().try_fold(0, |sum: u64, part| sum.checked_add(part.size));
    if size.is_none_or(|size| size > limits.object) {
        return Err(Error::EntityTooLarge);
    }
    Ok(parts)
}
