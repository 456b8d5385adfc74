//! Which config files to read.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Place, display_path};
use crate::paths::resolve;

/// wrangler's order: a name wins in every parent directory before the next name is looked for.
const NAMES: &[&str] = &["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// Where build tools leave the config that `wrangler deploy` should use instead of the user's own.
const REDIRECT: &str = ".wrangler/deploy/config.json";

/// The config to use if none is given: searched from `start` upwards.
pub(crate) fn search(start: &Path) -> Result<PathBuf, Box<Diagnostic>> {
    let found = NAMES.iter().find_map(|name| upwards(start, name));
    found.ok_or_else(|| {
        let (what, help) = if start.is_dir() {
            let place = display_path(start);
            let place = if place.is_empty() { start.display().to_string() } else { place };
            (
                format!("no {} in {place} or any directory above it", NAMES.join(" or ")),
                "start in a Workers project, give its directory, or name the file with --config",
            )
        } else {
            (format!("there is no directory {}", start.display()), "give the directory of a Workers project")
        };
        Box::new(Diagnostic::error(what).help(help))
    })
}

/// A warning if a build tool has left a redirect that wrangler would follow.
pub(crate) fn redirect(start: &Path, config: &Path) -> Option<Diagnostic> {
    let redirect = upwards(start, REDIRECT)?;
    let mut warning = Diagnostic::warning("a redirect to a generated config is ignored").help(format!(
        "{} is used; to run the generated config, name it with --config",
        display_path(config)
    ));
    warning.place = Some(Place::whole(&redirect));
    Some(warning)
}

fn upwards(start: &Path, name: &str) -> Option<PathBuf> {
    start.ancestors().map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// `path` as it is seen from the current directory, without `.` and `..`.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    resolve(&std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")), path)
}
