//! What a request must look like before it touches the disk.

use serde::de::IgnoredAny;

use crate::{Limits, PutOptions, Refusal};

impl Limits {
    /// May `key` name a value?
    pub fn check_key(&self, key: &str) -> Result<(), Refusal> {
        match key {
            "" => Err(Refusal::EmptyKey),
            "." | ".." => Err(Refusal::DotKey { name: key.to_owned() }),
            _ => self.check_length(key),
        }
    }

    /// May these `keys` be read together?
    pub(crate) fn check_bulk<K: AsRef<str>>(&self, keys: &[K]) -> Result<(), Refusal> {
        if keys.len() > self.bulk_keys {
            return Err(Refusal::TooManyKeys { most: self.bulk_keys });
        }
        if keys.is_empty() {
            return Err(Refusal::NoKeys);
        }
        keys.iter().try_for_each(|key| self.check_key(key.as_ref()))
    }

    /// May a listing ask for this `prefix`? It may be empty.
    pub(crate) fn check_length(&self, prefix: &str) -> Result<(), Refusal> {
        let (bytes, limit) = (prefix.len(), self.key_bytes);
        if bytes > limit { Err(Refusal::KeyTooLong { bytes, limit }) } else { Ok(()) }
    }

    /// May a reader ask a location to keep what it read for `seconds`?
    pub fn check_cache_ttl(&self, seconds: i64) -> Result<(), Refusal> {
        let least = self.min_cache_ttl;
        let enough = u64::try_from(seconds).is_ok_and(|s| s >= least);
        if enough { Ok(()) } else { Err(Refusal::CacheTtlTooShort { given: seconds.to_string(), least }) }
    }

    pub(crate) fn check_value(&self, bytes: u64) -> Result<(), Refusal> {
        let limit = self.value_bytes;
        if bytes > limit { Err(Refusal::ValueTooLarge { bytes, limit }) } else { Ok(()) }
    }

    pub(crate) fn check_metadata(&self, metadata: &str) -> Result<(), Refusal> {
        let (bytes, limit) = (metadata.len(), self.metadata_bytes);
        if bytes > limit {
            return Err(Refusal::MetadataTooLarge { bytes, limit });
        }
        serde_json::from_str::<IgnoredAny>(metadata).map_err(|_| Refusal::MetadataNotJson)?;
        Ok(())
    }

    /// May one bulk write have so many keys?
    pub(crate) fn check_pairs(&self, pairs: usize) -> Result<(), Refusal> {
        let most = self.bulk_pairs;
        if pairs > most { Err(Refusal::TooManyPairs { most }) } else { Ok(()) }
    }

    /// How many keys a page of a listing has at most.
    pub(crate) fn page(&self, asked: Option<i64>) -> Result<usize, Refusal> {
        let Some(asked) = asked else { return Ok(self.list_keys) };
        match usize::try_from(asked) {
            Err(_) if asked > 0 => {
                Err(Refusal::ListLimitTooLarge { given: asked.to_string(), most: self.list_keys })
            }
            Err(_) | Ok(0) => Err(Refusal::ListLimitNotPositive { given: asked.to_string() }),
            Ok(keys) if keys > self.list_keys => {
                Err(Refusal::ListLimitTooLarge { given: asked.to_string(), most: self.list_keys })
            }
            Ok(keys) => Ok(keys),
        }
    }

    /// The second at which a key put at `now` expires. The relative form wins when both are given.
    pub(crate) fn expires(&self, options: &PutOptions, now: u64) -> Result<Option<u64>, Refusal> {
        let least = self.min_expiration_ttl;
        if let Some(ttl) = options.expiration_ttl {
            let given = ttl.to_string();
            return match u64::try_from(ttl) {
                Err(_) | Ok(0) => Err(Refusal::ExpirationTtlNotPositive { given }),
                Ok(ttl) if ttl < least => Err(Refusal::ExpirationTtlTooShort { given, least }),
                Ok(ttl) => Ok(Some(now.saturating_add(ttl))),
            };
        }
        let Some(at) = options.expiration else { return Ok(None) };
        let given = at.to_string();
        match u64::try_from(at) {
            Ok(at) if at >= now.saturating_add(least) => Ok(Some(at)),
            Ok(at) if at > now => Err(Refusal::ExpirationTooSoon { given, least }),
            _ => Err(Refusal::ExpirationPast { given }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn expires(ttl: Option<i64>, at: Option<i64>) -> Result<Option<u64>, String> {
        let options = PutOptions { expiration_ttl: ttl, expiration: at, ..PutOptions::default() };
        Limits::default().expires(&options, NOW).map_err(|no| format!("{} {no}", no.status()))
    }

    #[test]
    fn an_expiration_is_at_least_a_minute_away_and_the_relative_form_wins() {
        let now = i64::try_from(NOW).unwrap();
        assert_eq!(expires(None, None), Ok(None));
        assert_eq!(expires(Some(60), Some(1)), Ok(Some(NOW + 60)));
        assert_eq!(expires(None, Some(now + 60)), Ok(Some(NOW + 60)));
        assert_eq!(expires(Some(i64::MAX), None), Ok(Some(NOW + u64::try_from(i64::MAX).unwrap())));
        let positive = "Please specify integer greater than 0.";
        for ttl in [0, -1, i64::MIN] {
            let text = format!("400 Invalid expiration_ttl of {ttl}. {positive}");
            assert_eq!(expires(Some(ttl), None), Err(text));
        }
        let text = "400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60.";
        assert_eq!(expires(Some(59), Some(now + 600)), Err(text.to_owned()));
        for at in [-5, 0, now] {
            let text = format!(
                "400 Invalid expiration of {at}. Please specify integer greater than the current number of seconds since the UNIX epoch."
            );
            assert_eq!(expires(None, Some(at)), Err(text));
        }
        let at = now + 59;
        let text = format!(
            "400 Invalid expiration of {at}. Expiration times must be at least 60 seconds in the future."
        );
        assert_eq!(expires(None, Some(at)), Err(text));
    }

    #[test]
    fn lengths_are_counted_in_bytes() {
        let limits = Limits::default();
        assert_eq!(limits.check_key(&"é".repeat(256)), Ok(()));
        let no = limits.check_key(&"é".repeat(257)).unwrap_err();
        assert_eq!(no.to_string(), "UTF-8 encoded length of 514 exceeds key length limit of 512.");
        assert_eq!(no.status(), 414);
        assert_eq!(limits.check_key("").unwrap_err().to_string(), "Key names must not be empty");
        assert!(limits.check_key("..").is_err());
        assert_eq!(limits.check_key("..x"), Ok(()));
        assert_eq!(limits.check_metadata(&format!("\"{}\"", "a".repeat(1022))), Ok(()));
        let no = limits.check_metadata(&format!("\"{}\"", "a".repeat(1023))).unwrap_err();
        assert_eq!(
            (no.status(), no.to_string().as_str()),
            (413, "Metadata length of 1025 exceeds limit of 1024.")
        );
        assert_eq!(limits.check_metadata("{\"a\":").unwrap_err(), Refusal::MetadataNotJson);
        assert_eq!(limits.check_metadata(r#""\ud800""#), Ok(()), "what JSON.stringify makes of half a pair");
    }

    #[test]
    fn a_page_has_one_to_a_thousand_keys() {
        let limits = Limits::default();
        assert_eq!(limits.page(None), Ok(1000));
        assert_eq!(limits.page(Some(1000)), Ok(1000));
        let text = |asked| limits.page(Some(asked)).unwrap_err().to_string();
        assert_eq!(text(0), "Invalid key_count_limit of 0. Please specify an integer greater than 0.");
        assert_eq!(text(-3), "Invalid key_count_limit of -3. Please specify an integer greater than 0.");
        assert_eq!(text(1001), "Invalid key_count_limit of 1001. Please specify an integer less than 1000.");
    }

    #[test]
    fn a_cache_lifetime_is_at_least_half_a_minute() {
        let limits = Limits::default();
        assert_eq!(limits.check_cache_ttl(30), Ok(()));
        let no = limits.check_cache_ttl(29).unwrap_err();
        assert_eq!(no.to_string(), "Invalid cache_ttl of 29. Cache TTL must be at least 30.");
    }
}
