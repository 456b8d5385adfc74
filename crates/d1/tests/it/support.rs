use std::path::Path;

use selvedge_base::SystemClock;
use selvedge_d1::{Database, Format, Limits, Outcome, Param, QueryError, Statement, Store};
use tempfile::TempDir;

pub(crate) struct Open {
    pub(crate) database: Database,
    pub(crate) directory: TempDir,
}

pub(crate) async fn open() -> Open {
    open_with(Limits::default()).await
}

pub(crate) async fn open_with(limits: Limits) -> Open {
    let directory = tempfile::tempdir().unwrap();
    let database = open_at(directory.path(), limits).await;
    Open { database, directory }
}

pub(crate) async fn open_at(directory: &Path, limits: Limits) -> Database {
    let store = Store::open(directory, SystemClock::shared(), limits).unwrap();
    store.database("shop").await.unwrap()
}

pub(crate) fn sql<const N: usize>(text: &str, params: [Param; N]) -> Statement {
    Statement::new(text).bind(params)
}

impl Open {
    /// Closes it and opens it again.
    pub(crate) async fn reopen(&mut self) {
        let elsewhere = tempfile::tempdir().unwrap();
        self.database = open_at(elsewhere.path(), Limits::default()).await;
        self.database = open_at(self.directory.path(), Limits::default()).await;
    }

    pub(crate) async fn run(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, QueryError> {
        self.database.query(statements, Format::Objects, None).await.map(|answer| answer.outcomes)
    }

    /// The rows of one statement, as text.
    pub(crate) async fn rows(&self, text: &str) -> String {
        self.rows_with(sql(text, [])).await
    }

    pub(crate) async fn rows_with(&self, statement: Statement) -> String {
        let outcomes = self.run(vec![statement]).await.unwrap();
        String::from_utf8(outcomes.into_iter().next().unwrap().rows).unwrap()
    }

    pub(crate) async fn one(&self, text: &str) -> Outcome {
        self.run(vec![sql(text, [])]).await.unwrap().remove(0)
    }

    pub(crate) async fn error(&self, text: &str) -> String {
        self.run(vec![sql(text, [])]).await.unwrap_err().to_string()
    }
}
