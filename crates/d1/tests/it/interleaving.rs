use proptest::prelude::*;
use selvedge_d1::Param;

use crate::support::{open, sql};

/// What one client does, one step after the other.
#[derive(Clone, Debug)]
enum Step {
    Increment(i64),
    /// Increments, then fails.
    Undone(i64),
    Batch(Vec<i64>),
    Read,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..100_i64).prop_map(Step::Increment),
        1 => (1..100_i64).prop_map(Step::Undone),
        1 => prop::collection::vec(1..100_i64, 1..4).prop_map(Step::Batch),
        1 => Just(Step::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn increments_by_many_clients_at_once_lose_none(
        clients in prop::collection::vec(prop::collection::vec(step(), 1..12), 1..8),
    ) {
        let expected: i64 = clients.iter().flatten().map(|step| match step {
            Step::Increment(by) => *by,
            Step::Batch(all) => all.iter().sum(),
            Step::Undone(_) | Step::Read => 0,
        }).sum();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let total = runtime.block_on(async {
            let open = std::sync::Arc::new(open().await);
            open.rows("CREATE TABLE t (n INTEGER)").await;
            open.rows("INSERT INTO t VALUES (0)").await;
            let mut tasks = Vec::new();
            for steps in clients {
                let open = std::sync::Arc::clone(&open);
                tasks.push(tokio::spawn(async move {
                    let add = |by: i64| sql("UPDATE t SET n = n + ?", [Param::Integer(by)]);
                    let mut seen = 0;
                    for step in steps {
                        match step {
                            Step::Increment(by) => drop(open.run(vec![add(by)]).await.unwrap()),
                            Step::Undone(by) => {
                                open.run(vec![add(by), sql("INSERT INTO nosuch VALUES (1)", [])]).await.unwrap_err();
                            }
                            Step::Batch(all) => drop(open.run(all.into_iter().map(add).collect()).await.unwrap()),
                            Step::Read => {}
                        }
                        let now = number(&open.rows("SELECT n FROM t").await);
                        assert!(now >= seen, "a client went back from {seen} to {now}");
                        seen = now;
                    }
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            number(&open.rows("SELECT n FROM t").await)
        });
        prop_assert_eq!(total, expected);
    }
}

fn number(rows: &str) -> i64 {
    rows.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap()
}
