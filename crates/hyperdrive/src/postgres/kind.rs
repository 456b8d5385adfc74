//! What a connection is opened with, and whom it can serve.

use std::sync::Arc;

use super::params::{Entry, Params, tracked};
use crate::pool::Fit;

/// The settings of a startup packet: what `RESET` gives on a connection that was opened with them.
///
/// `application_name` is not among them: it is a client's own, and clients that differ in nothing else can share
/// connections.
#[derive(Clone, Debug)]
pub struct Kind {
    pub(super) settings: Arc<Params>,
    /// Of what is wanted: nothing else will do, as the client keeps the connection and may reset its settings.
    pub(super) exact: bool,
}

impl Kind {
    pub(super) fn fit(&self, wanted: &Self) -> Fit {
        if Arc::ptr_eq(&self.settings, &wanted.settings) {
            Fit::Exact
        } else if !wanted.exact && self.settings.untracked().all(|(name, _)| wanted.settings.has(name)) {
            // Everything that is different can be set. What a setting would be if nobody had set it is not known.
            Fit::Usable
        } else {
            Fit::No
        }
    }
}

/// The settings in a startup packet that make its kind, under one spelling of their names.
pub(super) fn of_startup(asked: &[Entry]) -> impl Iterator<Item = Entry> + '_ {
    asked.iter().filter_map(|(name, value)| {
        let known = tracked(name);
        if known == Some(b"application_name") || (known == Some(b"client_encoding") && is_utf8(value)) {
            return None;
        }
        let name = known.map_or_else(|| name.to_ascii_lowercase().into(), Box::from);
        Some((name, value.clone()))
    })
}

/// The encoding that connections are opened with anyway, in one of the ways to write it.
fn is_utf8(encoding: &[u8]) -> bool {
    let letters = encoding.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase);
    let letters: Vec<u8> = letters.collect();
    letters == b"utf8" || letters == b"unicode"
}

#[cfg(test)]
mod tests {
    use super::super::params::ParamTable;
    use super::*;

    fn kind(table: &ParamTable, settings: &[(&str, &str)], exact: bool) -> Kind {
        let asked: Vec<_> =
            settings.iter().map(|(n, v)| (n.as_bytes().into(), v.as_bytes().into())).collect();
        Kind { settings: table.intern(of_startup(&asked)), exact }
    }

    #[test]
    fn a_connection_serves_others_if_all_it_was_opened_with_can_be_set_for_them() {
        let table = ParamTable::default();
        let plain = kind(&table, &[("application_name", "x"), ("client_encoding", "'utf-8'")], false);
        let path = kind(&table, &[("Search_Path", "a"), ("timezone", "UTC")], false);
        let other = kind(&table, &[("search_path", "b"), ("work_mem", "1MB")], false);
        assert!(plain.settings.is_empty());
        assert_eq!(path.fit(&path), Fit::Exact);
        assert_eq!((plain.fit(&path), path.fit(&plain)), (Fit::Usable, Fit::No));
        assert_eq!((path.fit(&other), other.fit(&path)), (Fit::Usable, Fit::No));
        let zone = kind(&table, &[("TimeZone", "UTC")], false);
        assert_eq!(zone.fit(&plain), Fit::Usable);
        let exact = Kind { exact: true, ..plain.clone() };
        assert_eq!((zone.fit(&exact), plain.fit(&exact)), (Fit::No, Fit::Exact));
        assert!(Arc::ptr_eq(&kind(&table, &[("TIMEZONE", "UTC")], false).settings, &zone.settings));
    }
}
