//! The way in: from options to a project.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Level, Place, Reporter};
use crate::environment::{self, Effective};
use crate::model::{Project, Worker};
use crate::node::Node;
use crate::settings::{self, SettingsFile};
use crate::vars::Secrets;
use crate::{cross, discover, json, toml, worker};

/// What to read, and in which surroundings.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The config files (`--config`), one per Worker. Empty: one is searched for.
    pub configs: Vec<PathBuf>,
    /// The directory to search from, upwards.
    pub start: PathBuf,
    /// The environment (`--env`). Without one, `CLOUDFLARE_ENV` of `environment` counts, as with wrangler.
    pub env: Option<String>,
    /// The environment of the process: connection strings for Hyperdrive, and secrets that a config requires.
    pub environment: BTreeMap<String, String>,
    /// Whether Workers may use compatibility flags that workerd calls experimental.
    pub allow_experimental: bool,
    /// Today in UTC, as `YYYY-MM-DD`: workerd takes no later compatibility date.
    pub today: String,
}

/// A project that can run.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub project: Project,
    pub warnings: Vec<Diagnostic>,
    /// Configs, `selvedge.toml`, `.dev.vars` and `.env` files that were read or would be read if they appeared. Absolute.
    pub watched: Vec<PathBuf>,
}

/// Why a project cannot run: at least one error, and the warnings found on the way.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.render(false))]
pub struct LoadError {
    /// Warnings first, so that the errors are what a terminal shows last.
    pub diagnostics: Vec<Diagnostic>,
    /// As [`Loaded::watched`]: a change to one of them may mend it.
    pub watched: Vec<PathBuf>,
}

impl LoadError {
    fn new(mut diagnostics: Vec<Diagnostic>, watched: Vec<PathBuf>) -> Self {
        diagnostics.sort_by_key(|diagnostic| diagnostic.level == Level::Error);
        Self { diagnostics, watched }
    }

    /// All diagnostics as [`Diagnostic::render`] shows them, with an empty line between.
    pub fn render(&self, color: bool) -> String {
        let rendered: Vec<String> = self.diagnostics.iter().map(|d| d.render(color)).collect();
        rendered.join("\n\n")
    }
}

/// A config that was read and parsed.
struct Source {
    file: PathBuf,
    root: PathBuf,
    reporter: Reporter,
    tree: Option<Node>,
}

/// Reads a project. Collects as many mistakes as it can before it gives up.
pub fn load(options: &LoadOptions) -> Result<Loaded, LoadError> {
    let mut diagnostics = Vec::new();
    let mut watched = Vec::new();
    let files = match files(options, &mut diagnostics) {
        Ok(files) => files,
        Err(problem) => return Err(LoadError::new(vec![*problem], watched)),
    };
    let env = options.env.as_ref().or_else(|| options.environment.get("CLOUDFLARE_ENV"));
    let env = env.map(String::as_str).filter(|env| !env.is_empty());

    let wanted = files.len();
    let mut sources = Vec::new();
    for file in files {
        watched.push(file.clone());
        match Source::read(file) {
            Ok(source) => sources.push(source),
            Err(problem) => diagnostics.push(*problem),
        }
    }
    let mut readings: Vec<(Effective<'_>, Worker)> = Vec::new();
    for source in &sources {
        let Some(tree) = &source.tree else { continue };
        let Some(effective) = environment::resolve(&source.reporter, tree, env) else { continue };
        let mut secrets = Secrets {
            root: &source.root,
            env,
            environment: &options.environment,
            diagnostics: Vec::new(),
            watched: Vec::new(),
        };
        let worker = worker::read(&effective, &source.file, options, &mut secrets);
        diagnostics.append(&mut secrets.diagnostics);
        watched.append(&mut secrets.watched);
        readings.push((effective, worker));
    }
    // With a Worker missing, references to it would only look wrong.
    if readings.len() == wanted {
        let pairs: Vec<_> = readings.iter().map(|(effective, worker)| (&effective.section, worker)).collect();
        cross::check(&pairs);
    }
    let mut workers: Vec<Worker> = readings.into_iter().map(|(_, worker)| worker).collect();
    let files = settings_files(&sources, &mut watched, &mut diagnostics);
    let configs: Vec<_> =
        sources.iter().filter_map(|s| s.tree.as_ref().map(|tree| (&*s.root, tree))).collect();
    settings::configure(&files, &configs, &mut workers);
    diagnostics.extend(files.into_iter().flat_map(|file| file.reporter.into_diagnostics()));
    diagnostics.extend(sources.into_iter().flat_map(|source| source.reporter.into_diagnostics()));
    watched.sort();
    watched.dedup();
    if diagnostics.iter().any(|diagnostic| diagnostic.level == Level::Error) {
        return Err(LoadError::new(diagnostics, watched));
    }
    Ok(Loaded { project: Project { workers }, warnings: diagnostics, watched })
}

fn files(options: &LoadOptions, diagnostics: &mut Vec<Diagnostic>) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    if !options.configs.is_empty() {
        return Ok(options.configs.iter().map(|path| discover::absolute(path)).collect());
    }
    let start = discover::absolute(&options.start);
    let config = discover::search(&start)?;
    diagnostics.extend(discover::redirect(&start, &config));
    Ok(vec![config])
}

/// The `selvedge.toml` of every directory that has a config.
fn settings_files(
    sources: &[Source],
    watched: &mut Vec<PathBuf>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<SettingsFile> {
    let mut files = Vec::new();
    let roots: BTreeSet<&Path> = sources.iter().map(|source| &*source.root).collect();
    for root in roots {
        watched.push(root.join(settings::NAME));
        match SettingsFile::read(root) {
            Ok(file) => files.extend(file),
            Err(problem) => diagnostics.push(*problem),
        }
    }
    files
}

impl Source {
    fn read(file: PathBuf) -> Result<Self, Box<Diagnostic>> {
        let about = |message: String, help: &str| {
            let mut problem = Diagnostic::error(message).help(help);
            problem.place = Some(Place::whole(&file));
            Box::new(problem)
        };
        let parse = match file.extension().and_then(|extension| extension.to_str()) {
            Some("json" | "jsonc") => json::parse,
            Some("toml") => toml::parse,
            _ => {
                let help = "name a file that ends in .json, .jsonc or .toml";
                return Err(about("the config has a format that is not known".to_owned(), help));
            }
        };
        let text = std::fs::read_to_string(&file).map_err(|error| {
            about(format!("the config cannot be read: {error}"), "check the path given with --config")
        })?;
        let reporter = Reporter::new(&file, text.strip_prefix('\u{feff}').unwrap_or(&text));
        let tree = parse(&reporter);
        let root = file.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { file, root, reporter, tree })
    }
}
