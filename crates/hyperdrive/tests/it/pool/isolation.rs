//! What two transactions may see of each other is the database's business at every isolation level: the cases of
//! Hermitage (G0 to G2) end through the pool as they do without it, and as PostgreSQL promises.

use std::time::Duration;

use crate::support::{Pooler, Postgres, Wire};

/// Which session says what. After a `!` the answer is not waited for: another holds a lock that it needs.
type Step = (usize, &'static str);

struct Case {
    name: &'static str,
    steps: &'static [Step],
    /// The levels at which PostgreSQL lets the anomaly happen.
    happens_at: &'static [&'static str],
    /// Whether it happened, told from what was seen.
    happened: fn(&[String]) -> bool,
}

const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

fn failed(seen: &[String]) -> bool {
    seen.iter().any(|seen| seen.starts_with("40001") || seen.starts_with("40P01"))
}

/// The answer to the step with this number.
fn at(seen: &[String], step: usize) -> &str {
    &seen[step]
}

const CASES: [Case; 10] = [
    Case {
        name: "G0, dirty write",
        steps: &[
            (0, "UPDATE test SET value = 11 WHERE id = 1"),
            (1, "!UPDATE test SET value = 12 WHERE id = 1"),
            (0, "UPDATE test SET value = 21 WHERE id = 2"),
            (0, "COMMIT"),
            (1, "UPDATE test SET value = 22 WHERE id = 2"),
            (1, "COMMIT"),
            (2, "SELECT value FROM test ORDER BY id"),
        ],
        happens_at: &[],
        happened: |seen| !["11,21", "12,22"].contains(&at(seen, 6)),
    },
    Case {
        name: "G1a, aborted reads",
        steps: &[
            (0, "UPDATE test SET value = 101 WHERE id = 1"),
            (1, "SELECT value FROM test ORDER BY id"),
            (0, "ROLLBACK"),
            (1, "SELECT value FROM test ORDER BY id"),
            (1, "COMMIT"),
        ],
        happens_at: &[],
        happened: |seen| at(seen, 1) != "10,20" || at(seen, 3) != "10,20",
    },
    Case {
        name: "G1b, intermediate reads",
        steps: &[
            (0, "UPDATE test SET value = 101 WHERE id = 1"),
            (1, "SELECT value FROM test ORDER BY id"),
            (0, "UPDATE test SET value = 11 WHERE id = 1"),
            (0, "COMMIT"),
            (1, "SELECT value FROM test ORDER BY id"),
            (1, "COMMIT"),
        ],
        happens_at: &[],
        happened: |seen| [at(seen, 1), at(seen, 4)].iter().any(|seen| seen.contains("101")),
    },
    Case {
        name: "G1c, circular information flow",
        steps: &[
            (0, "UPDATE test SET value = 11 WHERE id = 1"),
            (1, "UPDATE test SET value = 22 WHERE id = 2"),
            (0, "SELECT value FROM test WHERE id = 2"),
            (1, "SELECT value FROM test WHERE id = 1"),
            (0, "COMMIT"),
            (1, "COMMIT"),
        ],
        happens_at: &[],
        happened: |seen| at(seen, 2) == "22" && at(seen, 3) == "11",
    },
    Case {
        name: "OTV, observed transaction vanishes",
        steps: &[
            (0, "UPDATE test SET value = 11 WHERE id = 1"),
            (0, "UPDATE test SET value = 19 WHERE id = 2"),
            (1, "!UPDATE test SET value = 12 WHERE id = 1"),
            (0, "COMMIT"),
            (2, "SELECT value FROM test WHERE id = 1"),
            (1, "UPDATE test SET value = 18 WHERE id = 2"),
            (2, "SELECT value FROM test WHERE id = 2"),
            (1, "COMMIT"),
            (2, "SELECT value FROM test ORDER BY id"),
            (2, "COMMIT"),
        ],
        happens_at: &[],
        happened: |seen| at(seen, 4) == "11" && at(seen, 6) == "20",
    },
    Case {
        name: "PMP, predicate-many-preceders",
        steps: &[
            (0, "SELECT value FROM test WHERE value = 30"),
            (1, "INSERT INTO test VALUES (3, 30)"),
            (1, "COMMIT"),
            (0, "SELECT value FROM test WHERE value % 3 = 0"),
            (0, "COMMIT"),
        ],
        happens_at: &["READ COMMITTED"],
        happened: |seen| at(seen, 3) == "30",
    },
    Case {
        name: "P4, lost update",
        steps: &[
            (0, "SELECT value FROM test WHERE id = 1"),
            (1, "SELECT value FROM test WHERE id = 1"),
            (0, "UPDATE test SET value = 11 WHERE id = 1"),
            (1, "!UPDATE test SET value = 11 WHERE id = 1"),
            (0, "COMMIT"),
            (1, "COMMIT"),
        ],
        happens_at: &["READ COMMITTED"],
        happened: |seen| !failed(seen),
    },
    Case {
        name: "G-single, read skew",
        steps: &[
            (0, "SELECT value FROM test WHERE id = 1"),
            (1, "SELECT value FROM test ORDER BY id"),
            (1, "UPDATE test SET value = 12 WHERE id = 1"),
            (1, "UPDATE test SET value = 18 WHERE id = 2"),
            (1, "COMMIT"),
            (0, "SELECT value FROM test WHERE id = 2"),
            (0, "COMMIT"),
        ],
        happens_at: &["READ COMMITTED"],
        happened: |seen| at(seen, 5) == "18",
    },
    Case {
        name: "G2-item, write skew",
        steps: &[
            (0, "SELECT value FROM test WHERE id IN (1, 2) ORDER BY id"),
            (1, "SELECT value FROM test WHERE id IN (1, 2) ORDER BY id"),
            (0, "UPDATE test SET value = 11 WHERE id = 1"),
            (1, "UPDATE test SET value = 21 WHERE id = 2"),
            (0, "COMMIT"),
            (1, "COMMIT"),
        ],
        happens_at: &["READ COMMITTED", "REPEATABLE READ"],
        happened: |seen| !failed(seen),
    },
    Case {
        name: "G2, anti-dependency cycles",
        steps: &[
            (0, "SELECT value FROM test WHERE value % 3 = 0"),
            (1, "SELECT value FROM test WHERE value % 3 = 0"),
            (0, "INSERT INTO test VALUES (3, 30)"),
            (1, "INSERT INTO test VALUES (4, 42)"),
            (0, "COMMIT"),
            (1, "COMMIT"),
        ],
        happens_at: &["READ COMMITTED", "REPEATABLE READ"],
        happened: |seen| !failed(seen),
    },
];

/// Plays a case with sessions of these, and gives what each step was answered.
fn play(case: &Case, level: &str, connect: impl Fn() -> Wire) -> Vec<String> {
    let mut sessions = [connect(), connect(), connect()];
    sessions[2].query("DROP TABLE IF EXISTS test; CREATE TABLE test (id int PRIMARY KEY, value int)");
    sessions[2].query("INSERT INTO test VALUES (1, 10), (2, 20)");
    for session in &mut sessions {
        session.query(&format!("BEGIN ISOLATION LEVEL {level}"));
    }
    let mut seen = vec![String::new(); case.steps.len()];
    // The step whose answer a session has not read.
    let mut pending: [Option<usize>; 3] = [None; 3];
    for (number, &(who, sql)) in case.steps.iter().enumerate() {
        if let Some(step) = pending[who].take() {
            seen[step] = outcome(&sessions[who].read());
        }
        if let Some(blocked) = sql.strip_prefix('!') {
            sessions[who].send(b'Q', format!("{blocked}\0").as_bytes());
            pending[who] = Some(number);
            // Whether it waits by now shows nowhere; what follows lets it go on.
            std::thread::sleep(Duration::from_millis(20));
        } else {
            seen[number] = outcome(&sessions[who].query(sql));
        }
    }
    for session in &mut sessions {
        session.query("ROLLBACK");
    }
    seen
}

/// The first column, or the error.
fn outcome(reply: &crate::support::Reply) -> String {
    match &reply.error {
        Some((code, _)) => code.clone(),
        None => reply.rows.iter().map(|row| row[0].clone().unwrap_or_default()).collect::<Vec<_>>().join(","),
    }
}

#[test]
fn the_cases_of_hermitage_end_as_without_a_pool() {
    let Some(server) = Postgres::own() else { return };
    let pooler = Pooler::new(&server, 3);
    for case in &CASES {
        for level in LEVELS {
            let direct = play(case, level, || server.connect("postgres"));
            let pooled = play(case, level, || pooler.connect());
            let name = case.name;
            assert_eq!(pooled, direct, "{name}, {level}");
            let expected = case.happens_at.contains(&level);
            assert_eq!((case.happened)(&pooled), expected, "{name}, {level}: {pooled:?}");
        }
    }
}
