use rusqlite::{Statement, StatementStatus};

/// Rows and index entries that a statement has read and written, counted by SQLite where Cloudflare's counts
/// them. The build in `vendor/libsqlite3-sys` keeps them in the slots of two counters of the stock one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub read: u64,
    pub written: u64,
}

impl Counts {
    /// What `statement` has done since this was last asked.
    pub fn take(statement: &Statement<'_>) -> Self {
        let take = |status| u64::from(statement.reset_status(status).cast_unsigned());
        Self { read: take(StatementStatus::FilterMiss), written: take(StatementStatus::FilterHit) }
    }
}
