//! Transactions that a client holds open over several requests. Cloudflare has none.

use std::time::Duration;

use http::Method;
use selvedge_d1::{Database, Format};
use serde::Deserialize;
use serde_json::json;

use super::{answered, statements};
use crate::envelope::{Outcome, Refused, success};
use crate::request::Call;
use crate::server::Api;

/// Milliseconds after which one is rolled back, unless its beginning says otherwise.
const TIME: u64 = 5000;
/// Others that write wait for it, for 30 s at most.
const LONGEST: u64 = 25_000;
/// Milliseconds between two calls, after which its client is taken to have gone away.
const IDLE: u64 = 2000;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    time_limit_ms: Option<u64>,
    idle_limit_ms: Option<u64>,
}

pub(super) async fn answer(
    api: &Api,
    database_id: &str,
    database: &Database,
    call: &mut Call,
    path: &[&str],
) -> Outcome {
    let transactions = api.d1.transactions();
    if call.method() != Method::POST {
        return Err(Refused::no_route());
    }
    match path {
        [] => {
            let body = call.bytes().await?;
            let wanted = if body.is_empty() { Ok(Wanted::default()) } else { serde_json::from_slice(&body) };
            let not = |error| Refused::bad_request(format!("the body is not what it should be: {error}"));
            let Wanted { time_limit_ms, idle_limit_ms } = wanted.map_err(not)?;
            let time = bounded("time_limit_ms", time_limit_ms.unwrap_or(TIME))?;
            let idle = bounded("idle_limit_ms", idle_limit_ms.unwrap_or(IDLE.min(time)))?.min(time);
            let (most, between) = (Duration::from_millis(time), Duration::from_millis(idle));
            let id = transactions.begin(database_id, database, most, between, &*api.clock).await?;
            success(json!({ "id": id, "time_limit_ms": time, "idle_limit_ms": idle }))
        }
        [id, "query"] => {
            let statements = statements(call).await?;
            answered(transactions.query(database_id, id, statements, Format::Objects).await?)
        }
        [id, "raw"] => {
            let statements = statements(call).await?;
            answered(transactions.query(database_id, id, statements, Format::RowsAndColumns).await?)
        }
        [id, "commit"] => {
            transactions.commit(database_id, id).await?;
            success(json!({}))
        }
        [id, "rollback"] => {
            transactions.rollback(database_id, id).await?;
            success(json!({}))
        }
        _ => Err(Refused::no_route()),
    }
}

fn bounded(name: &str, ms: u64) -> Result<u64, Refused> {
    if (1..=LONGEST).contains(&ms) {
        return Ok(ms);
    }
    Err(Refused::bad_request(format!("{name} is between 1 and {LONGEST} milliseconds, not {ms}")))
}
