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

/// A name and a value.
pub(super) type Entry = (Box<[u8]>, Box<[u8]>);

/// Settings in a set. PostgreSQL reports fifteen.
pub(super) const MOST: usize = 1000;

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

    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// Those that the origin does not report.
    pub(super) fn untracked(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.iter().filter(|(name, _)| tracked(name).is_none())
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

/// Kinds of connections of which it is remembered what they report.
const KINDS: usize = 256;

/// A set, and what the connection reported that was opened with it last.
type Reported = (Arc<Params>, Arc<Params>);

/// All sets in use.
#[derive(Debug)]
pub(super) struct ParamTable {
    hasher: RandomState,
    sets: Mutex<HashMap<u64, Vec<Weak<Params>>>>,
    /// The set without anything in it.
    pub(super) plain: Arc<Params>,
    /// What the connection reported that was opened last with a set, by the address of that set, which is held so that
    /// no other gets it.
    reported: Mutex<HashMap<usize, Reported>>,
}

impl Default for ParamTable {
    fn default() -> Self {
        let mut table = Self {
            hasher: RandomState::default(),
            sets: Mutex::default(),
            plain: Arc::new(Params(Vec::new())),
            reported: Mutex::default(),
        };
        table.plain = table.intern([]);
        table
    }
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

    /// What a connection has that is opened with this set; `None` if it is not known.
    pub(super) fn reported(&self, opened_with: &Arc<Params>) -> Option<Arc<Params>> {
        let reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.get(&(Arc::as_ptr(opened_with) as usize)).map(|(_, params)| Arc::clone(params))
    }

    pub(super) fn set_reported(&self, opened_with: &Arc<Params>, params: &Arc<Params>) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.len() >= KINDS {
            reported.retain(|_, (set, _)| Arc::ptr_eq(set, &self.plain));
        }
        let address = Arc::as_ptr(opened_with) as usize;
        reported.insert(address, (Arc::clone(opened_with), Arc::clone(params)));
    }

    /// Another origin may be of another version.
    pub(super) fn forget_reported(&self) {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// `set` with one value changed. `None` if that is one too many.
    pub(super) fn with(&self, set: &Arc<Params>, name: &[u8], value: &[u8]) -> Option<Arc<Params>> {
        match set.get(name) {
            Some(old) if old == value => return Some(Arc::clone(set)),
            None if set.0.len() >= MOST => return None,
            _ => {}
        }
        Some(self.intern(set.0.iter().cloned().chain([(name.into(), value.into())])))
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
        let three = table.with(&one, b"TimeZone", b"CET").unwrap();
        assert!(!Arc::ptr_eq(&one, &three));
        assert!(Arc::ptr_eq(&one, &table.with(&three, b"TimeZone", b"UTC").unwrap()));
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
