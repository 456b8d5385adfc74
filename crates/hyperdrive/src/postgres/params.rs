//! The settings a client sees (`ParameterStatus`) and those it asked for when it connected.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Settings that a client may change and that the origin reports when they change. A client finds them as it left
/// them, on whichever connection.
pub(super) const TRACKED: [&[u8]; 6] = [
    b"client_encoding",
    b"DateStyle",
    b"TimeZone",
    b"IntervalStyle",
    b"standard_conforming_strings",
    b"application_name",
];

/// The canonical spelling of a tracked setting's name.
pub(super) fn tracked(name: &[u8]) -> Option<&'static [u8]> {
    TRACKED.into_iter().find(|tracked| tracked.eq_ignore_ascii_case(name))
}

type Entry = (Box<[u8]>, Box<[u8]>);

/// An immutable set of settings. Equal sets are the same allocation, so that ten thousand clients of one kind hold
/// one set, and comparing a client's with a connection's is comparing two addresses.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Params(Vec<Entry>);

impl Params {
    pub(super) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.0.iter().find(|(found, _)| **found == *name).map(|(_, value)| &**value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tracked settings that have other values here than in `other`, with the values here.
    pub(super) fn differences<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'static [u8], &'a [u8])> {
        TRACKED.into_iter().filter_map(move |name| {
            let value = self.get(name)?;
            (other.get(name) != Some(value)).then_some((name, value))
        })
    }
}

/// All sets in use.
#[derive(Debug, Default)]
pub(super) struct ParamTable {
    hasher: RandomState,
    sets: Mutex<HashMap<u64, Vec<Weak<Params>>>>,
    /// What the connection opened last reported.
    latest: Mutex<Option<Arc<Params>>>,
}

impl ParamTable {
    /// The set of these settings; of two with one name the later counts.
    pub(super) fn intern(&self, entries: impl IntoIterator<Item = Entry>) -> Arc<Params> {
        let mut sorted: Vec<Entry> = Vec::new();
        for entry in entries {
            match sorted.binary_search_by(|(name, _)| name.cmp(&entry.0)) {
                Ok(at) => sorted[at] = entry,
                Err(at) => sorted.insert(at, entry),
            }
        }
        let set = Params(sorted);
        let hash = self.hasher.hash_one(&set);
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = sets.entry(hash).or_default();
        if let Some(found) = alike.iter().filter_map(Weak::upgrade).find(|found| **found == set) {
            return found;
        }
        let set = Arc::new(set);
        alike.push(Arc::downgrade(&set));
        if sets.len() > 64 {
            sets.retain(|_, alike| {
                alike.retain(|set| set.strong_count() > 0);
                !alike.is_empty()
            });
        }
        set
    }

    /// What a new connection has; `None` if none was ever opened.
    pub(super) fn latest(&self) -> Option<Arc<Params>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_latest(&self, params: &Arc<Params>) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(params));
    }

    /// Another origin may be of another version.
    pub(super) fn forget_latest(&self) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// `set` with one value changed.
    pub(super) fn with(&self, set: &Arc<Params>, name: &[u8], value: &[u8]) -> Arc<Params> {
        if set.get(name) == Some(value) {
            return Arc::clone(set);
        }
        self.intern(set.0.iter().cloned().chain([(name.into(), value.into())]))
    }
}

/// Appends a statement that gives a setting its value, read as in a configuration file: `SET` would take a list for
/// one item.
pub(super) fn push_set(sql: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    sql.extend_from_slice(b"SELECT pg_catalog.set_config(");
    push_string(sql, name);
    sql.extend_from_slice(b", ");
    push_string(sql, value);
    sql.extend_from_slice(b", false); ");
}

/// A string that means the same whatever the origin makes of backslashes.
fn push_string(sql: &mut Vec<u8>, text: &[u8]) {
    if text.contains(&b'\\') {
        sql.push(b'E');
    }
    sql.push(b'\'');
    for &byte in text {
        if matches!(byte, b'\'' | b'\\') {
            sql.push(byte);
        }
        sql.push(byte);
    }
    sql.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, value: &str) -> Entry {
        (name.as_bytes().into(), value.as_bytes().into())
    }

    #[test]
    fn equal_sets_are_one() {
        let table = ParamTable::default();
        let one = table.intern([entry("TimeZone", "UTC"), entry("a", "1")]);
        let two = table.intern([entry("a", "0"), entry("TimeZone", "UTC"), entry("a", "1")]);
        assert!(Arc::ptr_eq(&one, &two));
        let three = table.with(&one, b"TimeZone", b"CET");
        assert!(!Arc::ptr_eq(&one, &three));
        assert!(Arc::ptr_eq(&one, &table.with(&three, b"TimeZone", b"UTC")));
        assert_eq!(three.differences(&one).collect::<Vec<_>>(), [(&b"TimeZone"[..], &b"CET"[..])]);
        assert_eq!(tracked(b"timezone"), Some(&b"TimeZone"[..]));
    }

    #[test]
    fn sets_that_nobody_holds_are_forgotten() {
        let table = ParamTable::default();
        for i in 0..1000 {
            table.intern([entry("application_name", &i.to_string())]);
        }
        assert!(table.sets.lock().unwrap().len() < 100);
    }

    #[test]
    fn no_value_gets_out_of_its_quotes() {
        let mut sql = Vec::new();
        push_set(&mut sql, b"my.'var", b"it's \\' odd");
        let expected = r"SELECT pg_catalog.set_config('my.''var', E'it''s \\'' odd', false); ";
        assert_eq!(String::from_utf8(sql).unwrap(), expected);
    }
}
