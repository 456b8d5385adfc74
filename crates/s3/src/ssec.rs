//! The headers of encryption with a key of the caller's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use s3s::{S3Error, S3ErrorCode, S3Result};
use selvedge_r2::SsecKey;

use crate::refusal::invalid_argument;

/// The key for what the request is about.
pub(crate) const OWN: &str = "x-amz-server-side-encryption-customer-";
/// The key for the source of a copy.
pub(crate) const COPY_SOURCE: &str = "x-amz-copy-source-server-side-encryption-customer-";

/// The only algorithm there is.
pub(crate) const ALGORITHM: &str = "AES256";

/// Reads the three headers whose names begin with `names`. All of them have to be there, or none.
pub(crate) fn key(headers: &HeaderMap, names: &str) -> S3Result<Option<SsecKey>> {
    let header =
        |end: &str| headers.get(format!("{names}{end}")).map(|value| value.to_str().unwrap_or_default());
    let (algorithm, key, md5) = (header("algorithm"), header("key"), header("key-md5"));
    if algorithm.is_none() && key.is_none() && md5.is_none() {
        return Ok(None);
    }
    let missing = |what: &str| {
        invalid_argument(format!(
            "Requests specifying Server Side Encryption with Customer provided keys must provide {what}."
        ))
    };
    let algorithm = algorithm.ok_or_else(|| missing("a valid encryption algorithm"))?;
    if algorithm != ALGORITHM {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidEncryptionAlgorithmError,
            "The encryption request you specified is not valid. The valid value is AES256.",
        ));
    }
    let key = key.ok_or_else(|| missing("an appropriate secret key"))?;
    let key = STANDARD.decode(key).ok().and_then(|bytes| SsecKey::new(&bytes));
    let key =
        key.ok_or_else(|| invalid_argument("The secret key was invalid for the specified algorithm."))?;
    let md5 = md5.ok_or_else(|| missing("the client calculated MD5 of the secret key"))?;
    if STANDARD.decode(md5).ok().as_deref() != Some(&key.md5()[..]) {
        return Err(invalid_argument(
            "The calculated MD5 hash of the key did not match the hash that was provided.",
        ));
    }
    Ok(Some(key))
}

/// What a reply says of an encrypted object.
pub(crate) fn shown(key: Option<&SsecKey>) -> (Option<String>, Option<String>) {
    (key.map(|_| ALGORITHM.to_owned()), key.map(|key| STANDARD.encode(key.md5())))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn all_three_headers_have_to_fit() {
        let secret = STANDARD.encode([7; 32]);
        let md5 = STANDARD.encode(SsecKey::new(&[7; 32]).unwrap().md5());
        let short = STANDARD.encode([7; 31]);
        let read = |values: [&str; 3]| {
            let mut headers = HeaderMap::new();
            for (end, value) in ["algorithm", "key", "key-md5"].into_iter().zip(values) {
                if !value.is_empty() {
                    let name: http::HeaderName = format!("{OWN}{end}").parse().unwrap();
                    headers.insert(name, HeaderValue::from_str(value).unwrap());
                }
            }
            key(&headers, OWN).map(|key| key.is_some())
        };
        assert!(read(["AES256", &secret, &md5]).unwrap());
        assert!(!read(["", "", ""]).unwrap());
        for no in [
            ["AES128", &secret, &md5],
            ["", &secret, &md5],
            ["AES256", "", &md5],
            ["AES256", &secret, ""],
            ["AES256", &short, &md5],
            ["AES256", &secret, &secret],
        ] {
            assert!(read(no).is_err(), "{no:?}");
        }
    }
}
