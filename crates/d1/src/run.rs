//! Running the statements of one request on one connection, inside a transaction that the caller made.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::{Connection, Statement as Prepared};
use selvedge_sqlite::policy::{self, Counts, Seen};

use crate::insights::Insights;
use crate::plan::{Known, Plan, Plans};
use crate::replicas::Served;
use crate::split::split;
use crate::{Format, Meta, Outcome, Param, QueryError, Statement, Timings, rows};

/// Why a run ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A reader found a statement that only the writer may run. Nothing has happened.
    NeedsWriter,
    Failed(QueryError),
}

impl From<QueryError> for Stop {
    fn from(error: QueryError) -> Self {
        Self::Failed(error)
    }
}

impl Stop {
    /// On the writer there is nowhere else to go.
    pub(crate) fn on_writer(self) -> QueryError {
        match self {
            Self::Failed(error) => error,
            Self::NeedsWriter => QueryError::Storage(selvedge_sqlite::Error::Closed),
        }
    }
}

/// Puts back what a user's PRAGMA may have set, as the connection is shared with all other requests.
const DEFAULTS: &str = "PRAGMA case_sensitive_like = 0; PRAGMA ignore_check_constraints = 0;
    PRAGMA legacy_alter_table = 0; PRAGMA recursive_triggers = 0; PRAGMA reverse_unordered_selects = 0;";

/// What only the writer's connection knows, for the answers of readers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct State {
    pub(crate) last_row_id: i64,
    /// Bytes of the pages that are in use, as Cloudflare counts.
    pub(crate) size: u64,
}

#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) plans: &'a Plans,
    pub(crate) insights: &'a Insights,
    /// `None` on the writer, which asks its connection.
    pub(crate) reader: Option<State>,
    pub(crate) served: Served,
    pub(crate) format: Format,
    pub(crate) answer_size: usize,
    /// Bytes of a page of the database.
    pub(crate) page_size: u64,
    pub(crate) until: Instant,
    pub(crate) effects: Effects,
    /// What the connection knew after the last request of this run.
    pub(crate) known: Cell<Option<State>>,
}

/// What the statements that ran, or began to run, may leave behind.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Settings of the connection.
    pub(crate) pragma: Cell<bool>,
    /// A new schema.
    pub(crate) schema: Cell<bool>,
    /// A schema that makes harmless statements risky.
    pub(crate) risky_schema: Cell<bool>,
}

impl Effects {
    fn expect(&self, plan: &Plan) {
        self.pragma.set(self.pragma.get() || plan.pragma);
        self.schema.set(self.schema.get() || plan.schema);
        self.risky_schema.set(self.risky_schema.get() || (plan.schema && plan.risky));
    }

    /// Adds what another run on the same connection left.
    pub(crate) fn also(&self, other: &Self) {
        for (mine, its) in [
            (&self.pragma, &other.pragma),
            (&self.schema, &other.schema),
            (&self.risky_schema, &other.risky_schema),
        ] {
            mine.set(mine.get() || its.get());
        }
    }
}

/// What running one piece of SQL gave.
struct Piece {
    rows: Vec<u8>,
    counts: Counts,
    on_writer: bool,
    plan: Arc<Plan>,
}

impl Run<'_> {
    /// Runs all of them, or fails at the first that fails.
    pub(crate) fn request(&self, statements: &[Statement]) -> Result<Vec<Outcome>, Stop> {
        let mut after = self.known.get().map_or_else(|| self.state(), Ok)?;
        let mut outcomes = Vec::with_capacity(statements.len());
        let mut size = 0;
        for statement in statements {
            let Some(outcome) = self.statement(statement, &mut after)? else { continue };
            size += outcome.rows.len();
            if size > self.answer_size {
                return Err(QueryError::AnswerTooLarge.into());
            }
            outcomes.push(outcome);
        }
        self.known.set(Some(after));
        if outcomes.is_empty() { Err(QueryError::NoStatements.into()) } else { Ok(outcomes) }
    }

    /// `None` for comments.
    fn statement(&self, statement: &Statement, state: &mut State) -> Result<Option<Outcome>, Stop> {
        let started = Instant::now();
        let changes = self.connection.total_changes();
        let before = *state;
        let Some(done) = self.pieces(statement)? else { return Ok(None) };
        let changes = self.connection.total_changes() - changes;
        if done.on_writer {
            *state = self.state()?;
        }
        let duration = started.elapsed().as_secs_f64() * 1000.0;
        let meta = Meta {
            served_by: self.served.by,
            served_by_region: self.served.region,
            served_by_primary: self.served.primary,
            total_attempts: 1,
            timings: Timings { sql_duration_ms: duration },
            duration,
            changes,
            last_row_id: state.last_row_id,
            changed_db: changes > 0 || before.last_row_id != state.last_row_id || before.size != state.size,
            size_after: state.size,
            rows_read: done.counts.read,
            rows_written: done.counts.written,
        };
        Ok(Some(Outcome { rows: done.rows, meta }))
    }

    fn pieces(&self, statement: &Statement) -> Result<Option<Piece>, Stop> {
        let Statement { sql, params } = statement;
        match self.plans.get(sql) {
            Some(Known::Nothing) => return Ok(None),
            Some(Known::One(range, plan)) => {
                return self.piece(&sql[range.clone()], range.start, Some(plan), params).map(Some);
            }
            Some(Known::Several(_)) | None => {}
        }
        let pieces = split(sql);
        let Some((last, others)) = pieces.split_last() else {
            self.plans.remember(sql, Known::Nothing);
            return Ok(None);
        };
        if others.is_empty() {
            let done = self.piece(last.sql, last.lead, None, params)?;
            let range = last.start..last.start + last.sql.len();
            self.plans.remember(sql, Known::One(range, Arc::clone(&done.plan)));
            return Ok(Some(done));
        }
        // Rows are counted for the last only, as Cloudflare does.
        let mut on_writer = false;
        for other in others {
            let done = self.piece(other.sql, other.lead, None, &[]).map_err(|stop| match stop {
                Stop::Failed(QueryError::Bindings) => QueryError::BindingsNotLast.into(),
                stop => stop,
            })?;
            on_writer |= done.on_writer;
        }
        let mut done = self.piece(last.sql, last.lead, None, params)?;
        done.on_writer |= on_writer;
        self.plans.remember(sql, Known::Several(done.on_writer));
        Ok(Some(done))
    }

    /// Runs one statement, which has `lead` bytes before it for errors to count. A text without a plan is prepared
    /// for this once and not kept: the cache of prepared statements also holds our own, so a user's text may only
    /// go there when it is known to be allowed.
    fn piece(
        &self,
        sql: &str,
        lead: usize,
        plan: Option<Arc<Plan>>,
        params: &[Param],
    ) -> Result<Piece, Stop> {
        let refused = |error| refused(error, lead);
        let reserved = self.reserved_names(sql)?;
        let (rows, counts, plan) = policy::as_user(self.until, || match plan {
            Some(plan) if plan.on_writer && self.reader.is_some() => Err(Stop::NeedsWriter),
            Some(plan) => {
                let mut prepared = match self.connection.prepare_cached(sql) {
                    Ok(prepared) => prepared,
                    // What the plan is of may not have come to a replica yet.
                    Err(_) if !self.served.primary => return Err(Stop::NeedsWriter),
                    Err(error) => return Err(refused(error).into()),
                };
                self.effects.expect(&plan);
                let (rows, counts) = self.checked_step(&mut prepared, params, &plan)?;
                Ok((rows, counts, plan))
            }
            None => {
                let mut prepared = match self.connection.prepare(sql) {
                    Ok(prepared) => prepared,
                    // A reader may not have heard of the schema that makes it right.
                    Err(_) if self.reader.is_some() => return Err(Stop::NeedsWriter),
                    Err(error) => return Err(refused(error).into()),
                };
                let seen = policy::seen();
                let plan = Arc::new(Plan::new(sql, prepared.readonly(), seen, self.insights.tally(sql)));
                // Some PRAGMAs have their effect when they are prepared.
                self.effects.expect(&plan);
                if plan.on_writer && self.reader.is_some() {
                    self.plans.remember(sql, Known::One(0..sql.len(), plan));
                    return Err(Stop::NeedsWriter);
                }
                let (rows, counts) = self.checked_step(&mut prepared, params, &plan)?;
                Ok((rows, counts, plan))
            }
        })?;
        if reserved != self.reserved_names(sql)? {
            return Err(QueryError::Sql("not authorized: SQLITE_AUTH".to_owned()).into());
        }
        Ok(Piece { rows, counts, on_writer: plan.on_writer, plan })
    }

    /// Runs it, and looks whether SQLite had to prepare it again: a connection hears of a new schema only when it
    /// runs a statement, and a view may have become one that a reader cannot answer.
    fn checked_step(
        &self,
        prepared: &mut Prepared<'_>,
        params: &[Param],
        plan: &Plan,
    ) -> Result<(Vec<u8>, Counts), Stop> {
        let started = Instant::now();
        let (rows, count, counts) = self.step(prepared, params)?;
        if self.reader.is_some() && policy::seen().connection_state {
            self.plans.forget();
            return Err(Stop::NeedsWriter);
        }
        plan.tally.add(started.elapsed(), count, counts);
        Ok((rows, counts))
    }

    /// The rows as JSON, how many they are, and what SQLite counted.
    fn step(
        &self,
        prepared: &mut Prepared<'_>,
        params: &[Param],
    ) -> Result<(Vec<u8>, u64, Counts), QueryError> {
        if prepared.parameter_count() != params.len() {
            return Err(QueryError::Bindings);
        }
        for (at, param) in params.iter().enumerate() {
            prepared.raw_bind_parameter(at + 1, param).map_err(QueryError::from_sqlite)?;
        }
        // A run that failed may have left some.
        Counts::take(prepared);
        let (rows, count) = rows::collect(prepared, self.format, self.answer_size)?;
        Ok((rows, count, Counts::take(prepared)))
    }

    /// See [`policy::reserved_names`]; 0 for everything but `ALTER`.
    fn reserved_names(&self, sql: &str) -> Result<i64, QueryError> {
        if sql.get(..5).is_none_or(|word| !word.eq_ignore_ascii_case("alter")) {
            return Ok(0);
        }
        policy::reserved_names(self.connection).map_err(QueryError::from_sqlite)
    }

    /// Undoes what the PRAGMAs of this request have set.
    pub(crate) fn put_back(&self) -> rusqlite::Result<()> {
        if self.effects.pragma.get() { self.connection.execute_batch(DEFAULTS) } else { Ok(()) }
    }

    fn state(&self) -> Result<State, QueryError> {
        match self.reader {
            Some(state) => Ok(state),
            None => state(self.connection, self.page_size).map_err(QueryError::from_sqlite),
        }
    }

    /// What the writer's connection knows at the end of the run.
    pub(crate) fn end_state(&self) -> Result<State, QueryError> {
        self.known.get().map_or_else(|| self.state(), Ok)
    }
}

/// What the writer's connection knows now.
pub(crate) fn state(writer: &Connection, page_size: u64) -> rusqlite::Result<State> {
    let number =
        |pragma| -> rusqlite::Result<i64> { writer.prepare_cached(pragma)?.query_row([], |row| row.get(0)) };
    let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
    Ok(State { last_row_id: writer.last_insert_rowid(), size: pages.unsigned_abs() * page_size })
}

/// The error of a statement that could not be prepared.
fn refused(error: rusqlite::Error, lead: usize) -> QueryError {
    match policy::seen() {
        Seen { transaction: true, .. } => QueryError::Transaction,
        Seen { hidden: Some(table), .. } => QueryError::Sql(format!("no such table: {table}: SQLITE_ERROR")),
        _ => QueryError::at(error, lead),
    }
}
