use crate::cache::Fill;

use super::super::hear::Heard;

/// Takes down the answer to one request on its way to the client.
pub(in super::super) struct Recorder {
    fill: Fill,
    /// `ParseComplete` and `BindComplete` belong to how it was asked, not to the answer.
    preamble: Preamble,
}

enum Preamble {
    /// This many bytes of a message of it are still to come.
    Inside(usize),
    Over,
}

impl Recorder {
    pub(in super::super) fn new(fill: Fill) -> Self {
        Self { fill, preamble: Preamble::Inside(0) }
    }

    /// What went to the client, and what was heard. `None` when there is no more to take down.
    pub(in super::super) fn record(mut self, bytes: &[u8], heard: &Heard) -> Option<Self> {
        if heard.unusual {
            return None;
        }
        let mut bytes = &bytes[..heard.first_ready.unwrap_or(bytes.len())];
        while let Preamble::Inside(left) = self.preamble {
            let skipped = left.min(bytes.len());
            bytes = &bytes[skipped..];
            self.preamble = match bytes.first() {
                None => Preamble::Inside(left - skipped),
                Some(b'1' | b'2') => Preamble::Inside(5),
                Some(_) => Preamble::Over,
            };
            if bytes.is_empty() {
                break;
            }
        }
        self.fill.push(bytes);
        if heard.first_ready.is_some() {
            self.fill.finish();
            return None;
        }
        self.fill.is_open().then_some(self)
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use selvedge_base::SystemClock;

    use super::*;
    use crate::cache::{
        CacheSettings, CacheStore, Dialect, Form, Key, KeyBuilder, Lookup, QueryCache, Session, Verdict,
        classify,
    };

    fn key() -> Key {
        let session = Session::new(Dialect::Postgres, "d", "r", []);
        let Verdict::Cacheable(statement) = classify(b"SELECT a FROM t", Dialect::Postgres) else { panic!() };
        KeyBuilder::new(&session, &statement, Form::PostgresExtended).finish().unwrap()
    }

    fn kept(parts: &[&[u8]], ends_at: Option<usize>, unusual: bool) -> Option<Vec<u8>> {
        let store = CacheStore::new(1 << 20, SystemClock::shared());
        let settings = CacheSettings { max_age: Duration::from_mins(1), ..CacheSettings::default() };
        let cache: Arc<QueryCache> = QueryCache::new(store, settings);
        let Lookup::Miss(fill) = cache.lookup(key()) else { panic!() };
        let mut recorder = Some(Recorder::new(fill));
        for (i, part) in parts.iter().enumerate() {
            let last = i + 1 == parts.len();
            let heard =
                Heard { first_ready: ends_at.filter(|_| last), unusual: unusual && last, ..Heard::default() };
            recorder = recorder.take().and_then(|recorder| recorder.record(part, &heard));
        }
        match cache.lookup(key()) {
            Lookup::Hit(answer) => Some(answer.chunks().concat()),
            _ => None,
        }
    }

    #[test]
    fn an_answer_is_kept_without_what_goes_before_and_after_it() {
        let whole = b"1\0\0\0\x042\0\0\0\x04D\0\0\0\x06\0\0C\0\0\0\x05\0Z\0\0\0\x05I";
        let answer = &whole[10..whole.len() - 6];
        assert_eq!(kept(&[whole], Some(whole.len() - 6), false).as_deref(), Some(answer));
        for cut in 1..whole.len() - 6 {
            let (one, two) = whole.split_at(cut);
            assert_eq!(kept(&[one, two], Some(two.len() - 6), false).as_deref(), Some(answer), "{cut}");
        }
        assert_eq!(kept(&[whole], None, false), None, "it never ended");
        assert_eq!(kept(&[whole], Some(whole.len() - 6), true), None);
    }
}
