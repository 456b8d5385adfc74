//! Prepared statements: one text has one name on every connection, whatever the clients call it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::message::{from_client, push};
use super::sql::Effects;

/// What our names on a connection begin with.
const PREFIX: &str = "selvedge_";

/// A statement that some client has prepared.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) id: u64,
    /// On every connection where it is prepared.
    pub(super) name: Box<[u8]>,
    /// The body of its Parse message after the name: the text with its final zero, and the parameters' types.
    pub(super) body: Box<[u8]>,
    /// What running it does to the session.
    pub(super) effects: Effects,
    /// The origin said that its plan does not fit any more: who prepares the same text again gets a new one.
    stale: AtomicBool,
}

impl Statement {
    pub(super) fn push_parse(&self, out: &mut Vec<u8>) {
        push(out, from_client::PARSE, |out| {
            out.extend_from_slice(&self.name);
            out.push(0);
            out.extend_from_slice(&self.body);
        });
    }

    pub(super) fn push_close(&self, out: &mut Vec<u8>) {
        push(out, from_client::CLOSE, |out| {
            out.push(b'S');
            out.extend_from_slice(&self.name);
            out.push(0);
        });
    }

    pub(super) fn make_stale(&self) {
        self.stale.store(true, Ordering::Release);
    }

    fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire)
    }
}

/// Whether a client uses a name that could be one of ours.
pub(super) fn looks_like_ours(name: &[u8]) -> bool {
    name.starts_with(PREFIX.as_bytes())
}

/// All statements that a client or a connection of one pool holds.
#[derive(Debug, Default)]
pub(super) struct StatementTable {
    hasher: RandomState,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_hash: HashMap<u64, Vec<Weak<Statement>>>,
    next_id: u64,
    /// At how many entries those that nobody holds are looked for.
    sweep_at: usize,
}

impl StatementTable {
    pub(super) fn intern(&self, body: &[u8], effects: Effects) -> Arc<Statement> {
        let hash = self.hasher.hash_one(body);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        if inner.by_hash.len() >= inner.sweep_at {
            inner.by_hash.retain(|_, alike| {
                alike.retain(|statement| statement.strong_count() > 0);
                !alike.is_empty()
            });
            inner.sweep_at = (inner.by_hash.len() * 2).max(256);
        }
        let alike = inner.by_hash.entry(hash).or_default();
        let known = alike.iter().filter_map(Weak::upgrade).find(|s| !s.is_stale() && *s.body == *body);
        if let Some(known) = known {
            return known;
        }
        inner.next_id += 1;
        let id = inner.next_id;
        let statement = Arc::new(Statement {
            id,
            name: format!("{PREFIX}{id}").into_bytes().into(),
            body: body.into(),
            effects,
            stale: AtomicBool::new(false),
        });
        alike.push(Arc::downgrade(&statement));
        statement
    }
}

/// The statements that are prepared on one connection; of too many, the one used longest ago goes.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    by_id: HashMap<u64, (Arc<Statement>, u64)>,
    uses: u64,
}

impl Prepared {
    /// Whether it is prepared here. Counts as a use.
    pub(super) fn touch(&mut self, id: u64) -> bool {
        self.uses += 1;
        let Some((_, last)) = self.by_id.get_mut(&id) else { return false };
        *last = self.uses;
        true
    }

    /// Adds one that was not there. Returns the one that has to be closed for it.
    pub(super) fn add(&mut self, statement: Arc<Statement>, most: usize) -> Option<Arc<Statement>> {
        let evicted = (self.by_id.len() >= most.max(1))
            .then(|| self.by_id.iter().min_by_key(|(_, (_, last))| *last).map(|(id, _)| *id))
            .flatten()
            .and_then(|oldest| self.by_id.remove(&oldest))
            .map(|(statement, _)| statement);
        self.uses += 1;
        self.by_id.insert(statement.id, (statement, self.uses));
        evicted
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.by_id.remove(&id);
    }

    /// Back in, for one whose Close was never carried out.
    pub(super) fn restore(&mut self, statement: Arc<Statement>) {
        self.by_id.insert(statement.id, (statement, self.uses));
    }

    pub(super) fn clear(&mut self) {
        self.by_id.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_has_one_name_until_it_goes_stale() {
        let table = StatementTable::default();
        let one = table.intern(b"select 1\0\0\0", Effects::NONE);
        assert!(Arc::ptr_eq(&one, &table.intern(b"select 1\0\0\0", Effects::NONE)));
        let other_types = table.intern(b"select 1\0\0\x01\0\0\0\x17", Effects::NONE);
        assert_ne!(one.name, other_types.name);
        one.make_stale();
        assert_ne!(table.intern(b"select 1\0\0\0", Effects::NONE).name, one.name);
        assert!(looks_like_ours(&one.name) && !looks_like_ours(b"s1"));
    }

    #[test]
    fn statements_that_nobody_holds_are_forgotten() {
        let table = StatementTable::default();
        for i in 0..10_000 {
            table.intern(format!("select {i}\0\0\0").as_bytes(), Effects::NONE);
        }
        assert!(table.inner.lock().unwrap().by_hash.len() < 600);
    }

    #[test]
    fn the_one_used_longest_ago_makes_room() {
        let table = StatementTable::default();
        let statement = |i: u32| table.intern(&i.to_be_bytes(), Effects::NONE);
        let (a, b, c) = (statement(1), statement(2), statement(3));
        let mut prepared = Prepared::default();
        assert!(!prepared.touch(a.id));
        assert!(prepared.add(Arc::clone(&a), 2).is_none());
        assert!(prepared.add(Arc::clone(&b), 2).is_none());
        assert!(prepared.touch(a.id));
        assert_eq!(prepared.add(c, 2).unwrap().id, b.id);
        assert!(prepared.touch(a.id) && !prepared.touch(b.id));
    }
}
