//! Whose SQL runs on this thread just now.

use std::cell::RefCell;
use std::time::Instant;

/// What the authorizer saw in the statements prepared since [`seen`] was last called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one observation, and any of them can come together"
)]
pub struct Seen {
    /// Reads what only the writer's connection knows, such as `last_insert_rowid()`.
    pub connection_state: bool,
    /// Sets or runs a PRAGMA that has an effect on the connection.
    pub pragma: bool,
    /// Creates, alters or drops something.
    pub schema: bool,
    /// Was refused for `BEGIN`, `COMMIT`, `SAVEPOINT` and the like.
    pub transaction: bool,
    /// Was refused for a table that this SQLite has and Cloudflare's has not.
    pub hidden: Option<&'static str>,
}

struct Scope {
    until: Instant,
    seen: Seen,
}

thread_local! {
    // The authorizer and the progress handler run on the thread that prepares or steps a statement.
    static SCOPE: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// Runs `work`, in which all SQL is a user's, and interrupts its statements after `until`.
pub fn as_user<T>(until: Instant, work: impl FnOnce() -> T) -> T {
    let outer = SCOPE.replace(Some(Scope { until, seen: Seen::default() }));
    let _restore = Restore(outer);
    work()
}

/// Also when `work` panics.
struct Restore(Option<Scope>);

impl Drop for Restore {
    fn drop(&mut self) {
        SCOPE.replace(self.0.take());
    }
}

/// What the authorizer saw since [`as_user`] began or this was last called.
pub fn seen() -> Seen {
    SCOPE.with_borrow_mut(|scope| scope.as_mut().map(|s| std::mem::take(&mut s.seen)).unwrap_or_default())
}

/// Runs `note` with the notes of the user's scope; `None` when the SQL is our own.
pub(super) fn noting<T>(note: impl FnOnce(&mut Seen) -> T) -> Option<T> {
    SCOPE.with_borrow_mut(|scope| scope.as_mut().map(|s| note(&mut s.seen)))
}

pub(super) fn is_past_deadline() -> bool {
    SCOPE.with_borrow(|scope| scope.as_ref().is_some_and(|s| Instant::now() >= s.until))
}
