//! Objects that arrive in parts. Parts are files from the start, and completing names them as the object's
//! bytes without touching them.

use std::collections::{HashMap, HashSet};
use std::io;

use bytes::Bytes;
use futures_util::Stream;
use rusqlite::{Connection, OptionalExtension as _};
use selvedge_base::{Millis, random_hex};
use serde::{Deserialize, Serialize};

use crate::checksum::Trailer;
use crate::digest::{of_parts, parts_etag};
use crate::features::events::Action;
use crate::limits::PARTS;
use crate::put::{install, may_write};
use crate::receive::{Intake, PartFacts, Received, Stored, md5};
use crate::rows::{signed, unsigned};
use crate::ssec::{self, Ssec, SsecKey};
use crate::{
    Algorithm, Bucket, ChecksumKind, Checksums, Conditions, Error, HttpMetadata, Limits, Object, Result,
    StorageClass, garbage, rows,
};

#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    pub http: HttpMetadata,
    pub custom: Vec<(String, String)>,
    /// `None` for the bucket's.
    pub class: Option<StorageClass>,
    /// The checksum that the object will have, made of those of its parts.
    pub checksum: Option<UploadChecksum>,
    /// Encrypt the parts with this key, which has to come with each of them.
    pub ssec: Option<SsecKey>,
}

/// The checksum that an object made of parts will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadChecksum {
    pub algorithm: Algorithm,
    pub kind: ChecksumKind,
}

#[derive(Clone, Debug, Default)]
pub struct PartOptions {
    /// Verified and kept.
    pub checksums: Checksums,
    /// Verified when the body is at its end. Its algorithms are in `count`.
    pub trailer: Option<Trailer>,
    /// Counted and kept, though no value is given. That of the upload's own checksum is counted anyway.
    pub count: Vec<Algorithm>,
    /// The key of the upload.
    pub ssec: Option<SsecKey>,
}

/// A part that is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    pub number: u32,
    pub size: u64,
    /// The MD5, in hex.
    pub etag: String,
    pub checksums: Checksums,
    pub uploaded: Millis,
}

/// A part as the caller of complete knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimedPart {
    pub number: u32,
    pub etag: String,
    /// Held against those that the part has.
    pub checksums: Checksums,
}

impl ClaimedPart {
    pub fn new(number: u32, etag: impl Into<String>) -> Self {
        Self { number, etag: etag.into(), checksums: Checksums::default() }
    }
}

#[derive(Clone, Debug, Default)]
pub struct CompleteOptions {
    /// On what the object replaces.
    pub conditions: Conditions,
    /// What the object is to have, of the upload's kind.
    pub checksums: Checksums,
    /// How many bytes the object is to have.
    pub size: Option<u64>,
}

impl Bucket {
    /// Begins an upload of `key` and answers its id. Of two uploads of a key, the later has the greater id.
    pub async fn create_multipart(&self, key: &str, options: CreateOptions) -> Result<String> {
        self.check_key(key)?;
        self.check_metadata(&options.http, &options.custom)?;
        if let Some(UploadChecksum { algorithm, kind: ChecksumKind::Whole }) = options.checksum
            && !algorithm.combines()
        {
            let text = format!("The FULL_OBJECT checksum type cannot be used with {algorithm}.");
            return Err(Error::InvalidArgument(text));
        }
        let (live, clock) = (self.inner.live.clone(), &*self.inner.clock);
        let now = live.now();
        let id = format!("{:016x}{}", now.0, random_hex(clock, 24));
        let ssec = options.ssec.as_ref().map(|key| Ssec::new(key, clock));
        let (key, content) = (key.to_owned(), self.new_content());
        self.write(move |c| {
            live.require()?;
            c.prepare_cached(
                "INSERT INTO uploads (id, key, content, created, class, http, custom, ssec, checksum)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute((
                &id,
                key,
                content,
                signed(now.0),
                options.class.unwrap_or(live.settings().options.class),
                rows::text(&options.http)?,
                rows::text(&options.custom)?,
                ssec.as_ref().map(rows::text).transpose()?,
                options.checksum.as_ref().map(rows::text).transpose()?,
            ))?;
            Ok((id, false))
        })
        .await
    }

    /// As [`Bucket::upload_part_with`] with nothing to verify. Answers the part's etag.
    pub async fn upload_part(
        &self,
        key: &str,
        upload: &str,
        number: u32,
        body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
        size: u64,
    ) -> Result<String> {
        let part = self.upload_part_with(key, upload, number, body, size, PartOptions::default()).await?;
        Ok(part.etag)
    }

    /// Writes part `number` of an upload, over the one there may be. `body` is as in [`Bucket::put`].
    pub async fn upload_part_with(
        &self,
        key: &str,
        upload: &str,
        number: u32,
        body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
        size: u64,
        options: PartOptions,
    ) -> Result<StoredPart> {
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
        let open = self.inner.database.read(|c| Upload::open(c, key, upload)).await??;
        ssec::check(open.ssec.as_ref(), options.ssec.as_ref())?;
        let mut count = options.count;
        count.extend(open.checksum.map(|checksum| checksum.algorithm));
        let intake = Intake {
            size,
            inline: None,
            given: &options.checksums,
            count: &count,
            trailer: options.trailer.as_ref(),
            ssec: options.ssec.as_ref(),
        };
        let Received { sink, counted } = self.receive(body, intake).await?;
        let live = self.inner.live.clone();
        let etag = md5(&counted)?.to_owned();
        let mut part = StoredPart {
            number,
            size,
            etag,
            checksums: counted.without_md5(),
            uploaded: self.inner.clock.now(),
        };
        let (key, upload) = (key.to_owned(), upload.to_owned());
        self.write_with(sink, move |c, stored| {
            live.require()?;
            let content = running(c, &key, &upload)?;
            part.uploaded = live.now();
            let garbage = garbage::discard_part(c, content, number)?;
            let facts = PartFacts {
                number,
                size,
                md5: &part.etag,
                checksums: (!part.checksums.is_empty()).then_some(&part.checksums),
                uploaded: part.uploaded,
            };
            stored.write(c, content, &facts)?;
            Ok((part, garbage))
        })
        .await
    }

    /// As [`Bucket::complete_multipart_with`] under no conditions.
    pub async fn complete_multipart(
        &self,
        key: &str,
        upload: &str,
        parts: Vec<ClaimedPart>,
    ) -> Result<Object> {
        self.complete_multipart_with(key, upload, parts, CompleteOptions::default()).await
    }

    /// Makes an object of the parts listed, in the order of their numbers. Parts that are not listed are gone.
    pub async fn complete_multipart_with(
        &self,
        key: &str,
        upload: &str,
        parts: Vec<ClaimedPart>,
        options: CompleteOptions,
    ) -> Result<Object> {
        self.check_key(key)?;
        let (key, id) = (key.to_owned(), upload.to_owned());
        let (version, limits, live) = (self.new_version(), self.inner.limits, self.inner.live.clone());
        self.write(move |c| {
            let upload = Upload::find(c, &key, &id)?.ok_or(Error::UnknownUpload)?;
            if upload.finished {
                return Err(Error::NoSuchUpload);
            }
            let stored = stored_parts(c, upload.content)?;
            let chosen = choose(&parts, &stored, &limits)?;
            let existing = rows::existing(c, &key)?;
            may_write(&live, &key, &options.conditions, existing.as_ref())?;
            let size = chosen.iter().map(|part| part.size).sum();
            if options.size.is_some_and(|expected| expected != size) {
                return Err(Error::IncompleteBody);
            }
            let (checksums, checksum_kind) = match upload.checksum {
                Some(UploadChecksum { algorithm, kind }) => {
                    let parts = chosen.iter().map(|part| (&part.checksums, part.size));
                    (of_parts(algorithm, kind, parts)?.unwrap_or_default(), kind)
                }
                None => (Checksums::default(), ChecksumKind::Whole),
            };
            checksums.verify(&options.checksums)?;
            let mut garbage = false;
            let kept: HashSet<u32> = chosen.iter().map(|part| part.number).collect();
            for number in stored.keys().filter(|number| !kept.contains(number)) {
                garbage |= garbage::discard_part(c, upload.content, *number)?;
            }
            let object = Object {
                key,
                version,
                size,
                etag: parts_etag(chosen.iter().map(|part| part.etag.as_str()))?,
                uploaded: live.now(),
                class: upload.class,
                checksums,
                checksum_kind,
                ssec: upload.ssec,
                http: upload.http,
                custom: upload.custom,
            };
            if chosen.is_empty() {
                // Every object has a row of bytes, even this one.
                let nothing = Stored::Inline { bytes: Vec::new(), salt: None };
                let part =
                    PartFacts { number: 1, size: 0, md5: "", checksums: None, uploaded: object.uploaded };
                nothing.write(c, upload.content, &part)?;
            }
            let action = Action::CompleteMultipartUpload;
            garbage |= install(c, &live, &object, upload.content, existing, action, None)?;
            finish(c, &id, object.uploaded)?;
            Ok((object, garbage))
        })
        .await
    }

    /// Ends an upload and removes its parts. One that is already over is no error.
    pub async fn abort_multipart(&self, key: &str, upload: &str) -> Result<()> {
        self.check_key(key)?;
        let (key, id) = (key.to_owned(), upload.to_owned());
        let live = self.inner.live.clone();
        self.write(move |c| {
            live.require()?;
            let upload = Upload::find(c, &key, &id)?.ok_or(Error::UnknownUpload)?;
            if upload.finished {
                return Ok(((), false));
            }
            let garbage = garbage::discard(c, upload.content)?;
            finish(c, &id, live.now())?;
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

pub(crate) fn finish(c: &Connection, id: &str, now: Millis) -> Result<()> {
    c.prepare_cached("UPDATE uploads SET finished = ?2 WHERE id = ?1")?.execute((id, signed(now.0)))?;
    Ok(())
}

pub(crate) struct Upload {
    pub(crate) content: i64,
    finished: bool,
    pub(crate) class: StorageClass,
    http: HttpMetadata,
    custom: Vec<(String, String)>,
    pub(crate) ssec: Option<Ssec>,
    pub(crate) checksum: Option<UploadChecksum>,
}

impl Upload {
    fn find(c: &Connection, key: &str, id: &str) -> Result<Option<Self>> {
        let mut statement = c.prepare_cached(
            "SELECT content, finished IS NOT NULL, class, http, custom, ssec, checksum
             FROM uploads WHERE id = ?1 AND key = ?2",
        )?;
        let mut found = statement.query((id, key))?;
        let Some(row) = found.next()? else { return Ok(None) };
        Ok(Some(Self {
            content: row.get(0)?,
            finished: row.get(1)?,
            class: row.get(2)?,
            http: rows::json(row, 3, "HTTP metadata")?,
            custom: rows::json(row, 4, "custom metadata")?,
            ssec: rows::maybe_json(row, 5, "encryption")?,
            checksum: rows::maybe_json(row, 6, "a checksum")?,
        }))
    }

    /// One that takes parts.
    pub(crate) fn open(c: &Connection, key: &str, id: &str) -> Result<Self> {
        Self::find(c, key, id)?.filter(|upload| !upload.finished).ok_or(Error::NoSuchUpload)
    }
}

pub(crate) const PART_COLUMNS: &str = "number, size, md5, checksums, uploaded";

/// From a row of [`PART_COLUMNS`].
pub(crate) fn stored_part(row: &rusqlite::Row<'_>) -> Result<StoredPart> {
    Ok(StoredPart {
        number: row.get(0)?,
        size: unsigned(row.get(1)?),
        etag: row.get(2)?,
        checksums: rows::maybe_json(row, 3, "checksums")?.unwrap_or_default(),
        uploaded: Millis(unsigned(row.get::<_, Option<i64>>(4)?.unwrap_or_default())),
    })
}

fn stored_parts(c: &Connection, content: i64) -> Result<HashMap<u32, StoredPart>> {
    let sql = format!("SELECT {PART_COLUMNS} FROM parts WHERE content = ?1");
    let mut statement = c.prepare_cached(&sql)?;
    let mut rows = statement.query([content])?;
    let mut parts = HashMap::new();
    while let Some(row) = rows.next()? {
        let part = stored_part(row)?;
        parts.insert(part.number, part);
    }
    Ok(parts)
}

/// The parts that were claimed, in the order of their numbers, if an object can be made of them.
fn choose<'p>(
    claimed: &[ClaimedPart],
    stored: &'p HashMap<u32, StoredPart>,
    limits: &Limits,
) -> Result<Vec<&'p StoredPart>> {
    let mut numbers: Vec<u32> = claimed.iter().map(|part| part.number).collect();
    numbers.sort_unstable();
    if numbers.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::RepeatedPart);
    }
    let find = |claim: &ClaimedPart| {
        let is_it = |part: &&StoredPart| {
            part.etag == claim.etag
                && claim.checksums.iter().all(|(algorithm, hex)| part.checksums.get(algorithm) == Some(hex))
        };
        stored.get(&claim.number).filter(is_it).ok_or(Error::InvalidPart)
    };
    let mut parts = claimed.iter().map(find).collect::<Result<Vec<_>>>()?;
    parts.sort_unstable_by_key(|part| part.number);
    let Some((last, others)) = parts.split_last() else { return Ok(parts) };
    if others.iter().any(|part| part.size < limits.part_minimum) {
        return Err(Error::PartTooSmall);
    }
    if limits.equal_parts
        && let Some(first) = others.first()
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
