//! Conditional headers.

use http::{HeaderMap, HeaderName};
use s3s::{S3Error, S3ErrorCode, S3Result};
use selvedge_base::Millis;
use selvedge_r2::{Conditions, EtagMatcher, Object};

use crate::time;

/// The names under which a request has its conditions.
pub(crate) struct Names {
    matches: HeaderName,
    none_match: HeaderName,
    modified: HeaderName,
    unmodified: HeaderName,
}

/// HTTP's own.
pub(crate) const OWN: Names = Names {
    matches: http::header::IF_MATCH,
    none_match: http::header::IF_NONE_MATCH,
    modified: http::header::IF_MODIFIED_SINCE,
    unmodified: http::header::IF_UNMODIFIED_SINCE,
};

/// Those on the source of a copy.
pub(crate) const COPY_SOURCE: Names = Names {
    matches: HeaderName::from_static("x-amz-copy-source-if-match"),
    none_match: HeaderName::from_static("x-amz-copy-source-if-none-match"),
    modified: HeaderName::from_static("x-amz-copy-source-if-modified-since"),
    unmodified: HeaderName::from_static("x-amz-copy-source-if-unmodified-since"),
};

/// R2's extension: those on what a copy replaces.
pub(crate) const COPY_DESTINATION: Names = Names {
    matches: HeaderName::from_static("cf-copy-destination-if-match"),
    none_match: HeaderName::from_static("cf-copy-destination-if-none-match"),
    modified: HeaderName::from_static("cf-copy-destination-if-modified-since"),
    unmodified: HeaderName::from_static("cf-copy-destination-if-unmodified-since"),
};

impl Names {
    /// What `headers` ask for. A date that is none is ignored, as HTTP has it.
    pub(crate) fn read(&self, headers: &HeaderMap) -> S3Result<Conditions> {
        let since = |name: &HeaderName| headers.get(name).and_then(|v| time::http_date(v.to_str().ok()?));
        Ok(Conditions {
            etag_matches: etags(headers, &self.matches)?,
            etag_does_not_match: etags(headers, &self.none_match)?,
            // HTTP's is "not later than", with whole seconds on both sides.
            uploaded_before: since(&self.unmodified).map(|date| date.saturating_add(1000)),
            uploaded_after: since(&self.modified),
            seconds_granularity: true,
        })
    }
}

/// `"a", W/"b"` or `*`. Clients leave out the quotes now and then, and S3 takes that.
fn etags(headers: &HeaderMap, name: &HeaderName) -> S3Result<Vec<EtagMatcher>> {
    let mut matchers = Vec::new();
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| malformed(name))?;
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            matchers.push(match entry.strip_prefix("W/") {
                Some(weak) => EtagMatcher::Weak(unquoted(weak).to_owned()),
                None if entry == "*" => EtagMatcher::Any,
                None => EtagMatcher::Strong(unquoted(entry).to_owned()),
            });
        }
    }
    Ok(matchers)
}

fn unquoted(etag: &str) -> &str {
    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag)
}

fn malformed(name: &HeaderName) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidArgument, format!("The {name} header is malformed."))
}

/// Whether a read whose conditions `object` does not meet is told that nothing is new (304), rather than that it
/// asked for something else (412).
pub(crate) fn is_unchanged(conditions: &Conditions, object: &Object) -> bool {
    let precondition =
        Conditions { etag_does_not_match: Vec::new(), uploaded_after: None, ..conditions.clone() };
    precondition.hold(Some((object.etag.as_str(), Millis(object.uploaded.0))))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(pairs: &[(&'static str, &'static str)]) -> Conditions {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        OWN.read(&headers).unwrap()
    }

    #[test]
    fn etags_come_in_lists_weak_quoted_or_bare() {
        let conditions = read(&[("if-match", "\"a\", W/\"b\""), ("if-match", "c"), ("if-none-match", "*")]);
        let (strong, weak) = (EtagMatcher::Strong("a".to_owned()), EtagMatcher::Weak("b".to_owned()));
        assert_eq!(conditions.etag_matches, [strong, weak, EtagMatcher::Strong("c".to_owned())]);
        assert_eq!(conditions.etag_does_not_match, [EtagMatcher::Any]);
    }

    #[test]
    fn a_time_is_met_in_its_own_second() {
        let date = "Sun, 22 Nov 2026 07:18:00 GMT";
        let at = |millis| Some(("e", Millis(millis)));
        let unmodified = read(&[("if-unmodified-since", date)]);
        assert!(unmodified.hold(at(1_795_331_880_999)));
        assert!(!unmodified.hold(at(1_795_331_881_000)));
        let modified = read(&[("if-modified-since", date)]);
        assert!(!modified.hold(at(1_795_331_880_999)));
        assert!(modified.hold(at(1_795_331_881_000)));
        assert!(read(&[("if-modified-since", "soon")]).is_empty());
    }
}
