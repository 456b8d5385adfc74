//! What a database was, and what it has been asked.

use std::time::Duration;

use http::StatusCode;
use selvedge_base::Millis;
use selvedge_catalog::ResourceKind;
use selvedge_d1::{Database, InsightOrder, InsightQuery, Target, TravelError};
use serde::Deserialize;
use serde_json::json;

use crate::envelope::{Outcome, Refused, success};
use crate::request::Call;
use crate::server::Api;

impl From<TravelError> for Refused {
    fn from(error: TravelError) -> Self {
        match &error {
            TravelError::History(_) | TravelError::Damaged(_) | TravelError::Database(_) => {
                Self::internal(&error)
            }
            _ => Self::new(StatusCode::BAD_REQUEST, 7500, error.to_string()),
        }
    }
}

/// The bookmark of now, or of the `timestamp` that is given.
pub(super) async fn bookmark(database: &Database, call: &Call) -> Outcome {
    match target(call)? {
        None => success(json!({ "bookmark": database.bookmark()? })),
        Some(target) => {
            let moment = database.moment(&target).await?;
            success(json!({ "bookmark": moment.bookmark, "time": moment.time.iso() }))
        }
    }
}

/// Makes the database what it was at `bookmark` or `timestamp`.
pub(super) async fn restore(database: &Database, call: &Call) -> Outcome {
    let target = target(call)?.ok_or_else(|| Refused::bad_request("give a bookmark or a timestamp"))?;
    let restored = database.restore(&target).await?;
    let message = format!("Restored to {}, of {}.", restored.to.bookmark, restored.to.time.iso());
    success(json!({
        "bookmark": restored.bookmark,
        "previous_bookmark": restored.previous_bookmark,
        "message": message,
    }))
}

/// Makes a new database of what this one was at `bookmark` or `timestamp`, or is now. It has a name only when all
/// of it is on the disk: what a crash leaves of one is listed nowhere.
pub(super) async fn fork(api: &Api, id: &str, call: &mut Call) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        name: String,
    }
    let target = target(call)?.unwrap_or(Target::Time(Millis(u64::MAX)));
    let Wanted { name } = call.json().await?;
    if name.is_empty() {
        return Err(Refused::bad_request("a database needs a name"));
    }
    super::check_free(api, &name).await?;
    let new = super::new_id(api);
    let moment = api.d1.fork(id, &target, &new).await?;
    api.d1.database(&new).await.map_err(|error| Refused::internal(&error))?;
    api.catalog.name_resource(ResourceKind::D1, &new, &name).await?;
    success(
        json!({ "uuid": new, "name": name, "forked_from": id, "bookmark": moment.bookmark, "time": moment.time.iso() }),
    )
}

fn target(call: &Call) -> Result<Option<Target>, Refused> {
    if let Some(bookmark) = call.query("bookmark") {
        return Ok(Some(Target::Bookmark(bookmark)));
    }
    let Some(text) = call.query("timestamp") else { return Ok(None) };
    // RFC 3339, or seconds as wrangler takes them too.
    let time = text.parse::<u64>().ok().map(|secs| Millis(secs.saturating_mul(1000)));
    let time = time.or_else(|| Millis::parse_iso(&text));
    let not = || Refused::bad_request(format!("{text:?} is not a time such as 2026-12-31T23:59:59Z"));
    time.map(|time| Some(Target::Time(time))).ok_or_else(not)
}

/// The statements that cost the most.
pub(super) fn insights(database: &Database, call: &Call) -> Outcome {
    let order = match call.query("sort_by").as_deref() {
        None | Some("time") => InsightOrder::Time,
        Some("reads") => InsightOrder::Reads,
        Some("writes") => InsightOrder::Writes,
        Some("count") => InsightOrder::Count,
        Some(other) => {
            let message = format!("{other:?} is no order: use time, reads, writes or count");
            return Err(Refused::bad_request(message));
        }
    };
    success(database.insights(InsightQuery {
        order,
        average: call.query("average").is_some(),
        period: Duration::from_secs(call.number("seconds", 24 * 60 * 60)? as u64),
        limit: call.number("limit", 5)?,
    }))
}
