//! A real process that writes, restores, merges and forks, killed at random moments and at each named step. Nothing
//! that was answered is lost, and every bookmark it told of brings back what there was.
//!
//! The process is this test binary again. `SELVEDGE_ROUNDS` says how often it is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use selvedge_base::SystemClock;
use selvedge_sqlite::{Database, HistoryOptions, Keep, Options, Schema};

use crate::support::connect;

const DIRECTORY: &str = "SELVEDGE_KILLED_DIRECTORY";
const CRASH_AT: &str = "SELVEDGE_CRASH_AT";
const WRITERS: i64 = 4;
const SLOTS: i64 = 97;

static SCHEMA: Schema = Schema {
    kind: "test",
    application_id: 0x7465_7375,
    steps: &["CREATE TABLE log (id INTEGER PRIMARY KEY, writer, n, chain INTEGER);
        CREATE TABLE churn (id INTEGER PRIMARY KEY, v)"],
};

/// Everything happens often.
const KEEP: Keep = Keep {
    retention: Duration::from_hours(1),
    exact: Duration::from_millis(400),
    exact_bytes: 1 << 30,
    grain: Duration::from_millis(100),
    segment_bytes: 64 << 10,
    snapshot_bytes: 128 << 10,
    checkpoint: 60,
    longest_read: Duration::from_secs(30),
};

fn open(directory: &Path) -> Database {
    let history =
        HistoryOptions { directory: directory.join("log"), clock: SystemClock::shared(), keep: KEEP };
    Database::open_with_history(&directory.join("db.sqlite"), Options::new(&SCHEMA), history).unwrap()
}

/// What stands for everything up to a row.
fn link(before: i64, id: i64, writer: i64, n: i64) -> i64 {
    let mut sum = before.cast_unsigned();
    for part in [id, writer, n] {
        sum = (sum ^ part.cast_unsigned()).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    (sum >> 1).cast_signed()
}

/// What row `id` leaves in the other table.
fn churned(id: i64) -> (i64, String) {
    (id % SLOTS, format!("{id} ").repeat(usize::try_from(id * 37 % 400).unwrap()))
}

fn last(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let newest =
        "SELECT coalesce(max(id), 0), coalesce((SELECT chain FROM log ORDER BY id DESC LIMIT 1), 0) FROM log";
    connection.query_row(newest, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// One line for the parent, whole or not at all.
fn tell(line: &str) {
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}

/// The process that is killed. Without a directory it is a test that has nothing to do.
#[test]
fn the_process() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(work(Path::new(&directory)));
}

async fn work(directory: &Path) {
    let database = open(directory);
    let quiet = Arc::new(tokio::sync::RwLock::new(()));
    for writer in 0..WRITERS {
        let (database, quiet) = (database.clone(), Arc::clone(&quiet));
        tokio::spawn(async move {
            for n in 0.. {
                let _writing = quiet.read().await;
                let wrote = database.write(move |connection| {
                    let (id, before) = last(connection)?;
                    let (id, chain) = (id + 1, link(before, id + 1, writer, n));
                    tell(&format!("try {chain}"));
                    connection.execute("INSERT INTO log VALUES (?1, ?2, ?3, ?4)", (id, writer, n, chain))?;
                    connection.execute("INSERT OR REPLACE INTO churn VALUES (?1, ?2)", churned(id))?;
                    Ok::<_, rusqlite::Error>((id, chain))
                });
                let (id, chain) = wrote.await.unwrap();
                tell(&format!("wrote {id} {chain}"));
            }
        });
    }
    let history = Arc::clone(database.history().unwrap());
    for turn in 1.. {
        tokio::time::sleep(Duration::from_millis(7)).await;
        let stopped = quiet.write().await;
        let position = history.position();
        let (_, chain) = database.read(last).await.unwrap().unwrap();
        tell(&format!("mark {position} {chain}"));
        if turn % 6 == 5 {
            tell("restoring");
            let restored = database.restore(position - turn % 9).await.unwrap();
            let (_, chain) = database.read(last).await.unwrap().unwrap();
            tell(&format!("restored {} {chain}", restored.position));
        }
        drop(stopped);
        if turn % 10 == 3 {
            let history = Arc::clone(&history);
            let copy = directory.join(format!("copy-{turn}/db.sqlite"));
            let _ = std::fs::remove_dir_all(copy.parent().unwrap());
            tokio::task::spawn_blocking(move || {
                history.copy_to(position, &copy).unwrap();
                history.tidy().unwrap();
            });
        }
    }
}

/// What a process has told of.
#[derive(Default)]
struct Told {
    tried: BTreeSet<i64>,
    /// Since the last restore: rows and their links.
    wrote: BTreeMap<i64, i64>,
    marks: BTreeMap<u64, i64>,
    restoring: bool,
}

impl Told {
    fn hear(&mut self, text: &str) {
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            // The harness begins its line before the first of ours.
            let words: Vec<&str> = line.rsplit("... ").next().unwrap_or(line).split(' ').collect();
            let number = |at: usize| words[at].parse::<i64>().unwrap();
            match words[0] {
                "try" => drop(self.tried.insert(number(1))),
                "wrote" => drop(self.wrote.insert(number(1), number(2))),
                "mark" => drop(self.marks.insert(words[1].parse().unwrap(), number(2))),
                "restoring" => {
                    self.restoring = true;
                    self.wrote.clear();
                }
                "restored" => {
                    self.restoring = false;
                    self.marks.insert(words[1].parse().unwrap(), number(2));
                }
                _ => {}
            }
        }
    }
}

/// Checks that a state follows from its rows, and returns what stands for it.
fn verify(connection: &Connection) -> i64 {
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let mut chain = 0;
    let mut churn = BTreeMap::new();
    let mut rows = connection.prepare("SELECT id, writer, n, chain FROM log ORDER BY id").unwrap();
    let mut rows = rows.query([]).unwrap();
    let mut expected = 1;
    while let Some(row) = rows.next().unwrap() {
        let id: i64 = row.get(0).unwrap();
        assert_eq!(id, expected);
        chain = link(chain, id, row.get(1).unwrap(), row.get(2).unwrap());
        assert_eq!(chain, row.get::<_, i64>(3).unwrap(), "row {id} does not follow from those before it");
        churn.extend([churned(id)]);
        expected += 1;
    }
    let mut found = connection.prepare("SELECT id, v FROM churn").unwrap();
    let found = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let found: BTreeMap<i64, String> = found.map(Result::unwrap).collect();
    assert!(found == churn, "the tables are not of one moment");
    chain
}

struct Lab {
    directory: tempfile::TempDir,
    tried: BTreeSet<i64>,
    marks: BTreeMap<u64, i64>,
    answered: u64,
    exact: u64,
    restored: u64,
}

impl Lab {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Its tables are there before its history begins: no restore goes back to where there is none.
        drop(Database::open(&directory.path().join("db.sqlite"), Options::new(&SCHEMA)).unwrap());
        let (tried, marks) = (BTreeSet::from([0]), BTreeMap::new());
        Self { directory, tried, marks, answered: 0, exact: 0, restored: 0 }
    }

    /// Runs the process until it ends by itself or `time` is over. True when it ended.
    #[expect(clippy::disallowed_methods, reason = "the process that is killed")]
    fn run(&mut self, time: Duration, point: Option<&str>, round: u64) -> bool {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["killed::the_process", "--exact", "--nocapture", "--test-threads=1"]);
        command.env(DIRECTORY, self.directory.path()).env_remove(CRASH_AT);
        if let Some(point) = point {
            command.env(CRASH_AT, point);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).unwrap();
            text
        });
        let until = std::time::Instant::now() + time;
        let ended = loop {
            if child.try_wait().unwrap().is_some() {
                break true;
            }
            if std::time::Instant::now() > until {
                child.kill().unwrap();
                child.wait().unwrap();
                break false;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let mut told = Told::default();
        told.hear(&reading.join().unwrap());
        self.verify(told, round);
        ended
    }

    fn verify(&mut self, told: Told, round: u64) {
        self.answered += told.wrote.len() as u64;
        self.tried.extend(told.tried);
        self.marks.extend(told.marks);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.unwrap().block_on(async {
            let database = open(self.directory.path());
            let (chain, missing) = database
                .read(|connection| {
                    let chain = verify(connection);
                    let mut there =
                        connection.prepare("SELECT 1 FROM log WHERE id = ?1 AND chain = ?2").unwrap();
                    let lost = told.wrote.iter().find(|row| !there.exists(*row).unwrap());
                    (chain, lost.map(|(id, _)| *id))
                })
                .await
                .unwrap();
            assert_eq!(missing, None, "a row that was answered is lost");
            assert!(self.tried.contains(&chain), "nobody wrote this");
            let report = database.check(false).await.unwrap();
            assert!(report.problems.is_empty() && report.lost.is_empty(), "{report:?}");
            // The newest, and some of the others, of all rounds.
            let every = (self.marks.len() / 6).max(1);
            let some: Vec<_> =
                self.marks.iter().rev().take(4).chain(self.marks.iter().step_by(every)).collect();
            for (&position, &chain) in some {
                let copy = self.directory.path().join("restored.sqlite");
                let point = database.history().unwrap().copy_to(position, &copy).unwrap();
                let found = verify(&connect(&copy));
                std::fs::remove_file(&copy).unwrap();
                self.restored += 1;
                if point.position == position {
                    self.exact += 1;
                    assert_eq!(found, chain, "at {position:x}");
                }
                assert!(self.tried.contains(&found), "no prefix made what {position:x} brought back");
            }
            if round % 5 == 4 {
                // In place, and back.
                let middle = *self.marks.keys().nth(self.marks.len() / 2).unwrap();
                let restored = database.restore(middle).await.unwrap();
                assert!(self.tried.contains(&database.read(verify).await.unwrap()));
                database.restore(restored.undo).await.unwrap();
                assert_eq!(database.read(verify).await.unwrap(), chain);
            }
        });
    }
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn what_was_answered_survives_a_kill_at_any_moment() {
    #[expect(clippy::disallowed_methods, reason = "a different seed in every run")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let mut state = u64::try_from(now).unwrap() | 1;
    println!("seed {state}");
    let rounds = std::env::var("SELVEDGE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20);
    let mut lab = Lab::new();
    for round in 0..rounds {
        let time = Duration::from_millis(30 + random(&mut state) % 500);
        assert!(!lab.run(time, None, round), "it ended by itself");
    }
    let Lab { answered, exact, restored, marks, .. } = &lab;
    println!(
        "{rounds} kills: {answered} answered writes, all there; {restored} of {} bookmarks restored, {exact} exactly",
        marks.len()
    );
    assert!(*answered > rounds * 5 && *exact > rounds, "{answered} {exact}");
}

#[test]
fn what_was_answered_survives_an_end_at_every_step() {
    let mut lab = Lab::new();
    for (round, (point, nth)) in [
        ("history-begun", 1),
        ("sqlite-before-commit", 30),
        ("sqlite-committed", 30),
        ("history-log-pages", 20),
        ("history-log-written", 20),
        ("history-log-synced", 3),
        ("history-segment-sealed", 2),
        ("history-checkpoint", 2),
        ("history-checkpointed", 2),
        ("history-restore-pages", 2),
        ("history-restored", 2),
        ("history-upkeep-written", 2),
        ("history-merged", 1),
        ("history-merged-dropped", 1),
        ("history-snapshot", 1),
        ("history-copied", 1),
    ]
    .into_iter()
    .enumerate()
    {
        // The commits of the round before are old enough to be merged by now.
        std::thread::sleep(Duration::from_millis(20));
        let ended = lab.run(Duration::from_mins(1), Some(&format!("{point}:{nth}")), round as u64);
        assert!(ended, "{point} was not reached");
    }
    println!("{} answered writes, all there", lab.answered);
}
