//! A generated corpus of statements whose cacheability is known, and laws that hold for every text.

use proptest::prelude::*;
use selvedge_hyperdrive::cache::{Dialect, Verdict, classify};

/// Every place of a statement where a value can stand. `{}` is the value.
pub(crate) const POSITIONS: [&str; 44] = [
    "SELECT {}",
    "SELECT a, {} AS b FROM t",
    "SELECT {}::text FROM t",
    "SELECT CAST({} AS text)",
    "SELECT -{} FROM t",
    "SELECT ({})",
    "SELECT (1, {})",
    "SELECT ROW({}, 2)",
    "SELECT ARRAY[1, {}]",
    "SELECT ARRAY[[{}]]",
    "SELECT ARRAY(SELECT {})",
    "SELECT (ARRAY[1])[{}]",
    "SELECT a[{}:2] FROM t",
    "SELECT DISTINCT ON ({}) a FROM t",
    "SELECT * FROM t WHERE a = {}",
    "SELECT * FROM t WHERE {} = a",
    "SELECT * FROM t WHERE a BETWEEN 1 AND {}",
    "SELECT * FROM t WHERE a IN (1, {})",
    "SELECT * FROM t WHERE a IN (SELECT {})",
    "SELECT * FROM t WHERE a = ANY (ARRAY[{}])",
    "SELECT * FROM t WHERE a LIKE 'x' ESCAPE {}",
    "SELECT * FROM t WHERE a IS NOT DISTINCT FROM {}",
    "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = {})",
    "SELECT * FROM t WHERE NOT a AND ({}) IS NULL",
    "SELECT * FROM t JOIN u ON t.a = {}",
    "SELECT * FROM (SELECT {}) AS s",
    "SELECT * FROM t, LATERAL (SELECT {}) AS s",
    "SELECT a FROM t GROUP BY a, {}",
    "SELECT a FROM t GROUP BY GROUPING SETS ((a), ({}))",
    "SELECT a FROM t GROUP BY a HAVING count(*) > {}",
    "SELECT a FROM t ORDER BY a, {} DESC",
    "SELECT a FROM t LIMIT {}",
    "SELECT a FROM t OFFSET {}",
    "SELECT count(*) FILTER (WHERE a = {}) FROM t",
    "SELECT string_agg(a, ',' ORDER BY {}) FROM t",
    "SELECT sum(a) OVER (PARTITION BY {}) FROM t",
    "SELECT sum(a) OVER (ORDER BY {}) FROM t",
    "SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY {})",
    "SELECT CASE WHEN a = {} THEN 1 ELSE 2 END FROM t",
    "SELECT CASE {} WHEN 1 THEN 2 END FROM t",
    "SELECT coalesce(a, lower({})) FROM t",
    "SELECT substring(a FROM {} FOR 2), trim({} FROM a) FROM t",
    "WITH c AS (SELECT {} AS x) SELECT * FROM c",
    "SELECT 1 UNION ALL (VALUES (1), ({}))",
];

fn is_cacheable(sql: &str, dialect: Dialect) -> bool {
    classify(sql.as_bytes(), dialect).is_cacheable()
}

#[test]
fn a_value_is_cacheable_in_every_position_or_in_none() {
    let harmless = ["1", "'x'", "a", "t.a", "$1", "NULL", "lower('A')", "(SELECT 1)", "1 + 2", "'1'::int"];
    let harmful = [
        "now()",
        "now ( )",
        "NOW/**/()",
        "\"now\"()",
        "pg_catalog.now()",
        "public.lower('a')",
        "unknown_function(1)",
        "random()",
        "current_date",
        "CURRENT_TIMESTAMP(3)",
        "session_user",
        "current_setting('app.user')",
        "nextval('s')",
        "txid_current()",
        "pg_try_advisory_lock(1)",
        "inet_client_addr()",
        "'now'::timestamptz",
        "timestamptz 'TODAY'",
        "$$tomorrow$$",
        "'t'::regclass",
        "t.xmin",
        "ctid",
        "(t).lower",
        "t.to_json",
        "to_char(1, '9')",
        "extract(year from a)",
        "a AT TIME ZONE 'UTC'",
        "(SELECT now())",
        "(SELECT 1 FROM t FOR UPDATE)",
        "(SELECT x FROM pg_class)",
        "(SELECT 1 FROM t TABLESAMPLE system (1))",
        "1 OPERATOR(pg_catalog.+) 1",
        "1 === 1",
        "'a'::my_type",
        "E'\\x6eow'",
        "U&'\\006eow'",
    ];
    for position in POSITIONS {
        for value in harmless {
            let sql = position.replace("{}", value);
            // A literal is no array and has no fields; these forms are refused whole.
            assert!(
                is_cacheable(&sql, Dialect::Postgres),
                "{sql}: {:?}",
                classify(sql.as_bytes(), Dialect::Postgres)
            );
        }
        for value in harmful {
            let sql = position.replace("{}", value);
            assert!(!is_cacheable(&sql, Dialect::Postgres), "cacheable: {sql}");
        }
    }
}

/// Pieces that the databases' lexers and grammars care about.
pub(crate) const PIECES: [&str; 72] = [
    "SELECT",
    "select",
    "FROM",
    "t",
    "a",
    "b",
    ",",
    "(",
    ")",
    "1",
    "'x'",
    "*",
    "=",
    "+",
    "-",
    "/",
    "--",
    "/*",
    "*/",
    "/*+",
    "/*!",
    "#",
    "\n",
    " ",
    "\t",
    ";",
    "::",
    ":",
    "int",
    "$1",
    "?",
    "$$",
    "$a$",
    "'",
    "\"",
    "`",
    "\\",
    "E'",
    "U&'",
    "N'",
    "x'",
    "now",
    "now()",
    "lower(",
    "count(*)",
    "WHERE",
    "AND",
    "NOT",
    "IN",
    "CASE",
    "WHEN",
    "END",
    "WITH",
    "AS",
    "UNION",
    "VALUES",
    "FOR UPDATE",
    "INTO",
    "[",
    "]",
    ".",
    "||",
    "@",
    "@@",
    "\u{b}",
    "é",
    "\u{a0}",
    "current_date",
    "ORDER BY",
    "LIMIT",
    "OVER",
    "INTERVAL",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_classification_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = classify(&bytes, Dialect::Postgres);
        let _ = classify(&bytes, Dialect::MySql);
    }

    #[test]
    fn no_pieces_of_sql_make_classification_panic(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES.as_slice()), 0..60),
        glue in prop_oneof![Just(""), Just(" ")],
    ) {
        let sql = pieces.join(glue);
        let _ = classify(sql.as_bytes(), Dialect::MySql);
        // What is cacheable stays so, under the same text, when it is its own normal form.
        if let Verdict::Cacheable(statement) = classify(sql.as_bytes(), Dialect::Postgres) {
            let again = classify(statement.text().as_bytes(), Dialect::Postgres);
            prop_assert_eq!(again, Verdict::Cacheable(statement));
        }
    }

    #[test]
    fn comments_and_white_space_change_no_verdict(
        position in proptest::sample::select(POSITIONS.as_slice()),
        value in proptest::sample::select(vec!["1", "now ( )", "lower ( 'A' )", "current_date", "'today'", "f ( )"]),
        blanks in proptest::collection::vec(
            proptest::sample::select(vec![" ", "\n\t ", "/* now() */", "/* /* ' */ \" */", " -- $$ random()\n", "\r"]),
            1..40,
        ),
    ) {
        let plain = position.replace("{}", value);
        let mut blanks = blanks.iter().cycle();
        let varied: String = plain.split(' ').flat_map(|word| [word, *blanks.next().unwrap()]).collect();
        prop_assert_eq!(
            classify(varied.as_bytes(), Dialect::Postgres),
            classify(plain.as_bytes(), Dialect::Postgres),
            "{}", varied
        );
    }
}
