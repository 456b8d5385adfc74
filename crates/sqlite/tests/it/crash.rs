//! At each named step of what is written, a picture of the directory is taken, as a crash would leave it, and
//! opened: everything that was answered is there, and every moment that can be restored is one that was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use selvedge_base::{ManualClock, Millis, watch_crash_points};

use crate::support::{START, copy, dump, dump_at, open, open_at};

/// Positions and what the database was there; the last one may be under way.
type States = Arc<Mutex<BTreeMap<u64, String>>>;

struct Picture {
    name: String,
    directory: tempfile::TempDir,
    /// What had been answered before it was taken, and after.
    answered: u64,
    later: u64,
}

fn files(directory: &Path) -> BTreeSet<std::ffi::OsString> {
    let log = std::fs::read_dir(directory.join("log")).unwrap();
    log.map(|entry| entry.unwrap().file_name())
        .filter(|name| !name.to_string_lossy().ends_with("tmp"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_step_loses_what_was_answered_or_invents_what_was_not() {
    let open = open();
    let states: States = Arc::default();
    let pictures: Arc<Mutex<Vec<Picture>>> = Arc::default();
    let seen: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let note = async || {
        let state = dump(&open.database).await;
        states.lock().unwrap().insert(open.position(), state);
    };
    note().await;
    let quiet: Arc<tokio::sync::Mutex<()>> = Arc::default();
    let watch = {
        let (states, pictures, seen) = (Arc::clone(&states), Arc::clone(&pictures), Arc::clone(&seen));
        let quiet = Arc::clone(&quiet);
        let directory = open.directory.path().to_owned();
        watch_crash_points(open.directory.path(), move |name| {
            let times = {
                let mut seen = seen.lock().unwrap();
                let times = seen.entry(name.to_owned()).or_default();
                *times += 1;
                *times
            };
            // Early ones, and some of the later.
            if times > 2 && !times.is_multiple_of(41) {
                return;
            }
            // What is kept small is kept so beside the writer, which must not move while the picture is taken.
            let beside =
                name.starts_with("history-upkeep") || name.contains("merged") || name.contains("snapshot");
            let _quiet = beside.then(|| quiet.blocking_lock());
            let answered = || states.lock().unwrap().last_key_value().map_or(0, |(position, _)| *position);
            let before = answered();
            let picture = loop {
                let (picture, files) = (tempfile::tempdir().unwrap(), files(&directory));
                copy(&directory, picture.path());
                // Nothing was dropped meanwhile by who tidies up beside.
                if files == self::files(&directory) {
                    break picture;
                }
            };
            let (name, later) = (name.to_owned(), answered());
            pictures.lock().unwrap().push(Picture { name, directory: picture, answered: before, later });
        })
    };
    for n in 0..140 {
        open.clock.advance(30_000);
        let busy = quiet.lock().await;
        match n {
            50 | 100 => {
                let middle = *states.lock().unwrap().keys().nth(n / 2).unwrap();
                open.database.restore(middle).await.unwrap();
            }
            60 => {
                // A large one.
                open.run(
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
                    INSERT INTO t (v) SELECT randomblob(1000) FROM n",
                )
                .await;
            }
            70 => open.run("DELETE FROM t").await,
            _ => open.run(&format!("INSERT INTO t (v) VALUES (hex(randomblob(1500)) || {n})")).await,
        }
        note().await;
        drop(busy);
        if n % 45 == 44 {
            open.clock.advance(2 * 3_600_000);
            let history = Arc::clone(open.database.history().unwrap());
            tokio::task::spawn_blocking(move || history.tidy()).await.unwrap().unwrap();
        }
    }
    let copy_path = open.directory.path().join("copy/db.sqlite");
    open.database.history().unwrap().copy_to(open.position(), &copy_path).unwrap();
    drop(watch);
    drop(open.database);

    let states = std::mem::take(&mut *states.lock().unwrap());
    // Before its first step, a new database is empty.
    let nothing = String::new();
    let all: BTreeSet<&String> = states.values().chain([&nothing]).collect();
    let pictures = std::mem::take(&mut *pictures.lock().unwrap());
    let names: BTreeSet<String> = pictures.iter().map(|picture| picture.name.clone()).collect();
    for expected in [
        "history-log-pages",
        "history-log-written",
        "history-log-synced",
        "history-segment-sealed",
        "history-checkpoint",
        "history-checkpointed",
        "history-restore-pages",
        "history-restored",
        "history-upkeep-written",
        "history-merged",
        "history-merged-dropped",
        "history-snapshot",
        "history-copied",
    ] {
        assert!(names.contains(expected), "{expected} was never reached: {names:?}");
    }
    let clock = ManualClock::at(Millis(START + 50 * 3_600_000));
    for Picture { name, directory, answered, later } in pictures {
        let database = open_at(directory.path(), &clock);
        let history = database.history().unwrap();
        let now = history.position();
        let state = dump(&database).await;
        assert!(now >= answered, "{name}: {now:x} is before {answered:x}");
        assert_eq!(now >> 32, answered >> 32, "{name}: the log lost its place");
        // At most the one that was being made is there without having been answered.
        assert!(states.range(..=now).count() <= states.range(..=later).count() + 1, "{name}");
        assert_eq!(states.get(&now), Some(&state), "{name} at {now:x}");
        // The newest ones, and some of the others.
        let known: Vec<_> = states.range(..=now).collect();
        for (position, expected) in known.iter().rev().take(3).chain(known.iter().step_by(23)) {
            let Ok(point) = history.at_or_before(**position) else { continue };
            let restored = dump_at(&database, point.position, directory.path());
            if point.position == **position {
                assert_eq!(&restored, *expected, "{name}: {position:x}");
            } else {
                assert!(all.contains(&restored), "{name}: {position:x}");
            }
        }
        assert!(history.at_or_before(answered).is_ok(), "{name}");
    }
}
