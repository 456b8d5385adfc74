//! `selvedge d1 time-travel` and `insights`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use crate::tools::{self, Misuse, Outcome, Place, PlaceArguments, segment};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the bookmark of now, or of a time.
    Info {
        /// Its binding, its name or its id.
        name: String,
        /// 2026-12-31T23:59:59Z, or seconds since 1970.
        #[arg(long, value_name = "TIME")]
        timestamp: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Make the database what it was. Prints the bookmark that undoes it.
    Restore {
        /// Its binding, its name or its id.
        name: String,
        #[command(flatten)]
        when: When,
        #[arg(long)]
        json: bool,
    },
    /// Make a new database of what this one was, or is now.
    Fork {
        /// Its binding, its name or its id.
        name: String,
        /// What the new one is called.
        new_name: String,
        #[command(flatten)]
        when: When,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
pub(super) struct When {
    #[arg(long, value_name = "BOOKMARK", conflicts_with = "timestamp")]
    bookmark: Option<String>,
    /// 2026-12-31T23:59:59Z, or seconds since 1970.
    #[arg(long, value_name = "TIME")]
    timestamp: Option<String>,
}

impl When {
    /// As the API takes it.
    fn query(self) -> Option<String> {
        let bookmark = self.bookmark.map(|bookmark| format!("bookmark={}", segment(&bookmark)));
        bookmark.or_else(|| self.timestamp.map(|time| format!("timestamp={}", segment(&time))))
    }
}

impl Command {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        let place = Place::open(place).await?;
        match self {
            Self::Info { name, timestamp, json } => {
                let query =
                    timestamp.map(|time| format!("?timestamp={}", segment(&time))).unwrap_or_default();
                let target = format!("{}/time_travel/bookmark{query}", super::path(&place, &name).await?);
                let info: Value = place.client().call(Method::GET, &target, None).await?.result;
                if json {
                    return tools::json(&info);
                }
                tools::raw(format!("{}\n", tools::plain(&info["bookmark"])).as_bytes())
            }
            Self::Restore { name, when, json } => {
                let query =
                    when.query().ok_or_else(|| Misuse("say when: --bookmark or --timestamp".into()))?;
                let target = format!("{}/time_travel/restore?{query}", super::path(&place, &name).await?);
                let done: Value = place.client().call(Method::POST, &target, None).await?.result;
                if json {
                    return tools::json(&done);
                }
                tools::spoken(format_args!("{} To undo it, restore:", tools::plain(&done["message"])));
                tools::raw(format!("{}\n", tools::plain(&done["previous_bookmark"])).as_bytes())
            }
            Self::Fork { name, new_name, when, json } => {
                let query = when.query().map(|when| format!("?{when}")).unwrap_or_default();
                let target = format!("{}/time_travel/fork{query}", super::path(&place, &name).await?);
                let body = serde_json::json!({ "name": new_name });
                let bar = tools::spinner(format!("Copying {name}"));
                let made = place.client().call::<Value>(Method::POST, &target, Some(&body)).await;
                bar.finish_and_clear();
                let made = made?.result;
                if json {
                    return tools::json(&made);
                }
                let time = tools::plain(&made["time"]);
                tools::spoken(format_args!("Made {new_name:?} of {name:?} as it was at {time}. Its id:"));
                tools::raw(format!("{}\n", tools::plain(&made["uuid"])).as_bytes())
            }
        }
    }
}

/// Show the statements that cost a database the most since the node started.
#[derive(Args, Debug)]
pub(super) struct Insights {
    /// Its binding, its name or its id.
    name: String,
    #[arg(long, value_name = "WHAT", default_value = "time", value_parser = ["time", "reads", "writes", "count"])]
    sort_by: String,
    #[arg(long, default_value_t = 5)]
    limit: usize,
    #[arg(long)]
    json: bool,
}

impl Insights {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        let place = Place::open(place).await?;
        let path = super::path(&place, &self.name).await?;
        let target = format!("{path}/selvedge/insights?sort_by={}&limit={}", self.sort_by, self.limit);
        let rows: Vec<Value> = place.client().call(Method::GET, &target, None).await?.result;
        if self.json {
            return tools::json(&rows);
        }
        let columns = ["query", "numberOfTimesRun", "totalDurationMs", "totalRowsRead", "totalRowsWritten"];
        let cells = rows.iter().map(|row| columns.map(|column| tools::plain(&row[column])).to_vec());
        tools::table(&columns, &cells.collect::<Vec<_>>())
    }
}
