//! `selvedge d1 export` and `import`: whole databases as SQL.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::tools::{self, Outcome, Place, PlaceArguments, segment};

/// Write a database as SQL. Workers go on reading and writing meanwhile.
#[derive(Args, Debug)]
pub(super) struct Export {
    /// Its binding, its name or its id.
    name: String,
    /// Where to; stdout without it.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only this table; may be given several times.
    #[arg(long, value_name = "NAME")]
    table: Vec<String>,
    /// Leave out the schema.
    #[arg(long)]
    no_schema: bool,
    /// Leave out the rows.
    #[arg(long, conflicts_with = "no_schema")]
    no_data: bool,
}

/// Run a file of SQL on a database, as one transaction, or take a SQLite file over as a new database.
#[derive(Args, Debug)]
pub(super) struct Import {
    /// Its binding, its name or its id.
    name: String,
    /// SQL text, as `export` and SQLite's own `.dump` write it, or a SQLite database.
    file: PathBuf,
}

impl Export {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        let place = Place::open(place).await?;
        let mut target = format!("{}/selvedge/export?", super::path(&place, &self.name).await?);
        for (wanted, word) in [(self.no_schema, "no_schema=true&"), (self.no_data, "no_data=true&")] {
            if wanted {
                target.push_str(word);
            }
        }
        for table in &self.table {
            target = format!("{target}table={}&", segment(table));
        }
        let response = place.client().fetch(Method::GET, &target, &[], "").await?;
        tools::save(response.into_body(), self.output.as_deref(), "export", "Exporting").await
    }
}

impl Import {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        let place = Place::create(place).await?;
        if is_sqlite(&self.file)? {
            return self.adopt(&place).await;
        }
        let path = super::path(&place, &self.name).await?;
        load(&place, &path, &self.file).await.map(drop)
    }
}

impl Import {
    /// Takes a SQLite file over as it is, as a database that is not there yet.
    async fn adopt(&self, place: &Place) -> Outcome {
        let configured = super::configured(place, &self.name);
        let (id, name) =
            configured.map_or_else(|| (self.name.clone(), self.name.clone()), |d| (d.id, d.name));
        let target = format!("{}/{}/selvedge/file?name={}", super::PATH, segment(&id), segment(&name));
        let bar = tools::spinner(format!("Taking over {}", self.file.display()));
        let adopted = super::adopt(place, &target, &self.file).await;
        bar.finish_and_clear();
        adopted?;
        tools::spoken(format_args!(
            "{} is database {name:?} now; the file stays as it is.",
            self.file.display()
        ));
        Ok(())
    }
}

fn is_sqlite(file: &Path) -> anyhow::Result<bool> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    let mut start = Vec::new();
    let reading = || format!("cannot read {}", file.display());
    let file = std::fs::File::open(file).with_context(reading)?;
    file.take(MAGIC.len() as u64).read_to_end(&mut start).with_context(reading)?;
    Ok(start == MAGIC)
}

/// Runs the SQL of `file` and says what it did.
pub(super) async fn load(place: &Place, path: &str, file: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let target = format!("{path}/selvedge/import?name={}", segment(&name));
    let bar = tools::spinner(format!("Running {}", file.display()));
    let answer = place.client().fetch(Method::PUT, &target, &[], text).await;
    bar.finish_and_clear();
    let body = answer?.into_body().collect().await?.to_bytes();
    let mut envelope: Value = serde_json::from_slice(&body)?;
    let done = envelope["result"].take();
    let (queries, written) = (&done["num_queries"], &done["rows_written"]);
    tools::spoken(format_args!("Ran {queries} queries: {written} rows written."));
    Ok(done)
}
