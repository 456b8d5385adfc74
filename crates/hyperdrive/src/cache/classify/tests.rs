use super::*;

fn reason(sql: &str, dialect: Dialect) -> Reason {
    match classify(sql.as_bytes(), dialect) {
        Verdict::Uncacheable(reason) => reason,
        Verdict::Cacheable(_) => panic!("cacheable: {sql}"),
    }
}

fn text(sql: &str, dialect: Dialect) -> String {
    match classify(sql.as_bytes(), dialect) {
        Verdict::Cacheable(statement) => statement.text().to_owned(),
        Verdict::Uncacheable(reason) => panic!("{reason}: {sql}"),
    }
}

#[test]
fn postgres_reads_are_cacheable() {
    for sql in [
        "select 1",
        "SELECT * FROM t;",
        "SELECT t.*, u.name AS \"Name\" FROM public.t AS t JOIN u ON u.id = t.u_id LEFT OUTER JOIN v USING (a, b)",
        "select a, b b2 from t where a = $1 and b in ($2, $3) or not c order by 1 desc nulls last limit 10 offset $4",
        "SELECT count(*), count(DISTINCT x), sum(y) FILTER (WHERE z > 0) FROM t GROUP BY 1 HAVING count(*) > 2",
        "WITH a AS (SELECT 1 AS x), b (y) AS NOT MATERIALIZED (VALUES (1), (2)) SELECT * FROM a, b WHERE a.x = b.y",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
        "TABLE t",
        "VALUES (1, 'a'), (2, 'b')",
        "(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1",
        "SELECT row_number() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM t",
        "SELECT rank() OVER w FROM t WINDOW w AS (ORDER BY a)",
        "SELECT CASE WHEN a IS NULL THEN 'x' WHEN b IS NOT DISTINCT FROM c THEN 'y' ELSE lower(d) END FROM t",
        "SELECT CASE a WHEN 1 THEN 2 END",
        "SELECT a::int, CAST(b AS numeric(10, 2)), c::varchar(3)[], '2020-01-01'::date, date '2020-01-01' FROM t",
        "SELECT $1::timestamptz, CAST($2 AS timestamp with time zone), timestamp with time zone '2020-01-01 00:00Z'",
        "SELECT interval '1 day', interval '1' hour, '1 day'::interval FROM t WHERE at > $1",
        "SELECT ARRAY[1, 2], ARRAY[[1], [2]], ARRAY(SELECT 1), a[1], a[1:2], ROW(1, 2), (1, 2) FROM t",
        "SELECT * FROM t WHERE id = ANY($1) AND x <> ALL (ARRAY['a', 'b']) AND y = ANY (SELECT z FROM u)",
        "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id) AND a BETWEEN SYMMETRIC 1 AND 2",
        "SELECT a || ' ' || b, j->'k'->>'l', j @> '{}'::jsonb, j ? 'a', -x, +y, ~z, a != b FROM t",
        "SELECT substring(a FROM 1 FOR 2), substring(a, 1), trim(BOTH ' ' FROM a), trim(a), position('a' IN b),
            overlay(a placing 'x' from 1 for 2), coalesce(a, b), greatest(1, 2), nullif(a, b)",
        "SELECT * FROM (SELECT 1) s (a), LATERAL (SELECT s.a) AS l, generate_series(1, 3) WITH ORDINALITY AS g(x, n)",
        "SELECT * FROM ((a JOIN b ON true) CROSS JOIN c) NATURAL JOIN d",
        "SELECT * FROM ((SELECT 1) UNION (SELECT 2)) AS u",
        "SELECT DISTINCT ON (a, b) * FROM ONLY t ORDER BY a FETCH FIRST 5 ROWS WITH TIES",
        "SELECT a FROM t GROUP BY GROUPING SETS ((a), ()), ROLLUP (a, b), CUBE (c)",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x), string_agg(a, ',' ORDER BY b DESC) FROM t",
        "SELECT \"current_date\", \"select\".\"now\" FROM \"select\"",
        "SELECT 'it''s', E'it\\'s\\n', $$a $b$ c$$, $x$ $$ $x$, b'101', x'1F', 1.5e-3, .5",
        "SELECT a LIKE '%x' ESCAPE '!', a NOT ILIKE b, a SIMILAR TO b, a ~* 'x', a IS TRUE, a ISNULL FROM t",
        "SELECT pg_catalog.lower(a), \"lower\"(b), left(c, 1), length(d) FROM t",
        "SELECT a COLLATE \"C\" FROM t ORDER BY a COLLATE \"de_DE\"",
        "SELECT 1 -- a comment with now()\n /* and /* nested */ current_date */",
    ] {
        text(sql, Dialect::Postgres);
    }
}

#[test]
fn what_postgres_answers_by_the_clock_by_chance_or_by_who_asks_is_not() {
    use Reason::{Clock, Function};
    let function = |name: &str| Function(name.into());
    for (sql, why) in [
        ("SELECT now()", function("now")),
        ("SELECT NOW ( )", function("now")),
        ("SELECT /* x */ \"now\"()", function("now")),
        ("SELECT pg_catalog.now()", function("now")),
        ("SELECT current_date", function("current_date")),
        ("SELECT a FROM t WHERE d > CURRENT_TIMESTAMP", function("current_timestamp")),
        ("SELECT LOCALTIMESTAMP(0)", function("localtimestamp")),
        ("SELECT user", function("user")),
        ("SELECT current_schema", function("current_schema")),
        ("SELECT random()", function("random")),
        ("SELECT gen_random_uuid()", function("gen_random_uuid")),
        ("SELECT nextval('s')", function("nextval")),
        ("SELECT lastval()", function("lastval")),
        ("SELECT txid_current()", function("txid_current")),
        ("SELECT set_config('a.b', 'c', false)", function("set_config")),
        ("SELECT current_setting('a')", function("current_setting")),
        ("SELECT pg_advisory_lock(1)", function("pg_advisory_lock")),
        ("SELECT pg_sleep(1)", function("pg_sleep")),
        ("SELECT my_function(1)", function("my_function")),
        ("SELECT public.lower('a')", function("public")),
        ("SELECT \"LOWER\"('a')", function("LOWER")),
        ("SELECT date_trunc('day', a) FROM t", function("date_trunc")),
        ("SELECT extract(year FROM a) FROM t", function("extract")),
        ("SELECT to_char(a, 'YYYY') FROM t", function("to_char")),
        ("SELECT age(a) FROM t", function("age")),
        ("SELECT a AT TIME ZONE 'UTC' FROM t", function("AT TIME ZONE")),
        ("SELECT json_agg(a) FROM t", function("json_agg")),
        ("SELECT t.row_to_json FROM t", function("row_to_json")),
        ("SELECT * FROM t TABLESAMPLE system (10)", function("TABLESAMPLE")),
        ("SELECT (a, b) OVERLAPS (c, d) FROM t", function("OVERLAPS")),
        ("SELECT 'now'::timestamptz", Clock),
        ("SELECT * FROM t WHERE d < 'today'", Clock),
        ("SELECT date 'Tomorrow'", Clock),
        ("SELECT E'\\yesterday'::date", Clock),
        ("SELECT '{n\"o\"w}'::timestamptz[]", Clock),
        ("SELECT $$now$$::date", Clock),
        ("SELECT ('n' || 'ow')::date", Clock),
        ("SELECT CAST(a AS timestamptz) FROM t", Clock),
        ("SELECT '10:00'::time with time zone", Clock),
        ("SELECT '10:00'::timetz", Reason::Type("timetz".into())),
        ("SELECT 'pg_class'::regclass", Reason::Type("regclass".into())),
        ("SELECT 'a'::my_type", Reason::Type("my_type".into())),
        ("SELECT regclass 'a'", Reason::Type("regclass".into())),
        ("SELECT a === b", Reason::Operator("===".into())),
        ("SELECT xmin FROM t", Reason::System("xmin".into())),
        ("SELECT * FROM pg_stat_activity", Reason::System("pg_stat_activity".into())),
        ("SELECT * FROM information_schema.tables", Reason::System("information_schema".into())),
        ("SELECT * FROM pg_temp.t", Reason::System("pg_temp".into())),
    ] {
        assert_eq!(reason(sql, Dialect::Postgres), why, "{sql}");
    }
}

#[test]
fn what_writes_locks_or_cannot_be_read_with_certainty_is_not_cacheable() {
    for sql in [
        "",
        ";",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "EXPLAIN SELECT 1",
        "SHOW TimeZone",
        "SELECT 1 INTO x",
        "SELECT * INTO TEMP x FROM t",
        "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
        "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
    ] {
        assert_eq!(reason(sql, Dialect::Postgres), Reason::NotARead, "{sql}");
    }
    for sql in
        ["SELECT * FROM t FOR UPDATE", "SELECT * FROM t FOR KEY SHARE OF t", "(SELECT 1 FROM t FOR SHARE)"]
    {
        assert_eq!(reason(sql, Dialect::Postgres), Reason::Locks, "{sql}");
    }
    for sql in [
        "SELECT 1; SELECT 2",
        "SELECT 1; -- only a comment\n DROP TABLE t",
        "SELECT 'a\\'",
        "SELECT 'a' 'b'",
        "SELECT 'a'\n'b'",
        "SELECT 'open",
        "SELECT \"open",
        "SELECT $a$open$b$",
        "SELECT 1 /* open",
        "SELECT U&'\\0061'",
        "SELECT U&\"a\"",
        "SELECT E'\\156ow'",
        "SELECT N'a'",
        "SELECT 0x1F",
        "SELECT 1a",
        "SELECT $1a",
        "SELECT lower(a => 'B')",
        "SELECT lower(a := 'B')",
        "SELECT (t).a FROM t",
        "SELECT a OPERATOR(pg_catalog.+) b",
        "SELECT OPERATOR(pg_catalog.-) b",
        "SELECT /*+ Set(x 1) */ 1",
        "SELECT a FROM t ORDER BY a USING <",
        "SELECT * FROM json_to_record('{}') AS t(a int)",
        "SELECT collation for ('a')",
        "SELECT a b c",
        "SELECT )",
        "SELECT 1 FROM",
    ] {
        reason(sql, Dialect::Postgres);
    }
    let nested = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(reason(&nested, Dialect::Postgres), Reason::TooLarge);
    assert_eq!(reason(&format!("SELECT '{}'", "a".repeat(100_000)), Dialect::Postgres), Reason::TooLarge);
    assert!(!classify(b"SELECT '\xff'", Dialect::Postgres).is_cacheable());
    assert!(!classify(b"SELECT 1\0", Dialect::Postgres).is_cacheable());
}

#[test]
fn postgres_statements_that_differ_in_comments_and_space_share_a_key_and_others_do_not() {
    let plain = text("SELECT a FROM t WHERE b = 'x  y'", Dialect::Postgres);
    for same in [
        "SELECT a FROM t WHERE b='x  y';",
        "/* now() */ SELECT a\n\tFROM t -- current_date\nWHERE b = 'x  y' ;; -- end",
        "SELECT/**/a/* /* */ */FROM t WHERE b = 'x  y'",
    ] {
        assert_eq!(text(same, Dialect::Postgres), plain);
    }
    for other in ["SELECT a FROM t WHERE b = 'x y'", "SELECT \"a\" FROM t WHERE b = 'x  y'"] {
        assert_ne!(text(other, Dialect::Postgres), plain);
    }
}

#[test]
fn mysql_reads_are_cacheable() {
    for sql in [
        "SELECT 1",
        "SELECT `a`, t.b AS 'B' FROM `db`.`t` AS t WHERE a = ? AND b IN (?, ?) LIMIT 5, 10",
        "SELECT count(*), COUNT(DISTINCT a, b), GROUP_CONCAT(DISTINCT a ORDER BY b DESC SEPARATOR '; ') FROM t GROUP BY c",
        "SELECT DATE_ADD(d, INTERVAL 1 DAY), d + INTERVAL 2 HOUR, YEAR(d), EXTRACT(MONTH FROM d) FROM t",
        "SELECT IF(a > 1, 'x', \"y\"), IFNULL(a, b), CASE WHEN a THEN b END, CAST(a AS UNSIGNED), CONVERT(a, CHAR(5)),
            CONVERT(a USING utf8mb4) FROM t",
        "SELECT a DIV b, a MOD b, a XOR b, a REGEXP 'x', a <=> b, !a, a && b, a || b, doc->'$.a', doc->>'$.b' FROM t",
        "SELECT * FROM a USE INDEX (PRIMARY, x) STRAIGHT_JOIN b ON a.id = b.id",
        "SELECT 0x1F, x'1f', DATE '2020-01-01', NULL, TRUE FROM DUAL",
        "WITH c AS (SELECT 1 AS n) SELECT * FROM c",
        "SELECT a FROM t GROUP BY a WITH ROLLUP",
        "SELECT ROW_NUMBER() OVER (ORDER BY a) FROM t",
        "SELECT 5--3",
        "SELECT a FROM t # now()",
        "SELECT a /* now() */ FROM t -- rand()",
    ] {
        text(sql, Dialect::MySql);
    }
}

#[test]
fn what_mysql_answers_by_state_or_reads_by_mode_is_not_cacheable() {
    for sql in [
        "SELECT NOW()",
        "SELECT CURRENT_TIMESTAMP",
        "SELECT UTC_DATE",
        "SELECT CURRENT_ROLE",
        "SELECT LAST_INSERT_ID()",
        "SELECT FOUND_ROWS()",
        "SELECT RAND()",
        "SELECT UUID()",
        "SELECT CONNECTION_ID()",
        "SELECT SLEEP(1)",
        "SELECT GET_LOCK('a', 1)",
        "SELECT DATABASE()",
        "SELECT UNIX_TIMESTAMP()",
        "SELECT LOAD_FILE('/etc/passwd')",
        "SELECT stored_function(1)",
        "SELECT db.lower('a')",
        "SELECT `lower`('a')",
        "SELECT count (*) FROM t",
        "SELECT @a",
        "SELECT @a := 1",
        "SELECT @@version",
        "SELECT a INTO @x FROM t",
        "SELECT a INTO OUTFILE '/tmp/x' FROM t",
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t LOCK IN SHARE MODE",
        "SELECT SQL_CALC_FOUND_ROWS a FROM t",
        "SELECT SQL_NO_CACHE a FROM t",
        "SELECT /*! SQL_NO_CACHE */ a FROM t",
        "SELECT 1 /*!50000 , now() */",
        "SELECT 1 /*M! , now() */",
        "SELECT /*+ SET_VAR(timestamp = 1) */ 1",
        "SELECT 'a\\'b'",
        "SELECT \"a\\\"b\"",
        "SELECT 'a' 'b'",
        "SELECT _utf8'a'",
        "SELECT N'a'",
        "SELECT CAST(a AS DATETIME) FROM t",
        "SELECT NEXT VALUE FOR s",
        "SELECT s.nextval",
        "SELECT * FROM t FOR SYSTEM_TIME AS OF '2020-01-01'",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM `mysql`.user",
        "SELECT * FROM performance_schema.threads",
        "SELECT 1; SELECT 2",
        "SELECT 1 PROCEDURE ANALYSE()",
        "SELECT 1 --\u{b}'\n, now() -- '",
        "INSERT INTO t VALUES (1)",
        "CALL p()",
        "SHOW TABLES",
        "DO SLEEP(1)",
        "SELECT {d '2020-01-01'}",
        "SELECT \\N",
    ] {
        reason(sql, Dialect::MySql);
    }
}

#[test]
fn mysql_keeps_what_names_a_column_and_drops_the_comments_around() {
    let plain = text("SELECT 1 + 1", Dialect::MySql);
    assert_eq!(text("/* trace=1 */ SELECT 1 + 1 -- x\n # y", Dialect::MySql), plain);
    assert_eq!(text(" SELECT 1 + 1 ; ", Dialect::MySql), plain);
    assert_ne!(text("SELECT 1 +  1", Dialect::MySql), plain);
    assert_ne!(text("SELECT 1 + /* x */ 1", Dialect::MySql), plain);
}
