use rusqlite::Connection;
use rusqlite::limits::Limit;

/// How large a user's statements and what they make may be. The defaults are Cloudflare's: what its documents
/// say, and, where they say nothing, what its runtime sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a text, a BLOB or a row. A temporary table or a sort may take a thousand times that on disk.
    pub value_length: u32,
    /// Bytes of a statement.
    pub sql_length: u32,
    /// Columns of a table or a result.
    pub columns: u32,
    pub expression_depth: u32,
    /// Terms of `UNION`, `INTERSECT` and `EXCEPT` in one statement.
    pub compound_terms: u32,
    /// Bytes of a pattern for `LIKE` and `GLOB`.
    pub pattern_length: u32,
    pub parameters: u32,
    /// Arguments of a function.
    pub arguments: u32,
    pub trigger_depth: u32,
    /// Instructions of a compiled statement.
    pub instructions: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            value_length: 2_000_000,
            sql_length: 100_000,
            columns: 100,
            expression_depth: 100,
            compound_terms: 5,
            pattern_length: 50,
            parameters: 100,
            arguments: 127,
            trigger_depth: 10,
            instructions: 25_000,
        }
    }
}

impl Limits {
    pub(super) fn set(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_LENGTH, self.value_length),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, self.sql_length),
            (Limit::SQLITE_LIMIT_COLUMN, self.columns),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, self.expression_depth),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, self.compound_terms),
            (Limit::SQLITE_LIMIT_VDBE_OP, self.instructions),
            (Limit::SQLITE_LIMIT_FUNCTION_ARG, self.arguments),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, self.pattern_length),
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, self.parameters),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, self.trigger_depth),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            // What SQLite itself can do is less than this type can say.
            connection.set_limit(limit, i32::try_from(value).unwrap_or(i32::MAX))?;
        }
        Ok(())
    }
}
