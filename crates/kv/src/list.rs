use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::Connection;

use crate::row::RowHead;
use crate::{Namespace, Refusal, Result};

/// Expired keys that one page may walk over. Beyond that it ends early and says that there is more, so that a
/// listing never holds up others.
const WALK: usize = 10_000;

/// What to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListOptions<'a> {
    /// Only keys that start with this.
    pub prefix: &'a str,
    /// Keys on the page at most; `None` for as many as a page may have.
    pub limit: Option<i64>,
    /// Where an earlier page of the same prefix ended: its [`Page::cursor`]. Empty means from the start.
    pub cursor: Option<&'a str>,
}

/// One page of a listing, in the order of the keys' UTF-8 bytes.
///
/// It shows the namespace as it was at one moment; the next page is of a later moment. A key that is there all
/// the time is on exactly one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Fewer than the limit only on the last page, or when very many expired keys were in the way.
    pub keys: Vec<ListedKey>,
    /// Where the next page starts; `None` when this is the last one. Good for as long as the namespace exists.
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    pub name: String,
    /// Seconds since the epoch.
    pub expiration: Option<u64>,
    /// JSON text.
    pub metadata: Option<String>,
}

impl Namespace {
    /// One page of the keys that start with a prefix.
    pub async fn list(&self, options: &ListOptions<'_>) -> Result<Page> {
        let limit = self.limits().page(options.limit)?;
        self.limits().check_length(options.prefix)?;
        let after = match options.cursor {
            None | Some("") => None,
            Some(cursor) => Some(parse_cursor(cursor)?),
        };
        let now = self.inner.now();
        let database = self.inner.database()?;
        database
            .read(|connection| read_page(connection, options.prefix, after.as_deref(), limit, now))
            .await?
    }
}

fn read_page(
    connection: &Connection,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    now: u64,
) -> Result<Page> {
    // Two statements, since one with an OR would not be a range of the index.
    let (mut statement, from) = match after.filter(|after| *after >= prefix) {
        Some(after) => (
            connection.prepare_cached(
                "SELECT key, expires, size, blob, metadata, head_sum, value_sum
                 FROM entries WHERE key > ?1 ORDER BY key",
            )?,
            after,
        ),
        None => (
            connection.prepare_cached(
                "SELECT key, expires, size, blob, metadata, head_sum, value_sum
                 FROM entries WHERE key >= ?1 ORDER BY key",
            )?,
            prefix,
        ),
    };
    let mut rows = statement.query([from])?;
    let mut keys: Vec<ListedKey> = Vec::new();
    let mut expired = 0;
    while let Some(row) = rows.next()? {
        // Also of the first row that is not wanted: a key that was damaged might only look as if it were that one.
        let head = RowHead::read(row)?;
        let (name, expiration) = (head.key()?, head.expires());
        if !name.starts_with(prefix) {
            break;
        }
        if expiration.is_some_and(|at| at <= now) {
            expired += 1;
            if expired == WALK {
                return Ok(Page { keys, cursor: Some(cursor_after(name)) });
            }
            continue;
        }
        if keys.len() == limit {
            let cursor = keys.last().map(|key| cursor_after(&key.name));
            return Ok(Page { keys, cursor });
        }
        keys.push(ListedKey { name: name.to_owned(), expiration, metadata: head.metadata()? });
    }
    Ok(Page { keys, cursor: None })
}

/// First byte of what a cursor encodes; another one would mean another form.
const CURSOR_FORM: u8 = b'1';

fn cursor_after(key: &str) -> String {
    let mut raw = vec![CURSOR_FORM];
    raw.extend_from_slice(key.as_bytes());
    URL_SAFE_NO_PAD.encode(raw)
}

fn parse_cursor(cursor: &str) -> Result<String, Refusal> {
    let raw = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Refusal::Cursor)?;
    let (form, key) = raw.split_first().ok_or(Refusal::Cursor)?;
    if *form != CURSOR_FORM {
        return Err(Refusal::Cursor);
    }
    String::from_utf8(key.to_vec()).map_err(|_| Refusal::Cursor)
}
