//! What the console tells. Columns have `PgBouncer`'s names where they mean the same; what is not known is left out.

use std::time::Duration;

use super::super::config::{Mode, PostgresConfig, Reset};
use super::super::error::PgError;
use super::super::server::Postgres;
use super::Answer;
use super::table::{Table, Value};
use crate::pool::{Counters, PoolConfig};

const COMMANDS: &str = "SHOW HELP|POOLS|STATS|STATS_TOTALS|LISTS|DATABASES|USERS|CONFIG|CACHE|VERSION";

/// The answer to a command, which may end in a semicolon.
pub(in super::super) fn answer(server: &Postgres, sql: &str) -> Result<Answer, PgError> {
    let command = sql.trim().trim_end_matches(';').trim_end();
    let words: Vec<String> = command.split_whitespace().map(str::to_ascii_uppercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let table = match words[..] {
        [] => return Ok(Answer::Nothing),
        ["SHOW", "HELP"] => return Ok(Answer::Help(format!("\n\t{COMMANDS}"))),
        ["SHOW", "POOLS"] => pools(server),
        ["SHOW", "STATS"] => stats(server, "total_", ["received", "sent"]),
        ["SHOW", "STATS_TOTALS"] => stats(server, "", ["bytes_received", "bytes_sent"]),
        ["SHOW", "LISTS"] => lists(server),
        ["SHOW", "DATABASES"] => databases(server),
        ["SHOW", "USERS"] => users(server),
        ["SHOW", "CONFIG"] => config(server),
        ["SHOW", "CACHE"] => cache(server),
        ["SHOW", "VERSION"] => {
            let version = concat!("Selvedge ", env!("CARGO_PKG_VERSION"));
            Table::of_one([("version", Value::text(version))])
        }
        _ => {
            let shown: String = command.chars().take(100).collect();
            return Err(PgError::new(*b"42601", format!("invalid command '{shown}', use SHOW HELP;"))
                .detail("This is the console of the pooler, not a database. It can be read, and not changed.")
                .hint(format!("It knows {COMMANDS}.")));
        }
    };
    Ok(Answer::Table(table))
}

fn mode(mode: Mode) -> Value {
    Value::text(match mode {
        Mode::Transaction => "transaction",
        Mode::Session => "session",
    })
}

fn database(server: &Postgres) -> Value {
    Value::text(&server.door().credential.database)
}

fn pools(server: &Postgres) -> Table {
    let status = server.pool.status();
    let none = Value::Number(0);
    Table::of_one([
        ("database", database(server)),
        ("user", Value::text(&server.door().credential.user)),
        ("cl_active", Value::count(server.clients.count().saturating_sub(status.waiting))),
        ("cl_waiting", Value::count(status.waiting)),
        ("sv_active", Value::count(status.active)),
        ("sv_idle", Value::count(status.idle)),
        // States that no connection of ours is ever in.
        ("sv_used", none.clone()),
        ("sv_tested", none),
        ("sv_login", Value::count(status.connecting)),
        ("maxwait", Value::Number(status.longest_wait.as_secs())),
        ("maxwait_us", Value::Number(u64::from(status.longest_wait.subsec_micros()))),
        ("pool_mode", mode(server.config().mode)),
    ])
}

fn stats(server: &Postgres, prefix: &str, [received, sent]: [&str; 2]) -> Table {
    let counters = server.pool.counters();
    let waited = u64::try_from(counters.wait.sum().as_micros()).unwrap_or(u64::MAX);
    let numbers = [
        ("server_assignment_count", Counters::get(&counters.acquired)),
        ("xact_count", Counters::get(&counters.transactions)),
        ("query_count", Counters::get(&counters.requests)),
        (received, Counters::get(&counters.bytes_from_clients)),
        (sent, Counters::get(&counters.bytes_to_clients)),
        ("wait_time", waited),
    ];
    let mut table = Table::of_one([("database", database(server))]);
    for (name, number) in numbers {
        table.columns.push(format!("{prefix}{name}").into());
        table.rows[0].push(Value::Number(number));
    }
    table
}

/// Of clients and of connections, the free ones are those that there may still be.
fn lists(server: &Postgres) -> Table {
    let (status, clients) = (server.pool.status(), server.clients.count());
    let servers = status.size() + status.connecting;
    let items = [
        ("databases", 1),
        ("users", 1),
        ("pools", 1),
        ("free_clients", server.config().max_clients.saturating_sub(clients)),
        ("used_clients", clients),
        ("free_servers", status.max_connections.saturating_sub(servers)),
        ("used_servers", servers),
    ];
    let rows = items.into_iter().map(|(name, count)| vec![Value::text(name), Value::count(count)]);
    Table { columns: vec!["list".into(), "items".into()], rows: rows.collect() }
}

fn databases(server: &Postgres) -> Table {
    let (pool, status) = (server.pool.config(), server.pool.status());
    let connector = server.pool.connector();
    let origin = connector.origin();
    let own = |bytes: &[u8]| Value::text(String::from_utf8_lossy(bytes));
    Table::of_one([
        ("name", database(server)),
        ("host", Value::text(&origin.host)),
        ("port", Value::Number(origin.port.into())),
        ("database", own(&origin.database_name())),
        ("force_user", own(&origin.user_name())),
        ("pool_size", Value::count(pool.max_connections)),
        ("min_pool_size", Value::count(pool.min_connections)),
        ("reserve_pool", Value::Number(0)),
        ("pool_mode", mode(server.config().mode)),
        ("max_connections", Value::count(pool.max_connections)),
        ("current_connections", Value::count(status.size())),
        ("paused", Value::Number(0)),
        ("disabled", Value::Number(u64::from(status.draining))),
    ])
}

fn users(server: &Postgres) -> Table {
    let user = Value::text(&server.door().credential.user);
    Table::of_one([("name", user), ("pool_mode", mode(server.config().mode))])
}

fn cache(server: &Postgres) -> Table {
    let counted = server.cache().map(|cache| cache.counters()).unwrap_or_default();
    Table::of_one([
        ("database", database(server)),
        ("enabled", Value::Number(u64::from(server.cache().is_some_and(|cache| cache.enabled())))),
        ("hit", Value::Number(counted.hit)),
        ("stale", Value::Number(counted.stale)),
        ("miss", Value::Number(counted.miss)),
        ("uncacheable", Value::Number(counted.uncacheable)),
        ("disabled", Value::Number(counted.disabled)),
        ("hit_bytes", Value::Number(counted.hit_bytes)),
    ])
}

/// Settings that a running pooler takes over from its config file.
const CHANGEABLE: [&str; 4] = ["default_pool_size", "pool_mode", "query_timeout", "reset"];

/// The settings that are in force, and what they are if nobody says anything.
fn config(server: &Postgres) -> Table {
    let (ours, theirs) = (server.config(), PostgresConfig::default());
    let now = settings(&ours, &server.pool.config());
    let default = settings(&theirs, &PoolConfig::default());
    let rows = now.into_iter().zip(default).map(|((key, value), (_, default))| {
        let changeable = if CHANGEABLE.contains(&key) { "yes" } else { "no" };
        [key, &value, &default, changeable].map(Value::text).to_vec()
    });
    Table {
        columns: ["key", "value", "default", "changeable"].map(Into::into).to_vec(),
        rows: rows.collect(),
    }
}

fn settings(config: &PostgresConfig, pool: &PoolConfig) -> Vec<(&'static str, String)> {
    let seconds = |limit: Option<Duration>| limit.unwrap_or_default().as_secs_f64().to_string();
    let Value::Text(pool_mode) = mode(config.mode) else { return Vec::new() };
    let reset = match config.reset {
        Reset::WhenNeeded => "when-needed",
        Reset::Always => "always",
        Reset::Close => "close",
    };
    vec![
        ("client_login_timeout", seconds(Some(config.login_timeout))),
        ("default_pool_size", pool.max_connections.to_string()),
        ("idle_transaction_timeout", seconds(pool.idle_transaction_timeout)),
        ("max_client_conn", config.max_clients.to_string()),
        ("max_prepared_statements", config.max_statements_per_connection.to_string()),
        ("max_statements_per_client", config.max_statements_per_client.to_string()),
        ("max_waiting", pool.max_waiting.to_string()),
        ("min_pool_size", pool.min_connections.to_string()),
        ("pool_mode", pool_mode),
        ("query_timeout", seconds(pool.statement_timeout)),
        ("query_wait_timeout", seconds(Some(pool.acquire_timeout))),
        ("reset", reset.to_owned()),
        ("server_connect_timeout", seconds(Some(pool.connect_timeout))),
        ("server_idle_timeout", seconds(Some(pool.idle_timeout))),
        ("server_lifetime", seconds(pool.max_lifetime)),
    ]
}
