//! `selvedge d1 check`.

use clap::Args;
use http::Method;
use serde_json::Value;

use crate::tools::{self, Outcome, Place, PlaceArguments, segment};

/// Hold a database and its history against their checksums and each other; exit code 1 if something is wrong.
#[derive(Args, Debug)]
pub(super) struct Check {
    /// Its binding, its name or its id.
    name: String,
    /// Mend each with what the other has. What is replaced is kept aside.
    #[arg(long)]
    repair: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        let Self { name, repair, json } = self;
        let place = Place::open(place).await?;
        // One that cannot be opened cannot be made either.
        let id = super::configured(&place, &name).map_or_else(|| name.clone(), |database| database.id);
        let query = if repair { "?repair=true" } else { "" };
        let target = format!("{}/{}/selvedge/check{query}", super::PATH, segment(&id));
        let bar = tools::spinner(format!("Reading {name}"));
        let report = place.client().call::<Value>(Method::POST, &target, None).await;
        bar.finish_and_clear();
        let report = report?.result;
        let list = |key: &str| report[key].as_array().cloned().unwrap_or_default();
        let problems = list("problems");
        if json {
            tools::json(&report)?;
        } else {
            tell(&problems, &list("lost"))?;
            let [pages, segments, records] =
                ["pages", "segments", "records"].map(|key| tools::plain(&report[key]));
            tools::spoken(format_args!(
                "Checked {pages} pages, and {records} records in {segments} files of the history."
            ));
            for file in list("kept_aside") {
                tools::spoken(format_args!("Kept aside: {}", tools::plain(&file)));
            }
        }
        let open = problems.iter().filter(|problem| problem["repaired"] != true).count();
        match (open, repair) {
            (0, _) => Ok(()),
            (n, true) => anyhow::bail!("{n} problems in {name} cannot be repaired"),
            (n, false) => anyhow::bail!("{n} problems in {name}: --repair mends what can be mended"),
        }
    }
}

fn tell(problems: &[Value], lost: &[Value]) -> Outcome {
    if !problems.is_empty() {
        let rows = problems.iter().map(|problem| {
            let state = if problem["repaired"] == true { "repaired" } else { "open" };
            let cell = |key: &str| tools::plain(&problem[key]);
            vec![state.to_owned(), cell("kind"), cell("file"), cell("what")]
        });
        tools::table(&["state", "kind", "file", "what"], &rows.collect::<Vec<_>>())?;
    }
    for lost in lost {
        let moment = |which: &str| {
            let moment = &lost[which];
            format!("{} ({})", tools::plain(&moment["time"]), tools::plain(&moment["bookmark"]))
        };
        tools::spoken(format_args!(
            "What was between {} and {} cannot be restored any more.",
            moment("after"),
            moment("before")
        ));
    }
    Ok(())
}
