//! What must stay true of the tree itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::repository;

/// Files above this ask to be split along a seam.
const LINES: usize = 800;

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_room_is_too_large() {
    let mut files = Vec::new();
    sources(&repository().join("crates"), &mut files);
    sources(&repository().join("benches"), &mut files);
    assert!(files.len() > 50);
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= LINES, "{} has {lines} lines", file.display());
    }
}

/// The floors of ARCHITECTURE.md: a crate may use crates below it, and on its own floor only where listed.
#[test]
fn nothing_reaches_upward() {
    let floors: BTreeMap<&str, u32> = [
        ("base", 0),
        ("sqlite", 1),
        ("blob", 1),
        ("kv", 2),
        ("d1", 2),
        ("r2", 2),
        ("hyperdrive", 2),
        ("project", 2),
        ("remote", 2),
        ("state", 2),
        ("objects", 3),
        ("catalog", 4),
        ("api", 5),
        ("front", 5),
        ("bindings", 5),
        ("s3", 5),
        ("workerd", 5),
        ("node", 6),
        ("selvedge", 7),
    ]
    .into();
    for (name, floor) in &floors {
        let manifest =
            std::fs::read_to_string(repository().join(format!("crates/{name}/Cargo.toml"))).unwrap();
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for line in dependencies.lines() {
            let Some(used) = line.strip_prefix("selvedge-").and_then(|l| l.split(['.', ' ']).next()) else {
                continue;
            };
            let below = floors.get(used).unwrap_or_else(|| panic!("{used} has no floor"));
            assert!(below < floor, "{name} (floor {floor}) uses {used} (floor {below})");
        }
    }
    let crates = std::fs::read_dir(repository().join("crates")).unwrap().count();
    assert_eq!(crates, floors.len(), "every crate has a floor");
}
