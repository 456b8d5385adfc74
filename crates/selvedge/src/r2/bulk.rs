//! `selvedge r2 bulk`: many files, side by side.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;

use super::object::{Headers, send};
use crate::tools::{self, Outcome, Place, PlaceArguments};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write the files of a JSON list: [{"key": "...", "file": "..."}].
    Put {
        bucket: String,
        #[arg(long, short, value_name = "FILE")]
        filename: PathBuf,
        /// Files that are on their way at a time.
        #[arg(long, value_name = "N", default_value_t = 20)]
        concurrency: usize,
        #[command(flatten)]
        headers: Headers,
    },
}

#[derive(Deserialize)]
struct Entry {
    key: String,
    file: PathBuf,
}

impl Command {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        let Self::Put { bucket, filename, concurrency, headers } = self;
        let place = Place::open(place).await?;
        let text = std::fs::read(&filename).with_context(|| format!("cannot read {}", filename.display()))?;
        let entries: Vec<Entry> = serde_json::from_slice(&text)
            .with_context(|| format!("{} is not a list of {{\"key\", \"file\"}}", filename.display()))?;
        let path = super::path(&place, &bucket).await?;
        let (headers, total) = (headers.all(), entries.len());
        let bar = tools::bar("Writing", "objects", total as u64);
        let base = filename.parent().unwrap_or(Path::new(""));
        let sends = stream::iter(entries).map(|Entry { key, file }| {
            let (place, path, headers, bar) = (&place, &path, &headers, &bar);
            async move {
                let sent = send(place, path, &key, &base.join(file), headers, None).await;
                bar.inc(1);
                sent
            }
        });
        let failed: Vec<_> = sends
            .buffer_unordered(concurrency.max(1))
            .filter_map(|sent| std::future::ready(sent.err()))
            .collect()
            .await;
        bar.finish_and_clear();
        for error in failed.iter().take(20) {
            tools::spoken(format_args!("{error:#}"));
        }
        if !failed.is_empty() {
            bail!("{} of {total} objects were not written; the others are", failed.len());
        }
        tools::spoken(format_args!("{total} objects written."));
        Ok(())
    }
}
