//! Which bytes of an object a get is for.

use crate::{Error, Result};

/// A part of an object, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Range {
    /// From `offset` on, `length` bytes or all there are. Too long a range is cut at the end.
    From { offset: u64, length: Option<u64> },
    /// The last bytes.
    Suffix(u64),
    /// The value of an HTTP `Range` header. One range that the object has is taken; several, a malformed one
    /// and one past the end mean the whole object.
    Header(String),
    /// The part of that number, of an object made of parts. One put in one piece is its own part 1.
    Part(u32),
}

/// A part of an object, as given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub offset: u64,
    pub length: u64,
}

impl Span {
    pub(crate) fn end(self) -> u64 {
        self.offset + self.length
    }
}

impl Range {
    /// The part of an object of `size` bytes, or [`Error::InvalidRange`] when there is none.
    pub fn resolve(&self, size: u64) -> Result<Span> {
        let (offset, length) = match self {
            Self::Header(value) => {
                return Ok(parse_header(value, size).unwrap_or(Span { offset: 0, length: size }));
            }
            // What the parts are, only the object knows.
            Self::Part(_) => return Err(Error::InvalidRange),
            Self::Suffix(suffix) => (size.saturating_sub(*suffix), (*suffix).min(size)),
            Self::From { offset, length } => (*offset, length.unwrap_or(size.saturating_sub(*offset))),
        };
        // A range without a single byte is none. R2's simulator breaks down on some of these.
        if offset >= size || length == 0 {
            return Err(Error::InvalidRange);
        }
        Ok(Span { offset, length: length.min(size - offset) })
    }
}

/// `bytes=first-last`, `bytes=first-` or `bytes=-suffix`. `None` when it is anything else, or when the object
/// does not have it.
fn parse_header(value: &str, size: u64) -> Option<Span> {
    let (unit, range) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.split_once('-')?;
    // `u64::parse` would take a sign.
    let number = |text: &str| match text.trim_matches(' ') {
        "" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(Some(digits.parse::<u64>().unwrap_or(u64::MAX)))
        }
        _ => None,
    };
    let (offset, end) = match (number(first)?, number(last)?) {
        (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(size)),
        (Some(first), None) => (first, size),
        (None, Some(suffix)) if suffix > 0 => (size.saturating_sub(suffix), size),
        _ => return None,
    };
    (offset < size).then(|| Span { offset, length: end - offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(offset: u64, length: u64) -> Span {
        Span { offset, length }
    }

    #[test]
    fn a_range_is_cut_at_the_end_and_refused_past_it() {
        let from = |offset, length| Range::From { offset, length }.resolve(10).ok();
        assert_eq!(from(0, None), Some(span(0, 10)));
        assert_eq!(from(3, Some(4)), Some(span(3, 4)));
        assert_eq!(from(8, Some(u64::MAX)), Some(span(8, 2)));
        assert_eq!(from(10, Some(1)), None);
        assert_eq!(from(10, None), None);
        assert_eq!(from(11, Some(1)), None);
        assert_eq!(from(3, Some(0)), None);
        let suffix = |suffix| Range::Suffix(suffix).resolve(10).ok();
        assert_eq!(suffix(4), Some(span(6, 4)));
        assert_eq!(suffix(40), Some(span(0, 10)));
        assert_eq!(suffix(0), None);
        assert!(Range::Suffix(1).resolve(0).is_err());
        assert!(Range::From { offset: 0, length: Some(5) }.resolve(0).is_err());
    }

    #[test]
    fn a_header_that_cannot_be_honoured_means_the_whole_object() {
        let header = |value: &str| Range::Header(value.to_owned()).resolve(10).unwrap();
        assert_eq!(header("bytes=2-4"), span(2, 3));
        assert_eq!(header(" Bytes = 2 - 400 "), span(2, 8));
        assert_eq!(header("bytes=7-"), span(7, 3));
        assert_eq!(header("bytes=-3"), span(7, 3));
        let all = [
            "bytes=10-",
            "bytes=4-2",
            "bytes=-0",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "lines=1-2",
            "bytes=-",
            "x",
        ];
        for whole in all {
            assert_eq!(header(whole), span(0, 10), "{whole}");
        }
        assert_eq!(Range::Header("bytes=0-1".to_owned()).resolve(0).unwrap(), span(0, 0));
    }
}
