//! What a request must be before its signature is looked at: signed in the one way there is, and now.
//!
//! `s3s` checks times too, by the system's clock. This goes before it by ours, with the limits and the words of R2.

use http::{HeaderMap, Method, StatusCode, Uri};
use s3s::{S3Error, S3ErrorCode, S3Result};
use selvedge_base::Millis;

use crate::refusal::{invalid_argument, refusal};
use crate::time;

/// Seconds by which a client's clock may differ.
const SKEW: i64 = 15 * 60;
/// Seconds that a presigned URL can be good for.
const LONGEST: i64 = 7 * 24 * 60 * 60;
/// The token is a few hundred bytes; this is for long lists of paths.
const TOKEN: usize = 8 * 1024;

/// Refuses what cannot be right. Answers the session token, if there is one.
pub(crate) fn check(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    now: Millis,
) -> S3Result<Option<String>> {
    check_path(uri)?;
    if method == Method::PUT {
        check_part(uri.query().unwrap_or_default())?;
    }
    let now = i64::try_from(now.secs()).unwrap_or(i64::MAX);
    let query = uri.query().unwrap_or_default();
    let in_query = parameter(query, "X-Amz-Signature").is_some();
    let authorization = headers.get(http::header::AUTHORIZATION);
    if in_query && authorization.is_some() {
        return Err(invalid_argument("Only one auth mechanism allowed"));
    }
    if in_query {
        check_presigned(query, now)?;
        return token(parameter(query, "X-Amz-Security-Token"));
    }
    if parameter(query, "Signature").is_some() && parameter(query, "AWSAccessKeyId").is_some() {
        return Err(old_signature());
    }
    let Some(authorization) = authorization else { return Ok(None) };
    let authorization = authorization.to_str().map_err(|_| invalid_argument("Authorization"))?;
    if authorization.starts_with("AWS ") {
        return Err(old_signature());
    }
    if !authorization.starts_with("AWS4-HMAC-SHA256") {
        return Err(invalid_argument("Authorization"));
    }
    let date = headers.get("x-amz-date").and_then(|date| time::amz_date(date.to_str().ok()?));
    if let Some(date) = date
        && (now - date).abs() > SKEW
    {
        return Err(skewed());
    }
    token(headers.get("x-amz-security-token").and_then(|token| token.to_str().ok()).map(str::to_owned))
}

fn check_path(uri: &Uri) -> S3Result<()> {
    // Keys are never paths on disk; a NUL is refused because no XML can carry it back.
    if uri.path().contains("%00") {
        return Err(crate::refusal::of(selvedge_r2::Error::InvalidObjectName));
    }
    Ok(())
}

/// Half of what names a part would be taken for no part at all, and overwrite the object.
fn check_part(query: &str) -> S3Result<()> {
    match (parameter(query, "uploadId"), parameter(query, "partNumber")) {
        (Some(_), None) | (None, Some(_)) => {
            Err(invalid_argument("A part is named by both uploadId and partNumber."))
        }
        _ => Ok(()),
    }
}

fn check_presigned(query: &str, now: i64) -> S3Result<()> {
    let malformed = |text: &str| refusal("AuthorizationQueryParametersError", StatusCode::FORBIDDEN, text);
    let expires = parameter(query, "X-Amz-Expires").unwrap_or_default();
    let expires: i64 = expires.parse().map_err(|_| malformed("X-Amz-Expires should be a number"))?;
    if !(1..=LONGEST).contains(&expires) {
        return Err(malformed("X-Amz-Expires must be between 1 and 604800 seconds"));
    }
    let date = parameter(query, "X-Amz-Date").and_then(|date| time::amz_date(&date));
    let date = date.ok_or_else(|| malformed("X-Amz-Date must be in the form YYYYMMDD'T'HHMMSS'Z'"))?;
    if date > now + SKEW {
        return Err(skewed());
    }
    if now > date + expires {
        return Err(refusal("ExpiredRequest", StatusCode::FORBIDDEN, "Request has expired"));
    }
    Ok(())
}

fn token(token: Option<String>) -> S3Result<Option<String>> {
    match token {
        Some(token) if token.len() > TOKEN => Err(invalid_argument("X-Amz-Security-Token")),
        token => Ok(token),
    }
}

fn old_signature() -> S3Error {
    S3Error::with_message(
        S3ErrorCode::InvalidRequest,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
}

fn skewed() -> S3Error {
    S3Error::with_message(
        S3ErrorCode::RequestTimeTooSkewed,
        "The difference between the request time and the server's time is too large.",
    )
}

/// The decoded value of a query parameter.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let found = query.split('&').find_map(|pair| match pair.split_once('=') {
        Some((key, value)) => (key == name).then_some(value),
        None => (pair == name).then_some(""),
    })?;
    Some(percent_decoded(found))
}

pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        rest = if let Some(byte) = byte {
            bytes.push(byte);
            &tail[2..]
        } else {
            bytes.push(*first);
            tail
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const DATE: &str = "20261122T071800Z";
    const AT: u64 = 1_795_331_880_000;

    fn code(uri: &str, headers: &[(&'static str, &'static str)], now: u64) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        match check(&Method::PUT, &uri.parse().unwrap(), &map, Millis(now)) {
            Ok(token) => token.unwrap_or_default(),
            Err(error) => error.code().as_str().to_owned(),
        }
    }

    fn presigned(expires: &str, now: u64) -> String {
        let uri = format!("/b/k?X-Amz-Date={DATE}&X-Amz-Expires={expires}&X-Amz-Signature=x");
        code(&uri, &[], now)
    }

    #[test]
    fn a_presigned_url_is_good_for_its_time_and_a_week_at_most() {
        assert_eq!(presigned("60", AT + 60_000), "");
        assert_eq!(presigned("60", AT + 61_000), "ExpiredRequest");
        assert_eq!(presigned("604800", AT), "");
        for no in ["604801", "0", "-1", "", "1e3"] {
            assert_eq!(presigned(no, AT), "AuthorizationQueryParametersError", "{no}");
        }
        assert_eq!(presigned("60", AT - 900_000), "");
        assert_eq!(presigned("60", AT - 901_000), "RequestTimeTooSkewed");
        assert_eq!(
            code("/b/k?X-Amz-Signature=x&X-Amz-Expires=1", &[], AT),
            "AuthorizationQueryParametersError"
        );
    }

    #[test]
    fn a_signed_request_is_of_now() {
        let signed = |now| code("/", &[("authorization", "AWS4-HMAC-SHA256 x"), ("x-amz-date", DATE)], now);
        assert_eq!(signed(AT + 900_000), "");
        assert_eq!(signed(AT + 901_000), "RequestTimeTooSkewed");
        assert_eq!(signed(AT - 901_000), "RequestTimeTooSkewed");
    }

    #[test]
    fn there_is_one_way_to_sign() {
        assert_eq!(code("/", &[("authorization", "AWS a:b")], AT), "InvalidRequest");
        assert_eq!(code("/b/k?AWSAccessKeyId=a&Signature=b", &[], AT), "InvalidRequest");
        assert_eq!(code("/", &[("authorization", "Basic x")], AT), "InvalidArgument");
        let both = [("authorization", "AWS4-HMAC-SHA256 x")];
        assert_eq!(code("/b/k?X-Amz-Signature=x", &both, AT), "InvalidArgument");
        assert_eq!(code("/b/a%00b", &[], AT), "InvalidObjectName");
        assert_eq!(code("/b/k?partNumber=1", &[], AT), "InvalidArgument");
        assert_eq!(code("/b/k?partNumber=1&uploadId=x", &[], AT), "");
    }

    #[test]
    fn a_session_token_comes_in_the_header_or_the_query() {
        let header =
            [("authorization", "AWS4-HMAC-SHA256 x"), ("x-amz-date", DATE), ("x-amz-security-token", "t")];
        assert_eq!(code("/", &header, AT), "t");
        let uri =
            format!("/?X-Amz-Date={DATE}&X-Amz-Expires=9&X-Amz-Signature=x&X-Amz-Security-Token=a%2Bb%3D%");
        assert_eq!(code(&uri, &[], AT), "a+b=%");
    }
}
