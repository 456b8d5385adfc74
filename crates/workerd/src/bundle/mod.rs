//! A Worker's sources to the modules that workerd loads.

mod additional;
mod custom;
mod error;
mod esbuild;
mod messages;
mod metafile;
mod node;
mod output;
mod rules;
mod source_map;
#[cfg(test)]
mod tests;
mod unbundled;

use std::path::{Path, PathBuf};

use selvedge_project::{Build, ModuleKind, Worker};

pub use error::BundleError;

use additional::Additional;
use esbuild::Job;
use node::Node;
use rules::{Copied, Matchers};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The name that imports reach it by, with `/` and no leading `./`.
    pub name: String,
    pub kind: ModuleKind,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// The first is the main module.
    pub modules: Vec<Module>,
    /// Files whose change makes this out of date, absolute. Those of npm packages are among them.
    pub inputs: Vec<PathBuf>,
    /// Directories where any change makes this out of date, absolute.
    pub watch: Vec<PathBuf>,
    /// Of the main module; its `sources` are absolute paths.
    pub source_map: Option<Vec<u8>>,
    /// What the main module exports; empty if it was not bundled, and then nobody has looked.
    pub exports: Vec<String>,
    /// Flags to run the Worker with beside its own: they switch on the Node.js modules that it imports and that its
    /// compatibility date leaves off (wrangler has polyfills for these).
    pub compatibility_flags: Vec<String>,
    pub warnings: Vec<String>,
}

/// Makes the modules of `worker`: runs its custom build, then bundles with esbuild as wrangler does (unless
/// `no_bundle`). `output` is a directory that exists and that nobody else uses meanwhile; nothing is left in it.
pub async fn bundle(esbuild: &Path, worker: &Worker, output: &Path) -> Result<Bundle, BundleError> {
    let build = worker.build.as_ref().ok_or(BundleError::NoScript)?;
    if build.main.extension().is_some_and(|extension| extension == "py") {
        return Err(BundleError::Python { main: build.main.clone() });
    }
    let scratch = tempfile::tempdir_in(output)
        .map_err(|source| BundleError::Scratch { path: output.to_owned(), source })?;
    let scratch_path = canonical(scratch.path())?;
    let ran = match &build.command {
        Some(custom) => Some(custom::run(custom, &scratch_path).await?),
        None => None,
    };
    if !build.main.is_file() {
        return Err(BundleError::NoEntry { main: build.main.clone() });
    }
    let (main, base) = (canonical(&build.main)?, canonical(&build.base_dir)?);
    let mut bundle = if build.no_bundle {
        unbundled::modules(build, &main, &base)?
    } else {
        let job = job(esbuild, worker, build, base, &main, &scratch_path)?;
        bundled(&job).await?
    };
    if let Some(ran) = ran {
        ran.retain_sources(&mut bundle.inputs);
    }
    bundle.watch.extend(build.command.iter().flat_map(|custom| custom.watch.iter().cloned()));
    Ok(bundle)
}

fn job<'a>(
    program: &'a Path,
    worker: &'a Worker,
    build: &'a Build,
    base: PathBuf,
    main: &Path,
    output: &'a Path,
) -> Result<Job<'a>, BundleError> {
    let (kept, _) = rules::effective(&build.rules);
    let mut copied = Copied::of(&kept);
    let mut additional = Additional::default();
    if build.find_additional_modules {
        let (matchers, warnings) = Matchers::of(&kept);
        copied.warnings.extend(warnings);
        additional = Additional::find(&base, &matchers, unbundled::names_packages(&kept), &[main])?;
    }
    let root = canonical(&worker.root)?;
    Ok(Job { program, worker, build, root, base, output, node: Node::of(worker), copied, additional })
}

async fn bundled(job: &Job<'_>) -> Result<Bundle, BundleError> {
    match job.run().await? {
        Ok(built) => output::collect(job, built),
        Err(messages) => {
            let mut text = messages.text();
            if let Some(hint) = ignored_rule(job.build, &text) {
                text.push_str(&hint);
            }
            Err(job.failure(text, messages.files(&job.root)))
        }
    }
}

/// A rule that would have said what to do with a file, had an earlier one not ended its kind.
fn ignored_rule(build: &Build, text: &str) -> Option<String> {
    let ending = text.split("No loader is configured for \"").nth(1)?.split('"').next()?;
    let (_, ignored) = rules::effective(&build.rules);
    let glob = ignored.iter().flat_map(|rule| &rule.globs).find(|glob| glob.ends_with(ending))?;
    Some(format!(
        "\n\n  The module rule for \"{glob}\" is ignored, because an earlier rule of its type does not say \"fallthrough\": true."
    ))
}

impl Job<'_> {
    /// The error for sources that are wrong.
    fn failure(&self, messages: String, inputs: Vec<PathBuf>) -> BundleError {
        let mut watch: Vec<PathBuf> = self.build.main.parent().map(Path::to_owned).into_iter().collect();
        if self.build.find_additional_modules {
            watch.push(self.base.clone());
        }
        watch.extend(self.build.command.iter().flat_map(|custom| custom.watch.iter().cloned()));
        BundleError::Build { messages, inputs, watch }
    }
}

fn canonical(path: &Path) -> Result<PathBuf, BundleError> {
    path.canonicalize().map_err(|source| BundleError::Read { path: path.to_owned(), source })
}
