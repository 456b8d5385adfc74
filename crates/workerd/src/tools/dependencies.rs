//! Installing a project's own npm dependencies, when nobody has yet.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;

use super::ToolError;
use super::error::npm_message;
use crate::command::command;

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    dependencies: BTreeMap<String, serde_json::Value>,
    #[serde(default, rename = "devDependencies")]
    dev_dependencies: BTreeMap<String, serde_json::Value>,
}

/// A lock file of another package manager means that npm must keep its hands off.
const OTHERS: [(&str, &str); 4] =
    [("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lock", "bun"), ("bun.lockb", "bun")];

/// Runs `npm ci` (with a lock file) or `npm install` in `root` if its package.json names dependencies that nobody
/// has installed: there is no `node_modules` in `root`, and those of its parents do not hold them all. Answers
/// whether npm ran. A `node_modules` that is there is never touched: what is missing in it is the bundler's to name.
pub async fn install_dependencies(root: &Path) -> Result<bool, ToolError> {
    let path = root.join("package.json");
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(ToolError::Io { what: "read", path, source }),
    };
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|source| ToolError::PackageJson { path, source })?;
    let named: Vec<&String> = manifest.dependencies.keys().chain(manifest.dev_dependencies.keys()).collect();
    if root.join("node_modules").is_dir() || named.iter().all(|name| resolves(root, name)) {
        return Ok(false);
    }
    let npm_lock = ["package-lock.json", "npm-shrinkwrap.json"].iter().any(|lock| root.join(lock).is_file());
    let other = OTHERS.iter().find(|(lock, _)| root.join(lock).is_file());
    if let (false, Some(&(lock, manager))) = (npm_lock, other) {
        return Err(ToolError::OtherPackageManager { root: root.to_owned(), lock, manager });
    }

    let verb = if npm_lock { "ci" } else { "install" };
    tracing::info!(root = %root.display(), "installing the project's dependencies with `npm {verb}`");
    let output = command(Path::new("npm"))
        .args([verb, "--no-audit", "--no-fund", "--loglevel=error", "--no-update-notifier"])
        .current_dir(root)
        .stdout(Stdio::null())
        .output()
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ToolError::NoNpmForDependencies { root: root.to_owned() },
            _ => ToolError::Io { what: "start", path: "npm".into(), source },
        })?;
    if output.status.success() {
        return Ok(true);
    }
    let said = npm_message(&output.stderr);
    Err(ToolError::Dependencies { root: root.to_owned(), command: verb, said })
}

fn resolves(root: &Path, name: &str) -> bool {
    root.ancestors().any(|directory| directory.join("node_modules").join(name).is_dir())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn project(manifest: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("app")).unwrap();
        fs::write(directory.path().join("app/package.json"), manifest).unwrap();
        directory
    }

    #[tokio::test]
    async fn a_local_dependency_is_installed_once() {
        // A `file:` dependency needs no registry.
        let directory = project(r#"{"dependencies":{"near":"file:../near"}}"#);
        let near = directory.path().join("near");
        fs::create_dir(&near).unwrap();
        fs::write(near.join("package.json"), r#"{"name":"near","version":"1.0.0"}"#).unwrap();
        let root = directory.path().join("app");
        assert!(install_dependencies(&root).await.unwrap());
        assert!(root.join("node_modules/near/package.json").is_file());
        assert!(!install_dependencies(&root).await.unwrap());
    }

    #[tokio::test]
    async fn what_a_parent_holds_is_not_installed_again() {
        let directory = project(r#"{"dependencies":{"@scope/near":"1"}}"#);
        fs::create_dir_all(directory.path().join("node_modules/@scope/near")).unwrap();
        assert!(!install_dependencies(&directory.path().join("app")).await.unwrap());
    }

    #[tokio::test]
    async fn an_incomplete_node_modules_is_not_touched() {
        let directory = project(r#"{"dependencies":{"near":"file:../nowhere"}}"#);
        let root = directory.path().join("app");
        fs::create_dir(root.join("node_modules")).unwrap();
        assert!(!install_dependencies(&root).await.unwrap());
    }

    #[tokio::test]
    async fn nothing_runs_without_dependencies_or_without_a_manifest() {
        let directory = project(r#"{"name":"app"}"#);
        assert!(!install_dependencies(&directory.path().join("app")).await.unwrap());
        assert!(!install_dependencies(directory.path()).await.unwrap());
    }

    #[tokio::test]
    async fn the_lock_of_another_package_manager_is_respected() {
        let directory = project(r#"{"dependencies":{"near":"1"}}"#);
        let root = directory.path().join("app");
        fs::write(root.join("pnpm-lock.yaml"), "").unwrap();
        let error = install_dependencies(&root).await.unwrap_err();
        assert!(error.to_string().contains("Run `pnpm install`"), "{error}");
    }

    #[tokio::test]
    async fn npm_says_why_it_failed() {
        let directory = project(r#"{"dependencies":{"near":"file:../nowhere"}}"#);
        let root = directory.path().join("app");
        fs::write(root.join("package-lock.json"), "{ broken").unwrap();
        let error = install_dependencies(&root).await.unwrap_err();
        let ToolError::Dependencies { command, said, .. } = &error else { panic!("{error}") };
        assert_eq!(*command, "ci");
        assert!(said.contains("npm ci"), "{said}");
    }
}
