//! One database: which connection a request runs on, and what its failure is called.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use selvedge_base::SharedClock;
use selvedge_sqlite::history::Seen;
use selvedge_sqlite::{HistoryOptions, Keep, Options, Schema, WriteError};

use crate::bookmark::Bookmarks;
use crate::insights::{Insight, InsightQuery, Insights};
use crate::plan::{Plans, Route, is_risky};
use crate::replicas::{Copy, Replicas, Served};
use crate::run::{Effects, Run, State, Stop, state};
use crate::split::split;
use crate::wait::{Begun, Places};
use crate::{Answer, Format, Limits, Outcome, QueryError, Result, Settings, Statement};

/// How long a read may hold up the thread that also serves other requests. Longer ones are started again on a
/// thread of their own, and the next time they go there at once.
const HERE: Duration = Duration::from_millis(1);

/// All tables are the user's.
static SCHEMA: Schema = Schema {
    kind: "D1 database",
    // "SvD1"
    application_id: 0x5376_4431,
    steps: &[""],
};

/// What the history of the database at `path` is opened with. It lies beside it.
pub(crate) fn history_options(path: &Path, clock: &SharedClock, keep: Keep) -> HistoryOptions {
    HistoryOptions { directory: path.with_file_name("log"), clock: Arc::clone(clock), keep }
}

/// A D1 database. Clones share it.
#[derive(Clone, Debug)]
pub struct Database {
    database: selvedge_sqlite::Database,
    shared: Arc<Shared>,
}

/// What the jobs on the writer's thread need too.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plans: Plans,
    insights: Insights,
    pub(crate) limits: Limits,
    pub(crate) bookmarks: Bookmarks,
    /// Bytes of a page of the file.
    page_size: AtomicU64,
    pub(crate) replicas: Replicas,
    /// Requests that read, or wait to.
    reading: Places,
    /// Sessions that wait for a replica.
    waiting: Places,
    /// Requests that the writer has run, in the order in which it ran them.
    ran: AtomicU64,
    /// Of the writer's connection, which keeps it also when an insert is undone.
    last_row_id: AtomicI64,
    /// What is committed.
    committed: Mutex<Committed>,
    /// The schema has something for which [`is_risky`] looks.
    risky_schema: AtomicBool,
}

/// The database after some request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Committed {
    commits: u64,
    state: State,
    schema: bool,
}

#[derive(Debug)]
struct Request {
    statements: Vec<Statement>,
    format: Format,
    until: Instant,
}

impl Database {
    /// Opens the file at `path`, creating it when missing. Blocks.
    pub(crate) fn open(
        path: &Path,
        clock: &SharedClock,
        limits: Limits,
        settings: &Settings,
    ) -> Result<Self> {
        let options = Options {
            readers: limits.readers.max(1),
            queue: limits.queue,
            policy: Some(limits.sql),
            ..Options::new(&SCHEMA)
        };
        let database = if settings.history {
            let keep = Keep { retention: settings.retention, ..Keep::default() };
            let history = history_options(path, clock, keep);
            selvedge_sqlite::Database::open_with_history(path, options, history)?
        } else {
            selvedge_sqlite::Database::open(path, options)?
        };
        let bookmarks = Bookmarks::new(database.history(), &**clock);
        let replicas = Replicas::new(path.with_file_name("replicas"), options, Arc::clone(clock));
        let shared = Shared {
            plans: Plans::default(),
            insights: Insights::new(),
            limits,
            bookmarks,
            page_size: AtomicU64::new(0),
            replicas,
            reading: Places::default(),
            waiting: Places::default(),
            ran: AtomicU64::new(0),
            last_row_id: AtomicI64::new(0),
            committed: Mutex::new(Committed::default()),
            risky_schema: AtomicBool::new(false),
        };
        Ok(Self { database, shared: Arc::new(shared) })
    }

    /// Makes a D1 database at `to` of any SQLite database. Blocks.
    pub(crate) fn adopt(from: &Path, to: &Path) -> Result<(), selvedge_sqlite::Error> {
        selvedge_sqlite::adopt(from, to, &SCHEMA, |copy| {
            let mut theirs = copy.prepare(
                "SELECT 'DROP TABLE \"' || name || '\"' FROM sqlite_schema
                 WHERE type = 'table' AND name LIKE '\\_cf\\_%' ESCAPE '\\'",
            )?;
            let theirs = theirs.query_map([], |row| row.get(0))?;
            let theirs: Vec<String> = theirs.collect::<rusqlite::Result<_>>()?;
            theirs.iter().try_for_each(|drop| copy.execute_batch(drop))
        })
    }

    /// Sets what needs the open database: its size limit and what its schema is like. Also when a restore has
    /// made it another.
    pub(crate) async fn begin(&self) -> Result<(), selvedge_sqlite::Error> {
        let pages = i64::try_from(self.shared.limits.database_size / 4096).unwrap_or(i64::MAX);
        let begun = self.database.write(move |writer| {
            writer.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
            let mut tables = writer.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
            let mut tables = tables.query([])?;
            let mut risky = false;
            while let Some(row) = tables.next()? {
                risky |= row.get_ref(0)?.as_str().is_ok_and(is_risky);
            }
            let page_size: i64 = writer.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let page_size = page_size.unsigned_abs();
            Ok::<_, rusqlite::Error>((risky, page_size, state(writer, page_size)?))
        });
        let (risky, page_size, state) = begun.await.map_err(|error| match error {
            WriteError::Job(error) => error.into(),
            WriteError::Database(error) => error,
        })?;
        self.shared.risky_schema.store(risky, Ordering::Relaxed);
        self.shared.page_size.store(page_size, Ordering::Relaxed);
        let commits = self.shared.ran.load(Ordering::Relaxed);
        self.shared.commit(Committed { commits, state, schema: true });
        Ok(())
    }

    /// Runs `statements` in one transaction: all of them, or, when one fails, none. An answer means that what
    /// was written is on the disk.
    ///
    /// `session` is the token of the session that asks: `first-primary`, `first-unconstrained` or a bookmark.
    /// Without one, and for whatever writes, the primary answers. A session's read may come from a replica:
    /// from any, as it is, for `first-unconstrained`; from one that has the bookmark, once it does, for a bookmark.
    /// The answer carries a bookmark if a token was given and is not blank.
    pub async fn query(
        &self,
        statements: Vec<Statement>,
        format: Format,
        session: Option<&str>,
    ) -> Result<Answer, QueryError> {
        let Shared { bookmarks, replicas, limits, plans, .. } = &*self.shared;
        let token = session.filter(|token| !token.trim().is_empty());
        let route = plans.route(&statements);
        let until = Instant::now() + limits.request_time;
        let request = Arc::new(Request { statements, format, until });
        if let (Some(token), true) = (token, replicas.are_some())
            && plans.seem_to_read(&request.statements)
            && let Some(answer) = self.read_replica(token, route, &request).await?
        {
            return Ok(answer);
        }
        // A read sees at least what was committed before it began.
        let commits = self.shared.committed().commits;
        let read = if route == Route::Writer {
            Err(Stop::NeedsWriter)
        } else {
            let primary = Copy::Primary(self.database.clone(), replicas.primary());
            self.read(&primary, route, &request).await.map(|(outcomes, _)| outcomes)
        };
        let (outcomes, bookmark) = match read {
            Ok(outcomes) => (outcomes, token.map(|_| bookmarks.after_read(commits))),
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::NeedsWriter) => {
                let (outcomes, committed) = self.write(&request).await?;
                (outcomes, token.map(|_| bookmarks.after_write(committed.commits)))
            }
        };
        Ok(Answer { outcomes, bookmark })
    }

    /// Runs every statement of `script` in one transaction; they take no parameters.
    pub async fn exec(&self, script: &str) -> Result<Answer, QueryError> {
        let statements = split(script).into_iter().map(|piece| Statement::new(piece.sql)).collect();
        self.query(statements, Format::Objects, None).await
    }

    /// The statements that cost the most since the database was opened.
    pub fn insights(&self, wanted: InsightQuery) -> Vec<Insight> {
        self.shared.insights.top(wanted)
    }

    /// `None` when the primary is to answer.
    async fn read_replica(
        &self,
        token: &str,
        route: Route,
        request: &Arc<Request>,
    ) -> Result<Option<Answer>, QueryError> {
        let Shared { bookmarks, replicas, .. } = &*self.shared;
        let position = |bookmark: &str| bookmarks.position(bookmark);
        let place = self.shared.waiting.enter(self.shared.limits.queue)?;
        let chosen = replicas.choose(token, position, self.database.history(), request.until).await;
        drop(place);
        let Some(chosen) = chosen else { return Ok(None) };
        match self.read(&Copy::Replica(chosen.clone()), route, request).await {
            Ok((outcomes, position)) => Ok(Some(Answer { outcomes, bookmark: Some(bookmarks.at(position)) })),
            Err(Stop::Failed(error)) if error.is_of_the_copy() => {
                chosen.distrust();
                Ok(None)
            }
            Err(Stop::Failed(error)) => Err(error),
            // It writes after all, or the replica does not know yet what it is about.
            Err(Stop::NeedsWriter) => Ok(None),
        }
    }

    /// What `copy` answers, and, of a replica, the position that it had.
    async fn read(
        &self,
        copy: &Copy,
        route: Route,
        request: &Arc<Request>,
    ) -> Result<(Vec<Outcome>, u64), Stop> {
        let _place = self.shared.reading.enter(self.shared.limits.queue)?;
        if route == Route::Here {
            self.read_here(copy, request).await
        } else {
            self.read_apart(copy, request).await
        }
    }

    async fn read_here(&self, copy: &Copy, request: &Arc<Request>) -> Result<(Vec<Outcome>, u64), Stop> {
        let begun = Begun::default();
        let here = |reader: &Connection| {
            begun.set();
            let until = Instant::now() + HERE;
            self.shared.read(reader, request, until.min(request.until), copy.served())
        };
        let read = begun.in_time(request.until, copy.read(here)).await?.map_err(QueryError::from)?;
        let Seen { value, position } = read.ok_or(Stop::NeedsWriter)?;
        if matches!(value, Err(Stop::Failed(QueryError::Timeout))) && Instant::now() < request.until {
            self.shared.plans.found_slow(&request.statements, true);
            return self.read_apart(copy, request).await;
        }
        Ok((value?, position))
    }

    async fn read_apart(&self, copy: &Copy, request: &Arc<Request>) -> Result<(Vec<Outcome>, u64), Stop> {
        let begun = Begun::default();
        let job = {
            let (shared, request, begun) = (Arc::clone(&self.shared), Arc::clone(request), begun.clone());
            let served = copy.served();
            move |reader: &Connection| {
                begun.set();
                let started = Instant::now();
                let read = shared.read(reader, &request, request.until, served);
                shared.plans.found_slow(&request.statements, started.elapsed() > HERE / 2);
                read
            }
        };
        let read = begun.in_time(request.until, copy.read_long(job)).await?.map_err(QueryError::from)?;
        let Seen { value, position } = read.ok_or(Stop::NeedsWriter)?;
        Ok((value?, position))
    }

    async fn write(&self, request: &Arc<Request>) -> Result<(Vec<Outcome>, Committed), QueryError> {
        let begun = Begun::default();
        let job = {
            let (shared, request, begun) = (Arc::clone(&self.shared), Arc::clone(request), begun.clone());
            move |writer: &Connection| {
                begun.set();
                shared.run(writer, request.format, request.until, |run| {
                    run.request(&request.statements).map_err(Stop::on_writer)
                })
            }
        };
        let alone = self.shared.risky_schema.load(Ordering::Relaxed)
            || self.shared.plans.is_risky(&request.statements);
        let ran = begun.in_time(request.until, self.run_on_writer(alone, job)).await?;
        ran.map_err(|error| match error {
            WriteError::Job(error) => error,
            WriteError::Database(error) => QueryError::from_commit(error),
        })
    }

    /// Runs a job made with [`Shared::run`] on the writer and makes known what it committed.
    pub(crate) async fn run_on_writer<T: Send + 'static, E: Send + 'static>(
        &self,
        alone: bool,
        job: impl FnOnce(&Connection) -> Result<(T, Committed), E> + Send + 'static,
    ) -> Result<(T, Committed), WriteError<E>> {
        let (value, committed) = if alone {
            self.database.try_write_alone(job).await?
        } else {
            self.database.try_write(job).await?
        };
        self.shared.commit(committed);
        Ok((value, committed))
    }

    /// The schema may become any other: nothing that was learnt of it holds.
    pub(crate) fn forget_schema(&self) {
        self.shared.risky_schema.store(true, Ordering::Relaxed);
        self.shared.plans.forget();
    }

    pub(crate) fn storage(&self) -> &selvedge_sqlite::Database {
        &self.database
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    /// Runs a request on a reader. Of several statements all see the same state.
    fn read(
        &self,
        reader: &Connection,
        request: &Request,
        until: Instant,
        served: Served,
    ) -> Result<Vec<Outcome>, Stop> {
        if Instant::now() >= request.until {
            return Err(QueryError::QueuedTooLong.into());
        }
        let last_row_id = self.last_row_id.load(Ordering::Relaxed);
        let page_size = self.page_size.load(Ordering::Relaxed);
        let known = if served.primary {
            State { last_row_id, ..self.committed().state }
        } else {
            // How large the primary is says nothing about the copy.
            State { last_row_id, ..state(reader, page_size).map_err(QueryError::from_sqlite)? }
        };
        let run = Run {
            connection: reader,
            plans: &self.plans,
            insights: &self.insights,
            reader: Some(known),
            served,
            format: request.format,
            answer_size: self.limits.answer_size,
            page_size,
            until,
            effects: Effects::default(),
            known: Cell::new(None),
        };
        if self.plans.is_one_statement(&request.statements) {
            let outcomes = run.request(&request.statements);
            run.put_back().map_err(QueryError::from_sqlite)?;
            return outcomes;
        }
        let own = |sql: &str| -> Result<(), QueryError> {
            let mut statement = reader.prepare_cached(sql).map_err(QueryError::from_sqlite)?;
            statement.execute([]).map(drop).map_err(QueryError::from_sqlite)
        };
        own("BEGIN")?;
        let outcomes = run.request(&request.statements);
        // Some errors end the transaction by themselves.
        if !reader.is_autocommit() {
            own("COMMIT")?;
        }
        run.put_back().map_err(QueryError::from_sqlite)?;
        outcomes
    }

    /// Runs `work` on the writer, inside the transaction that its job has, and leaves the connection as it was.
    pub(crate) fn run<T, E: From<QueryError>>(
        &self,
        writer: &Connection,
        format: Format,
        until: Instant,
        work: impl FnOnce(&Run<'_>) -> Result<T, E>,
    ) -> Result<(T, Committed), E> {
        if Instant::now() >= until {
            return Err(QueryError::QueuedTooLong.into());
        }
        let run = self.on_writer(writer, format, until);
        let ran = work(&run);
        self.last_row_id.store(writer.last_insert_rowid(), Ordering::Relaxed);
        run.put_back().map_err(QueryError::from_sqlite)?;
        if run.effects.risky_schema.get() {
            self.risky_schema.store(true, Ordering::Relaxed);
        }
        let schema = run.effects.schema.get();
        if schema {
            // And again after the commit, for what readers learn until then; this is for a caller that goes away.
            self.plans.forget();
        }
        let value = ran?;
        let state = run.end_state()?;
        let committed = Committed { commits: self.ran.fetch_add(1, Ordering::Relaxed) + 1, state, schema };
        Ok((value, committed))
    }

    pub(crate) fn on_writer<'a>(&'a self, writer: &'a Connection, format: Format, until: Instant) -> Run<'a> {
        Run {
            connection: writer,
            plans: &self.plans,
            insights: &self.insights,
            reader: None,
            served: self.replicas.primary(),
            format,
            answer_size: self.limits.answer_size,
            page_size: self.page_size.load(Ordering::Relaxed),
            until,
            effects: Effects::default(),
            known: Cell::new(None),
        }
    }

    fn committed(&self) -> Committed {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, new: Committed) {
        if new.schema {
            self.plans.forget();
        }
        let mut last = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        // Answers of one group may be taken in any order.
        if new.commits >= last.commits {
            *last = new;
        }
    }
}
