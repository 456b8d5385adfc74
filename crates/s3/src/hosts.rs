//! Which bucket a host name means.

use std::sync::Arc;

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};
use s3s::validation::NameValidation;

/// `<bucket>.<domain>` for some domains; every other host is path-style.
pub(crate) struct Hosts {
    /// Without ports, in lower case.
    pub(crate) domains: Arc<[String]>,
}

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        Ok(match self.bucket(host) {
            Some((bucket, domain)) => VirtualHost::new(domain).with_bucket(bucket.to_ascii_lowercase()),
            None => VirtualHost::new(host),
        })
    }
}

impl Hosts {
    /// The bucket in `host`, and the domain that it is under.
    pub(crate) fn bucket<'h>(&'h self, host: &'h str) -> Option<(&'h str, &'h str)> {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        self.domains.iter().find_map(|domain| {
            let at = name.len().checked_sub(domain.len() + 1).filter(|&at| at > 0)?;
            let (bucket, rest) = (name.get(..at)?, name.get(at..)?);
            let rest = rest.strip_prefix('.')?;
            rest.eq_ignore_ascii_case(domain).then_some((bucket, domain.as_str()))
        })
    }
}

/// R2's names: 3 to 63 lower-case letters, digits and inner hyphens.
pub(crate) struct Names;

impl NameValidation for Names {
    fn validate_bucket_name(&self, name: &str) -> bool {
        is_bucket_name(name)
    }
}

pub(crate) fn is_bucket_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| plain(b) || b == b'-')
        && name.bytes().next().is_some_and(plain)
        && name.bytes().last().is_some_and(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_in_front_of_its_domain() {
        let hosts = Hosts { domains: ["localhost".to_owned(), "s3.example.com".to_owned()].into() };
        assert_eq!(hosts.bucket("photos.localhost:9000"), Some(("photos", "localhost")));
        assert_eq!(hosts.bucket("Photos.S3.example.com"), Some(("Photos", "s3.example.com")));
        for none in ["localhost", "localhost:9000", ".localhost", "notlocalhost", "photos.example.com", ""] {
            assert_eq!(hosts.bucket(none), None, "{none}");
        }
    }

    #[test]
    fn a_bucket_has_a_name_as_r2_wants_it() {
        assert!(is_bucket_name("a-1") && is_bucket_name(&"a".repeat(63)));
        for no in ["ab", "-ab", "ab-", "a.b", "a_b", "Abc", "äbc", "", &"a".repeat(64)] {
            assert!(!is_bucket_name(no), "{no}");
        }
    }
}
