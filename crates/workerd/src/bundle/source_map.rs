//! Source maps with absolute paths, so that nobody needs to know where a map was made.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Deserialize, Serialize)]
struct SourceMap {
    version: u8,
    sources: Vec<String>,
    #[serde(rename = "sourceRoot", default, skip_serializing)]
    root: String,
    names: Box<RawValue>,
    mappings: String,
}

/// Makes the `sources` of a map in `directory` absolute, drops the sources' text, and makes room for `lines` lines
/// before the first. Nothing if it is no source map.
pub(super) fn absolute(map: &[u8], directory: &Path, lines: usize) -> Option<Vec<u8>> {
    let mut map: SourceMap = serde_json::from_slice(map).ok()?;
    let from = directory.join(&map.root);
    for source in &mut map.sources {
        if let Some(path) = normal(&from.join(&*source)).to_str() {
            path.clone_into(source);
        }
    }
    map.mappings.insert_str(0, &";".repeat(lines));
    serde_json::to_vec(&map).ok()
}

/// The path without `.` and `..`, by its letters alone.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_become_absolute_and_lines_shift() {
        let map = br#"{"version":3,"sources":["../app/src/a.ts"],"sourceRoot":"x/","sourcesContent":["a"],"names":["n"],"mappings":"AAAA"}"#;
        let moved = absolute(map, Path::new("/tmp/out"), 1).unwrap();
        assert_eq!(
            String::from_utf8(moved).unwrap(),
            r#"{"version":3,"sources":["/tmp/out/app/src/a.ts"],"names":["n"],"mappings":";AAAA"}"#
        );
        assert!(absolute(b"{}", Path::new("/"), 0).is_none());
    }
}
