//! What every measurement can be told.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

/// How long, and how often.
#[derive(Debug, Args)]
pub(crate) struct Turns {
    /// Seconds per measurement.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Repeat each measurement this often, in turn, and keep the median.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rounds: u64,
}

impl Turns {
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The rounds and how long each takes, after a short round 0 that is to warm up.
    pub(crate) fn with_warm_up(&self) -> impl Iterator<Item = (u64, Duration)> {
        let warm_up = (0, Duration::from_millis(500));
        std::iter::once(warm_up).chain((1..=self.rounds).map(|round| (round, self.time())))
    }
}

/// Only what has this in its name.
#[derive(Debug, Args)]
pub(crate) struct Choice {
    /// Only what has this in its name, in any case.
    #[arg(long)]
    only: Option<String>,
}

impl Choice {
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.to_lowercase().contains(&only.to_lowercase()))
    }
}

/// Where the rows go besides.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Also write what was measured here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Output {
    pub(crate) fn save(&self, measured: &impl Serialize) -> Result<()> {
        if let Some(path) = &self.json {
            std::fs::write(path, serde_json::to_vec_pretty(measured)?)?;
        }
        Ok(())
    }
}
