//! Checking a database and its history, and repairing each from the other.

use std::path::PathBuf;

use selvedge_base::{Millis, on_one_line};
use selvedge_sqlite::Keep;
use selvedge_sqlite::history::{self, Point, ProblemKind};
use serde::Serialize;

use crate::database::history_options;
use crate::{Database, Moment, Store, TravelError};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Check {
    /// Nothing is wrong, or nothing any more.
    pub sound: bool,
    /// Pages of the database that were held against the history.
    pub pages: u64,
    /// Files of the history, all of whose checksums were verified.
    pub segments: u64,
    pub records: u64,
    pub bytes: u64,
    pub problems: Vec<Problem>,
    /// What cannot be restored any more.
    pub lost: Vec<Lost>,
    /// Damaged files, and parts of files, that were kept when they were replaced.
    pub kept_aside: Vec<PathBuf>,
}

/// Of a damaged database or history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `page`, `database`, `segment` or `gap`.
    pub kind: &'static str,
    pub file: PathBuf,
    pub what: String,
    pub repaired: bool,
}

/// States between these two moments, both of which can be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    pub after: Moment,
    pub before: Moment,
}

impl From<history::Problem> for Problem {
    fn from(problem: history::Problem) -> Self {
        let kind = match problem.kind {
            ProblemKind::Page => "page",
            ProblemKind::Database => "database",
            ProblemKind::Segment => "segment",
            ProblemKind::Gap => "gap",
        };
        Self { kind, file: problem.file, what: problem.what, repaired: problem.repaired }
    }
}

impl Database {
    /// Checks the file and the history; with `repair`, what one has lost is taken from the other.
    pub async fn check(&self, repair: bool) -> Result<Check, TravelError> {
        let found = self.storage().check(repair).await?;
        if repair {
            // Pages of the schema may have been others.
            self.forget_schema();
            self.begin().await.map_err(crate::Error::from)?;
        }
        let bookmarks = &self.shared().bookmarks;
        let moment =
            |Point { position, ms }: Point| Moment { bookmark: bookmarks.at(position), time: Millis(ms) };
        Ok(Check {
            sound: found.is_sound(),
            pages: found.pages,
            segments: found.segments,
            records: found.records,
            bytes: found.bytes,
            problems: found.problems.into_iter().map(Problem::from).collect(),
            lost: found
                .lost
                .into_iter()
                .map(|lost| Lost { after: moment(lost.after), before: moment(lost.before) })
                .collect(),
            kept_aside: found.kept_aside,
        })
    }
}

impl Store {
    /// As [`Database::check`], also of a database that cannot be opened because its first page is damaged.
    pub async fn check(&self, id: &str, repair: bool) -> Result<Check, TravelError> {
        let failed = match self.database(id).await {
            Ok(database) => return database.check(repair).await,
            Err(failed) => failed,
        };
        let path = self.file(id);
        let options = history_options(&path, &self.clock(), Keep::default());
        let what = on_one_line(&failed);
        let file = path.clone();
        let mended =
            tokio::task::spawn_blocking(move || history::mend_first_page(&path, &options, repair)).await;
        match mended {
            Ok(Ok(Some(problem))) if problem.repaired => {
                let mut check = self.database(id).await?.check(repair).await?;
                check.problems.insert(0, problem.into());
                Ok(check)
            }
            Ok(Ok(Some(problem))) => Ok(Check { problems: vec![problem.into()], ..Check::default() }),
            _ => {
                let problem = Problem { kind: "database", file, what, repaired: false };
                Ok(Check { problems: vec![problem], ..Check::default() })
            }
        }
    }
}
