//! Bytes that are not those written, in every region of every file: the damage is found, mended from what is good or
//! told of, and no restore ever gives a state that there never was.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use selvedge_base::{ManualClock, Millis};
use selvedge_sqlite::history::{CheckReport, Next, Upstream as _, mend_first_page};
use selvedge_sqlite::{Database, HistoryError, Options};

use crate::support::{SCHEMA, START, connect, copy, dump, dump_of, history_at, open};

/// A database with snapshots, merged and single commits, closed, and what it was at each position.
struct Sound {
    directory: tempfile::TempDir,
    states: BTreeMap<u64, String>,
    clock: Arc<ManualClock>,
}

async fn sound() -> Sound {
    let open = open();
    let mut states = BTreeMap::new();
    for n in 0..90 {
        open.clock.advance(30_000);
        open.run(&format!(
            "INSERT INTO t (v) VALUES (hex(randomblob(900)) || {n}); DELETE FROM t WHERE id < {n} - 30"
        ))
        .await;
        if n == 60 {
            open.run("CREATE TABLE u (id INTEGER PRIMARY KEY, v)").await;
        }
        states.insert(open.position(), dump(&open.database).await);
        if n == 50 || n == 70 {
            open.clock.advance(3 * 3_600_000);
            open.database.history().unwrap().tidy().unwrap();
        }
    }
    let extent = open.database.history().unwrap().extent().unwrap();
    assert!(extent.merged > 0 && extent.snapshots > 1 && extent.segments > 1, "{extent:?}");
    let crate::support::Open { database, clock, directory } = open;
    drop(database);
    Sound { directory, states, clock }
}

impl Sound {
    fn files(&self) -> Vec<PathBuf> {
        let log = std::fs::read_dir(self.directory.path().join("log")).unwrap();
        let mut files: Vec<PathBuf> = log.map(|file| file.unwrap().path()).collect();
        files.retain(|file| !file.ends_with("checkpoint"));
        files.sort();
        files
    }

    fn scratch(&self) -> tempfile::TempDir {
        let scratch = tempfile::tempdir().unwrap();
        copy(self.directory.path(), scratch.path());
        scratch
    }

    fn name(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.directory.path()).unwrap().to_owned()
    }

    fn newest(&self) -> &String {
        self.states.last_key_value().unwrap().1
    }

    /// Opens what is in `directory`, mending the first page when it must be.
    fn open(&self, directory: &Path) -> Database {
        let path = directory.join("db.sqlite");
        let open =
            || Database::open_with_history(&path, Options::new(&SCHEMA), history_at(directory, &self.clock));
        open().unwrap_or_else(|error| {
            let options = history_at(directory, &self.clock);
            let told =
                mend_first_page(&path, &options, false).unwrap().expect("it says why it cannot be opened");
            assert!(!told.repaired, "{error}");
            assert!(open().is_err(), "nothing was changed");
            assert!(mend_first_page(&path, &options, true).unwrap().unwrap().repaired);
            open().unwrap()
        })
    }

    /// Restores only give states that were, at the position that was asked for or said. How many could be had.
    fn restorable(&self, database: &Database, scratch: &Path, each: usize) -> usize {
        let history = database.history().unwrap();
        let all: BTreeSet<&String> = self.states.values().collect();
        let mut had = 0;
        for (&position, state) in self.states.iter().rev().step_by(each) {
            let copy = scratch.join("restored.sqlite");
            match history.copy_to(position, &copy) {
                Ok(point) => {
                    let found = dump_of(&connect(&copy));
                    if point.position == position {
                        assert_eq!(&found, state, "at {position:x}");
                        had += 1;
                    } else {
                        assert!(all.contains(&found), "{:x} for {position:x}", point.position);
                    }
                }
                Err(HistoryError::Damaged { .. } | HistoryError::Lost { .. } | HistoryError::TooEarly) => {}
                Err(error) => panic!("{position:x}: {error}"),
            }
            for name in ["restored.sqlite", "restored.sqlite-wal", "restored.sqlite-shm"] {
                let _ = std::fs::remove_file(scratch.join(name));
            }
        }
        had
    }
}

/// Turns bits over, and leaves the times as a failing disk does.
fn flip(path: &Path, offset: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x5a], offset).unwrap();
    file.set_modified(modified).unwrap();
}

/// `SELVEDGE_DAMAGE_STEP=1` turns over something in every region of every file, not of some of each kind.
fn step() -> usize {
    std::env::var("SELVEDGE_DAMAGE_STEP").ok().and_then(|step| step.parse().ok()).unwrap_or(5)
}

/// Offsets in every region of a file of `length` bytes: dense where headers and trailers are.
fn offsets(length: u64) -> BTreeSet<u64> {
    let mut offsets: BTreeSet<u64> = [0, 9, 12, 20, 33, 60, 64, 70, 90, 110, 150, 161, 170].into();
    offsets.extend([1, 10, 30, 50, 64, 70, 80, 100, 130].map(|back| length - back));
    offsets.extend((0..length).step_by(usize::try_from((length / 12) | 1).unwrap()));
    offsets
}

async fn check(database: &Database, repair: bool) -> CheckReport {
    database.check(repair).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_database_has_nothing_to_tell_of() {
    let sound = sound().await;
    let database = sound.open(sound.directory.path());
    let report = check(&database, true).await;
    assert_eq!((&report.problems[..], &report.lost[..]), (&[][..], &[][..]));
    assert!(report.pages > 15 && report.segments > 5 && report.records > 40, "{report:?}");
    assert!(report.kept_aside.is_empty());
    assert!(sound.restorable(&database, sound.directory.path(), 1) > 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_of_the_database_comes_back_from_the_log() {
    let sound = sound().await;
    let length = std::fs::metadata(sound.directory.path().join("db.sqlite")).unwrap().len();
    let mut pages: Vec<u64> =
        (0..length).step_by(4096).map(|page| page + (page / 4096 * 997) % 4096).collect();
    // Of the first, every part of the header.
    pages.extend([0, 16, 18, 19, 20, 24, 28, 32, 36, 40, 44, 52, 56, 60, 68, 92, 96, 100, 103, 105, 2000]);
    for offset in pages.into_iter().step_by(step().div_ceil(2)) {
        let scratch = sound.scratch();
        flip(&scratch.path().join("db.sqlite"), offset);
        let database = sound.open(scratch.path());
        let first = check(&database, false).await;
        let report = check(&database, true).await;
        assert!(report.is_sound(), "byte {offset}: {report:?}");
        assert_eq!(report.lost, [], "byte {offset}");
        // The first page is mended before it is opened, when it must be.
        assert!(!first.is_sound() || offset < 4096, "byte {offset} was not found: {first:?}");
        assert_eq!(&dump(&database).await, sound.newest(), "byte {offset}");
        assert!(check(&database, false).await.problems.is_empty(), "byte {offset}");
        drop(database);
        let database = sound.open(scratch.path());
        assert_eq!(&dump(&database).await, sound.newest(), "byte {offset}");
        crate::support::run(&database, "INSERT INTO t (v) VALUES ('on')").await;
        assert!(sound.restorable(&database, scratch.path(), 40) > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_region_of_the_log_is_mended_or_told_of() {
    let sound = sound().await;
    let (mut mended, mut lossy, mut harmless) = (0, 0, BTreeSet::new());
    let all = sound.restorable(&sound.open(sound.directory.path()), sound.directory.path(), 10);
    let files = sound.files();
    for (at, file) in files.iter().enumerate() {
        // The newest, which grows, and some of the others.
        if at % step() != 0 && at + 1 < files.len() {
            continue;
        }
        let length = std::fs::metadata(file).unwrap().len();
        for offset in offsets(length).into_iter().skip(at % step()).step_by(step()) {
            let scratch = sound.scratch();
            let place = format!("{} byte {offset}", file.display());
            flip(&scratch.path().join(sound.name(file)), offset);
            let database = sound.open(scratch.path());
            assert_eq!(&dump(&database).await, sound.newest(), "{place}");
            // Before anything is repaired, as a node that runs would be asked.
            sound.restorable(&database, scratch.path(), 40);
            let first = check(&database, false).await;
            let report = check(&database, true).await;
            assert!(report.is_sound(), "{place}: {report:?}");
            let had = sound.restorable(&database, scratch.path(), 10);
            assert!(had > 0, "{place}");
            if first.problems.is_empty() {
                // In a run of zeros, a compressed page may mean the same from elsewhere.
                assert!(had == all && harmless.insert(place.clone()), "{place}: not found");
                assert!(harmless.len() < 4, "{harmless:?}");
                continue;
            }
            if report.lost.is_empty() && had == all {
                mended += 1;
            } else {
                lossy += 1;
                assert!(!report.kept_aside.is_empty(), "{place}: {report:?}");
            }
            let again = check(&database, false).await;
            assert!(again.problems.is_empty(), "{place}: {again:?}");
            assert_eq!(&dump(&database).await, sound.newest(), "{place}");
            // And the history goes on.
            crate::support::run(&database, "INSERT INTO t (v) VALUES ('on')").await;
            let now = database.history().unwrap().position();
            assert!(crate::support::dump_at(&database, now, scratch.path()).contains("'on'"), "{place}");
        }
    }
    println!("{mended} were mended, {lossy} cost something of the past");
    assert!(mended > 5 && lossy > 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_sqlites_own_log_has_lost_comes_back_from_the_history() {
    let live = open();
    for n in 0..12 {
        live.run(&format!("INSERT INTO t (v) VALUES ({n})")).await;
    }
    live.database.history().unwrap().catch_up().unwrap();
    let (state, position) = (dump(&live.database).await, live.position());
    // A crash, and a disk that turns over bits of the third commit, or of the header.
    for offset in [40, 5000, 3 * 4120 + 1000, 7 * 4120 + 100] {
        let scratch = tempfile::tempdir().unwrap();
        copy(live.directory.path(), scratch.path());
        let _ = std::fs::remove_file(scratch.path().join("db.sqlite-shm"));
        flip(&scratch.path().join("db.sqlite-wal"), offset);
        let clock = ManualClock::at(Millis(START));
        let database = crate::support::open_at(scratch.path(), &clock);
        assert_eq!(dump(&database).await, state, "byte {offset}");
        assert!(database.history().unwrap().position() >= position);
        let report = check(&database, false).await;
        assert!(report.is_sound() && !report.problems.is_empty(), "{report:?}");
        assert_eq!(crate::support::dump_at(&database, position, scratch.path()), state);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_a_running_database_meets_is_an_error_until_it_is_repaired() {
    let live = open();
    let mut states = BTreeMap::new();
    for n in 0..60 {
        live.clock.advance(30_000);
        live.run(&format!("INSERT INTO t (v) VALUES (hex(randomblob(900)) || {n})")).await;
        states.insert(live.position(), dump(&live.database).await);
    }
    let history = Arc::clone(live.database.history().unwrap());
    history.catch_up().unwrap();
    let mut segments: Vec<PathBuf> = std::fs::read_dir(live.directory.path().join("log"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    segments.sort();
    // In the middle of pages of a finished segment.
    let bad = &segments[1];
    for offset in (500..std::fs::metadata(bad).unwrap().len()).step_by(600) {
        flip(bad, offset);
    }
    let before = dump(&live.database).await;
    let named = bad.file_stem().unwrap().to_str().unwrap();
    let named = u64::from_str_radix(named, 16).unwrap();
    let refused = live.database.restore(named + 1).await.unwrap_err();
    assert!(matches!(refused, HistoryError::Damaged { .. }), "{refused}");
    assert_eq!(dump(&live.database).await, before);
    // A follower stops there instead of going on without.
    let mut follower = history.follow();
    let mut mark = follower.mark_at(named - 1).unwrap();
    let followed = (0..100).find_map(|_| match follower.after(mark, std::time::Duration::ZERO) {
        Ok(Next::Change(mut change)) => {
            mark = Some(change.mark);
            change.read(|_, _| Ok(())).err()
        }
        Ok(_) => Some(HistoryError::TooEarly),
        Err(error) => Some(error),
    });
    assert!(matches!(followed, Some(HistoryError::Damaged { .. })), "{followed:?}");
    // What is kept small goes on with the others, and drops nothing of it.
    live.clock.advance(2 * 3_600_000);
    live.run("INSERT INTO t (v) VALUES ('later')").await;
    let _ = history.tidy();
    assert!(bad.exists());

    let report = live.database.check(true).await.unwrap();
    assert!(report.is_sound() && !report.problems.is_empty(), "{report:?}");
    live.run("INSERT INTO t (v) VALUES ('after')").await;
    let (now, state) = (live.position(), dump(&live.database).await);
    assert_eq!(live.dump_at(now), state);
    history.tidy().unwrap();
    assert_eq!(live.database.check(false).await.unwrap().problems, []);
    let mut had = 0;
    for (&position, state) in &states {
        if history.at_or_before(position).is_ok_and(|point| point.position == position) {
            had += usize::from(&live.dump_at(position) == state);
        }
    }
    println!("{had} of {} can be restored; lost: {:?}", states.len(), report.lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_copy_is_good_of_stays_and_is_told_of() {
    let sound = sound().await;
    let scratch = sound.scratch();
    flip(&scratch.path().join("db.sqlite"), 4096 * 4 + 2000);
    // And every page that the log has, in all its files but the one that grows: what is wrong with its end looks like
    // a crash.
    let mut files = sound.files();
    let newest = files.iter().rposition(|file| file.extension().is_some_and(|e| e == "log")).unwrap();
    files.remove(newest);
    for file in &files {
        let file = scratch.path().join(sound.name(file));
        let length = std::fs::metadata(&file).unwrap().len();
        let mut header = [0; 96];
        let log = std::fs::File::open(&file).unwrap();
        let mut at = 64;
        while log.read_exact_at(&mut header, at).is_ok() && header.starts_with(b"REC1") {
            let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
            let (directory, whole) = (word(64), word(72));
            for offset in (96..directory).step_by(1500) {
                flip(&file, at + offset);
            }
            at += whole;
        }
        assert!(at + 64 >= length);
    }
    let database = sound.open(scratch.path());
    let before = std::fs::read(scratch.path().join("db.sqlite")).unwrap();
    let report = check(&database, true).await;
    assert!(!report.is_sound(), "{report:?}");
    drop(database);
    assert!(std::fs::read(scratch.path().join("db.sqlite")).unwrap() == before, "it is as it was");
    assert!(report.kept_aside.len() >= files.len(), "{report:?}");
}
