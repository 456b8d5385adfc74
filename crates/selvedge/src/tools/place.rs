//! Which data directory, and which project's names.

use std::path::PathBuf;

use clap::Args;
use selvedge_base::{Clock as _, SystemClock};
use selvedge_node::{Access, Client};
use selvedge_project::{LoadOptions, Project};

use super::Misuse;

/// The options that every tool takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlaceArguments {
    /// Work on this data directory instead of .selvedge beside the config.
    #[arg(long, value_name = "DIR", global = true)]
    persist_to: Option<PathBuf>,

    /// Use this config file instead of the one in this directory or above it.
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Vec<PathBuf>,

    /// Use this environment of the config.
    #[arg(long, short, value_name = "NAME", global = true)]
    env: Option<String>,
}

/// A data directory that is open for work.
pub(crate) struct Place {
    arguments: PlaceArguments,
    access: Access,
}

impl Place {
    /// Opens the data directory, which must be there.
    pub(crate) async fn open(arguments: PlaceArguments) -> anyhow::Result<Self> {
        Self::open_or(arguments, false).await
    }

    /// As [`Place::open`], making the directory when it is missing.
    pub(crate) async fn create(arguments: PlaceArguments) -> anyhow::Result<Self> {
        Self::open_or(arguments, true).await
    }

    async fn open_or(arguments: PlaceArguments, create: bool) -> anyhow::Result<Self> {
        let data = if let Some(data) = &arguments.persist_to {
            data.clone()
        } else {
            let project = project(&arguments)?;
            project.workers.first().map(|worker| worker.root.join(".selvedge")).unwrap_or_default()
        };
        let access = Access::open(&data, &std::env::temp_dir(), &SystemClock::shared(), create).await?;
        Ok(Self { arguments, access })
    }

    pub(crate) fn client(&self) -> &Client {
        self.access.client()
    }

    /// The project that the options or the current directory name.
    pub(crate) fn project(&self) -> anyhow::Result<Project> {
        project(&self.arguments)
    }

    /// What the Workers of the project have under the name `binding`: `pick` finds it in a Worker.
    pub(crate) fn binding<T>(
        &self,
        what: &str,
        binding: &str,
        pick: impl Fn(&selvedge_project::Worker) -> Option<T>,
    ) -> anyhow::Result<T> {
        let found = self.project()?.workers.iter().find_map(pick);
        found.ok_or_else(|| Misuse(format!("the config has no {what} with the binding {binding:?}")).into())
    }
}

fn project(arguments: &PlaceArguments) -> anyhow::Result<Project> {
    let options = LoadOptions {
        configs: arguments.config.clone(),
        start: PathBuf::from("."),
        env: arguments.env.clone(),
        environment: crate::environment(),
        allow_experimental: true,
        today: SystemClock.now().date(),
    };
    Ok(selvedge_project::load(&options)?.project)
}
