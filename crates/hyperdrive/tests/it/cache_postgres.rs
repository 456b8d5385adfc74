//! Classification held against PostgreSQL itself: what it says about its functions, keywords and operators, and
//! what it does with statements that we would cache.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};
use selvedge_hyperdrive::cache::{Catalog, Dialect, Verdict, classify};

use crate::cache_corpus::{PIECES, POSITIONS};
use crate::support::{Postgres, Wire};

fn is_cacheable(sql: &str) -> bool {
    classify(sql.as_bytes(), Dialect::Postgres).is_cacheable()
}

/// `name(NULL, …)` for every name and number of arguments that a built-in function has, with whether all functions
/// that it could mean are immutable.
fn calls(server: &mut Wire) -> Vec<(String, bool)> {
    let rows = server.column(
        "WITH f AS (
           SELECT proname, provolatile = 'i' AS immutable,
                  greatest(pronargs - pronargdefaults - (provariadic <> 0)::int, 0) AS least,
                  CASE WHEN provariadic <> 0 THEN 100 ELSE pronargs END AS most
             FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace)
         SELECT quote_ident(f.proname) || '(' || array_to_string(array_fill('NULL'::text, ARRAY[n]), ', ') || ') '
                || bool_and(immutable)
           FROM f CROSS JOIN generate_series(0, 9) AS n WHERE n BETWEEN least AND most
          GROUP BY proname, n",
    );
    assert!(rows.len() > 2500, "only {} calls", rows.len());
    rows.iter()
        .map(|row| {
            let (call, immutable) = row.rsplit_once(' ').unwrap();
            (call.to_owned(), immutable == "true")
        })
        .collect()
}

#[test]
fn no_function_that_is_not_immutable_passes_anywhere() {
    let Some(server) = Postgres::shared() else { return };
    let calls = calls(&mut server.connect("postgres"));
    let mut passed = 0;
    for (call, immutable) in &calls {
        let upper = call.to_uppercase();
        let forms = [call.clone(), upper, format!("pg_catalog.{call}"), call.replace('(', " /* x */ (")];
        let from = [format!("SELECT * FROM {call}"), format!("SELECT * FROM t, LATERAL {call} AS f(x)")];
        if *immutable {
            passed += usize::from(is_cacheable(&format!("SELECT {call}")));
            continue;
        }
        for sql in POSITIONS
            .iter()
            .flat_map(|position| forms.iter().map(move |form| position.replace("{}", form)))
            .chain(from)
        {
            // In upper case a name in quotes is another one, and nobody's.
            assert!(!is_cacheable(&sql), "cacheable: {sql}");
        }
    }
    assert!(passed > 1000, "only {passed} calls of immutable functions are cacheable");
}

#[test]
fn no_keyword_is_a_function_that_we_take_for_a_column() {
    let Some(server) = Postgres::shared() else { return };
    let mut server = server.connect("postgres");
    for word in server.column("SELECT word FROM pg_get_keywords()") {
        for sql in [
            format!("SELECT {word}"),
            format!("SELECT {word} AS x"),
            format!("SELECT x FROM (SELECT {word}) AS s(x)"),
        ] {
            if is_cacheable(&sql) && !["null", "true", "false"].contains(&word.as_str()) {
                let reply = server.query(&sql);
                assert!(reply.error.is_some(), "{sql} is cacheable, and PostgreSQL answers it");
            }
        }
    }
}

#[test]
fn operators_that_pass_are_built_in_and_none_is_volatile() {
    let Some(server) = Postgres::shared() else { return };
    let mut server = server.connect("postgres");
    let volatile = server
        .column("SELECT oprname FROM pg_operator JOIN pg_proc p ON p.oid = oprcode WHERE provolatile = 'v'");
    assert!(volatile.iter().all(|name| !is_cacheable(&format!("SELECT a {name} b"))), "{volatile:?}");
    let all = server.column("SELECT DISTINCT oprname FROM pg_operator");
    assert!(all.iter().all(|name| is_cacheable(&format!("SELECT a {name} b"))), "{all:?}");
}

#[test]
fn casts_to_the_types_that_pass_are_casts_of_the_same_value_for_ever() {
    let Some(server) = Postgres::shared() else { return };
    let mut server = server.connect("postgres");
    let types =
        server.column("SELECT typname FROM pg_type WHERE typtype IN ('b', 'r', 'm', 'p', 'd', 'e', 'c')");
    let mut passed = 0;
    for name in types {
        if !is_cacheable(&format!("SELECT '1'::{name}")) {
            continue;
        }
        passed += 1;
        // Of the stable input functions, these are the ones that do not look into the catalogs.
        let input = server.column(&format!("SELECT typinput::text FROM pg_type WHERE typname = '{name}'"));
        let stable = server.column(&format!(
            "SELECT p.proname FROM pg_type t JOIN pg_proc p ON p.oid = t.typinput WHERE typname = '{name}' AND provolatile <> 'i'"
        ));
        let known = [
            "date_in",
            "time_in",
            "timestamp_in",
            "timestamptz_in",
            "interval_in",
            "range_in",
            "multirange_in",
            "cash_in",
            "array_in",
        ];
        assert!(stable.iter().all(|function| known.contains(&function.as_str())), "{name}: {input:?}");
    }
    assert!(passed > 40, "only {passed} types pass");
}

fn catalog(server: &mut Wire) -> Catalog {
    let reply = server.query(Catalog::sql(Dialect::Postgres));
    assert_eq!(reply.error, None);
    let mut catalog = Catalog::new(Dialect::Postgres);
    for row in reply.rows {
        catalog.add(row[0].as_deref().unwrap(), row[1].as_deref().unwrap(), row[2].as_deref());
    }
    catalog.finish()
}

/// Statements made of fragments, most of which PostgreSQL accepts.
fn statements() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    use proptest::sample::select;
    let value = select(vec![
        "1",
        "'x'",
        "id",
        "name",
        "t.id",
        "lower(name)",
        "id + 1",
        "(SELECT max(id) FROM u)",
        "$$it's$$",
        "E'a\\'b'",
        "'a''b'",
        "\"id\"",
        "id::text",
        "'2020-01-01'::date",
        "now()",
        "random()",
        "current_date",
        "clock_timestamp()",
        "'now'::timestamptz",
        "txid_current()",
        "coalesce(name, 'z')",
        "count(*)",
        "row_number() OVER (ORDER BY id)",
        "CASE WHEN id > 1 THEN 'a' ELSE 'b' END",
        "ARRAY[id, 2]",
        "id IN (1, 2)",
        "name LIKE 'a%'",
        "NOT id > 3",
        "nextval('s')",
        "set_config('a.b', 'c', false)",
        "bump()",
        "vol.lower(name)",
        "t.bump",
        "(t).bump",
        "- id",
        "id BETWEEN 1 AND 3",
        "name || '--' || '/*'",
        "length(name)",
        "length(id)",
        "'{1,2}'::int[]",
        "created",
        "created::date",
        "ctid",
    ]);
    let source = select(vec![
        "t",
        "public.t",
        "t AS t",
        "u",
        "t JOIN u USING (id)",
        "(SELECT * FROM t) AS t",
        "generate_series(1, 3) AS t(id)",
        "t, LATERAL (SELECT t.id + 1 AS n) l",
        "(VALUES (1, 'a')) AS t(id, name)",
        "pg_stat_activity",
        "bump() AS t(id)",
        "v",
        "t TABLESAMPLE system (50)",
    ]);
    let tail = select(vec![
        "",
        "",
        "",
        " FOR UPDATE",
        " ORDER BY 1",
        " LIMIT 2",
        "; ",
        ";-- x",
        " UNION SELECT 1",
        "; DELETE FROM t",
        " INTO x",
        " -- '\n",
        " /* now() */ ",
    ]);
    let head = select(vec![
        "",
        "",
        "",
        "WITH c AS (SELECT 1 AS id) ",
        "WITH c AS (DELETE FROM t RETURNING *) ",
        "/* ' */ ",
        "EXPLAIN ",
        "WITH c AS (SELECT nextval('s')) ",
    ]);
    let spoiler = (select(PIECES.as_slice()), any::<proptest::sample::Index>());
    let whole = (head, value.clone(), value.clone(), source, value, tail, any::<u8>()).prop_map(
        |(head, a, b, source, filter, tail, shape)| match shape % 5 {
            0 => format!("{head}SELECT {a}{tail}"),
            1 => format!("{head}SELECT {a}, {b} FROM {source}{tail}"),
            2 => format!("{head}SELECT {a} FROM {source} WHERE ({filter}) IS NOT NULL{tail}"),
            3 => format!("{head}SELECT {a} AS x FROM {source} ORDER BY {filter}, id{tail}"),
            _ => format!("{head}VALUES ({a}), ({b}){tail}"),
        },
    );
    // Half of them get something put in where it may not belong.
    (whole, proptest::option::of(spoiler)).prop_map(|(mut sql, spoiler)| {
        if let Some((piece, place)) = spoiler {
            let mut at = place.index(sql.len() + 1);
            while !sql.is_char_boundary(at) {
                at -= 1;
            }
            sql.insert_str(at, piece);
        }
        sql
    })
}

/// How many statements to try: a few in a test run, many when asked for.
fn cases() -> u32 {
    std::env::var("SELVEDGE_CACHE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(1500)
}

#[test]
fn what_is_cacheable_reads_only_and_answers_alike_in_its_normal_form_and_later() {
    let Some(server) = Postgres::shared() else { return };
    let mut admin = server.connect("postgres");
    let reply = admin.query("CREATE DATABASE corpus");
    assert_eq!(reply.error, None);
    let mut writer = server.connect("corpus");
    let reply = writer.query(
        "CREATE TABLE t (id int, name text, created timestamptz);
         INSERT INTO t SELECT n, 'n' || n, '2020-01-01' FROM generate_series(1, 5) n;
         CREATE TABLE u AS SELECT id, name AS other FROM t; CREATE SEQUENCE s;
         CREATE FUNCTION bump() RETURNS bigint LANGUAGE sql AS 'SELECT nextval(''s'')';
         CREATE FUNCTION bump(t) RETURNS bigint LANGUAGE sql AS 'SELECT nextval(''s'')';
         CREATE SCHEMA vol; CREATE FUNCTION vol.lower(text) RETURNS float LANGUAGE sql AS 'SELECT random()';
         CREATE VIEW v AS SELECT id, name, created FROM t;
         CREATE FUNCTION public.length(int) RETURNS float VOLATILE LANGUAGE sql AS 'SELECT random()';
         CREATE VIEW late AS SELECT id, name, now() AS created FROM t;
         CREATE VIEW later AS SELECT * FROM late;
         CREATE TABLE guarded AS SELECT * FROM t; ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
         CREATE POLICY lately ON guarded USING (created < now());",
    );
    assert_eq!(reply.error, None);
    let catalog = catalog(&mut writer);
    let (mut one, mut two) = (server.connect("corpus"), server.connect("corpus"));
    for session in [&mut one, &mut two] {
        session.query("SET default_transaction_read_only = on");
    }
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let statements = statements();
    let (mut cacheable, mut answered, mut suspect) = (0, 0, 0);
    for _ in 0..cases() {
        let sql = statements.new_tree(&mut runner).unwrap().current();
        let Verdict::Cacheable(statement) = classify(sql.as_bytes(), Dialect::Postgres) else { continue };
        if catalog.allows(&statement).is_err() {
            suspect += 1;
            continue;
        }
        cacheable += 1;
        let first = one.query(&sql);
        let again = two.query(statement.text());
        if let Some((state, text)) = &first.error {
            assert!(state != "25006", "{sql} writes: {text}");
            assert_eq!(first.error.as_ref().map(|e| &e.0), again.error.as_ref().map(|e| &e.0), "{sql}");
            continue;
        }
        answered += 1;
        assert_eq!(first.bytes, again.bytes, "{sql} is not answered as {}", statement.text());
    }
    assert!(suspect > 0, "the catalog was never asked");
    assert!(
        cacheable > cases() / 20 && answered * 4 > cacheable,
        "{cacheable} cacheable, {answered} answered"
    );
    assert_eq!(writer.column("SELECT is_called::text FROM s"), ["false"]);
}

#[test]
fn the_catalog_knows_what_changes_by_itself_and_leaves_the_rest() {
    let Some(server) = Postgres::shared() else { return };
    let reply = server.connect("postgres").query("CREATE DATABASE catalogs");
    assert_eq!(reply.error, None);
    let mut admin = server.connect("catalogs");
    let reply = admin.query(
        "CREATE TABLE t (id int, name text, at timestamptz); CREATE SEQUENCE s;
         CREATE VIEW plain AS SELECT t.id, lower(t.name) AS name FROM t WHERE t.name = 'x' AND t.at > '2020-01-01';
         CREATE VIEW over_plain AS SELECT p.* FROM plain p JOIN t USING (id);
         CREATE VIEW clock AS SELECT id FROM t WHERE at < now();
         CREATE VIEW over_clock AS SELECT * FROM clock;
         CREATE MATERIALIZED VIEW frozen AS SELECT now() AS at;
         CREATE FUNCTION chance(t) RETURNS float LANGUAGE sql AS 'SELECT random()';
         CREATE FUNCTION same(t) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
         CREATE FUNCTION plus(text, int) RETURNS float LANGUAGE sql AS 'SELECT random()';
         CREATE OPERATOR @@@ (LEFTARG = text, RIGHTARG = int, FUNCTION = plus);
         CREATE TABLE open_rows (id int); ALTER TABLE open_rows ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON open_rows USING (id > 0);
         CREATE TABLE own_rows (owner text); ALTER TABLE own_rows ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON own_rows USING (owner = current_setting('app.user'));",
    );
    assert_eq!(reply.error, None);
    let catalog = catalog(&mut admin);
    let allowed = |sql: &str| match classify(sql.as_bytes(), Dialect::Postgres) {
        Verdict::Cacheable(statement) => catalog.allows(&statement).is_ok(),
        Verdict::Uncacheable(reason) => panic!("{sql}: {reason}"),
    };
    for sql in [
        "SELECT * FROM t",
        "SELECT * FROM plain",
        "SELECT * FROM over_plain",
        "SELECT * FROM frozen",
        "SELECT t.same FROM t",
        "SELECT * FROM open_rows",
        "SELECT a @@ b",
    ] {
        assert!(allowed(sql), "{sql}");
    }
    for sql in [
        "SELECT * FROM clock",
        "SELECT * FROM public.over_clock",
        "TABLE \"clock\"",
        "SELECT * FROM s",
        "SELECT t.chance FROM t",
        "SELECT x.chance FROM t AS x",
        "SELECT 'a' @@@ 1",
        "SELECT * FROM own_rows",
    ] {
        assert!(!allowed(sql), "{sql}");
    }
}
