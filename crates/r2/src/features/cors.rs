//! Which pages of which origins may talk to a bucket.

use serde::{Deserialize, Serialize};

/// One rule, in the shape of Cloudflare's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CorsRule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub allowed: CorsAllowed,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsAllowed {
    /// As a browser writes them in `Origin`: scheme, host and port. One `*` in each stands for anything.
    pub origins: Vec<String>,
    /// `GET`, `PUT`, `POST`, `DELETE`, `HEAD`.
    pub methods: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
}

/// What to answer a page that may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsGrant {
    /// `Access-Control-Allow-Origin`: the page's own origin, or `*`.
    pub origin: String,
    pub methods: Vec<String>,
    /// Of those asked for, all: `Access-Control-Allow-Headers`.
    pub headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub max_age_seconds: Option<u32>,
}

/// What `rules` grant to a request of `origin`, by the first rule that takes it whole; `None` when none does.
/// For a preflight, `method` and `headers` are those it asks for; for the request itself, `headers` is empty.
pub fn cors_grant(rules: &[CorsRule], origin: &str, method: &str, headers: &[&str]) -> Option<CorsGrant> {
    let takes = |rule: &&CorsRule| {
        rule.allowed.origins.iter().any(|pattern| matches(pattern, origin, false))
            && rule.allowed.methods.iter().any(|allowed| allowed == method || allowed == "*")
            && headers.iter().all(|h| rule.allowed.headers.iter().any(|pattern| matches(pattern, h, true)))
    };
    let rule = rules.iter().find(takes)?;
    let any = rule.allowed.origins.iter().any(|pattern| pattern == "*");
    Some(CorsGrant {
        origin: if any { "*".to_owned() } else { origin.to_owned() },
        methods: rule.allowed.methods.clone(),
        headers: headers.iter().map(|&h| h.to_owned()).collect(),
        expose_headers: rule.expose_headers.clone(),
        max_age_seconds: rule.max_age_seconds,
    })
}

fn matches(pattern: &str, text: &str, any_case: bool) -> bool {
    let (pattern, text) = if any_case {
        (pattern.to_ascii_lowercase(), text.to_ascii_lowercase())
    } else {
        (pattern.to_owned(), text.to_owned())
    };
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

/// What is wrong with `rules`, if anything is.
pub(crate) fn validate(rules: &[CorsRule]) -> Result<(), String> {
    for rule in rules {
        if rule.allowed.origins.is_empty() || rule.allowed.methods.is_empty() {
            return Err("A CORS rule needs at least one origin and one method.".to_owned());
        }
        if rule.max_age_seconds.is_some_and(|age| age > 86_400) {
            return Err("maxAgeSeconds of a CORS rule must be at most 86400.".to_owned());
        }
        let known = ["GET", "PUT", "POST", "DELETE", "HEAD"];
        if let Some(method) = rule.allowed.methods.iter().find(|method| !known.contains(&method.as_str())) {
            return Err(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            ));
        }
        for pattern in rule.allowed.origins.iter().chain(&rule.allowed.headers) {
            if pattern.matches('*').count() > 1 {
                return Err(format!("{pattern:?} of a CORS rule has more than one wildcard."));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CorsRule {
        let owned = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect();
        let allowed =
            CorsAllowed { origins: owned(origins), methods: owned(methods), headers: owned(headers) };
        CorsRule { allowed, ..CorsRule::default() }
    }

    #[test]
    fn the_first_rule_that_takes_all_of_it_grants() {
        let rules = [
            rule(&["https://a.example"], &["GET"], &[]),
            rule(&["https://*.example"], &["PUT", "GET"], &["content-*", "X-One"]),
            rule(&["*"], &["HEAD"], &[]),
        ];
        let grant =
            |origin, method, headers: &[&str]| cors_grant(&rules, origin, method, headers).map(|g| g.origin);
        let some = |origin: &str| Some(origin.to_owned());
        assert_eq!(grant("https://a.example", "GET", &[]), some("https://a.example"));
        assert_eq!(grant("https://a.example", "PUT", &["Content-Type", "x-one"]), some("https://a.example"));
        assert_eq!(grant("https://a.example", "PUT", &["x-two"]), None);
        assert_eq!(grant("http://a.example", "GET", &[]), None, "another scheme");
        assert_eq!(grant("https://a.example:8443", "GET", &[]), None, "another port");
        assert_eq!(grant("http://elsewhere", "HEAD", &[]), some("*"));
        assert_eq!(grant("http://elsewhere", "DELETE", &[]), None);
    }

    #[test]
    fn a_star_does_not_reach_over_itself() {
        assert!(matches("a*a", "aa", false));
        assert!(!matches("a*a", "a", false));
    }
}
