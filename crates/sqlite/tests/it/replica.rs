//! Copies that follow the log: always what the database was at the position that they tell, whatever happened to
//! them or to it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use selvedge_base::{ManualClock, Millis, SharedClock, watch_crash_points};
use selvedge_sqlite::history::{Mark, Next, Replica, Upstream};
use selvedge_sqlite::{HistoryError, Options};

use crate::support::{Open, SCHEMA, START, copy, dump, dump_of, open, open_at};

impl Open {
    fn copy_path(&self) -> PathBuf {
        self.directory.path().join("replicas/1.sqlite")
    }

    fn replica(&self, lag: Duration) -> Replica {
        self.replica_at(&self.copy_path(), lag)
    }

    fn replica_at(&self, path: &Path, lag: Duration) -> Replica {
        let upstream = self.database.history().unwrap().follow();
        let clock: SharedClock = self.clock.clone();
        Replica::start(path, upstream, Options::new(&SCHEMA), clock, lag).unwrap()
    }

    /// What the copy has once it has all.
    async fn settled(&self, replica: &Replica) -> String {
        until(|| replica.position() == Some(self.position())).await;
        let seen = replica.read(self.position(), dump_of).await.unwrap().unwrap();
        assert_eq!(seen.position, self.position());
        seen.value
    }
}

/// What does not happen in this time will not.
const PATIENCE: Duration = Duration::from_secs(30);

async fn until(done: impl Fn() -> bool) {
    let looking = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("it happens");
}

/// Nothing ever comes, so that a copy shows what it has.
struct Silence;

impl Upstream for Silence {
    fn after(&mut self, mark: Option<Mark>, patience: Duration) -> Result<Next, HistoryError> {
        std::thread::sleep(patience);
        Ok(if mark.is_some() { Next::Nothing } else { Next::Closed })
    }
}

fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}

const GROW: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
    INSERT INTO t (v) SELECT randomblob(1000) FROM n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_has_what_the_database_has_and_goes_on_after_a_restart() {
    let mut open = open();
    open.run("INSERT INTO t (v) VALUES ('one')").await;
    let small = open.position();
    let replica = open.replica(Duration::ZERO);
    assert_eq!(open.settled(&replica).await, dump(&open.database).await);
    open.run("CREATE TABLE u (id INTEGER PRIMARY KEY, v)").await;
    open.run(GROW).await;
    let before = open.position();
    assert_eq!(open.settled(&replica).await, dump(&open.database).await);
    // Smaller, another schema, and back.
    open.run("DROP TABLE u").await;
    open.run("DELETE FROM t").await;
    assert_eq!(open.settled(&replica).await, dump(&open.database).await);
    open.database.restore(small).await.unwrap();
    assert_eq!(open.settled(&replica).await, dump(&open.database).await);
    open.database.restore(before).await.unwrap();
    assert_eq!(open.settled(&replica).await, dump(&open.database).await);

    let file = inode(&open.copy_path());
    let had = replica.position();
    drop(replica);
    open.run("INSERT INTO u (v) VALUES ('while it was away')").await;
    let quiet =
        Replica::start(&open.copy_path(), Silence, Options::new(&SCHEMA), open.clock.clone(), Duration::ZERO);
    let quiet = quiet.unwrap();
    until(|| quiet.position().is_some()).await;
    assert_eq!(quiet.position(), had, "it knows where it is without asking");
    drop(quiet);
    let replica = open.replica(Duration::ZERO);
    assert_eq!(open.settled(&replica).await, dump(&open.database).await);
    assert_eq!(inode(&open.copy_path()), file, "it went on with the file it had");

    // The database is opened anew, and the copy with it.
    replica.stop();
    drop(replica);
    open.reopen();
    open.run("INSERT INTO u (v) VALUES ('after')").await;
    let replica = open.replica(Duration::ZERO);
    assert_eq!(open.settled(&replica).await, dump(&open.database).await);
    assert_eq!(inode(&open.copy_path()), file, "it went on with the file it had");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_waits_for_the_lag() {
    let open = open();
    open.run("INSERT INTO t (v) VALUES ('one')").await;
    let replica = open.replica(Duration::from_secs(5));
    open.clock.advance(5000);
    let one = open.settled(&replica).await;
    let position = replica.position();
    open.run("INSERT INTO t (v) VALUES ('two')").await;
    open.clock.advance(4999);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(replica.position(), position);
    assert!(replica.read(open.position(), dump_of).await.unwrap().is_none(), "it does not have that");
    assert_eq!(replica.read(0, dump_of).await.unwrap().unwrap().value, one);
    open.clock.advance(1);
    assert!(replica.reached(open.position()).await);
    assert_eq!(open.settled(&replica).await, dump(&open.database).await);
    open.run("INSERT INTO t (v) VALUES ('three')").await;
    replica.set_lag(Duration::ZERO);
    assert_eq!(open.settled(&replica).await, dump(&open.database).await);

    // Whose clock is behind does not wait for it.
    drop(replica);
    let (upstream, slow) =
        (open.database.history().unwrap().follow(), ManualClock::at(Millis(START - 3_600_000)));
    let options = Options::new(&SCHEMA);
    let replica = Replica::start(&open.copy_path(), upstream, options, slow, Duration::from_secs(5)).unwrap();
    open.run("INSERT INTO t (v) VALUES ('four')").await;
    assert_eq!(open.settled(&replica).await, dump(&open.database).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_cannot_go_on_starts_over() {
    let open = open();
    open.run(GROW).await;
    let path = open.copy_path();
    let settle = async |why: &str, old: Option<u64>| {
        let replica = open.replica(Duration::ZERO);
        let has = open.settled(&replica).await;
        assert_eq!(has, dump(&open.database).await, "{why}");
        assert!(old.is_none_or(|old| old != inode(&path)), "{why}: it is another file");
        drop(replica);
        inode(&path)
    };
    let file = settle("new", None).await;
    // A link keeps the inode from being given to the next file.
    let keep = |n: u32| std::fs::hard_link(&path, path.with_extension(format!("kept-{n}"))).unwrap();
    keep(1);

    std::fs::remove_file(&path).unwrap();
    let file = settle("deleted", Some(file)).await;
    keep(2);
    std::fs::write(&path, b"not a database at all").unwrap();
    let file = settle("not a database", Some(file)).await;
    keep(3);
    let foreign = crate::support::connect(&path.with_extension("foreign"));
    foreign.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(foreign);
    std::fs::rename(path.with_extension("foreign"), &path).unwrap();
    let file = settle("a stranger", Some(file)).await;
    keep(4);

    // The log no longer has what comes next.
    for round in 0..6 {
        open.run("DELETE FROM t").await;
        open.run(GROW).await;
        open.clock.advance(26 * 3_600_000);
        let history = Arc::clone(open.database.history().unwrap());
        tokio::task::spawn_blocking(move || history.tidy()).await.unwrap().unwrap();
        open.run(&format!("INSERT INTO t (v) VALUES ({round})")).await;
    }
    settle("too far behind", Some(file)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_future_that_did_not_happen_starts_over() {
    let mut open = open();
    open.run(GROW).await;
    open.reopen();
    let backup = tempfile::tempdir().unwrap();
    copy(open.directory.path(), backup.path());
    let replica = open.replica(Duration::ZERO);
    // In a page that nothing else changes.
    open.run("UPDATE t SET v = 'lost' WHERE id = 5").await;
    open.settled(&replica).await;
    let had = replica.position();
    drop(replica);
    // The database is put back from the backup, and has other commits with the same numbers.
    copy(&open.directory.path().join("replicas"), &backup.path().join("replicas"));
    let database = open_at(backup.path(), &open.clock);
    let open = Open { database, clock: open.clock.clone(), directory: backup };
    open.run("INSERT INTO t (v) VALUES ('other')").await;
    assert_eq!(Some(open.position()), had, "another commit with the same number");
    open.run("INSERT INTO t (v) VALUES ('more')").await;
    let history = Arc::clone(open.database.history().unwrap());
    tokio::task::spawn_blocking(move || history.catch_up()).await.unwrap().unwrap();
    let replica = open.replica(Duration::ZERO);
    assert_eq!(open.settled(&replica).await, dump(&open.database).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_a_copy_never_see_half_a_commit() {
    let open = open();
    open.run("CREATE TABLE u (id INTEGER PRIMARY KEY, v); INSERT INTO u VALUES (1, 0)").await;
    let replica = Arc::new(open.replica(Duration::ZERO));
    open.settled(&replica).await;
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let replica = Arc::clone(&replica);
            let first = replica.position().unwrap();
            tokio::spawn(async move {
                let (mut last, mut different) = (0, 0);
                while last < 150 {
                    let both = "SELECT v, (SELECT count(*) FROM t), (SELECT max(v) FROM t) FROM u";
                    let read = replica.read(first, |connection| {
                        connection.query_row(both, [], |row| {
                            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?))
                        })
                    });
                    let (n, count, most) = read.await.unwrap().unwrap().value.unwrap();
                    assert_eq!((n, n), (count, most.unwrap_or(0)), "of one commit");
                    assert!(n >= last, "a copy does not go back");
                    different += i64::from(n != last);
                    last = n;
                    tokio::task::yield_now().await;
                }
                different
            })
        })
        .collect();
    for n in 1..=150 {
        open.run(&format!("INSERT INTO t (v) VALUES ({n}); UPDATE u SET v = {n}")).await;
    }
    for reader in readers {
        assert!(reader.await.unwrap() > 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_is_not_applied() {
    let open = open();
    open.run("INSERT INTO t (v) VALUES ('good')").await;
    let replica = open.replica(Duration::from_secs(1));
    open.clock.advance(1000);
    let good = open.settled(&replica).await;
    let before = open.position();
    let log = open.directory.path().join("log");
    let newest = || {
        let files = std::fs::read_dir(&log).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|e| e == "log")).max().unwrap()
    };
    let old = std::fs::metadata(newest()).unwrap().len();
    open.run("INSERT INTO t (v) VALUES ('bad')").await;
    let history = Arc::clone(open.database.history().unwrap());
    tokio::task::spawn_blocking(move || history.catch_up()).await.unwrap().unwrap();
    let mut bytes = std::fs::read(newest()).unwrap();
    // Behind the record's header, in the first page.
    let at = usize::try_from(old).unwrap() + 96 + 20;
    bytes[at] ^= 0x10;
    std::fs::write(newest(), bytes).unwrap();
    open.clock.advance(1000);
    until(|| replica.position().is_none()).await;
    drop(replica);
    let quiet =
        Replica::start(&open.copy_path(), Silence, Options::new(&SCHEMA), open.clock.clone(), Duration::ZERO);
    let quiet = quiet.unwrap();
    until(|| quiet.position().is_some()).await;
    assert_eq!(quiet.position(), Some(before));
    assert_eq!(quiet.read(0, dump_of).await.unwrap().unwrap().value, good);
}

/// At each step of applying and of starting over, a picture of the copy is taken, as a crash would leave it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_step_of_applying_leaves_a_wrong_copy() {
    let open = open();
    let pictures: Arc<Mutex<Vec<(String, tempfile::TempDir)>>> = Arc::default();
    let copies = open.directory.path().join("replicas");
    std::fs::create_dir(&copies).unwrap();
    let watch = watch_crash_points(&copies, {
        let (pictures, copies) = (Arc::clone(&pictures), copies.clone());
        move |name| {
            let picture = tempfile::tempdir().unwrap();
            copy(&copies, picture.path());
            pictures.lock().unwrap().push((name.to_owned(), picture));
        }
    });
    let mut states = BTreeMap::new();
    let replica = open.replica(Duration::ZERO);
    for n in 0..24 {
        open.clock.advance(1000);
        match n {
            5 => open.run(GROW).await,
            9 => open.run("DELETE FROM t WHERE id > 10").await,
            14 => {
                let early = *states.keys().nth(6).unwrap();
                open.database.restore(early).await.unwrap();
            }
            // As if a read had found it damaged.
            11 | 18 => replica.distrust(),
            _ => open.run(&format!("INSERT INTO t (v) VALUES ({n})")).await,
        }
        states.insert(open.position(), dump(&open.database).await);
        if n % 4 != 1 {
            open.settled(&replica).await;
        }
    }
    let last = open.settled(&replica).await;
    drop(replica);
    drop(watch);
    let pictures = std::mem::take(&mut *pictures.lock().unwrap());
    let names: BTreeSet<&str> = pictures.iter().map(|(name, _)| name.as_str()).collect();
    let expected =
        ["replica-applied", "replica-copied", "replica-pages", "replica-removed", "replica-replaced"];
    assert_eq!(names, BTreeSet::from(expected));
    for (name, picture) in &pictures {
        let path = picture.path().join("1.sqlite");
        // What there is, is what the database was; nothing is fine too.
        let quiet = Replica::start(&path, Silence, Options::new(&SCHEMA), open.clock.clone(), Duration::ZERO)
            .unwrap();
        if path.exists() {
            until(|| quiet.position().is_some()).await;
            let seen = quiet.read(0, dump_of).await.unwrap().unwrap();
            if let Some(state) = states.get(&seen.position) {
                assert_eq!(&seen.value, state, "at {name}");
            } else {
                // It began with the snapshot of the new database.
                assert!(seen.position < *states.keys().next().unwrap(), "at {name}");
            }
        }
        drop(quiet);
        let replica = open.replica_at(&path, Duration::ZERO);
        assert_eq!(open.settled(&replica).await, last, "after {name}");
    }
}
