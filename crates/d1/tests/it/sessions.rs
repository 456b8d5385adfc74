//! What a session sees, whoever answers it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestError, TestRunner};
use selvedge_base::{ManualClock, Millis, SharedClock, SystemClock};
use selvedge_d1::{
    Answer, Database, Error, Format, Limits, Param, Replication, Settings, Statement, Store, Target, Wait,
};

const START: u64 = 1_800_000_000_000;
const PATIENCE: Wait = Wait::ForBookmark(Duration::from_secs(5));

async fn open(directory: &Path, clock: SharedClock, replication: Replication) -> Database {
    let store = Store::open(directory, clock, Limits::default()).unwrap();
    store.configure("shop", Settings { replication, ..Settings::default() }).await.unwrap();
    store.database("shop").await.unwrap()
}

async fn replicate(database: &Database, replication: Replication) {
    let database = database.clone();
    tokio::task::spawn_blocking(move || database.replicate(replication)).await.unwrap().unwrap();
}

async fn ask(database: &Database, statement: Statement, session: &str) -> Answer {
    let text = statement.sql.clone();
    let answer = database.query(vec![statement], Format::Objects, Some(session)).await;
    answer.unwrap_or_else(|e| panic!("{text}: {e}"))
}

async fn run(database: &Database, sql: &str) -> String {
    ask(database, Statement::new(sql), "first-primary").await.bookmark.unwrap()
}

fn number(answer: &Answer) -> i64 {
    let rows = String::from_utf8(answer.outcomes[0].rows.clone()).unwrap();
    rows.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or_else(|_| panic!("{rows}"))
}

fn by(answer: &Answer) -> (&'static str, bool) {
    let meta = &answer.outcomes[0].meta;
    (meta.served_by, meta.served_by_primary)
}

/// All replicas have what the primary has.
async fn settled(database: &Database) {
    let now = database.bookmark().unwrap();
    let looking = async {
        while database.replicas().iter().any(|replica| replica.bookmark.as_ref() != Some(&now)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looking).await.expect("replicas follow");
}

/// What a client keeps between requests.
struct Session {
    token: String,
    /// Of the states, the oldest that what it saw last can have been.
    seen: usize,
}

impl Session {
    fn keep(&mut self, bookmark: Option<String>) {
        let bookmark = bookmark.unwrap();
        // As the runtime does.
        if self.token.starts_with("first") || bookmark > self.token {
            self.token = bookmark;
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Read(usize),
    Restore(prop::sample::Index),
    Pause,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..3_usize).prop_map(Step::Write),
        6 => (0..3_usize).prop_map(Step::Read),
        1 => any::<prop::sample::Index>().prop_map(Step::Restore),
        1 => Just(Step::Pause),
    ];
    prop::collection::vec(step, 1..30)
}

/// Time that passes, or that only a pause lets pass.
enum Time {
    Real,
    Still(Arc<ManualClock>),
}

impl Time {
    fn clock(&self) -> SharedClock {
        match self {
            Self::Real => SystemClock::shared(),
            Self::Still(clock) => clock.clone(),
        }
    }

    async fn pass(&self, ms: u64) {
        match self {
            Self::Real => tokio::time::sleep(Duration::from_millis(ms)).await,
            Self::Still(clock) => {
                clock.advance(ms);
            }
        }
    }
}

/// Runs the steps one after the other, beside replicas that are behind. Tells what a session saw that it must not.
async fn violations(steps: Vec<Step>, wait: Wait, time: Time) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let lag = Duration::from_millis(12);
    let database = open(directory.path(), time.clock(), Replication { replicas: 2, lag, wait }).await;
    run(&database, "CREATE TABLE t (n INTEGER)").await;
    // Everything that the database ever was, in order.
    let mut states = vec![(run(&database, "INSERT INTO t VALUES (0)").await, 0)];
    time.pass(12).await;
    settled(&database).await;
    let tokens = ["first-unconstrained", "first-primary", "first-unconstrained"];
    let mut sessions = tokens.map(|token| Session { token: token.to_owned(), seen: 0 });
    let mut wrong = Vec::new();
    for (at, step) in steps.into_iter().enumerate() {
        match step {
            Step::Write(who) => {
                let value = i64::try_from(at).unwrap() + 1;
                let write = Statement::new("UPDATE t SET n = ?").bind([Param::Integer(value)]);
                let answer = ask(&database, write, &sessions[who].token).await;
                assert_eq!(by(&answer), ("selvedge", true));
                states.push((answer.bookmark.clone().unwrap(), value));
                sessions[who].keep(answer.bookmark);
                sessions[who].seen = states.len() - 1;
            }
            Step::Read(who) => {
                let session = &mut sessions[who];
                let token = session.token.clone();
                let answer = ask(&database, Statement::new("SELECT n FROM t"), &token).await;
                let value = number(&answer);
                match (session.seen..states.len()).find(|&index| states[index].1 == value) {
                    Some(index) => {
                        session.seen = index;
                        if answer.bookmark.as_ref() < Some(&states[index].0) {
                            wrong.push(format!("step {at}: the bookmark is older than {value}"));
                        }
                    }
                    None => wrong.push(format!("step {at}: session {who} went back to {value}")),
                }
                if token == "first-primary" && states.last().unwrap().1 != value {
                    wrong.push(format!("step {at}: the primary said {value}"));
                }
                session.keep(answer.bookmark);
            }
            Step::Restore(index) => {
                let (bookmark, value) = states[index.index(states.len())].clone();
                let restored = database.restore(&Target::Bookmark(bookmark)).await.unwrap();
                states.push((restored.bookmark, value));
            }
            Step::Pause => time.pass(8).await,
        }
    }
    assert!(states.is_sorted_by(|a, b| a.0 <= b.0), "{states:?}");
    time.pass(12).await;
    settled(&database).await;
    for session in &sessions {
        let last = ask(&database, Statement::new("SELECT n FROM t"), &session.token).await;
        assert_eq!(number(&last), states.last().unwrap().1, "replicas end where the primary is");
    }
    wrong
}

/// Runs the property over many interleavings.
fn check(cases: u32, wait: Wait, time: fn() -> Time) -> Result<(), TestError<Vec<Step>>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config =
        ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 8, ..Default::default() };
    TestRunner::new(config).run(&steps(), |steps| {
        let wrong = runtime.block_on(violations(steps, wait, time()));
        if wrong.is_empty() { Ok(()) } else { Err(TestCaseError::fail(wrong.join("; "))) }
    })
}

#[test]
fn a_session_never_goes_back_whoever_answers_it() {
    check(24, PATIENCE, || Time::Real).unwrap();
}

/// What the wait is for, and that the test would notice: without it, the same property does not hold.
#[test]
fn without_the_wait_a_session_goes_back() {
    let found = check(24, Wait::Never, || Time::Still(ManualClock::at(Millis(START))));
    let Err(TestError::Fail(why, steps)) = found else { panic!("nothing was found: {found:?}") };
    // What it went back to may also be what a restore brought: then the bookmark gives it away.
    let told = ["went back", "the bookmark is older"].iter().any(|told| why.message().contains(told));
    assert!(told, "{why} by {steps:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sessions_at_once_read_their_own_writes() {
    let directory = tempfile::tempdir().unwrap();
    let replication = Replication { replicas: 2, lag: Duration::ZERO, wait: PATIENCE };
    let database = open(directory.path(), SystemClock::shared(), replication).await;
    run(&database, "CREATE TABLE t (id INTEGER PRIMARY KEY, n)").await;
    settled(&database).await;
    let mut tasks = Vec::new();
    for id in 0..6_i64 {
        let database = database.clone();
        tasks.push(tokio::spawn(async move {
            let mut token = String::new();
            let mut from_replicas = 0;
            for n in 0..60 {
                let insert = Statement::new("INSERT OR REPLACE INTO t VALUES (?, ?)");
                let insert = insert.bind([Param::Integer(id), Param::Integer(n)]);
                let first = if token.is_empty() { "first-primary" } else { &token };
                let write = ask(&database, insert, first).await;
                token = token.max(write.bookmark.unwrap());
                let read = Statement::new("SELECT n FROM t WHERE id = ?").bind([Param::Integer(id)]);
                let read = ask(&database, read, &token).await;
                assert_eq!(number(&read), n);
                from_replicas += i32::from(!by(&read).1);
                token = token.max(read.bookmark.unwrap());
            }
            from_replicas
        }));
    }
    let mut from_replicas = 0;
    for task in tasks {
        from_replicas += task.await.unwrap();
    }
    assert!(from_replicas > 180, "{from_replicas} of 360 reads came from a replica");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_form_of_a_session_is_answered_by_who_may() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Millis(START));
    let database = open(directory.path(), clock.clone(), Replication::default()).await;
    run(&database, "CREATE TABLE t (n)").await;
    let one = ask(&database, Statement::new("INSERT INTO t VALUES (1)"), "first-primary").await;
    assert_eq!(one.outcomes[0].meta.served_by_region, None);
    let lag = Duration::from_secs(5);
    replicate(&database, Replication { replicas: 1, lag, wait: PATIENCE }).await;
    // From here on the clock stands still, so that no change gets old enough.
    clock.advance(5000);
    settled(&database).await;
    let two = ask(&database, Statement::new("INSERT INTO t VALUES (2)"), "first-unconstrained").await;
    assert_eq!(by(&two), ("selvedge", true), "who writes is answered by the primary");
    let sum = || Statement::new("SELECT sum(n) n FROM t");
    let replica = ("selvedge-replica-1", false);

    let free = ask(&database, sum(), "first-unconstrained").await;
    assert_eq!((number(&free), by(&free)), (1, replica));
    assert_eq!(free.outcomes[0].meta.served_by_region, Some("LOCAL"));
    assert_eq!(free.bookmark, one.bookmark, "the bookmark is that of the copy");
    let old = ask(&database, sum(), one.bookmark.as_ref().unwrap()).await;
    assert_eq!((number(&old), by(&old)), (1, replica));
    for token in
        ["first-primary", "what is this", "00000085-0000024c-00004c6d-8e61117bf38d7adb71b934ebbf891683"]
    {
        let primary = ask(&database, sum(), token).await;
        assert_eq!((number(&primary), by(&primary)), (3, ("selvedge", true)), "{token}");
        assert_eq!(primary.bookmark, two.bookmark);
    }
    let nobody = database.query(vec![sum()], Format::Objects, None).await.unwrap();
    assert_eq!((number(&nobody), by(&nobody), &nobody.bookmark), (3, ("selvedge", true), &None));

    // A bookmark that the replica has not got to is waited for.
    let wait = {
        let (database, token) = (database.clone(), two.bookmark.clone().unwrap());
        tokio::spawn(async move { ask(&database, Statement::new("SELECT sum(n) n FROM t"), &token).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!wait.is_finished());
    clock.advance(5000);
    let new = wait.await.unwrap();
    assert_eq!((number(&new), by(&new)), (3, replica));

    // A table that the replica has not heard of is asked for at the primary.
    run(&database, "CREATE TABLE u (n)").await;
    let unheard = ask(&database, Statement::new("SELECT count(*) n FROM u"), "first-unconstrained").await;
    assert_eq!((number(&unheard), by(&unheard)), (0, ("selvedge", true)));

    // Whoever would have to wait too long is answered by the primary.
    replicate(&database, Replication { replicas: 1, lag, wait: Wait::ForBookmark(Duration::ZERO) }).await;
    clock.advance(5000);
    settled(&database).await;
    let impatient = Replication { replicas: 1, lag: Duration::from_millis(1), ..Replication::default() };
    replicate(&database, Replication { wait: Wait::ForBookmark(Duration::from_millis(9)), ..impatient })
        .await;
    let three = run(&database, "INSERT INTO t VALUES (3)").await;
    let late = ask(&database, sum(), &three).await;
    assert_eq!((number(&late), by(&late)), (6, ("selvedge", true)));

    replicate(&database, Replication::default()).await;
    let alone = ask(&database, sum(), "first-unconstrained").await;
    assert_eq!((number(&alone), by(&alone)), (6, ("selvedge", true)));
    let left = std::fs::read_dir(directory.path().join("shop/replicas")).unwrap().count();
    assert_eq!(left, 0, "nobody needs the file any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_goes_on_after_a_restart_and_is_made_anew_when_its_file_is_bad() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop/replicas/1.sqlite");
    let database = open(directory.path(), SystemClock::shared(), Replication::default()).await;
    run(&database, "CREATE TABLE t (n)").await;
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
        INSERT INTO t SELECT i FROM n";
    run(&database, many).await;
    drop(database);
    let one = Replication { replicas: 1, ..Replication::default() };
    let damages: [&dyn Fn(); 4] = [
        &|| {},
        &|| {
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[8192..12000].fill(0xff);
            std::fs::write(&file, bytes).unwrap();
        },
        &|| std::fs::write(&file, b"not a database at all").unwrap(),
        &|| std::fs::remove_file(&file).unwrap(),
    ];
    for (at, damage) in damages.into_iter().enumerate() {
        let database = open(directory.path(), SystemClock::shared(), one).await;
        settled(&database).await;
        drop(database);
        damage();
        let database = open(directory.path(), SystemClock::shared(), one).await;
        // Whoever can, answers; in the end the replica does.
        loop {
            let sum = Statement::new("SELECT sum(n) n FROM t");
            let read = ask(&database, sum, "first-unconstrained").await;
            assert_eq!(number(&read), 12_502_500, "damage {at}");
            if !by(&read).1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_database_has_no_replicas_left() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), SystemClock::shared(), Limits::default()).unwrap();
    let replication = Replication { replicas: 2, ..Replication::default() };
    store.configure("shop", Settings { replication, ..Settings::default() }).await.unwrap();
    for _ in 0..2 {
        let database = store.database("shop").await.unwrap();
        // It is a new one every time.
        run(&database, "CREATE TABLE t (n)").await;
        settled(&database).await;
        store.delete("shop").await.unwrap();
        assert_eq!(database.replicas(), [], "nobody follows it any more");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn replicas_need_a_history() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), SystemClock::shared(), Limits::default()).unwrap();
    let one = Replication { replicas: 1, ..Replication::default() };
    store.configure("shop", Settings { history: false, ..Settings::default() }).await.unwrap();
    store.database("shop").await.unwrap();
    let later = store.configure("shop", Settings { replication: one, ..Settings::default() }).await;
    assert!(matches!(later, Err(Error::NoHistoryYet)), "{later:?}");
}
