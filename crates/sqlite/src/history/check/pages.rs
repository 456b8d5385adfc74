//! The pages of the database beside what the log says that they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use selvedge_base::on_one_line;

use super::Still;
use super::first_page::write_first_page;
use crate::Database;
use crate::history::History;
use crate::history::aside;
use crate::history::error::{HistoryError, Result};
use crate::history::format::hash;
use crate::history::pages::{Overwrite, read_one};
use crate::history::report::{CheckReport, Problem, ProblemKind};
use crate::history::view::View;

/// Pages that are looked at in one read transaction, so that it does not keep SQLite's log from being written over
/// for long.
const AT_ONCE: u32 = 65_536;

impl Database {
    /// Which pages are not what they should be.
    pub(super) async fn check_pages(
        &self,
        history: &Arc<History>,
        report: &mut CheckReport,
    ) -> Result<BTreeSet<u32>> {
        let mut bad = BTreeSet::new();
        let mut from = 1;
        loop {
            let still = self.standstill(history).await?;
            let here = Arc::clone(history);
            let checking = tokio::task::spawn_blocking(move || check_some(&here, &still, from));
            match checking.await.map_err(|_| HistoryError::Closed)? {
                Ok(Some(found)) => {
                    report.pages += found.pages;
                    bad.extend(found.bad);
                    if let Some(what) = found.size {
                        report.problems.push(Problem::new(ProblemKind::Database, &history.database, what));
                    }
                }
                Ok(None) => break,
                // What is wrong with the log is told of on its own.
                Err(HistoryError::Damaged { .. } | HistoryError::TooEarly | HistoryError::Lost { .. }) => {
                    break;
                }
                Err(error) => return Err(error),
            }
            from += AT_ONCE;
        }
        for page in &bad {
            let what = format!("page {page} is not what was written");
            let problem = Problem::new(ProblemKind::Page, &history.database, what);
            if !report.problems.contains(&problem) {
                report.problems.push(problem);
            }
        }
        Ok(bad)
    }

    /// Writes pages that are bad anew, from the log, in one commit.
    pub(super) async fn repair_pages(
        &self,
        history: &Arc<History>,
        bad: BTreeSet<u32>,
        report: &mut CheckReport,
    ) -> Result<()> {
        let (here, wanted) = (Arc::clone(history), bad.clone());
        let repairing = self.apart(move |_, recorder| {
            let recorder = recorder.ok_or(HistoryError::Off)?;
            let position = recorder.position();
            recorder.shared().wait_copied(position)?;
            let mut view = View::at(&here.log, &here.log.picture(), position, Some(&wanted))?;
            let mut connection = (here.connect_writer)()?;
            recorder.watch(&mut connection)?;
            let mut overwrite = Overwrite::begin(&connection)?;
            let mut mended = BTreeSet::new();
            let mut good = Vec::new();
            let count = view.pages;
            for &page in wanted.range(..=count) {
                let Some(expected) = view.places.get(&page).map(|(_, place)| place.hash) else { continue };
                match read_one(&connection, page) {
                    // Somebody has written it since.
                    Ok(is) if hash(&is) == expected => {
                        mended.insert(page);
                        continue;
                    }
                    Ok(is) => {
                        let name = format!("db.sqlite.page-{page}");
                        drop(aside::keep_bytes(&here.log.directory, &name, &is)?);
                    }
                    Err(_) => {}
                }
                // The log's may be no better.
                if matches!(view.read(page, &mut good), Ok(true)) {
                    overwrite.page(page, &good)?;
                    mended.insert(page);
                }
            }
            recorder.before_commit();
            // The same schema as ever: with the cookie that everybody knows it by.
            let committed = overwrite.commit(count, |_, brought| brought);
            recorder.after_commit(0);
            committed?;
            Ok(mended)
        });
        let mended = match repairing.await.map_err(|_| HistoryError::Closed)? {
            Ok(mended) => mended,
            // What its header says now keeps SQLite from writing at all.
            Err(HistoryError::Database(_)) if bad.contains(&1) && self.repair_header(history).await? => {
                let problem = report.problems.iter_mut().rfind(|problem| problem.kind == ProblemKind::Page);
                if let Some(problem) = problem.filter(|_| bad.len() == 1) {
                    problem.repaired = true;
                    problem.what.push_str(": the log had it. Start again what has the database open");
                }
                return Ok(());
            }
            Err(
                error @ (HistoryError::Database(_)
                | HistoryError::Damaged { .. }
                | HistoryError::TooEarly
                | HistoryError::Lost { .. }),
            ) => {
                let what = format!("the pages cannot be written anew: {}", on_one_line(&error));
                report.problems.push(Problem::new(ProblemKind::Database, &history.database, what));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let still = self.standstill(history).await?;
        for problem in &mut report.problems {
            let page = problem.what.strip_prefix("page ").and_then(|rest| rest.split(' ').next());
            let page = page.and_then(|page| page.parse::<u32>().ok());
            if problem.kind == ProblemKind::Page
                && page
                    .is_some_and(|page| mended.contains(&page) && read_one(&still.connection, page).is_ok())
            {
                problem.repaired = true;
                problem.what.push_str(": the log had it");
            }
        }
        Ok(())
    }
}

impl Database {
    /// Writes the first page into the file without SQLite, and says whether SQLite likes it then.
    async fn repair_header(&self, history: &Arc<History>) -> Result<bool> {
        let here = Arc::clone(history);
        let repairing = self.apart(move |_, recorder| {
            let recorder = recorder.ok_or(HistoryError::Off)?;
            recorder.shared().wait_copied(recorder.position())?;
            write_first_page(&here.database, &here.log, true)?;
            let connection = (here.connect_writer)()?;
            let mut good = Vec::new();
            let wanted = BTreeSet::from([1]);
            let mut view = View::at(&here.log, &here.log.picture(), recorder.position(), Some(&wanted))?;
            Ok(view.read(1, &mut good)? && read_one(&connection, 1)? == good)
        });
        repairing.await.map_err(|_| HistoryError::Closed)?
    }
}

struct Found {
    pages: u64,
    bad: Vec<u32>,
    size: Option<String>,
}

fn check_some(history: &History, still: &Still, from: u32) -> Result<Option<Found>> {
    history.shared.wait_copied(still.position)?;
    let picture = history.log.picture();
    let wanted: BTreeSet<u32> = (from..from.saturating_add(AT_ONCE)).collect();
    let view = View::at(&history.log, &picture, still.position, Some(&wanted))?;
    if view.pages < from {
        return Ok(None);
    }
    let count: u32 = still.connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let size = (from == 1 && count != view.pages)
        .then(|| format!("it has {count} pages, and {} were written", view.pages));
    let mut found = Found { pages: 0, bad: Vec::new(), size };
    for (&page, (_, place)) in view.places.range(..=view.pages) {
        found.pages += 1;
        if !read_one(&still.connection, page).is_ok_and(|is| hash(&is) == place.hash) {
            found.bad.push(page);
        }
    }
    Ok(Some(found))
}
