use proptest::prelude::*;
use selvedge_sqlite::history::Point;

use crate::support::{START, connect, dump, open};

#[tokio::test]
async fn every_commit_can_be_seen_again() {
    let mut open = open();
    let mut states = vec![(open.position(), dump(&open.database).await)];
    for n in 0..60 {
        open.clock.advance(1000);
        match n % 6 {
            5 => open.run(&format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY, v)")).await,
            4 => open.run("DELETE FROM t WHERE id % 3 = 0").await,
            _ => open.run(&format!("INSERT INTO t (v) VALUES (zeroblob({})), ({n})", n * 400)).await,
        }
        states.push((open.position(), dump(&open.database).await));
    }
    let positions: Vec<u64> = states.iter().map(|(position, _)| *position).collect();
    assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
    for (position, state) in &states {
        assert_eq!(&open.dump_at(*position), state);
    }
    open.reopen();
    for (position, state) in &states {
        assert_eq!(&open.dump_at(*position), state);
    }
}

#[tokio::test]
async fn old_commits_are_merged_by_the_minute_and_then_dropped() {
    let open = open();
    let mut states = Vec::new();
    for n in 0..400_u64 {
        open.clock.advance(10_000);
        open.run(&format!(
            "INSERT INTO t (v) VALUES (hex(randomblob(700)) || {n}); DELETE FROM t WHERE id < {n} - 20"
        ))
        .await;
        states.push((START + (n + 1) * 10_000, open.position(), dump(&open.database).await));
    }
    let history = open.database.history().unwrap();
    history.tidy().unwrap();
    let after = history.extent().unwrap();
    assert!(after.merged > 0 && after.snapshots > 1 && after.oldest.ms == START, "{after:?}");
    let now = states.last().unwrap().0;
    let mut exact = 0;
    for (ms, position, state) in &states {
        let Point { position: found, ms: when } = history.at_time(*ms).unwrap();
        assert!(found <= *position && when <= *ms);
        if found == *position {
            exact += 1;
            assert_eq!(&open.dump_at(*position), state);
        }
        // Any minute can be restored, the last hour exactly.
        assert!(ms / 60_000 <= when / 60_000 + 1, "{when} for {ms}");
        assert!(found == *position || now - ms > 3_000_000, "{} s ago", (now - ms) / 1000);
    }
    assert!(exact < states.len(), "something was merged");

    open.clock.advance(25 * 3_600_000);
    open.run("INSERT INTO t (v) VALUES ('new')").await;
    history.tidy().unwrap();
    let late = history.extent().unwrap();
    assert!(late.bytes < after.bytes && late.oldest.position > after.oldest.position, "{late:?}");
    assert!(history.at_time(START).is_err());
    let (_, last, state) = states.last().unwrap();
    assert_eq!(&open.dump_at(*last), state);
}

#[tokio::test]
async fn a_restore_can_be_undone_and_survives_merging() {
    let open = open();
    open.run("INSERT INTO t (v) VALUES ('first')").await;
    let (first, first_state) = (open.position(), dump(&open.database).await);
    open.clock.advance(1);
    // A schema that is not the old one, and a reader that has seen it.
    open.run(
        "CREATE TABLE other (id INTEGER PRIMARY KEY, v, w); INSERT INTO other VALUES (1, zeroblob(90000), 3)",
    )
    .await;
    open.run("UPDATE t SET v = 'second'").await;
    let second_state = dump(&open.database).await;
    let pages =
        |c: &rusqlite::Connection| c.query_row("PRAGMA page_count", [], |row| row.get::<_, u32>(0)).unwrap();
    let large = open.database.read(pages).await.unwrap();

    let restored = open.database.restore(first).await.unwrap();
    assert_eq!(restored.to.position, first);
    assert!(restored.position > restored.undo);
    assert_eq!(open.position(), restored.position);
    assert_eq!(dump(&open.database).await, first_state);
    assert!(open.database.read(pages).await.unwrap() < large, "the file is cut");
    // The same name means something else now.
    open.run("CREATE TABLE other (id INTEGER PRIMARY KEY, v); INSERT INTO other VALUES (7, 'x')").await;
    let third_state = dump(&open.database).await;
    assert!(third_state.contains("7='x'"), "{third_state}");
    let third = open.position();

    let undone = open.database.restore(restored.undo).await.unwrap();
    assert_eq!(dump(&open.database).await, second_state);
    assert_eq!(undone.undo, third);
    open.run("INSERT INTO other VALUES (2, 2, 2)").await;

    // All in one minute; the undo points stay.
    open.clock.advance(2 * 3_600_000);
    open.run("INSERT INTO t (v) VALUES ('later')").await;
    open.clock.advance(3_600_000);
    open.run("INSERT INTO t (v) VALUES ('later')").await;
    let history = open.database.history().unwrap();
    history.tidy().unwrap();
    assert!(history.extent().unwrap().merged > 0);
    assert_eq!(history.at_or_before(restored.undo).unwrap().position, restored.undo);
    assert_eq!(open.dump_at(restored.undo), second_state);
    assert_eq!(open.dump_at(undone.undo), third_state);
    assert_ne!(history.at_or_before(first).unwrap().position, first, "others went");
}

#[tokio::test]
async fn a_restore_to_now_changes_nothing() {
    let open = open();
    open.run("INSERT INTO t (v) VALUES (1)").await;
    let restored = open.database.restore(open.position()).await.unwrap();
    assert_eq!((restored.undo, restored.position), (open.position(), open.position()));
    assert!(open.database.restore(1).await.is_err());
}

#[tokio::test]
async fn what_was_changed_from_outside_is_caught_up_with() {
    let mut open = open();
    open.run("INSERT INTO t (v) VALUES ('ours')").await;
    let (ours, state) = (open.position(), dump(&open.database).await);
    let directory = open.directory.path().to_owned();
    let clock = open.clock.clone();
    drop(open.database);
    let outside = connect(&directory.join("db.sqlite"));
    outside.execute_batch("INSERT INTO t (v) VALUES ('theirs')").unwrap();
    drop(outside);
    open.database = crate::support::open_at(&directory, &clock);
    let theirs = open.position();
    assert!(theirs >> 32 > ours >> 32, "{theirs:x} {ours:x}");
    assert_eq!(open.dump_at(ours), state);
    assert_eq!(open.dump_at(theirs), dump(&open.database).await);
    assert!(open.dump_at(theirs).contains("theirs"));
    // Untouched, it is not looked at twice.
    open.reopen();
    assert_eq!(open.position(), theirs);
}

#[tokio::test]
async fn an_existing_database_begins_its_history_with_all_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sqlite");
    let plain =
        selvedge_sqlite::Database::open(&path, selvedge_sqlite::Options::new(&crate::support::SCHEMA))
            .unwrap();
    crate::support::run(&plain, "INSERT INTO t (v) VALUES (zeroblob(100000))").await;
    let state = dump(&plain).await;
    drop(plain);
    let clock = selvedge_base::ManualClock::at(selvedge_base::Millis(START));
    let database = crate::support::open_at(directory.path(), &clock);
    let position = database.history().unwrap().position();
    crate::support::run(&database, "DELETE FROM t").await;
    assert_eq!(crate::support::dump_at(&database, position, directory.path()), state);
    // Without its log, which somebody deleted, it begins again, and its positions go on rising.
    drop(database);
    std::fs::remove_dir_all(directory.path().join("log")).unwrap();
    clock.advance(5000);
    let database = crate::support::open_at(directory.path(), &clock);
    assert!(database.history().unwrap().position() > position + 1);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u16),
    Delete(u8),
    Vacuum,
    Table(bool),
    Restore(prop::sample::Index),
    Reopen,
    Tidy,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u16>().prop_map(Step::Insert),
        2 => any::<u8>().prop_map(Step::Delete),
        1 => Just(Step::Vacuum),
        1 => any::<bool>().prop_map(Step::Table),
        2 => any::<prop::sample::Index>().prop_map(Step::Restore),
        1 => Just(Step::Reopen),
        1 => Just(Step::Tidy),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Growing, shrinking, new schemas, restores of restores, restarts and merges.
    #[test]
    fn any_past_is_what_it_was(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut open = open();
            let mut states = vec![(open.position(), dump(&open.database).await)];
            for step in steps {
                open.clock.advance(20_000);
                match step {
                    Step::Insert(size) => open.run(&format!("INSERT INTO t (v) VALUES (hex(randomblob({size} / 3)))")).await,
                    Step::Delete(one_in) => open.run(&format!("DELETE FROM t WHERE id % {} = 0", one_in % 4 + 1)).await,
                    Step::Vacuum => vacuum(&open).await,
                    Step::Table(true) => open.run("CREATE TABLE IF NOT EXISTS u (id INTEGER PRIMARY KEY, v); INSERT INTO u (v) VALUES (zeroblob(5000))").await,
                    Step::Table(false) => open.run("DROP TABLE IF EXISTS u").await,
                    Step::Restore(index) => {
                        let (position, state) = &states[index.index(states.len())];
                        let history = open.database.history().unwrap();
                        if history.at_or_before(*position).unwrap().position == *position {
                            open.database.restore(*position).await.unwrap();
                            assert_eq!(&dump(&open.database).await, state);
                        }
                    }
                    Step::Reopen => open.reopen(),
                    Step::Tidy => open.database.history().unwrap().tidy().unwrap(),
                }
                states.push((open.position(), dump(&open.database).await));
            }
            for (position, state) in states {
                let found = open.database.history().unwrap().at_or_before(position).unwrap().position;
                if found == position {
                    assert_eq!(open.dump_at(position), state);
                }
            }
        });
    }
}

/// SQLite's one way of making a file smaller. By a neighbour, whose commits the writer does not number: so the
/// database is opened again around it.
async fn vacuum(open: &crate::support::Open) {
    open.run("PRAGMA incremental_vacuum").await;
}

#[tokio::test]
async fn a_database_is_opened_once() {
    let open = open();
    let history = selvedge_sqlite::HistoryOptions {
        directory: open.directory.path().join("log"),
        clock: open.clock.clone(),
        keep: crate::support::KEEP,
    };
    let options = selvedge_sqlite::Options::new(&crate::support::SCHEMA);
    let second = selvedge_sqlite::Database::open_with_history(open.database.path(), options, history);
    assert!(second.is_err());
}
