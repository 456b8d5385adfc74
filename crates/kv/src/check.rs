//! Looks at everything a namespace has on disk, for the tools.

use std::collections::BTreeSet;
use std::io;

use crate::namespace::Inner;
use crate::row::{Row, Stored};
use crate::{Error, Namespace, Result, Value, schema};

/// Rows taken from the database at a time.
const STEP: usize = 200;
/// Bytes of inline values taken from the database at a time.
const STEP_BYTES: u64 = 4 * 1024 * 1024;
/// Problems that are named; of more there is only the number.
const NAMED: usize = 1000;

/// What [`Namespace::check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Values that were read, the expired ones that are still on disk among them.
    pub values: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Values older than checksums are, which could only be read.
    pub unchecked: u64,
    /// Values that cannot be served, a thousand at most.
    pub damaged: Vec<Damaged>,
    /// How many there are.
    pub damaged_count: u64,
    /// Value files that nothing refers to, a thousand at most. The next start removes them.
    pub orphans: Vec<String>,
    /// How many there are.
    pub orphan_count: u64,
    /// What SQLite says is wrong with the structure of the file.
    pub database: Vec<String>,
}

/// A value that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// With replacement characters where its bytes are no longer UTF-8.
    pub key: String,
    /// What is wrong, for people.
    pub problem: String,
}

impl CheckReport {
    /// Whether every value can be served. Orphans are harmless.
    pub fn is_sound(&self) -> bool {
        self.damaged_count == 0 && self.database.is_empty()
    }
}

impl Namespace {
    /// Reads every value and compares it with its checksum, looks for value files that nothing refers to, and has
    /// SQLite check the file. Others may use the namespace meanwhile. `progress` is told after every step what was
    /// found so far.
    pub async fn check(&self, mut progress: impl FnMut(&CheckReport) + Send) -> Result<CheckReport> {
        let inner = &*self.inner;
        let mut report = CheckReport { database: inner.check_structure().await?, ..CheckReport::default() };
        progress(&report);
        // Before the rows: what is put meanwhile is no orphan.
        let files = inner.files().await?;
        let mut after = String::new();
        while let Some(last) = inner.check_step(&after, &mut report).await? {
            progress(&report);
            after = last;
        }
        inner.find_orphans(files, &mut report).await?;
        Ok(report)
    }
}

type Rows = Vec<(String, Result<Row>)>;

impl Inner {
    /// SQLite's own words, nothing when all is well.
    async fn check_structure(&self) -> Result<Vec<String>> {
        let database = self.database()?;
        let lines = database.read_long(|connection| {
            let mut check = connection.prepare("PRAGMA quick_check(100)")?;
            let lines = check.query_map([], |row| row.get::<_, String>(0))?;
            lines.collect::<rusqlite::Result<Vec<_>>>()
        });
        match lines.await? {
            Ok(lines) => Ok(lines.into_iter().filter(|line| line != "ok").collect()),
            Err(failed) => Ok(vec![failed.to_string()]),
        }
    }

    /// Checks the rows that come after a key. Answers the last key, `None` when there are no more.
    async fn check_step(&self, after: &str, report: &mut CheckReport) -> Result<Option<String>> {
        let start = after.to_owned();
        let database = self.database()?;
        let rows = database.read_long(move |connection| {
            let (mut rows, mut bytes): (Rows, u64) = (Vec::new(), 0);
            let walked = schema::walk(connection, &start, |key, row| {
                bytes += row.as_ref().map_or(0, |row| match &row.stored {
                    Stored::Inline(value) => value.len() as u64,
                    Stored::File { .. } => 0,
                });
                rows.push((key.to_owned(), row));
                rows.len() < STEP && bytes < STEP_BYTES
            });
            (rows, walked)
        });
        let (rows, walked) = rows.await?;
        if let Err(failed) = walked {
            report.database.push(format!("the keys after {after:?} could not be read: {failed}"));
            if rows.is_empty() {
                return Ok(None);
            }
        }
        let last = rows.last().map(|(key, _)| key.clone());
        for (key, row) in rows {
            report.values += 1;
            match self.check_row(&key, row, report).await {
                Ok(bytes) => report.bytes += bytes,
                Err(Error::Damaged { key, damage }) => report.note_damage(key, damage.to_string()),
                Err(Error::ValueFile(failed)) => {
                    report.note_damage(key, format!("its file could not be read: {failed}"));
                }
                Err(other) => return Err(other),
            }
        }
        // A damaged key may sort before the one that led to it.
        Ok(last.filter(|last| last.as_str() > after))
    }

    async fn check_row(&self, key: &str, row: Result<Row>, report: &mut CheckReport) -> Result<u64> {
        let row = row?;
        report.unchecked += u64::from(!row.checked);
        match self.open_row(key, row).await? {
            None => Ok(0),
            Some(entry) => match entry.value {
                Value::Inline(bytes) => Ok(bytes.len() as u64),
                Value::File(mut file) => {
                    let mut bytes = 0;
                    while let Some(chunk) = file.next().await? {
                        bytes += chunk.len() as u64;
                    }
                    Ok(bytes)
                }
            },
        }
    }

    async fn files(&self) -> Result<BTreeSet<String>> {
        let blobs = self.blobs.clone();
        let files = tokio::task::spawn_blocking(move || {
            let mut files = BTreeSet::new();
            blobs.each(|found| {
                files.insert(found.id.to_string());
                Ok(())
            })?;
            Ok::<_, io::Error>(files)
        });
        files.await.unwrap_or_else(|stopped| Err(stopped.into())).map_err(Error::ValueFile)
    }

    /// Of the files that were there before the rows were walked, those that no row has come to name since.
    async fn find_orphans(&self, files: BTreeSet<String>, report: &mut CheckReport) -> Result<()> {
        let database = self.database()?;
        let unknown = database.read_long(move |connection| {
            let mut unknown = Vec::new();
            for file in files {
                if !schema::is_known(connection, &file)? {
                    unknown.push(file);
                }
            }
            Ok::<_, rusqlite::Error>(unknown)
        });
        for file in unknown.await?? {
            // One that was replaced meanwhile is gone by now.
            let there =
                selvedge_blob::BlobId::parse(&file).is_some_and(|id| self.blobs.open_file(&id).is_ok());
            if there {
                report.orphan_count += 1;
                if report.orphans.len() < NAMED {
                    report.orphans.push(file);
                }
            }
        }
        Ok(())
    }
}

impl CheckReport {
    fn note_damage(&mut self, key: String, problem: String) {
        self.damaged_count += 1;
        if self.damaged.len() < NAMED {
            self.damaged.push(Damaged { key, problem });
        }
    }
}
