//! A row as it comes out of the database, checked.

use bytes::Bytes;
use rusqlite::types::ValueRef;
use selvedge_blob::BlobId;

use crate::checksum::{self, Head};
use crate::{Damage, Error, Result};

/// Where the bytes of a value are.
#[derive(Clone, Debug)]
pub(crate) enum Stored {
    Inline(Bytes),
    File {
        id: BlobId,
        /// With which it was sealed; `None` when the file is older than checksums are.
        sum: Option<u32>,
    },
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) stored: Stored,
    pub(crate) size: u64,
    pub(crate) metadata: Option<String>,
    pub(crate) expires: Option<u64>,
    /// Whether the row had checksums, which then were right.
    pub(crate) checked: bool,
}

impl Row {
    /// From the columns `key, expires, size, blob, metadata, head_sum, value_sum, value`.
    pub(crate) fn read(row: &rusqlite::Row<'_>) -> Result<Self> {
        let head = RowHead::read(row)?;
        let damaged = || head.damaged();
        let value = match row.get_ref(7)? {
            ValueRef::Null => None,
            ValueRef::Blob(bytes) => Some(bytes),
            _ => return Err(damaged()),
        };
        let (size, sum) = (head.fields.size.cast_unsigned(), head.checked.then_some(head.fields.value_sum));
        let stored = match (head.fields.blob, value) {
            (None, Some(value)) => {
                if value.len() as u64 != size || sum.is_some_and(|sum| checksum::of(value) != sum) {
                    return Err(damaged());
                }
                Stored::Inline(Bytes::copy_from_slice(value))
            }
            (Some(blob), None) => {
                let id = str::from_utf8(blob).ok().and_then(BlobId::parse).ok_or_else(damaged)?;
                Stored::File { id, sum }
            }
            _ => return Err(damaged()),
        };
        Ok(Self { stored, size, metadata: head.metadata()?, expires: head.expires(), checked: head.checked })
    }

    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

/// What a listing needs of a row, checked.
#[derive(Debug)]
pub(crate) struct RowHead<'a> {
    fields: Head<'a>,
    checked: bool,
}

impl<'a> RowHead<'a> {
    /// From the columns `key, expires, size, blob, metadata, head_sum, value_sum`.
    pub(crate) fn read(row: &'a rusqlite::Row<'_>) -> Result<Self> {
        let key = row.get_ref(0)?.as_bytes().map_err(|_| damaged(b"?"))?;
        let number = |column| match row.get_ref(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(number) => Ok(Some(number)),
            _ => Err(damaged(key)),
        };
        let text = |column| match row.get_ref(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => Ok(Some(bytes)),
            _ => Err(damaged(key)),
        };
        let (expires, size, head_sum, value_sum) = (number(1)?, number(2)?, number(5)?, number(6)?);
        let mut head = Self {
            fields: Head {
                key,
                expires,
                size: size.ok_or_else(|| damaged(key))?,
                blob: text(3)?,
                metadata: text(4)?,
                value_sum: 0,
            },
            checked: false,
        };
        match (head_sum, value_sum) {
            (Some(head_sum), Some(value_sum)) => {
                head.fields.value_sum = u32::try_from(value_sum).map_err(|_| damaged(key))?;
                head.checked = true;
                if i64::from(head.fields.sum()) != head_sum {
                    return Err(damaged(key));
                }
            }
            (None, None) => {}
            _ => return Err(damaged(key)),
        }
        Ok(head)
    }

    pub(crate) fn key(&self) -> Result<&'a str> {
        str::from_utf8(self.fields.key).map_err(|_| self.damaged())
    }

    pub(crate) fn expires(&self) -> Option<u64> {
        self.fields.expires.map(i64::cast_unsigned)
    }

    pub(crate) fn metadata(&self) -> Result<Option<String>> {
        let text = self.fields.metadata.map(|bytes| String::from_utf8(bytes.to_vec()));
        text.transpose().map_err(|_| self.damaged())
    }

    fn damaged(&self) -> Error {
        damaged(self.fields.key)
    }
}

fn damaged(key: &[u8]) -> Error {
    Error::Damaged { key: String::from_utf8_lossy(key).into_owned(), damage: Damage::Row }
}
