//! Checks a bucket against itself: rows against rows, every file against its checksums, files without a row and
//! rows without a file. It may run while the bucket is in use: what it finds is looked at again before it is
//! told, and what is being written is left alone.

mod files;
mod rows;

use serde::Serialize;

use crate::{Bucket, Result};

#[derive(Clone, Copy, Debug, Default)]
pub struct FsckOptions {
    /// Mend what can be mended without losing anything that could still be read.
    pub repair: bool,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FsckReport {
    /// Objects that are rows, and whose bytes were held against their checksum.
    pub inline: u64,
    /// Files whose bytes were.
    pub files: u64,
    /// Of both.
    pub bytes: u64,
    pub problems: Vec<Problem>,
}

impl FsckReport {
    /// Whether nothing is wrong any more.
    pub fn is_clean(&self) -> bool {
        self.problems.iter().all(|problem| problem.repaired || problem.kind == ProblemKind::Unsealed)
    }

    fn add(&mut self, kind: ProblemKind, key: Option<String>, file: Option<String>, what: impl Into<String>) {
        self.problems.push(Problem { kind, key, file, what: what.into(), repaired: false });
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub kind: ProblemKind,
    /// Of the object or upload that it is about.
    pub key: Option<String>,
    pub file: Option<String>,
    pub what: String,
    pub repaired: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProblemKind {
    /// Bytes that are not those written. Nothing brings them back: restore the object, or delete it.
    Damaged,
    /// A row that names bytes that are not there. As above.
    Missing,
    /// The bytes are right and the checksums behind them are not. Repaired by writing the file anew.
    Seal,
    /// A file from before files had checksums, whose bytes have the right MD5. Repaired by writing it anew.
    Unsealed,
    /// A file that no row names. Repaired by removing it.
    Orphan,
    /// Rows of bytes that no object and no upload has. Repaired by removing them.
    Dangling,
    /// A size that is not that of the bytes.
    Size,
    /// The count of what the bucket holds. Repaired by counting.
    Usage,
    /// The database itself.
    Database,
}

impl Bucket {
    /// Checks everything there is. `progress` hears of files and bytes done, now and then.
    pub async fn fsck(
        &self,
        options: FsckOptions,
        progress: impl FnMut(&FsckReport) + Send,
    ) -> Result<FsckReport> {
        let mut report = FsckReport::default();
        self.check_rows(options, &mut report).await?;
        self.check_files(options, &mut report, progress).await?;
        self.check_orphans(options, &mut report).await?;
        Ok(report)
    }
}
