//! Driving esbuild as wrangler does, through its command line.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use selvedge_project::{Build, Worker};

use super::additional::Additional;
use super::messages::{LIMIT, Messages};
use super::node::{self, Node};
use super::rules::Copied;
use super::{BundleError, metafile::Metafile};
use crate::command::command;

/// One bundling job. Paths are absolute and without symbolic links.
pub(super) struct Job<'a> {
    pub(super) program: &'a Path,
    pub(super) worker: &'a Worker,
    pub(super) build: &'a Build,
    pub(super) root: PathBuf,
    pub(super) base: PathBuf,
    pub(super) output: &'a Path,
    pub(super) node: Node,
    pub(super) copied: Copied,
    pub(super) additional: Additional,
}

/// What a run that succeeded left in the output directory.
pub(super) struct Built {
    pub(super) metafile: Metafile,
    pub(super) warnings: Vec<String>,
}

impl Job<'_> {
    /// Fails with the messages if the sources are wrong.
    pub(super) async fn run(&self) -> Result<Result<Built, Messages>, BundleError> {
        let built = match self.run_with(&[]).await? {
            Ok(built) => built,
            failed => return Ok(failed),
        };
        // A name like `process` is replaced together with what is below it, which is wrong for the files of an npm
        // package of that name. Those are only known now.
        let mistaken: Vec<String> = match built.metafile.main() {
            Some((_, main)) => main
                .node_imports()
                .filter_map(|import| node::mistaken_alias(&import.path))
                .map(str::to_owned)
                .collect(),
            None => Vec::new(),
        };
        if self.node != Node::Full || mistaken.is_empty() {
            Ok(Ok(built))
        } else {
            self.run_with(&mistaken).await
        }
    }

    async fn run_with(&self, packages: &[String]) -> Result<Result<Built, Messages>, BundleError> {
        let metafile = self.output.join("metafile.json");
        let output = command(self.program)
            .args(self.arguments(packages))
            .arg(flag("--metafile=", &metafile))
            .arg(&self.build.main)
            .current_dir(&self.root)
            // Go takes its working directory from here.
            .env("PWD", &self.root)
            .stdout(Stdio::null())
            .output()
            .await
            .map_err(|source| BundleError::Start { program: self.program.to_owned(), source })?;
        let messages = Messages::parse(&String::from_utf8_lossy(&output.stderr), self.node);
        if !output.status.success() {
            if messages.errors.is_empty() {
                return Err(BundleError::Output(format!("it ended with {}", output.status)));
            }
            return Ok(Err(messages));
        }
        let text = std::fs::read(&metafile)
            .map_err(|source| BundleError::Read { path: metafile.clone(), source })?;
        let metafile = serde_json::from_slice(&text)
            .map_err(|error| BundleError::Output(format!("its metafile: {error}")))?;
        Ok(Ok(Built { metafile, warnings: messages.warnings }))
    }

    /// `packages` are names that are not to be taken for Node.js modules.
    fn arguments(&self, packages: &[String]) -> Vec<OsString> {
        let build = self.build;
        let mut arguments: Vec<OsString> = [
            "--bundle",
            "--format=esm",
            "--target=es2024",
            "--supported:import-source=true",
            "--conditions=workerd,worker,browser",
            "--loader:.js=jsx",
            "--loader:.mjs=jsx",
            "--loader:.cjs=jsx",
            "--sourcemap=external",
            "--sources-content=false",
            "--entry-names=[name]",
            "--external:cloudflare:*",
            "--external:node:*",
            "--color=false",
            "--log-level=warning",
        ]
        .map(OsString::from)
        .to_vec();
        let mut push = |argument: String| arguments.push(argument.into());
        push(format!("--log-limit={LIMIT}"));
        for ending in self.copied.endings() {
            push(format!("--loader:{ending}=copy"));
        }
        push(
            if build.preserve_file_names {
                "--asset-names=[dir]/[name]"
            } else {
                "--asset-names=[name]-[hash]"
            }
            .to_owned(),
        );
        if build.keep_names {
            push("--keep-names".to_owned());
        }
        if build.minify {
            push("--minify".to_owned());
        }
        for (identifier, text) in self.defines() {
            push(format!("--define:{identifier}={text}"));
        }
        for (name, target) in self.aliases(packages) {
            push(format!("--alias:{name}={target}"));
        }
        if let Some(factory) = &build.jsx_factory {
            push(format!("--jsx-factory={factory}"));
        }
        if let Some(fragment) = &build.jsx_fragment {
            push(format!("--jsx-fragment={fragment}"));
        }
        if let Some(tsconfig) = &build.tsconfig {
            arguments.push(flag("--tsconfig=", tsconfig));
        }
        for file in self.additional.files() {
            arguments.push(flag("--external:", file));
        }
        arguments.push(flag("--outbase=", &self.base));
        arguments.push(flag("--outdir=", self.output));
        arguments
    }

    /// wrangler's definitions for `dev`, overlaid by the user's.
    fn defines(&self) -> BTreeMap<&str, &str> {
        let mut defines = BTreeMap::new();
        for name in ["process.env.NODE_ENV", "global.process.env.NODE_ENV", "globalThis.process.env.NODE_ENV"]
        {
            defines.insert(name, "\"development\"");
        }
        let has = |flag: &str| self.worker.compatibility_flags.iter().any(|own| own == flag);
        let by_date = self.worker.compatibility_date.as_str() >= "2022-03-21";
        if has("global_navigator") || (by_date && !has("no_global_navigator")) {
            defines.insert("navigator.userAgent", "\"Cloudflare-Workers\"");
        }
        defines.extend(self.build.define.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        defines
    }

    fn aliases<'b>(&'b self, packages: &'b [String]) -> BTreeMap<&'b str, String> {
        let mut aliases = BTreeMap::new();
        if self.node == Node::Full {
            aliases.extend(node::bare_names().map(|name| (name, format!("node:{name}"))));
        }
        // The longest name wins, and an alias for itself is none.
        aliases.extend(packages.iter().map(|name| (name.as_str(), name.clone())));
        aliases.extend(self.build.alias.iter().map(|(name, target)| (name.as_str(), target.clone())));
        aliases
    }
}

fn flag(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut flag = OsString::from(name);
    flag.push(value);
    flag
}
