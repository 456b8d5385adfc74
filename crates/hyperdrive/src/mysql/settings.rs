//! What a client has set for its session, and how a connection gets it too.

use std::sync::{Arc, LazyLock};

/// What every session starts with: after a reset the server's own default would stand.
pub(super) const FIRST: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci";

/// More of them are refused: each connection would have to be given all.
const MOST: usize = 64;
/// In bytes, all together.
const LONGEST: usize = 16 * 1024;

/// One SET statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The variable, in lower case.
    pub(super) name: Box<str>,
    pub(super) sql: Box<str>,
    /// The value is a constant, so that a later one takes its place.
    pub(super) constant: bool,
}

/// A client's settings, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings(Vec<Setting>);

static NONE: LazyLock<Arc<Settings>> = LazyLock::new(Arc::default);

impl Settings {
    pub(super) fn none() -> Arc<Self> {
        Arc::clone(&NONE)
    }

    /// With these made later. `None`: they would be too many.
    pub(super) fn with(&self, later: &[Setting]) -> Option<Self> {
        let mut all = self.0.clone();
        for setting in later {
            // An expression may build on what the variable was.
            if setting.constant {
                all.retain(|earlier| earlier.name != setting.name);
            }
            if all.last() != Some(setting) {
                all.push(setting.clone());
            }
        }
        let bytes: usize = all.iter().map(|setting| setting.sql.len()).sum();
        (all.len() <= MOST && bytes <= LONGEST).then_some(Self(all))
    }

    /// The statements that are missing on a connection that has `others`; `None` if it has something else.
    pub(super) fn after<'a>(&'a self, others: &Self) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        let rest = self.0.strip_prefix(others.0.as_slice())?;
        Some(rest.iter().map(|setting| &*setting.sql))
    }

    /// What the client's texts are written in, as far as its settings tell.
    pub(super) fn charset(&self) -> &str {
        let names = self.0.iter().rev().find(|setting| &*setting.name == "names");
        names.map_or("utf8mb4", |names| {
            let mut words =
                names.sql.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
            let keyword = |word: &&str| {
                ["set", "names", "charset", "character"].iter().any(|k| word.eq_ignore_ascii_case(k))
            };
            words.find(|word| !keyword(word)).unwrap_or("")
        })
    }

    /// For a cache key: names and statements.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|setting| (&*setting.name, &*setting.sql))
    }
}

/// The collation that a number in a client's first packet stands for, as a SET NAMES; `None` for the one that every
/// session starts with and for those that not every server has.
pub(super) fn names_of(charset: u8) -> Option<Setting> {
    let (charset, collation) = match charset {
        8 => ("latin1", "latin1_swedish_ci"),
        11 => ("ascii", "ascii_general_ci"),
        33 => ("utf8", "utf8_general_ci"),
        46 => ("utf8mb4", "utf8mb4_bin"),
        63 => ("binary", "binary"),
        83 => ("utf8", "utf8_bin"),
        192 => ("utf8", "utf8_unicode_ci"),
        224 => ("utf8mb4", "utf8mb4_unicode_ci"),
        246 => ("utf8mb4", "utf8mb4_unicode_520_ci"),
        _ => return None,
    };
    let sql = format!("SET NAMES {charset} COLLATE {collation}").into();
    Some(Setting { name: "names".into(), sql, constant: true })
}

/// What the capability of that name does to a session, as a SET: many drivers ask for it.
pub(super) fn ignore_space() -> Setting {
    let sql = "SET sql_mode = CONCAT(@@sql_mode, ',IGNORE_SPACE')";
    Setting { name: "sql_mode".into(), sql: sql.into(), constant: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str, sql: &str, constant: bool) -> Setting {
        Setting { name: name.into(), sql: sql.into(), constant }
    }

    #[test]
    fn a_constant_replaces_and_an_expression_builds_on_what_was() {
        let first = Settings::default()
            .with(&[setting("a", "SET a = 1", true), setting("b", "SET b = 1", true)])
            .unwrap();
        let second = first.with(&[setting("a", "SET a = 2", true)]).unwrap();
        assert!(second.after(&first).is_none());
        assert_eq!(
            second.after(&Settings::default()).unwrap().collect::<Vec<_>>(),
            ["SET b = 1", "SET a = 2"]
        );
        let third = second.with(&[setting("a", "SET a = a + 1", false)]).unwrap();
        assert_eq!(third.after(&second).unwrap().collect::<Vec<_>>(), ["SET a = a + 1"]);
        assert_eq!(third.after(&third).unwrap().count(), 0);
    }

    #[test]
    fn they_are_bounded() {
        let mut settings = Settings::default();
        for n in 0..MOST {
            settings = settings.with(&[setting(&n.to_string(), "SET x = 1", true)]).unwrap();
        }
        assert!(settings.with(&[setting("one more", "SET x = 1", true)]).is_none());
        assert!(Settings::default().with(&[setting("a", &"x".repeat(LONGEST + 1), true)]).is_none());
    }
}
