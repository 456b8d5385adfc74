//! Finding the binaries that we run, or installing them through npm.

mod dependencies;
mod error;
mod install;
mod pins;
mod progress;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use dependencies::install_dependencies;
pub use error::ToolError;
pub use progress::{Bar, Progress};

use pins::Pin;

/// A binary that we run but do not build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    Workerd,
    Esbuild,
}

impl Tool {
    /// The name people know it by; also the name of the npm package that picks the platform.
    fn name(self) -> &'static str {
        match self {
            Self::Workerd => "workerd",
            Self::Esbuild => "esbuild",
        }
    }

    /// The environment variable that names the binary to use.
    fn variable(self) -> &'static str {
        match self {
            Self::Workerd => "SELVEDGE_WORKERD",
            Self::Esbuild => "SELVEDGE_ESBUILD",
        }
    }
}

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// A directory of the project: its `node_modules` and those of its parents are looked at.
    pub project: Option<&'a Path>,
    /// Where binaries are installed. See [`default_cache`].
    pub cache: &'a Path,
    /// The whole environment; npm is started with it.
    pub environment: &'a BTreeMap<String, String>,
}

/// The path of a binary that can be run: from `$SELVEDGE_WORKERD` or `$SELVEDGE_ESBUILD`, else from the project's
/// own `node_modules` if the version fits, else from the cache, else installed into the cache through the user's npm
/// (so that their registry, proxy and credentials apply) and checked against a pinned sha512.
pub async fn locate(tool: Tool, search: &Search<'_>, progress: &dyn Progress) -> Result<PathBuf, ToolError> {
    if let Some(named) = search.environment.get(tool.variable()).filter(|value| !value.is_empty()) {
        let path = std::path::absolute(named).map_err(ToolError::io("find", named))?;
        return if is_executable(&path) { Ok(path) } else { Err(ToolError::NotExecutable { tool, path }) };
    }
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let pin = Pin::find(tool, os, arch).ok_or(ToolError::UnsupportedPlatform { tool, os, arch })?;
    if let Some(path) = search.project.and_then(|project| in_project(pin, project)) {
        return Ok(path);
    }
    let installed = install::destination(pin, search.cache);
    if is_executable(&installed) {
        return Ok(installed);
    }
    install::install(pin, search, progress).await
}

/// `$SELVEDGE_CACHE`, else `selvedge` in the user's cache directory.
pub fn default_cache(environment: &BTreeMap<String, String>) -> PathBuf {
    let get = |name| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || get("HOME").unwrap_or_else(std::env::temp_dir);
    if let Some(cache) = get("SELVEDGE_CACHE") {
        cache
    } else if let Some(cache) = get("XDG_CACHE_HOME") {
        cache.join("selvedge")
    } else if cfg!(target_os = "macos") {
        home().join("Library/Caches/selvedge")
    } else {
        home().join(".cache/selvedge")
    }
}

#[derive(Deserialize)]
struct Package {
    version: String,
}

/// The project's own copy, if its version is one we can work with. A copy that does not fit is passed over, not an
/// error: a project usually has the workerd of its wrangler.
fn in_project(pin: &Pin, project: &Path) -> Option<PathBuf> {
    let project = std::path::absolute(project).ok()?;
    for directory in project.ancestors() {
        let package = directory.join("node_modules").join(pin.package);
        let Ok(text) = std::fs::read(package.join("package.json")) else { continue };
        let Ok(Package { version }) = serde_json::from_slice(&text) else { continue };
        let binary = package.join("bin").join(pin.tool.name());
        if !pin.accepts(&version) {
            tracing::info!(
                package = %package.display(), found = %version, wanted = pin.version,
                "passing over the project's own {}, because its version is another one", pin.tool.name()
            );
        } else if is_executable(&binary) {
            return Some(binary);
        }
    }
    None
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
