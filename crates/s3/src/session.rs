//! Temporary credentials, as R2 has them: a JSON web token that the secret of an access key signed says what they are
//! good for. The token is sent with every request, and its hash is the secret that signs the request.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use selvedge_base::Millis;
use selvedge_catalog::{AccessKey, Permission};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::grant::{Grant, Scope};

/// R2's longest.
const LONGEST: u64 = 7 * 24 * 60 * 60;

/// What temporary credentials shall be good for.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    pub bucket: String,
    pub permission: Permission,
    /// Names of operations, to allow only these.
    pub actions: Option<Vec<String>>,
    /// Beginnings of keys, and whole keys, to allow only these.
    pub prefixes: Vec<String>,
    pub objects: Vec<String>,
    /// Seconds; no more than a week.
    pub ttl: u64,
}

/// What a client is given. It sends the token as `X-Amz-Security-Token`.
#[derive(Clone, Debug)]
pub struct TemporaryCredentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    typ: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    bucket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<Paths>,
    iss: String,
    exp: u64,
    #[serde(default)]
    iat: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Paths {
    prefix_paths: Vec<String>,
    object_paths: Vec<String>,
}

/// Why a token is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    Malformed,
    Forged,
    Expired,
}

/// The secret and the rights that `token` stands for, when `key` signed it and it is still good.
pub(crate) fn open(token: &str, key: &AccessKey, now: Millis) -> Result<(String, Grant), Unusable> {
    let jwt = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD]
        .into_iter()
        .find_map(|engine| engine.decode(token).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix("jwt/").map(str::to_owned))
        .ok_or(Unusable::Malformed)?;
    let (signed, signature) = jwt.rsplit_once('.').ok_or(Unusable::Malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Unusable::Malformed)?;
    mac(&key.secret, signed).verify_slice(&signature).map_err(|_| Unusable::Forged)?;
    let (header, claims) = signed.split_once('.').ok_or(Unusable::Malformed)?;
    let header: Header = part(header)?;
    let claims: Claims = part(claims)?;
    let permission = match claims.scope.as_deref() {
        None => None,
        Some(word) => Some(Permission::parse(word).ok_or(Unusable::Malformed)?),
    };
    let unlimited = permission.is_none() && claims.actions.is_none();
    if header.alg != "HS256" || claims.iss != key.id || unlimited {
        return Err(Unusable::Malformed);
    }
    if claims.exp <= now.secs() || claims.exp > now.secs().saturating_add(LONGEST) {
        return Err(Unusable::Expired);
    }
    let Paths { prefix_paths, object_paths } = claims.paths.unwrap_or_default();
    let scope = Scope {
        bucket: claims.bucket,
        permission,
        actions: claims.actions,
        prefixes: prefix_paths,
        objects: object_paths,
    };
    Ok((hex::encode(Sha256::digest(&jwt)), Grant { session: Some(scope), ..Grant::of(key) }))
}

/// Makes temporary credentials of `key`. Whoever has the key can do so too, without asking.
pub fn issue_session(key: &AccessKey, options: SessionOptions, now: Millis) -> TemporaryCredentials {
    let header = Header { alg: "HS256".to_owned(), typ: Some("JWT".to_owned()) };
    let narrow = !options.prefixes.is_empty() || !options.objects.is_empty();
    let claims = Claims {
        bucket: options.bucket,
        scope: Some(options.permission.as_str().to_owned()),
        actions: options.actions,
        paths: narrow.then_some(Paths { prefix_paths: options.prefixes, object_paths: options.objects }),
        iss: key.id.clone(),
        exp: now.secs() + options.ttl.min(LONGEST),
        iat: now.secs(),
    };
    let signed = format!("{}.{}", encoded(&header), encoded(&claims));
    let signature = URL_SAFE_NO_PAD.encode(mac(&key.secret, &signed).finalize().into_bytes());
    let jwt = format!("{signed}.{signature}");
    TemporaryCredentials {
        access_key_id: key.id.clone(),
        secret_access_key: hex::encode(Sha256::digest(&jwt)),
        session_token: STANDARD.encode(format!("jwt/{jwt}")),
    }
}

fn mac(secret: &str, text: &str) -> Hmac<Sha256> {
    // HMAC takes keys of every length.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(text.as_bytes());
    mac
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Unusable> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Unusable::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Unusable::Malformed)
}

fn encoded<T: Serialize>(value: &T) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AccessKey {
        AccessKey {
            id: "id".to_owned(),
            secret: "secret".to_owned(),
            name: String::new(),
            permission: Permission::ObjectReadWrite,
            buckets: None,
            created: Millis(0),
        }
    }

    fn options() -> SessionOptions {
        SessionOptions {
            bucket: "b".to_owned(),
            permission: Permission::ObjectReadOnly,
            actions: None,
            prefixes: vec!["p/".to_owned()],
            objects: Vec::new(),
            ttl: 60,
        }
    }

    #[test]
    fn a_token_is_good_until_it_expires_and_only_from_its_key() {
        let made = issue_session(&key(), options(), Millis(1_000_000));
        let (secret, grant) = open(&made.session_token, &key(), Millis(1_059_999)).unwrap();
        assert_eq!(secret, made.secret_access_key);
        assert!(grant.covers("GetObject", Some("b"), Some("p/k")));
        assert!(!grant.covers("PutObject", Some("b"), Some("p/k")));
        let expired = open(&made.session_token, &key(), Millis(1_060_000));
        assert_eq!(expired.unwrap_err(), Unusable::Expired);
        let other = AccessKey { secret: "other".to_owned(), ..key() };
        assert_eq!(open(&made.session_token, &other, Millis(0)).unwrap_err(), Unusable::Forged);
        assert_eq!(open("jwt/", &key(), Millis(0)).unwrap_err(), Unusable::Malformed);
    }

    #[test]
    fn a_token_as_other_tools_make_it_is_taken() {
        // Base64 for URLs, no type, actions instead of a scope.
        let claims = r#"{"bucket":"b","actions":["HeadObject"],"paths":{"objectPaths":["o"]},"iss":"id","aud":"x","sub":"y","exp":100}"#;
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(mac("secret", &signed).finalize().into_bytes());
        let token = URL_SAFE_NO_PAD.encode(format!("jwt/{signed}.{signature}"));
        let (_, grant) = open(&token, &key(), Millis(99_000)).unwrap();
        assert!(grant.covers("HeadObject", Some("b"), Some("o")));
        assert!(!grant.covers("GetObject", Some("b"), Some("o")));
    }

    #[test]
    fn a_token_that_no_algorithm_signed_is_none() {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
            URL_SAFE_NO_PAD.encode(r#"{"bucket":"b","scope":"admin-read-write","iss":"id","exp":100}"#)
        );
        let signature = URL_SAFE_NO_PAD.encode(mac("secret", &signed).finalize().into_bytes());
        for jwt in [format!("{signed}.{signature}"), format!("{signed}.")] {
            let token = STANDARD.encode(format!("jwt/{jwt}"));
            assert!(open(&token, &key(), Millis(0)).is_err());
        }
    }
}
