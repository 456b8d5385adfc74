//! Names with a meaning that classification depends on, as data.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::verdict::Dialect;

type Names = LazyLock<HashSet<&'static str>>;

static POSTGRES_RESERVED: Names = LazyLock::new(|| words(include_str!("postgres_reserved.txt")));
static POSTGRES_OPERATORS: Names = LazyLock::new(|| words(include_str!("postgres_operators.txt")));
/// Types whose values depend on nothing but the text and the session's parameters.
static POSTGRES_TYPES: Names = LazyLock::new(|| words(include_str!("postgres_types.txt")));
static MYSQL_RESERVED: Names = LazyLock::new(|| words(include_str!("mysql_reserved.txt")));
static MYSQL_FUNCTIONS: Names = LazyLock::new(|| words(include_str!("mysql_functions.txt")));

/// A function's name, and the numbers of arguments at which it is immutable; none listed means all.
static POSTGRES_FUNCTIONS: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    include_str!("postgres_functions.txt")
        .lines()
        .filter_map(|line| {
            let (name, counts) = line.split_once(' ')?;
            Some((name, counts.split(' ').filter_map(|count| count.parse().ok()).collect()))
        })
        .collect()
});

fn words(text: &'static str) -> HashSet<&'static str> {
    text.split_ascii_whitespace().collect()
}

/// Words that look like names and are functions: they answer by the clock or by who asks.
const FUNCTION_WORDS: [&str; 22] = [
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "session_user",
    "system_user",
    "user",
    "utc_date",
    "utc_time",
    "utc_timestamp",
    "sysdate",
    "rownum",
    "nextval",
    "next",
    "previous",
    "currval",
    "lastval",
];

/// Columns that every PostgreSQL table has, and those of its sequences.
const SYSTEM_COLUMNS: [&str; 10] =
    ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid", "last_value", "is_called", "log_cnt"];

/// STABLE functions of one argument of any type: PostgreSQL calls them when `x.name` names no column.
const FUNCTIONS_OF_ANY_ROW: [&str; 18] = [
    "concat",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "pg_collation_for",
    "pg_column_compression",
    "pg_column_size",
    "pg_typeof",
    "quote_literal",
    "quote_nullable",
    "record_out",
    "record_send",
    "row_to_json",
    "to_json",
    "to_jsonb",
];

/// Those of PostgreSQL's types whose values may be read from a text that names the clock.
const POSTGRES_CLOCK_TYPES: [&str; 10] = [
    "date",
    "datemultirange",
    "daterange",
    "time",
    "timestamp",
    "timestamptz",
    "tsmultirange",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
];

const MYSQL_TYPES: [&str; 18] = [
    "binary",
    "char",
    "character",
    "date",
    "datetime",
    "dec",
    "decimal",
    "double",
    "float",
    "int",
    "integer",
    "json",
    "nchar",
    "real",
    "signed",
    "time",
    "unsigned",
    "year",
];

/// Schemas of servers' own tables.
const SYSTEM_SCHEMAS: [&str; 5] = ["information_schema", "mysql", "performance_schema", "sys", "pg_catalog"];

/// May the word not stand where a column's name can?
pub(super) fn is_reserved(word: &str, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Postgres => POSTGRES_RESERVED.contains(word),
        // Modifiers of SELECT (SQL_CALC_FOUND_ROWS) that are not reserved would pass as columns with an alias.
        Dialect::MySql => MYSQL_RESERVED.contains(word) || word.starts_with("sql_"),
    }
}

pub(super) fn is_function_word(word: &str) -> bool {
    FUNCTION_WORDS.contains(&word)
}

/// Is the built-in function the same for ever when it is called with so many arguments?
pub(super) fn is_immutable(name: &str, arguments: usize, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Postgres => POSTGRES_FUNCTIONS
            .get(name)
            .is_some_and(|counts| counts.is_empty() || counts.contains(&arguments)),
        Dialect::MySql => MYSQL_FUNCTIONS.contains(name),
    }
}

pub(super) fn is_operator(text: &str) -> bool {
    text == "!=" || POSTGRES_OPERATORS.contains(text)
}

/// Does the name stand for something that changes without a write, wherever it stands?
pub(super) fn is_system(name: &str, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Postgres => {
            name.starts_with("pg_") || name == "information_schema" || SYSTEM_COLUMNS.contains(&name)
        }
        Dialect::MySql => matches!(name, "nextval" | "currval" | "lastval"),
    }
}

pub(super) fn is_system_schema(name: &str) -> bool {
    SYSTEM_SCHEMAS.iter().any(|schema| name.eq_ignore_ascii_case(schema))
}

pub(super) fn is_function_of_any_row(name: &str) -> bool {
    FUNCTIONS_OF_ANY_ROW.contains(&name)
}

pub(super) fn is_type(name: &str, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Postgres => POSTGRES_TYPES.contains(name),
        Dialect::MySql => MYSQL_TYPES.contains(&name),
    }
}

/// May a value of this type that is made from something else than a literal depend on the clock?
pub(super) fn is_clock_type(name: &str, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Postgres => POSTGRES_CLOCK_TYPES.contains(&name),
        // A TIME becomes a DATE by adding today's.
        Dialect::MySql => matches!(name, "date" | "datetime"),
    }
}
