//! `no_bundle`: the entry file as it is, and the modules that rules name beside it.

use std::fs;
use std::path::Path;

use selvedge_project::{Build, ModuleKind, Rule};

use super::additional::Additional;
use super::rules::{Matchers, effective};
use super::{Bundle, BundleError, Module, source_map};

/// Files are named relative to `base`. Both paths are absolute and without symbolic links.
pub(super) fn modules(build: &Build, main: &Path, base: &Path) -> Result<Bundle, BundleError> {
    let outside = || BundleError::OutsideBase { main: main.to_owned(), base: base.to_owned() };
    let name = main.strip_prefix(base).ok().and_then(Path::to_str).ok_or_else(outside)?;
    let read =
        |path: &Path| fs::read(path).map_err(|source| BundleError::Read { path: path.to_owned(), source });

    let mut rules = build.rules.clone();
    if build.find_additional_modules {
        rules.extend(code_rules(&build.rules));
    }
    let (kept, _) = effective(&rules);
    let (matchers, warnings) = Matchers::of(&kept);
    let additional = Additional::find(base, &matchers, names_packages(&kept), &[main])?;

    let code = read(main)?;
    let map = source_map_of(&code, main);
    let mut bundle = Bundle {
        modules: vec![Module { name: name.to_owned(), kind: ModuleKind::EsModule, bytes: code }],
        inputs: vec![main.to_owned()],
        watch: Vec::new(),
        source_map: map,
        exports: Vec::new(),
        compatibility_flags: Vec::new(),
        warnings,
    };
    for (path, name, kind) in additional.modules() {
        bundle.modules.push(Module { name: name.to_owned(), kind, bytes: read(path)? });
        bundle.inputs.push(path.to_owned());
    }
    if build.find_additional_modules {
        bundle.watch.push(base.to_owned());
    }
    Ok(bundle)
}

/// Code that is not bundled imports its neighbours, so they are modules unless the user has rules for them.
fn code_rules(rules: &[Rule]) -> Vec<Rule> {
    let defaults =
        [(ModuleKind::EsModule, &["**/*.js", "**/*.mjs"][..]), (ModuleKind::CommonJs, &["**/*.cjs"][..])];
    defaults
        .into_iter()
        .filter(|(kind, _)| !rules.iter().any(|rule| rule.kind == *kind))
        .map(|(kind, globs)| Rule {
            kind,
            globs: globs.iter().map(|&glob| glob.to_owned()).collect(),
            fallthrough: true,
        })
        .collect()
}

/// Whether a rule looks into `node_modules`.
pub(super) fn names_packages(rules: &[&Rule]) -> bool {
    rules.iter().flat_map(|rule| &rule.globs).any(|glob| glob.contains("node_modules"))
}

/// The map that the last lines of the code name, if it is a file.
fn source_map_of(code: &[u8], main: &Path) -> Option<Vec<u8>> {
    const COMMENT: &str = "//# sourceMappingURL=";
    let tail = String::from_utf8_lossy(&code[code.len().saturating_sub(1024)..]).into_owned();
    let name = tail.lines().rev().find_map(|line| line.strip_prefix(COMMENT))?.trim();
    let path = main.parent()?.join(name);
    source_map::absolute(&fs::read(&path).ok()?, path.parent()?, 0)
}
