//! SQL that is made to hurt: it ends in an error within its limits, and others do not notice.

use std::time::Duration;

use selvedge_d1::{Format, Limits, QueryError};

use crate::support::{open, open_with, sql};

/// Statements that would run for hours, or fill the memory or the disk, each in its own way.
const ENDLESS: &[(&str, &str)] = &[
    (
        "a recursive CTE",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    ),
    (
        "one that remembers",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT count(*) FROM n",
    ),
    (
        "a join of everything",
        "SELECT count(*) FROM big a, big b, big c, big d WHERE a.v + b.v + c.v + d.v = -1",
    ),
    (
        "an unindexed join",
        "SELECT count(*) FROM big a JOIN big b ON a.v % 7919 = b.v % 7907 JOIN big c ON c.v % 7901 = a.v",
    ),
    ("sorted", "SELECT a.v FROM big a, big b, big c ORDER BY a.v * b.v, c.v LIMIT 1"),
    ("told apart", "SELECT count(*) FROM (SELECT DISTINCT a.v * 100000 + b.v, c.v FROM big a, big b, big c)"),
    ("grouped", "SELECT count(*) FROM (SELECT a.v * 100000 + b.v k FROM big a, big b, big c GROUP BY k)"),
    (
        "a window",
        "SELECT max(s) FROM (SELECT sum(a.v) OVER (ORDER BY b.v ROWS BETWEEN 10000 PRECEDING AND 10000 FOLLOWING) s FROM big a, big b)",
    ),
    (
        "a subquery for each row",
        "SELECT sum((SELECT count(*) FROM big b WHERE b.v > a.v + c.v)) FROM big a, big c",
    ),
    ("instr()", "SELECT instr(hex(zeroblob(990000)), hex(zeroblob(495000)) || '1')"),
    ("replace()", "SELECT length(replace(hex(zeroblob(990000)), hex(zeroblob(495000)) || '1', ''))"),
    ("trim()", "SELECT length(trim(hex(zeroblob(990000)), replace(hex(zeroblob(80000)), '0', 'x') || '0'))"),
    (
        "rtrim()",
        "SELECT length(rtrim(hex(zeroblob(990000)), replace(hex(zeroblob(80000)), '0', 'x') || '0'))",
    ),
    (
        "unhex()",
        "SELECT unhex(replace(hex(zeroblob(990000)), '0', 'x'), replace(hex(zeroblob(490000)), '0', 'y') || 'x')",
    ),
    (
        "LIKE",
        "SELECT count(*) FROM big a, big b WHERE hex(zeroblob(90000 + a.v % 2)) LIKE '%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%1%'",
    ),
    (
        "GLOB",
        "SELECT count(*) FROM big a, big b WHERE hex(zeroblob(90000 + a.v % 2)) GLOB '*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*1*'",
    ),
    (
        "JSON",
        "SELECT sum(json_array_length(j)) FROM (SELECT json_group_array(b.v) j FROM big a, big b GROUP BY a.v)",
    ),
    (
        "json_tree()",
        "SELECT count(*) FROM big a, json_tree((SELECT json_group_array(v) FROM big)) b, json_tree((SELECT json_group_array(v) FROM big)) c",
    ),
    ("blobs without end", "SELECT sum(length(randomblob(1000000))) FROM big a, big b"),
    ("printf()", "SELECT sum(length(printf('%99999d%99999d%99999d', 1, 2, 3))) FROM big a, big b"),
    ("a long list of rows", "SELECT * FROM big a, big b, big c"),
];

/// Those that are refused at once, with their words.
const REFUSED: &[(&str, &str)] = &[
    ("SELECT zeroblob(2000001)", "string or blob too big: SQLITE_TOOBIG"),
    ("SELECT randomblob(1000000000)", "string or blob too big: SQLITE_TOOBIG"),
    ("SELECT hex(hex(hex(zeroblob(500000))))", "string or blob too big: SQLITE_TOOBIG"),
    (
        "SELECT replace(replace(replace(hex(zeroblob(1000)), '0', hex(zeroblob(50))), '0', hex(zeroblob(50))), '0', hex(zeroblob(50)))",
        "string or blob too big: SQLITE_TOOBIG",
    ),
    ("SELECT group_concat(hex(zeroblob(5000))) FROM big", "string or blob too big: SQLITE_TOOBIG"),
    ("SELECT json_group_array(hex(zeroblob(5000))) FROM big", "out of memory: SQLITE_NOMEM"),
    ("SELECT string_agg(hex(zeroblob(5000)), ',') OVER () FROM big", "string or blob too big: SQLITE_TOOBIG"),
    ("SELECT concat(zeroblob(1500000), zeroblob(1500000))", "string or blob too big: SQLITE_TOOBIG"),
    ("SELECT zeroblob(1500000) || zeroblob(1500000)", "string or blob too big: SQLITE_TOOBIG"),
    (
        "INSERT INTO big SELECT zeroblob(1500000), zeroblob(1500000)",
        "table big has 1 columns but 2 values were supplied",
    ),
    (
        "CREATE TABLE wide AS SELECT zeroblob(1500000) a, zeroblob(1500000) b",
        "string or blob too big: SQLITE_TOOBIG",
    ),
    (
        "SELECT * FROM big a JOIN big b USING (v), big c, big d, big e, big f, big g, big h, big i, big j, big k, big l, big m, big n, big o, big p, big q, big r, big s, big t, big u, big w, big x, big y, big z, big aa, big ab, big ac, big ad, big ae, big af, big ag, big ah, big ai, big aj, big ak, big al, big am, big an, big ao, big ap, big aq, big ar, big au, big av, big aw, big ax, big ay, big az, big ba, big bb, big bc, big bd, big be, big bf, big bg, big bh, big bi, big bj, big bk, big bl, big bm, big bn, big bo, big bp, big bq, big br, big bs, big bt",
        "at most 64 tables in a join",
    ),
];

async fn with_big(limits: Limits) -> crate::support::Open {
    let open = open_with(limits).await;
    open.rows("CREATE TABLE big (v INTEGER)").await;
    open.rows(
        "INSERT INTO big WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         SELECT i FROM n",
    )
    .await;
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_end_is_ended_and_other_databases_go_on_meanwhile() {
    let limits = Limits { request_time: Duration::from_millis(300), ..Limits::default() };
    let hostile = with_big(limits).await;
    let quiet = open().await;
    quiet.rows("CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
    quiet.rows("INSERT INTO t VALUES (1)").await;
    for (name, text) in ENDLESS {
        let attack = {
            let (database, statement) = (hostile.database.clone(), sql(text, []));
            tokio::spawn(async move { database.query(vec![statement], Format::Objects, None).await })
        };
        let mut answered = 0;
        while !attack.is_finished() {
            quiet.rows("SELECT * FROM t WHERE id = 1").await;
            answered += 1;
        }
        let error = attack.await.unwrap().err().unwrap_or_else(|| panic!("{name} came to an end"));
        let is_expected =
            matches!(error, QueryError::Timeout | QueryError::AnswerTooLarge | QueryError::DatabaseTooLarge);
        assert!(is_expected, "{name}: {error}");
        // Most of the time that the attack had was theirs; alone they get thousands.
        assert!(answered > 100, "{name}: {answered}");
    }
    // The database that was attacked is none the worse.
    assert_eq!(hostile.rows("SELECT count(*) n FROM big").await, "[{\"n\":10000}]");
    hostile.rows("INSERT INTO big VALUES (0)").await;
}

#[tokio::test]
async fn what_writes_without_end_is_undone() {
    let limits = Limits { request_time: Duration::from_millis(300), ..Limits::default() };
    let open = with_big(limits).await;
    for text in [
        "INSERT INTO big SELECT a.v FROM big a, big b, big c",
        "UPDATE big SET v = (SELECT count(*) FROM big a, big b, big c WHERE a.v = big.v)",
        "DELETE FROM big WHERE v = (SELECT max(a.v * b.v) FROM big a, big b, big c)",
        "CREATE TABLE other AS SELECT a.v FROM big a, big b, big c",
    ] {
        let error = open.run(vec![sql(text, [])]).await.unwrap_err();
        assert!(matches!(error, QueryError::Timeout), "{text}: {error}");
        assert_eq!(open.rows("SELECT count(*) n, max(v) m FROM big").await, "[{\"n\":10000,\"m\":10000}]");
    }
    assert_eq!(open.error("SELECT * FROM other").await, "no such table: other: SQLITE_ERROR");
}

#[tokio::test]
async fn what_would_grow_without_end_is_refused() {
    let open = with_big(Limits::default()).await;
    for (text, words) in REFUSED {
        let error = open.error(text).await;
        assert!(error.starts_with(words), "{text}: {error}");
    }
    let nested = |open: &str, close: &str, n: usize| format!("SELECT {}1{}", open.repeat(n), close.repeat(n));
    for text in [
        nested("(", ")", 5000),
        nested("-", "", 5000),
        nested("NOT ", "", 5000),
        nested("abs(", ")", 5000),
        nested("(SELECT ", ")", 5000),
        nested("CASE WHEN 1 THEN ", " END", 2000),
        format!("SELECT 1{}", " + 1".repeat(5000)),
        format!("SELECT 1{}", " IN (1)".repeat(5000)),
        format!("SELECT 1 WHERE {}", "1 AND ".repeat(5000) + "1"),
        format!("SELECT json_extract('{}', '$')", "[".repeat(50_000) + &"]".repeat(49_000)),
        format!("WITH {} SELECT 1", "a AS (".repeat(2000) + "SELECT 1" + &")".repeat(2000)),
        format!("SELECT {}", "'x' || ".repeat(9000) + "'x'"),
        format!("SELECT * FROM {}", "(SELECT * FROM ".repeat(2000) + "big" + &")".repeat(2000)),
        format!("SELECT 1 {}", "UNION SELECT 1 ".repeat(5000)),
        format!("SELECT {}", "?".repeat(200).split("").collect::<Vec<_>>().join(",").trim_matches(',')),
        format!("SELECT '{}'", "x".repeat(200_000)),
        format!("CREATE TABLE w ({})", (0..500).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",")),
        format!("CREATE INDEX w ON big ({})", vec!["v + 1"; 500].join(",")),
    ] {
        let error = open.error(&text).await;
        assert!(
            error.contains(": SQLITE_") || error.contains("number of parameter"),
            "{}: {error}",
            &text[..40]
        );
        assert!(error.len() < 300, "{error}");
    }
    assert_eq!(open.rows("SELECT 1 a").await, "[{\"a\":1}]");
}

#[tokio::test]
async fn text_that_is_no_text_does_no_harm() {
    let open = open().await;
    open.rows("CREATE TABLE t (a TEXT)").await;
    for bytes in
        ["ff", "c3", "c328", "e28228", "f0288cbc", "f8a1a1a1a1", "eda080", "00", "c080", "fffe0041", "efbbbf"]
    {
        let text = format!("CAST(x'{bytes}' AS TEXT)");
        open.rows(&format!("INSERT INTO t VALUES ({text})")).await;
        for expression in [
            format!("length({text})"),
            format!("upper({text}) || lower({text})"),
            format!("substr({text}, 1, 1)"),
            format!("instr('abc', {text})"),
            format!("replace('abc', {text}, 'x')"),
            format!("trim('abc', {text})"),
            format!("{text} LIKE '%'"),
            format!("'a' LIKE {text}"),
            format!("'a' GLOB {text}"),
            format!("printf('%s%5.2s%q', {text}, {text}, {text})"),
            format!("json_quote({text})"),
            format!("unicode({text})"),
            format!("hex({text})"),
            format!("group_concat({text}, {text})"),
        ] {
            let rows = open.rows(&format!("SELECT {expression} v")).await;
            assert!(serde_json::from_str::<serde_json::Value>(&rows).is_ok(), "{expression}: {rows}");
        }
        // What is no JSON is said to be none.
        let _ = open.run(vec![sql(&format!("SELECT json({text})"), [])]).await;
    }
    open.rows("CREATE INDEX t_a ON t (a COLLATE NOCASE)").await;
    assert_eq!(open.rows("SELECT count(*) n FROM t").await, "[{\"n\":11}]");
    open.rows("CREATE VIRTUAL TABLE f USING fts5(a)").await;
    open.rows("INSERT INTO f SELECT a FROM t").await;
    open.rows("SELECT highlight(f, 0, '<', '>') h FROM f WHERE f MATCH 'a*'").await;
    assert_eq!(open.rows("PRAGMA quick_check").await, "[{\"quick_check\":\"ok\"}]");
}

/// A waiting request is answered when its time is over, not when its turn comes.
#[tokio::test]
async fn who_waits_is_answered_in_time() {
    let time = Duration::from_millis(300);
    let limits =
        Limits { request_time: time, transaction_time: Some(Duration::from_mins(1)), ..Limits::default() };
    let open = open_with(limits).await;
    open.rows("CREATE TABLE t (a)").await;
    let held = open.database.transaction().await.unwrap();
    let error = open.run(vec![sql("INSERT INTO t VALUES (1)", [])]).await.unwrap_err();
    assert_eq!(error.to_string(), "D1 DB is overloaded. Requests queued for too long.");
    held.rollback().await;
    assert_eq!(open.rows("SELECT count(*) n FROM t").await, "[{\"n\":0}]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_readers_are_told_so() {
    let limits = Limits { request_time: Duration::from_millis(500), queue: 8, ..Limits::default() };
    let open = with_big(limits).await;
    let endless = ENDLESS[0].1;
    let many: Vec<_> = (0..20)
        .map(|_| {
            let database = open.database.clone();
            tokio::spawn(async move { database.query(vec![sql(endless, [])], Format::Objects, None).await })
        })
        .collect();
    let mut errors = Vec::new();
    for one in many {
        errors.push(one.await.unwrap().map(|_| ()).unwrap_err().to_string());
    }
    let told = |words: &str| errors.iter().filter(|error| error.ends_with(words)).count();
    assert!(told("Too many requests queued.") >= 8, "{errors:?}");
    assert!(told("exceeded timeout which caused object to be reset.") >= 4, "{errors:?}");
}
