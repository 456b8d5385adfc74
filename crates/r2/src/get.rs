use std::io;

use rusqlite::Connection;

use crate::content::{Content, Piece};
use crate::range::Span;
use crate::ssec::{self, SsecKey};
use crate::{Bucket, Conditions, Error, Object, Range, Result, rows};

/// What is wanted of an object.
#[derive(Clone, Debug, Default)]
pub struct GetOptions {
    /// `None` for all of it.
    pub range: Option<Range>,
    pub conditions: Conditions,
    /// The key that the object was encrypted with, if it was.
    pub ssec: Option<SsecKey>,
}

/// What a get found.
#[derive(Debug)]
pub enum Get {
    /// No object of that key.
    Missing,
    /// An object, but not one that the conditions allow.
    Unmet(Box<Object>),
    Found(Box<Found>),
}

/// An object that is being read.
#[derive(Debug)]
pub struct Found {
    pub object: Object,
    /// Which of its bytes `content` has.
    pub span: Span,
    /// These bytes, of this version, whatever is written meanwhile.
    pub content: Content,
}

/// What a head found.
#[derive(Debug)]
pub enum Head {
    /// No object of that key.
    Missing,
    /// An object, but not one that the conditions allow.
    Unmet(Box<Object>),
    /// The object, and which of its bytes a get would answer.
    Found(Box<Object>, Span),
}

/// One of the parts that an object was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPart {
    pub number: u32,
    pub size: u64,
    /// Those that its writer asked for.
    pub checksums: crate::Checksums,
}

impl Bucket {
    /// Opens an object for reading. The order of what can go wrong is existence, conditions, range.
    pub async fn get(&self, key: &str, range: Option<&Range>, conditions: &Conditions) -> Result<Get> {
        let options = GetOptions { range: range.cloned(), conditions: conditions.clone(), ssec: None };
        self.get_with(key, &options).await
    }

    /// As [`Bucket::get`]. A missing, wrong or needless key is refused after existence and before conditions.
    pub async fn get_with(&self, key: &str, options: &GetOptions) -> Result<Get> {
        self.check_key(key)?;
        let mut missed = None;
        loop {
            let Some(row) = self.inner.database.read(|c| find_with_content(c, key)).await?? else {
                return Ok(Get::Missing);
            };
            let Row { object, content, place } = row;
            ssec::check(object.ssec.as_ref(), options.ssec.as_ref())?;
            if !options.conditions.hold(Some((&object.etag, object.uploaded))) {
                return Ok(Get::Unmet(Box::new(object)));
            }
            let pieces = match place {
                Place::Inline(inline) => {
                    let span = span(options.range.as_ref(), &object, &[])?;
                    let content = Content::inline(inline.open(key, options.ssec.as_ref())?, span)?;
                    return Ok(Get::Found(Box::new(Found { object, span, content })));
                }
                Place::Files(pieces) => pieces,
            };
            if pieces.is_empty() {
                // Replaced between the two looks at the database; or there is nothing to find.
                if missed == Some(content) {
                    return Err(Error::Corrupt("where the object's bytes are"));
                }
                missed = Some(content);
                continue;
            }
            let span = span(options.range.as_ref(), &object, &pieces)?;
            // Between reading the row and pinning its files they may have been replaced and removed. Then the
            // row is another one by now.
            let Some(pin) = self.inner.pins.pin(content) else {
                tokio::task::yield_now().await;
                continue;
            };
            match Content::open(self.inner.source(), pin, &pieces, span, options.ssec.clone()).await {
                Ok(content) => return Ok(Get::Found(Box::new(Found { object, span, content }))),
                Err(e) if e.kind() == io::ErrorKind::NotFound && missed != Some(content) => {
                    missed = Some(content);
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    let blob = pieces.first().map(|piece| piece.blob.to_string()).unwrap_or_default();
                    return Err(Error::Lost { key: key.to_owned(), blob });
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// The object without its bytes, `None` when there is none.
    pub async fn head(&self, key: &str) -> Result<Option<Object>> {
        self.check_key(key)?;
        self.inner.database.read(|c| Ok(find(c, key)?.map(|found| found.object))).await?
    }

    /// What [`Bucket::get_with`] would answer, without reading a byte.
    pub async fn head_with(&self, key: &str, options: &GetOptions) -> Result<Head> {
        self.check_key(key)?;
        let found = self.inner.database.read(|c| {
            let Some(row) = find(c, key)? else { return Ok::<_, Error>(None) };
            let by_part = matches!(options.range, Some(Range::Part(_)));
            let pieces = if by_part { pieces(c, row.content)? } else { Vec::new() };
            Ok(Some((row.object, pieces)))
        });
        let Some((object, pieces)) = found.await?? else { return Ok(Head::Missing) };
        ssec::check(object.ssec.as_ref(), options.ssec.as_ref())?;
        if !options.conditions.hold(Some((&object.etag, object.uploaded))) {
            return Ok(Head::Unmet(Box::new(object)));
        }
        let span = span(options.range.as_ref(), &object, &pieces)?;
        Ok(Head::Found(Box::new(object), span))
    }

    /// The parts that the object was made of, up to `limit` behind number `after`; none when it was put in one
    /// piece. `None` when there is no such object.
    pub async fn object_parts(&self, key: &str, after: u32, limit: u32) -> Result<Option<Vec<ObjectPart>>> {
        self.check_key(key)?;
        let found = self.inner.database.read(|c| {
            let Some(row) = find(c, key)? else { return Ok::<_, Error>(None) };
            if row.object.parts().is_none() {
                return Ok(Some(Vec::new()));
            }
            let mut statement = c.prepare_cached(
                "SELECT number, size, checksums FROM parts WHERE content = ?1 AND number > ?2
                 ORDER BY number LIMIT ?3",
            )?;
            let mut parts = Vec::new();
            let mut rows = statement.query((row.content, after, limit))?;
            while let Some(row) = rows.next()? {
                let checksums = rows::maybe_json(row, 2, "checksums")?.unwrap_or_default();
                parts.push(ObjectPart { number: row.get(0)?, size: rows::unsigned(row.get(1)?), checksums });
            }
            Ok(Some(parts))
        });
        found.await?
    }
}

/// The bytes of `object` that `range` means.
fn span(range: Option<&Range>, object: &Object, pieces: &[Piece]) -> Result<Span> {
    match range {
        Some(Range::Part(number)) if object.parts().is_some() => {
            let at = pieces.iter().position(|piece| piece.number == *number).ok_or(Error::InvalidRange)?;
            let offset = pieces[..at].iter().map(|piece| piece.size).sum();
            Ok(Span { offset, length: pieces[at].size })
        }
        None | Some(Range::Part(1)) => Ok(Span { offset: 0, length: object.size }),
        Some(range) => range.resolve(object.size),
    }
}

/// An object's row, with where its bytes are.
pub(crate) struct Row {
    pub(crate) object: Object,
    pub(crate) content: i64,
    pub(crate) place: Place,
}

/// Where an object's bytes are.
pub(crate) enum Place {
    Inline(Inline),
    Files(Vec<Piece>),
}

/// The bytes of an object that is a row.
pub(crate) struct Inline {
    bytes: Vec<u8>,
    sum: Option<u32>,
    salt: Option<Vec<u8>>,
}

impl Inline {
    /// The bytes as they were written.
    fn open(mut self, key: &str, ssec: Option<&SsecKey>) -> Result<Vec<u8>> {
        if self.sum.is_some_and(|sum| sum != crc_fast::crc32_iscsi(&self.bytes)) {
            return Err(Error::Damaged { key: key.to_owned() });
        }
        if let (Some(salt), Some(ssec)) = (&self.salt, ssec) {
            let size = ssec.cipher(salt).open(0, &mut self.bytes)?;
            self.bytes.truncate(size);
        }
        Ok(self.bytes)
    }
}

/// The row of `key`, without its bytes.
fn find(c: &Connection, key: &str) -> Result<Option<Row>> {
    let sql = format!("SELECT {}, http, custom FROM objects WHERE key = ?1", rows::COLUMNS);
    let mut statement = c.prepare_cached(&sql)?;
    let mut found = statement.query([key])?;
    let Some(row) = found.next()? else { return Ok(None) };
    read(row, Place::Files(Vec::new())).map(Some)
}

fn read(row: &rusqlite::Row<'_>, place: Place) -> Result<Row> {
    let mut object = rows::object(row)?;
    object.http = rows::json(row, rows::HTTP, "HTTP metadata")?;
    object.custom = rows::json(row, rows::CUSTOM, "custom metadata")?;
    Ok(Row { object, content: row.get(1)?, place })
}

/// The row of `key` with its bytes, in one statement, so that both are of one version; or with its files, which
/// no other version has: there are none when the object was replaced between the two statements.
fn find_with_content(c: &Connection, key: &str) -> Result<Option<Row>> {
    const SQL: &str =
        "SELECT key, objects.content, size, etag, version, uploaded, class, checksums, checksum_kind,
        ssec, http, custom, bytes, sum, salt
        FROM objects LEFT JOIN inline ON inline.content = objects.content WHERE key = ?1";
    let mut statement = c.prepare_cached(SQL)?;
    let mut found = statement.query([key])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let bytes: Option<Vec<u8>> = row.get(rows::CUSTOM + 1)?;
    let place = match bytes {
        Some(bytes) => {
            let (sum, salt) = (row.get(rows::CUSTOM + 2)?, row.get(rows::CUSTOM + 3)?);
            Place::Inline(Inline { bytes, sum, salt })
        }
        None => Place::Files(pieces(c, row.get(1)?)?),
    };
    read(row, place).map(Some)
}

fn pieces(c: &Connection, content: i64) -> Result<Vec<Piece>> {
    let sql = format!("SELECT {} FROM parts WHERE content = ?1 ORDER BY number", Piece::COLUMNS);
    let mut statement = c.prepare_cached(&sql)?;
    let mut rows = statement.query([content])?;
    let mut pieces = Vec::new();
    while let Some(row) = rows.next()? {
        pieces.push(Piece::from_row(row)?);
    }
    Ok(pieces)
}
