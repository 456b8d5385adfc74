//! The two ways in which S3 writes a time.

use std::time::{Duration, SystemTime};

use s3s::dto::{Timestamp, TimestampFormat};
use selvedge_base::Millis;

pub(crate) fn timestamp(at: Millis) -> Timestamp {
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_millis(at.0))
}

/// Milliseconds since the epoch of an HTTP date, in any of the three forms that HTTP knows.
pub(crate) fn http_date(text: &str) -> Option<i64> {
    Timestamp::parse(TimestampFormat::HttpDate, text.trim()).ok().map(|at| millis(&at))
}

pub(crate) fn millis(at: &Timestamp) -> i64 {
    let mut text = Vec::new();
    if at.format(TimestampFormat::EpochSeconds, &mut text).is_err() {
        return 0;
    }
    let text = String::from_utf8(text).unwrap_or_default();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let seconds: i64 = whole.parse().unwrap_or_default();
    let thousandths: i64 =
        format!("{fraction:0<3}").get(..3).and_then(|f| f.parse().ok()).unwrap_or_default();
    seconds * 1000 + thousandths
}

/// `20261122T071800Z`, the form of signatures, as seconds since the epoch.
pub(crate) fn amz_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes.get(8) != Some(&b'T') || bytes.get(15) != Some(&b'Z') {
        return None;
    }
    let (date, time) = (text.get(..8)?, text.get(9..15)?);
    if !date.bytes().chain(time.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let iso = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &time[..2],
        &time[2..4],
        &time[4..]
    );
    Timestamp::parse(TimestampFormat::DateTime, &iso).ok().map(|at| millis(&at).div_euclid(1000))
}

/// Milliseconds since the epoch in the form of signatures.
pub(crate) fn to_amz_date(millis: i64) -> Option<String> {
    let mut text = Vec::new();
    let at = timestamp(Millis(u64::try_from(millis).ok()?));
    at.format(TimestampFormat::DateTime, &mut text).ok()?;
    let text = String::from_utf8(text).ok()?;
    let digits: String = text.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    Some(format!("{}Z", digits.get(..15)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(amz_date("20261122T071800Z"), Some(1_795_331_880));
        for no in ["20261122T071800", "20261322T071800Z", "2026-11-22T07:18:00Z", "+0261122T071800Z", ""] {
            assert_eq!(amz_date(no), None, "{no}");
        }
        assert_eq!(http_date("Sun, 22 Nov 2026 07:18:00 GMT"), Some(1_795_331_880_000));
        assert_eq!(http_date("yesterday"), None);
        assert_eq!(to_amz_date(1_795_331_880_042).as_deref(), Some("20261122T071800Z"));
        assert_eq!(millis(&timestamp(Millis(1_795_331_880_042))), 1_795_331_880_042);
    }
}
