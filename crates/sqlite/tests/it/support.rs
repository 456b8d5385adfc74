use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use selvedge_base::{ManualClock, Millis, SharedClock};
use selvedge_sqlite::{Database, HistoryOptions, Keep, Options, Schema};
use tempfile::TempDir;

pub(crate) static SCHEMA: Schema = Schema {
    kind: "test",
    application_id: 0x7465_7374,
    steps: &["CREATE TABLE t (id INTEGER PRIMARY KEY, v)"],
};

pub(crate) const START: u64 = 1_800_000_000_000;

/// Small segments and short times, so that a test sees all of it.
pub(crate) const KEEP: Keep = Keep {
    retention: Duration::from_hours(24),
    exact: Duration::from_hours(1),
    exact_bytes: 1 << 30,
    grain: Duration::from_mins(1),
    segment_bytes: 32 << 10,
    snapshot_bytes: 64 << 10,
    checkpoint: 30,
    longest_read: Duration::from_millis(300),
};

pub(crate) struct Open {
    pub(crate) database: Database,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) directory: TempDir,
}

pub(crate) fn open() -> Open {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Millis(START));
    let database = open_at(directory.path(), &clock);
    Open { database, clock, directory }
}

pub(crate) fn open_at(directory: &Path, clock: &Arc<ManualClock>) -> Database {
    let clock: SharedClock = clock.clone();
    let history = HistoryOptions { directory: directory.join("log"), clock, keep: KEEP };
    Database::open_with_history(&directory.join("db.sqlite"), Options::new(&SCHEMA), history).unwrap()
}

pub(crate) fn history_at(directory: &Path, clock: &Arc<ManualClock>) -> HistoryOptions {
    HistoryOptions { directory: directory.join("log"), clock: clock.clone(), keep: KEEP }
}

impl Open {
    /// Closes and opens it again.
    pub(crate) fn reopen(&mut self) {
        let placeholder = tempfile::tempdir().unwrap();
        let idle = Database::open(&placeholder.path().join("x"), Options::new(&SCHEMA)).unwrap();
        drop(std::mem::replace(&mut self.database, idle));
        self.database = open_at(self.directory.path(), &self.clock);
    }

    pub(crate) async fn run(&self, sql: &str) {
        run(&self.database, sql).await;
    }

    pub(crate) fn position(&self) -> u64 {
        self.database.history().unwrap().position()
    }

    /// Everything in the database as it was at `position`.
    pub(crate) fn dump_at(&self, position: u64) -> String {
        dump_at(&self.database, position, self.directory.path())
    }
}

pub(crate) async fn run(database: &Database, sql: &str) {
    let sql = sql.to_owned();
    let ran = database.write(move |connection| connection.execute_batch(&sql));
    ran.await.unwrap_or_else(|e| panic!("{e:?}"));
}

pub(crate) async fn dump(database: &Database) -> String {
    database.read(dump_of).await.unwrap()
}

pub(crate) fn dump_at(database: &Database, position: u64, scratch: &Path) -> String {
    let copy = scratch.join(format!("at-{position:x}.sqlite"));
    let point = database.history().unwrap().copy_to(position, &copy).unwrap();
    assert_eq!(point.position, position);
    let dump = dump_of(&connect(&copy));
    for leftover in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(scratch.join(format!("at-{position:x}.sqlite{leftover}")));
    }
    dump
}

#[expect(clippy::disallowed_methods, reason = "looks at the file from outside")]
pub(crate) fn connect(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

/// The schema and every row, after a check that the file is sound.
pub(crate) fn dump_of(connection: &Connection) -> String {
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut out = String::new();
    let mut tables =
        connection.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let tables: Vec<(String, String)> =
        tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    for (name, sql) in tables {
        out.push_str(&sql);
        let rows = format!(
            "SELECT group_concat(id || '=' || quote(substr(v, 1, 20)) || length(v), ' ') FROM (SELECT * FROM {name} ORDER BY id)"
        );
        let rows: Option<String> = connection.query_row(&rows, [], |row| row.get(0)).unwrap();
        writeln!(out, "\n{}", rows.unwrap_or_default()).unwrap();
    }
    out
}

/// A directory with all in it, times included.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            let target = to.join(entry.file_name());
            // A file may go meanwhile, as it may in a crash.
            if std::fs::copy(entry.path(), &target).is_ok() {
                let modified = entry.metadata().unwrap().modified().unwrap();
                std::fs::File::options().write(true).open(target).unwrap().set_modified(modified).unwrap();
            }
        }
    }
}
