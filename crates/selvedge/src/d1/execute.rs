//! `selvedge d1 execute`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::tools::{self, Outcome, Place, PlaceArguments};

/// Run SQL on a database.
#[derive(Args, Debug)]
pub(super) struct Execute {
    /// Its binding, its name or its id.
    name: String,
    /// The SQL: one statement or several.
    #[arg(long, value_name = "SQL", required_unless_present = "file", conflicts_with = "file")]
    command: Option<String>,
    /// A file of SQL, run as one transaction.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print results as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Answer {
    results: Rows,
    meta: Value,
}

#[derive(Deserialize)]
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Execute {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        let place = Place::open(place).await?;
        let path = super::path(&place, &self.name).await?;
        if let Some(file) = &self.file {
            let done = super::transfer::load(&place, &path, file).await?;
            return if self.json { tools::json(&[json!({ "success": true, "meta": done })]) } else { Ok(()) };
        }
        let sql = self.command.context("give SQL with --command or --file")?;
        let body = json!({ "sql": sql });
        if self.json {
            // As it came: a parsed object would not keep the order of the columns.
            let target = format!("{path}/query");
            let answers: Box<RawValue> =
                place.client().call(Method::POST, &target, Some(&body)).await?.result;
            return tools::raw(format!("{answers}\n").as_bytes());
        }
        let target = format!("{path}/raw");
        let answers: Vec<Answer> = place.client().call(Method::POST, &target, Some(&body)).await?.result;
        for answer in answers {
            let Rows { columns, rows } = answer.results;
            if columns.is_empty() {
                tools::spoken(format_args!("Done: {} rows changed.", answer.meta["changes"]));
                continue;
            }
            let headings: Vec<&str> = columns.iter().map(String::as_str).collect();
            let rows = rows.iter().map(|row| row.iter().map(tools::plain).collect());
            tools::table(&headings, &rows.collect::<Vec<Vec<String>>>())?;
        }
        Ok(())
    }
}
