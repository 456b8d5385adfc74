//! Modules that are not reached through an import that a bundler can see: every file below `base_dir` that a rule
//! names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use selvedge_project::ModuleKind;

use super::BundleError;
use super::rules::Matchers;

/// Absolute path to module name (relative to `base_dir`, with `/`) and kind.
#[derive(Debug, Default)]
pub(super) struct Additional(BTreeMap<PathBuf, (String, ModuleKind)>);

/// Directories that hold no sources of the Worker.
const SKIPPED: [&str; 3] = ["node_modules", ".wrangler", ".selvedge"];

impl Additional {
    /// Finds the modules, without `except`. `node_modules` is only walked if a glob names it.
    pub(super) fn find(
        base: &Path,
        matchers: &Matchers,
        into_packages: bool,
        except: &[&Path],
    ) -> Result<Self, BundleError> {
        let mut found = BTreeMap::new();
        let mut pending = vec![base.to_owned()];
        while let Some(directory) = pending.pop() {
            let read = |source| BundleError::Read { path: directory.clone(), source };
            for entry in fs::read_dir(&directory).map_err(read)? {
                let entry = entry.map_err(read)?;
                let (path, name) = (entry.path(), entry.file_name());
                if entry.file_type().map_err(read)?.is_dir() {
                    let skipped = name == ".git"
                        || SKIPPED.iter().any(|skipped| name == *skipped)
                            && !(into_packages && name == SKIPPED[0]);
                    if !skipped {
                        pending.push(path);
                    }
                    continue;
                }
                let Ok(relative) = path.strip_prefix(base) else { continue };
                if except.contains(&path.as_path()) {
                    continue;
                }
                if let (Some(kind), Some(name)) = (matchers.kind(relative), relative.to_str()) {
                    let name = name.to_owned();
                    found.insert(path, (name, kind));
                }
            }
        }
        Ok(Self(found))
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    pub(super) fn name(&self, path: &Path) -> Option<&str> {
        self.0.get(path).map(|(name, _)| name.as_str())
    }

    pub(super) fn modules(&self) -> impl Iterator<Item = (&Path, &str, ModuleKind)> {
        self.0.iter().map(|(path, (name, kind))| (path.as_path(), name.as_str(), *kind))
    }
}
