use std::io;

use rusqlite::{Connection, OptionalExtension as _};

use crate::content::{Content, Piece};
use crate::range::Span;
use crate::{Bucket, Conditions, Error, Object, Range, Result, rows};

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

impl Bucket {
    /// Opens an object for reading. The order of what can go wrong is existence, conditions, range.
    pub async fn get(&self, key: &str, range: Option<&Range>, conditions: &Conditions) -> Result<Get> {
        self.check_key(key)?;
        let mut missed = None;
        loop {
            let Some(row) = self.inner.database.read(|c| find_with_content(c, key)).await?? else {
                return Ok(Get::Missing);
            };
            let Row { object, content, inline, pieces } = row;
            if !conditions.hold(Some((&object.etag, object.uploaded))) {
                return Ok(Get::Unmet(Box::new(object)));
            }
            let whole = Span { offset: 0, length: object.size };
            let span = range.map_or(Ok(whole), |range| range.resolve(object.size))?;
            if let Some(bytes) = inline {
                let content = Content::inline(bytes, span)?;
                return Ok(Get::Found(Box::new(Found { object, span, content })));
            }
            // Between reading the row and pinning its files they may have been replaced and removed. Then the
            // row is another one by now.
            let Some(pin) = self.inner.pins.pin(content) else {
                tokio::task::yield_now().await;
                continue;
            };
            match Content::open(self.inner.blobs.clone(), pin, &pieces, span).await {
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
}

/// An object's row, with where its bytes are.
pub(crate) struct Row {
    pub(crate) object: Object,
    content: i64,
    inline: Option<Vec<u8>>,
    pieces: Vec<Piece>,
}

/// The row of `key`, without its bytes.
pub(crate) fn find(c: &Connection, key: &str) -> Result<Option<Row>> {
    let sql = format!("SELECT {}, http, custom FROM objects WHERE key = ?1", rows::COLUMNS);
    let mut statement = c.prepare_cached(&sql)?;
    let mut found = statement.query([key])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let mut object = rows::object(row)?;
    object.http = rows::json(row, 8, "HTTP metadata")?;
    object.custom = rows::json(row, 9, "custom metadata")?;
    Ok(Some(Row { object, content: row.get(1)?, inline: None, pieces: Vec::new() }))
}

fn find_with_content(c: &Connection, key: &str) -> Result<Option<Row>> {
    // One look at the bucket, or the row and its bytes could be of two versions.
    let look = c.unchecked_transaction()?;
    let row = find_content(&look, key);
    look.finish()?;
    row
}

fn find_content(c: &Connection, key: &str) -> Result<Option<Row>> {
    let Some(mut row) = find(c, key)? else { return Ok(None) };
    row.inline = c
        .prepare_cached("SELECT bytes FROM inline WHERE content = ?1")?
        .query_row([row.content], |row| row.get(0))
        .optional()?;
    if row.inline.is_none() {
        let mut statement =
            c.prepare_cached("SELECT size, blob FROM parts WHERE content = ?1 ORDER BY number")?;
        let mut parts = statement.query([row.content])?;
        while let Some(part) = parts.next()? {
            row.pieces.push(Piece::from_row(part)?);
        }
    }
    Ok(Some(row))
}
