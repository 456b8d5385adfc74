//! Pages of keys.
//!
//! A page costs what is on it: keys are walked in the order of the primary key from the place where the page
//! begins, and when a group is met the walk goes on behind the last key that the group can have.

use rusqlite::Connection;

use crate::limits::PAGE;
use crate::rows::{self, KeyBytes};
use crate::{Bucket, Error, Object, Result};

#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Objects and groups together, 1 to 1,000. `None` means 1,000. A page may have fewer, when keys and
    /// metadata are long.
    pub limit: Option<i64>,
    pub prefix: String,
    /// From the page before.
    pub cursor: Option<String>,
    /// Keys that have this behind the prefix are given as one group, which is the key up to there. Empty means
    /// no grouping.
    pub delimiter: String,
    /// Only keys behind this one.
    pub start_after: Option<String>,
    pub include_http: bool,
    pub include_custom: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the byte order of their keys.
    pub objects: Vec<Object>,
    /// Prefixes that stand for several keys, with the delimiter at their end.
    pub groups: Vec<String>,
    /// Where the next page begins, when there is one.
    pub cursor: Option<String>,
}

/// About how many bytes a page may have when it is written as JSON. The runtime takes a page of up to 1 MiB.
const PAGE_BYTES: usize = 900_000;

impl ListOptions {
    /// Makes the page begin behind the whole group, where S3's `marker` may be the last group of the page before.
    pub fn after_group(&mut self, group: &str) {
        self.cursor = Some(hex::encode(behind(group)));
    }
}

impl Bucket {
    /// One page of the bucket's keys, in the order of their UTF-8 bytes.
    pub async fn list(&self, options: &ListOptions) -> Result<Listing> {
        let limit = match options.limit {
            None => PAGE,
            Some(limit) => usize::try_from(limit).unwrap_or(0),
        };
        if !(1..=PAGE).contains(&limit) {
            return Err(Error::InvalidMaxKeys);
        }
        let start = start(options)?;
        self.inner.live.require()?;
        self.inner.database.read(|c| page(c, options, limit, start)).await?
    }
}

/// The first bytes that a key of the page may have. A cursor is such bytes in hex.
fn start(options: &ListOptions) -> Result<Vec<u8>> {
    let mut start = options.prefix.clone().into_bytes();
    if let Some(cursor) = &options.cursor {
        let place = hex::decode(cursor)
            .map_err(|_| Error::InvalidArgument("The cursor is not one of this bucket's.".to_owned()))?;
        start = start.max(place);
    }
    if let Some(key) = &options.start_after {
        start = start.max(after(key));
    }
    Ok(start)
}

/// The least bytes that are greater than `key`.
fn after(key: &str) -> Vec<u8> {
    [key.as_bytes(), &[0]].concat()
}

/// The least bytes that are greater than everything that begins with `group`. No UTF-8 has a byte of 255.
pub(crate) fn behind(group: &str) -> Vec<u8> {
    let mut place = group.as_bytes().to_vec();
    if let Some(last) = place.last_mut() {
        *last = last.saturating_add(1);
    }
    place
}

/// The group that `key` belongs to, if any.
pub(crate) fn group<'k>(key: &'k str, prefix: &str, delimiter: &str) -> Option<&'k str> {
    if delimiter.is_empty() {
        return None;
    }
    let from = prefix.len();
    let at = key.get(from..)?.find(delimiter)?;
    key.get(..from + at + delimiter.len())
}

fn page(c: &Connection, options: &ListOptions, limit: usize, mut place: Vec<u8>) -> Result<Listing> {
    let column = |wanted: bool, name: &'static str| if wanted { name } else { "NULL" };
    let sql = format!(
        "SELECT {}, {}, {} FROM objects WHERE key >= ?1 ORDER BY key",
        rows::COLUMNS,
        column(options.include_http, "http"),
        column(options.include_custom, "custom"),
    );
    // All of the page is of one state, and SQLite's lock is taken once and not for every group.
    let _state = c.unchecked_transaction()?;
    let mut statement = c.prepare_cached(&sql)?;
    let mut listing = Listing::default();
    let mut bytes = 0;
    'seek: loop {
        let mut found = statement.query([KeyBytes(&place)])?;
        while let Some(row) = found.next()? {
            let key = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            if !key.starts_with(&options.prefix) {
                return Ok(listing);
            }
            if listing.objects.len() + listing.groups.len() >= limit || bytes > PAGE_BYTES {
                listing.cursor = Some(hex::encode(&place));
                return Ok(listing);
            }
            if let Some(group) = group(key, &options.prefix, &options.delimiter) {
                bytes += weight(group);
                place = behind(group);
                listing.groups.push(group.to_owned());
                continue 'seek;
            }
            place = after(key);
            let mut object = rows::object(row)?;
            if options.include_http {
                object.http = rows::json(row, rows::HTTP, "HTTP metadata")?;
            }
            if options.include_custom {
                object.custom = rows::json(row, rows::CUSTOM, "custom metadata")?;
            }
            // Version, etag, sizes and checksums have a bound of their own.
            bytes += 512 + weight(&object.key);
            for index in [rows::HTTP, rows::CUSTOM] {
                bytes += row.get_ref(index)?.as_str().map_or(0, |text| text.len() + weight(text));
            }
            listing.objects.push(object);
        }
        return Ok(listing);
    }
}

/// Bytes of `text` in JSON, at most.
fn weight(text: &str) -> usize {
    let of = |b: u8| match b {
        0..0x20 | 0x7f => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.bytes().map(of).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::schema::SCHEMA;

    /// Steps of SQLite's machine that a grouped page takes when each of two groups has `keys` keys.
    fn steps(keys: usize) -> usize {
        let mut c = Connection::open_in_memory().unwrap();
        SCHEMA.steps.iter().for_each(|step| c.execute_batch(step).unwrap());
        for group in ["a", "b"] {
            for n in 0..keys {
                let sql = "INSERT INTO objects VALUES (?1, 1, 1, 'e', 'v', 1, 'Standard', '{}', '{}', '[]', NULL, NULL)";
                c.execute(sql, [format!("{group}/{n:06}")]).unwrap();
            }
        }
        let steps = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&steps);
        let count = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            false
        };
        c.progress_handler(1, Some(count)).unwrap();
        let options = ListOptions { delimiter: "/".to_owned(), ..ListOptions::default() };
        let listing = page(&c, &options, 1000, Vec::new()).unwrap();
        assert_eq!((listing.groups, listing.cursor), (vec!["a/".to_owned(), "b/".to_owned()], None));
        steps.load(Ordering::Relaxed)
    }

    #[test]
    fn a_group_costs_the_same_however_many_keys_it_has() {
        assert_eq!(steps(1), steps(3000));
    }

    #[test]
    fn a_place_behind_a_group_is_behind_all_its_keys() {
        for group in ["a/", "é", "x\u{10FFFF}", "\u{7f}"] {
            let place = behind(group);
            let inside = format!("{group}\u{10FFFF}\u{10FFFF}");
            assert!(inside.as_bytes() < place.as_slice(), "{group:?}");
            assert!(group.as_bytes() < place.as_slice());
        }
        assert!(after("a").as_slice() > b"a".as_slice());
        assert!(after("a").as_slice() <= b"a\0".as_slice(), "nothing fits between");
    }
}
