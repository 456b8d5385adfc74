//! CRC-32C over everything that is stored: bytes that the disk changed are reported and never served.
//!
//! A row has two sums. `value_sum` is over the value; of a value in a file, it is the one with which the file was
//! sealed. `head_sum` is over the rest of the row and over `value_sum`, so that a listing can be checked without
//! reading values, and a value cannot turn up under another key.

use crc_fast::{CrcAlgorithm, Digest};

/// What a row says besides its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) expires: Option<i64>,
    pub(crate) size: i64,
    pub(crate) blob: Option<&'a [u8]>,
    pub(crate) metadata: Option<&'a [u8]>,
    pub(crate) value_sum: u32,
}

impl Head<'_> {
    pub(crate) fn sum(&self) -> u32 {
        // Every part says its length or whether it is there: no two rows are the same bytes.
        let mut numbers = [0; 33];
        numbers[0] = u8::from(self.expires.is_some())
            | u8::from(self.blob.is_some()) << 1
            | u8::from(self.metadata.is_some()) << 2;
        numbers[1..9].copy_from_slice(&self.expires.unwrap_or(0).to_le_bytes());
        numbers[9..17].copy_from_slice(&self.size.to_le_bytes());
        numbers[17..21].copy_from_slice(&self.value_sum.to_le_bytes());
        let parts = [self.key, self.blob.unwrap_or(b""), self.metadata.unwrap_or(b"")];
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        for (at, part) in parts.into_iter().enumerate() {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            numbers[21 + 4 * at..25 + 4 * at].copy_from_slice(&length.to_le_bytes());
        }
        digest.update(&numbers);
        parts.into_iter().filter(|part| !part.is_empty()).for_each(|part| digest.update(part));
        u32::try_from(digest.finalize()).unwrap_or_default()
    }
}

pub(crate) fn of(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rows_are_the_same_bytes() {
        let row = Head { key: b"ab", expires: None, size: 1, blob: None, metadata: None, value_sum: 7 };
        let others = [
            Head { key: b"a", metadata: Some(b"b"), ..row },
            Head { key: b"a", blob: Some(b"b"), ..row },
            Head { expires: Some(0), ..row },
            Head { metadata: Some(b""), ..row },
            Head { size: 2, ..row },
            Head { value_sum: 8, ..row },
        ];
        for other in others {
            assert_ne!(other.sum(), row.sum(), "{other:?}");
        }
    }
}
