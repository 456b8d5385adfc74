//! Cloudflare's limit on how often one key may be written, where a namespace asks for it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use selvedge_base::Millis;

use crate::Refusal;

/// Keys that are remembered at most. When more are written within one interval, the ones above it are let pass:
/// the limit is there to find hot keys, of which there are few.
const KEYS: usize = 65_536;

/// When each key was last written, by its hash.
#[derive(Debug, Default)]
pub(crate) struct WriteRate {
    hasher: RandomState,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    last: HashMap<u64, Millis>,
    /// When keys were last forgotten because there were too many.
    swept: Option<Millis>,
}

impl WriteRate {
    /// May `key` be written `now`, when it was not to be written more often than every `interval`?
    pub(crate) fn admit(&self, key: &str, interval: Duration, now: Millis) -> Result<(), Refusal> {
        let interval = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        let recent = |last: Millis| now.0 < last.0.saturating_add(interval);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.hasher.hash_one(key);
        if written.last.get(&key).is_some_and(|last| recent(*last)) {
            return Err(Refusal::TooManyWrites);
        }
        // Once per interval: looking again would find no more.
        if written.last.len() >= KEYS && !written.swept.is_some_and(recent) {
            written.last.retain(|_, last| recent(*last));
            written.swept = Some(now);
        }
        if written.last.len() < KEYS {
            written.last.insert(key, now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_key_waits_for_its_turn_and_others_do_not() {
        let rate = WriteRate::default();
        assert_eq!(rate.admit("k", SECOND, Millis(5_000)), Ok(()));
        assert_eq!(rate.admit("k", SECOND, Millis(5_999)), Err(Refusal::TooManyWrites));
        assert_eq!(rate.admit("other", SECOND, Millis(5_999)), Ok(()));
        assert_eq!(rate.admit("k", SECOND, Millis(6_000)), Ok(()), "a refused write does not count");
    }

    #[test]
    fn memory_is_bounded() {
        let rate = WriteRate::default();
        for key in 0..2 * KEYS {
            assert_eq!(rate.admit(&key.to_string(), SECOND, Millis(5_000)), Ok(()));
        }
        let remembered = || rate.written.lock().unwrap().last.len();
        assert_eq!(remembered(), KEYS);
        assert_eq!(rate.admit("later", SECOND, Millis(7_000)), Ok(()));
        assert_eq!(remembered(), 1);
    }
}
