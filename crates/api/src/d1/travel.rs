//! What a database was, and what it has been asked.

use std::time::Duration;

use http::StatusCode;
use selvedge_base::Millis;
use selvedge_d1::{Database, InsightOrder, InsightQuery, Target, TravelError};
use serde_json::json;

use crate::envelope::{Outcome, Refused, success};
use crate::request::Call;

impl From<TravelError> for Refused {
    fn from(error: TravelError) -> Self {
        match &error {
            TravelError::History(_) | TravelError::Database(_) => Self::internal(&error),
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
