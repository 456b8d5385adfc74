//! What is known about the texts that come again and again: where they may run and what they need.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use selvedge_sqlite::policy::Seen;

use crate::Statement;
use crate::insights::Tally;
use crate::split::split;

/// Texts that are remembered. When more come, all are forgotten and learnt anew.
const TEXTS: usize = 1024;
/// Longer texts are not remembered; they are bulk inserts with the values in them, and do not come again.
const TEXT_LENGTH: usize = 8 * 1024;

/// What one statement needs. A statement that has a plan was prepared as a user's and found allowed.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one property, and any of them can come together")]
pub(crate) struct Plan {
    /// It writes, or asks for what only the writer's connection knows.
    pub(crate) on_writer: bool,
    /// It may set something on the connection that has to be set back.
    pub(crate) pragma: bool,
    pub(crate) schema: bool,
    /// See [`is_risky`].
    pub(crate) risky: bool,
    /// Where its runs are counted.
    pub(crate) tally: Arc<Tally>,
    /// It did not finish in the time a read may take on a thread that others need.
    slow: AtomicBool,
}

impl Plan {
    pub(crate) fn new(sql: &str, readonly: bool, seen: Seen, tally: Arc<Tally>) -> Self {
        Self {
            on_writer: !readonly || seen.connection_state || seen.pragma,
            pragma: seen.pragma,
            schema: seen.schema,
            risky: is_risky(sql),
            tally,
            slow: AtomicBool::new(false),
        }
    }
}

/// True for SQL that can fail or undo more than itself: a constraint that is checked at the commit, or a
/// conflict that rolls back the whole transaction. It must not share a transaction with other requests. Both
/// need a keyword that cannot be written any other way; that a string may have the same word only costs time.
pub(crate) fn is_risky(sql: &str) -> bool {
    ["defer", "rollback"].iter().any(|word| {
        sql.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// A guess from the words of one statement. `WITH` may lead to anything.
fn seems_to_read(sql: &str) -> bool {
    let mut words =
        sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let is_one_of = |word: &str, of: &[&str]| of.iter().any(|one| one.eq_ignore_ascii_case(word));
    let Some(first) = words.next() else { return true };
    let writes = |word: &str| is_one_of(word, &["insert", "update", "delete", "replace"]);
    is_one_of(first, &["select", "values", "explain"]) || (is_one_of(first, &["with"]) && !words.any(writes))
}

/// What a text turned out to be.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// Comments.
    Nothing,
    /// One statement, at that place in the text.
    One(Range<usize>, Arc<Plan>),
    /// Several; true when one of them needs the writer.
    Several(bool),
}

/// Where a request is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// It reads, as far as is known, and quickly.
    Here,
    /// It reads and has been slow.
    Apart,
    Writer,
}

#[derive(Debug, Default)]
pub(crate) struct Plans(Mutex<HashMap<Box<str>, Known>>);

impl Plans {
    pub(crate) fn get(&self, sql: &str) -> Option<Known> {
        self.lock().get(sql).cloned()
    }

    pub(crate) fn remember(&self, sql: &str, known: Known) {
        if sql.len() > TEXT_LENGTH {
            return;
        }
        let mut texts = self.lock();
        if texts.len() >= TEXTS {
            texts.clear();
        }
        texts.insert(sql.into(), known);
    }

    /// After the schema has changed: a view may stand for something else now.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    pub(crate) fn route(&self, statements: &[Statement]) -> Route {
        let texts = self.lock();
        let mut route = Route::Here;
        for statement in statements {
            match texts.get(statement.sql.as_str()) {
                Some(Known::Several(true)) => return Route::Writer,
                Some(Known::One(_, plan)) if plan.on_writer => return Route::Writer,
                Some(Known::One(_, plan)) if plan.slow.load(Ordering::Relaxed) => route = Route::Apart,
                _ => {}
            }
        }
        route
    }

    /// Whether these read, as far as can be told without asking SQLite. Who writes must not wait for a replica.
    pub(crate) fn seem_to_read(&self, statements: &[Statement]) -> bool {
        let seems = |statement: &Statement| match self.get(&statement.sql) {
            Some(Known::Nothing) => true,
            Some(Known::One(_, plan)) => !plan.on_writer,
            Some(Known::Several(on_writer)) => !on_writer,
            None => split(&statement.sql).iter().all(|piece| seems_to_read(piece.sql)),
        };
        statements.iter().all(seems)
    }

    /// False when that is not known.
    pub(crate) fn is_one_statement(&self, statements: &[Statement]) -> bool {
        matches!(statements, [one] if matches!(self.lock().get(one.sql.as_str()), Some(Known::One(..))))
    }

    pub(crate) fn is_risky(&self, statements: &[Statement]) -> bool {
        let texts = self.lock();
        statements.iter().any(|statement| match texts.get(statement.sql.as_str()) {
            Some(Known::One(_, plan)) => plan.risky,
            _ => is_risky(&statement.sql),
        })
    }

    /// Remembers how long these took: they have just run.
    pub(crate) fn found_slow(&self, statements: &[Statement], slow: bool) {
        let texts = self.lock();
        for statement in statements {
            if let Some(Known::One(_, plan)) = texts.get(statement.sql.as_str()) {
                plan.slow.store(slow, Ordering::Relaxed);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_undo_more_than_itself_is_recognised_in_any_case() {
        assert!(is_risky("PRAGMA Defer_Foreign_Keys = on"));
        assert!(is_risky("insert or ROLLBACK into t values (1)"));
        assert!(!is_risky("INSERT INTO t VALUES (1)"));
    }

    #[test]
    fn who_seems_to_write_is_known_before_sqlite_has_seen_it() {
        let plans = Plans::default();
        let seem = |texts: &[&str]| {
            plans.seem_to_read(&texts.iter().map(|text| Statement::new(*text)).collect::<Vec<_>>())
        };
        for reads in [
            "SELECT 1",
            " -- first\n select(1)",
            "VALUES (1)",
            "with a as (select 1) select * from a",
            "select 1; explain delete from t",
            "-- nothing",
        ] {
            assert!(seem(&[reads]), "{reads}");
        }
        for writes in [
            "INSERT INTO t VALUES (1)",
            "/* x */ update t set n = 1",
            "select 1; drop table t",
            "PRAGMA table_info(t)",
        ] {
            assert!(!seem(&[writes]) && !seem(&["SELECT 1", writes]), "{writes}");
        }
        assert!(!seem(&["WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a"]));
        // What is known counts, not what it looks like.
        let seen = Seen { connection_state: true, ..Seen::default() };
        let tally = crate::insights::Insights::new().tally("SELECT changes()");
        let plan = Plan::new("SELECT changes()", true, seen, tally);
        plans.remember("SELECT changes()", Known::One(0..16, Arc::new(plan)));
        assert!(!seem(&["SELECT changes()"]));
    }

    #[test]
    fn old_texts_make_room_and_long_ones_are_not_kept() {
        let plans = Plans::default();
        for n in 0..TEXTS {
            plans.remember(&n.to_string(), Known::Nothing);
        }
        assert!(plans.get("0").is_some());
        plans.remember("one more", Known::Nothing);
        assert!(plans.get("0").is_none() && plans.get("one more").is_some());
        let long = "x".repeat(TEXT_LENGTH + 1);
        plans.remember(&long, Known::Nothing);
        assert!(plans.get(&long).is_none());
    }
}
