//! Holding a database and its history against each other and against their checksums, and mending each with what the
//! other has. Both may be in use meanwhile: readers and writers go on.

mod first_page;
mod pages;
mod segments;

use std::path::Path;
use std::sync::{Arc, PoisonError};

use rusqlite::{Connection, ErrorCode};
use selvedge_base::on_one_line;

pub use first_page::mend_first_page;

use super::History;
use super::error::{HistoryError, Result};
use super::log::Head;
use super::opening::snapshot_of;
use super::report::{CheckReport, Lost, Problem, ProblemKind};
use super::segment::Reader;
use super::view::View;
use crate::Database;
use crate::database::{Role, connect};

/// Complaints that are taken down of SQLite's own check.
const COMPLAINTS: usize = 20;

impl Database {
    /// Checks the database and its history; with `repair`, what one of them has lost is taken from the other.
    /// Nothing damaged is thrown away: it is kept in the log's directory, under `damaged`.
    pub async fn check(&self, repair: bool) -> Result<CheckReport> {
        let Some(history) = self.history().map(Arc::clone) else { return self.check_alone().await };
        let mut report = CheckReport::default();
        report.problems.append(&mut history.found.lock().unwrap_or_else(PoisonError::into_inner));

        // Before what is damaged of the log goes: it may still say what pages should be.
        let mut bad = self.check_pages(&history, &mut report).await?;
        let still = self.standstill(&history).await?;
        let mut report = blocking(&history, report, move |history, report| {
            history.shared.wait_copied(still.position)?;
            let damaged = history.check_segments(report)?;
            if repair { history.repair_segments(&still.connection, damaged, report) } else { Ok(()) }
        })
        .await?;
        if repair {
            // And with what the log is now.
            report.pages = 0;
            bad.extend(self.check_pages(&history, &mut report).await?);
            if !bad.is_empty() {
                self.repair_pages(&history, bad, &mut report).await?;
            }
        }
        let known =
            report.problems.iter().all(|problem| problem.kind != ProblemKind::Page || problem.repaired);
        let still = self.standstill(&history).await?;
        let reads = Arc::clone(self.long_reads());
        blocking(&history, report, move |history, report| {
            history.shared.wait_copied(still.position)?;
            let reading = reads.enter(&still.connection);
            let is_sound = check_database(&history.database, &still.connection, report)?;
            drop(reading);
            history.check_reach(&still, repair && is_sound && known, report)?;
            report.kept_aside = kept_aside(&history.log.directory);
            Ok(())
        })
        .await
    }

    /// Without a history there is SQLite's opinion, and nothing to repair from.
    async fn check_alone(&self) -> Result<CheckReport> {
        let path = self.path().to_owned();
        let checking = tokio::task::spawn_blocking(move || {
            let connection = connect(&path, Role::Reader { recorded: false })?;
            let mut report = CheckReport::default();
            check_database(&path, &connection, &mut report)?;
            Ok(report)
        });
        checking.await.map_err(|_| HistoryError::Closed)?
    }

    /// A connection that sees the database as it is now for as long as it is kept, and which commit that is.
    async fn standstill(&self, history: &Arc<History>) -> Result<Still> {
        let connect = Arc::clone(&history.connect_writer);
        let begun = self.apart(move |_, recorder| {
            let recorder = recorder.ok_or(HistoryError::Off)?;
            let connection = connect()?;
            connection.execute_batch("BEGIN")?;
            connection.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
            Ok(Still { connection, position: recorder.position() })
        });
        begun.await.map_err(|_| HistoryError::Closed)?
    }
}

async fn blocking(
    history: &Arc<History>,
    mut report: CheckReport,
    work: impl FnOnce(&History, &mut CheckReport) -> Result<()> + Send + 'static,
) -> Result<CheckReport> {
    let history = Arc::clone(history);
    let working = tokio::task::spawn_blocking(move || work(&history, &mut report).map(|()| report));
    working.await.map_err(|_| HistoryError::Closed)?
}

struct Still {
    connection: Connection,
    position: u64,
}

/// SQLite's own opinion.
fn check_database(database: &Path, connection: &Connection, report: &mut CheckReport) -> Result<bool> {
    let complaints = (|| {
        let mut check = connection.prepare(&format!("PRAGMA integrity_check({COMPLAINTS})"))?;
        let lines = check.query_map([], |row| row.get(0))?;
        lines.collect::<rusqlite::Result<Vec<String>>>()
    })();
    let complaints = match complaints {
        Ok(complaints) => complaints,
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            return Err(error.into());
        }
        Err(error) => vec![on_one_line(&error)],
    };
    let is_sound = complaints == ["ok"];
    if !is_sound {
        let problems = complaints.into_iter().map(|line| {
            let what = format!("SQLite says: {}", line.replace('\n', " "));
            Problem::new(ProblemKind::Database, database, what)
        });
        report.problems.extend(problems);
    }
    Ok(is_sound)
}

impl History {
    /// Finds out what cannot be restored any more, and, with `repair`, sees to it that from now on everything can.
    fn check_reach(&self, still: &Still, repair: bool, report: &mut CheckReport) -> Result<()> {
        let position = still.position;
        let picture = self.log.picture();
        let newest = match View::at(&self.log, &picture, position, None) {
            Ok(mut view) => view.check(),
            Err(error) => Err(error),
        };
        if let Err(error) = newest {
            let what =
                format!("what the database is now cannot be restored from the log ({})", on_one_line(&error));
            let mut problem = Problem::new(ProblemKind::Gap, &self.log.directory, what);
            if repair && let Some(head) = self.head_at(position)? {
                let part = snapshot_of(&self.log, &still.connection, head)?;
                self.log.drop_snapshot(position);
                self.log.add_snapshot(part);
                problem = problem.repaired();
            }
            report.problems.push(problem);
        }
        let stretches = self.log.picture().stretches();
        report.lost = stretches.windows(2).map(|pair| Lost { after: pair[0].1, before: pair[1].0 }).collect();
        Ok(())
    }

    /// What the log says of the commit at `position`, one of the newest.
    fn head_at(&self, position: u64) -> Result<Option<Head>> {
        let head = self.log.head();
        if head.position == position {
            return Ok(Some(head));
        }
        let Some(part) = self.log.locate(position) else { return Ok(None) };
        let entries = Reader::open(&part.segment.path)?.entries(part.summary.end)?;
        Ok(entries.iter().find(|entry| entry.record.last == position).map(|entry| Head::of(&entry.record)))
    }
}

fn kept_aside(log: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(log.join("damaged")).into_iter().flatten().flatten();
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.sort();
    files
}
