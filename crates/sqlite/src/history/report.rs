//! What a check found.

use std::path::PathBuf;

use super::view::Point;

/// What a check of a database and its history found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Pages of the database that were held against the log.
    pub pages: u64,
    /// Files of the log, all of whose checksums were verified.
    pub segments: u64,
    pub records: u64,
    /// Of these files.
    pub bytes: u64,
    pub problems: Vec<Problem>,
    /// What is damaged beyond repair takes these with it.
    pub lost: Vec<Lost>,
    /// Damaged files, and parts of files, that were kept when they were replaced, also by earlier repairs.
    pub kept_aside: Vec<PathBuf>,
}

/// States between these two, both of which can be restored, cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    pub after: Point,
    pub before: Point,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub kind: ProblemKind,
    pub file: PathBuf,
    pub what: String,
    /// It is no more; [`CheckReport::lost`] says at what price.
    pub repaired: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// A page of the database is not what the log says that was written.
    Page,
    /// SQLite's own check does not like the database.
    Database,
    /// A file of the log is not what was written.
    Segment,
    /// The log does not say how the database became what it is.
    Gap,
}

impl CheckReport {
    /// Whether nothing is wrong any more.
    pub fn is_sound(&self) -> bool {
        self.problems.iter().all(|problem| problem.repaired)
    }
}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, file: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self { kind, file: file.into(), what: what.into(), repaired: false }
    }

    pub(crate) fn add(&mut self, what: &str) {
        self.what.push_str("; ");
        self.what.push_str(what);
    }

    pub(crate) fn repaired(self) -> Self {
        Self { repaired: true, ..self }
    }
}
