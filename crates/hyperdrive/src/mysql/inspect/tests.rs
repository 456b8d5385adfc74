use proptest::prelude::*;

use super::*;

fn kind(sql: &str) -> Kind {
    inspect(sql.as_bytes()).kind
}

fn settings(sql: &str) -> Vec<(String, String, bool)> {
    match kind(sql) {
        Kind::Set(settings) => {
            settings.into_iter().map(|s| (s.name.into_string(), s.sql.into_string(), s.constant)).collect()
        }
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn settings_are_told_apart_one_by_one() {
    let one = |sql: &str, name: &str, constant: bool| {
        assert_eq!(
            settings(sql),
            [(name.to_owned(), sql.trim_end_matches(';').to_owned(), constant)],
            "{sql}"
        );
    };
    one("SET autocommit = 0", "autocommit", true);
    one("SET AUTOCOMMIT=0;", "autocommit", true);
    one("SET NAMES utf8mb4 COLLATE 'utf8mb4_bin'", "names", true);
    one("SET CHARACTER SET utf8", "names", true);
    one("SET SESSION wait_timeout = 100", "wait_timeout", true);
    one("SET @@session.sql_mode = 'ANSI'", "sql_mode", true);
    one("SET @@SESSION.sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')", "sql_mode", false);
    one("SET time_zone := '+00:00'", "time_zone", true);
    one("SET lc_time_names = -1", "lc_time_names", true);
    one("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY", "transaction", false);
    one("SET ROLE reader", "role", true);
    assert_eq!(
        settings("/* x */ set a=1 , @@session.b = 'x,y', c = if(1, 2, 3)"),
        [
            ("a".to_owned(), "SET a=1".to_owned(), true),
            ("b".to_owned(), "SET @@session.b = 'x,y'".to_owned(), true),
            ("c".to_owned(), "SET c = if(1, 2, 3)".to_owned(), false),
        ]
    );
}

#[test]
fn what_is_no_setting_of_the_session_is_told_apart() {
    assert_eq!(kind("SET GLOBAL max_connections = 1"), Kind::Plain);
    assert_eq!(kind("SET PASSWORD = 'x'"), Kind::Plain);
    assert_eq!(kind("SET STATEMENT max_statement_time = 1 FOR SELECT 1"), Kind::Plain);
    assert_eq!(kind("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"), Kind::NextTransaction);
    assert!(matches!(kind("SET @a = 1"), Kind::SessionOutsideTransaction(_)));
    assert!(matches!(kind("SET @OLD=@@SQL_MODE, SQL_MODE='x'"), Kind::SessionOutsideTransaction(_)));
    assert!(matches!(kind("SET sql_mode = @OLD"), Kind::SessionOutsideTransaction(_)));
    assert!(matches!(kind("SET sql_mode = (SELECT 1)"), Kind::SessionOutsideTransaction(_)));
}

#[test]
fn statements_that_need_their_connection_are_known() {
    assert_eq!(kind("USE `shop`"), Kind::Use("shop".to_owned()));
    assert_eq!(kind("kill query 17;"), Kind::Kill { number: 17, query_only: true });
    assert_eq!(kind("KILL 17"), Kind::Kill { number: 17, query_only: false });
    assert_eq!(kind("KILL USER me"), Kind::Plain);
    assert_eq!(kind("LOCK TABLES t READ"), Kind::Session("LOCK TABLES"));
    assert_eq!(kind("XA START 'a'"), Kind::Session("XA"));
    assert_eq!(kind("prepare s from 'select 1'"), Kind::SessionOutsideTransaction("PREPARE in SQL"));
    assert!(matches!(kind("CREATE /* x */ TEMPORARY TABLE t (a int)"), Kind::SessionOutsideTransaction(_)));
    assert!(matches!(kind("SHOW WARNINGS"), Kind::SessionOutsideTransaction(_)));
    assert_eq!(kind("CREATE TABLE t (a int)"), Kind::Plain);
    assert_eq!(kind("SHOW TABLES"), Kind::Plain);
    assert_eq!(kind("(SELECT 1)"), Kind::Plain);
}

#[test]
fn functions_that_look_at_the_session_are_found_outside_of_strings_and_comments() {
    assert!(inspect(b"SELECT LAST_INSERT_ID ()").last_insert_id);
    assert!(inspect(b"INSERT INTO t VALUES (1, @@identity)").last_insert_id);
    assert!(inspect(b"SELECT get_lock('a', 1)").named_locks);
    assert!(inspect(b"SELECT FOUND_ROWS()").looks_back);
    assert!(inspect(b"SELECT @@warning_count").looks_back);
    assert!(inspect(b"SELECT @row := @row + 1").user_variables);
    assert!(inspect(b"SELECT 1 /*!50000 , get_lock('a', 1) */").named_locks);
    let none = inspect(
        b"SELECT 'get_lock(''a\\'@b', \"@c\", `@d`, last_insert_id, @@version /* @e found_rows() */ -- @f",
    );
    assert_eq!(none, Inspected::default());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), set in any::<bool>()) {
        let sql = if set { [b"SET ".as_slice(), &bytes].concat() } else { bytes };
        let _ = inspect(&sql);
    }

    #[test]
    fn no_pieces_make_it_panic(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec!["set", "@", "@@", ".", "a", "=", "'", "`", "\\", "/*", "*/", "!", ",", "(", "1", "names", " "]),
            0..20,
        ),
    ) {
        let _ = inspect(format!("SET {}", pieces.concat()).as_bytes());
    }
}
