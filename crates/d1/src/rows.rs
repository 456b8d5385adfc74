//! Rows as JSON, straight from SQLite's memory.

use std::io::Write as _;

use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};

use crate::{Format, QueryError};

/// Steps `statement`, its parameters already bound, to its end. Also returns how many rows it gave.
pub(crate) fn collect(
    statement: &mut Statement<'_>,
    format: Format,
    limit: usize,
) -> Result<(Vec<u8>, u64), QueryError> {
    let mut out = Vec::with_capacity(256);
    let mut count = 0;
    let mut header = None;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(QueryError::from_sqlite)? {
        // Not before the first step: it may have prepared the statement again, after a change of the schema.
        let header = header.get_or_insert_with(|| begin(&mut out, &names(row.as_ref()), format));
        if count > 0 {
            out.push(b',');
        }
        header.row(row, &mut out)?;
        if out.len() > limit {
            return Err(QueryError::AnswerTooLarge);
        }
        count += 1;
    }
    drop(rows);
    if header.is_none() {
        begin(&mut out, &names(statement), format);
    }
    out.extend_from_slice(match format {
        Format::Objects => b"]",
        Format::RowsAndColumns => b"]}",
    });
    Ok((out, count))
}

fn names(statement: &Statement<'_>) -> Vec<String> {
    statement.column_names().map(str::to_owned).collect()
}

/// What comes before each value of a row: `"name":` and its comma, or just the comma. `None` for a column that
/// a later one of the same name hides.
struct Header {
    before: Vec<Option<Vec<u8>>>,
    brackets: (u8, u8),
}

fn begin(out: &mut Vec<u8>, names: &[String], format: Format) -> Header {
    match format {
        Format::RowsAndColumns => {
            out.extend_from_slice(b"{\"columns\":");
            json(out, names);
            out.extend_from_slice(b",\"rows\":[");
            let before = (0..names.len()).map(|n| Some(if n == 0 { vec![] } else { vec![b','] })).collect();
            Header { before, brackets: (b'[', b']') }
        }
        Format::Objects => {
            out.push(b'[');
            let mut first = true;
            let before = names.iter().enumerate().map(|(at, name)| {
                if names[at + 1..].contains(name) {
                    return None;
                }
                let mut text = if std::mem::take(&mut first) { vec![] } else { vec![b','] };
                json(&mut text, name);
                text.push(b':');
                Some(text)
            });
            Header { before: before.collect(), brackets: (b'{', b'}') }
        }
    }
}

impl Header {
    fn row(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), QueryError> {
        out.push(self.brackets.0);
        for (at, before) in self.before.iter().enumerate() {
            if let Some(before) = before {
                out.extend_from_slice(before);
                value(out, row.get_ref(at).map_err(QueryError::from_sqlite)?);
            }
        }
        out.push(self.brackets.1);
        Ok(())
    }
}

fn value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Integer(n) => json(out, &n),
        // Infinities become `null`, as in JSON.stringify().
        ValueRef::Real(n) => json(out, &n),
        ValueRef::Text(text) => match str::from_utf8(text) {
            Ok(text) => json(out, &text),
            Err(_) => json(out, &String::from_utf8_lossy(text)),
        },
        ValueRef::Blob(bytes) => {
            out.reserve(4 * bytes.len() + 2);
            json(out, bytes);
        }
    }
}

fn json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out.by_ref(), value);
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn answer(sql: &str, format: Format) -> String {
        let connection = Connection::open_in_memory().unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        String::from_utf8(collect(&mut statement, format, 1000).unwrap().0).unwrap()
    }

    #[test]
    fn values_become_the_json_that_javascript_expects() {
        let sql = "SELECT NULL n, 9007199254740993 i, 1.0 r, 0.1 s, 9e999 f, 'é\"' t, x'00ff' b, x'' e";
        assert_eq!(
            answer(sql, Format::Objects),
            r#"[{"n":null,"i":9007199254740993,"r":1.0,"s":0.1,"f":null,"t":"é\"","b":[0,255],"e":[]}]"#
        );
        assert_eq!(answer("SELECT CAST(x'ff41' AS TEXT) a", Format::Objects), "[{\"a\":\"\u{fffd}A\"}]");
    }

    #[test]
    fn columns_keep_their_order_and_objects_the_last_of_a_name() {
        let sql = "SELECT 1 a, 2 b, 3 a UNION ALL SELECT 4, 5, 6";
        assert_eq!(answer(sql, Format::Objects), r#"[{"b":2,"a":3},{"b":5,"a":6}]"#);
        assert_eq!(
            answer(sql, Format::RowsAndColumns),
            r#"{"columns":["a","b","a"],"rows":[[1,2,3],[4,5,6]]}"#
        );
    }

    #[test]
    fn no_rows_still_have_columns() {
        assert_eq!(answer("SELECT 1 a WHERE 0", Format::RowsAndColumns), r#"{"columns":["a"],"rows":[]}"#);
        assert_eq!(answer("SELECT 1 a WHERE 0", Format::Objects), "[]");
        assert_eq!(answer("CREATE TABLE t (a)", Format::RowsAndColumns), r#"{"columns":[],"rows":[]}"#);
    }

    #[test]
    fn an_answer_without_end_is_cut_off() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
        let refused = collect(&mut connection.prepare(sql).unwrap(), Format::Objects, 1000);
        assert!(matches!(refused, Err(QueryError::AnswerTooLarge)), "{refused:?}");
    }
}
