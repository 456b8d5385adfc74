//! Paths as a config writes them.

use std::path::{Component, Path, PathBuf};

/// `relative` seen from `base`, without `.` and `..`. Purely by text, as Node's `path.resolve` does: nothing
/// needs to exist.
pub(crate) fn resolve(base: &Path, relative: impl AsRef<Path>) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in base.join(relative).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                resolved.pop();
            }
            other => resolved.push(other),
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_resolved_by_text() {
        let resolve = |relative| resolve(Path::new("/a/b"), relative);
        assert_eq!(resolve("./src/index.ts"), Path::new("/a/b/src/index.ts"));
        assert_eq!(resolve("../c/./d"), Path::new("/a/c/d"));
        assert_eq!(resolve("/x"), Path::new("/x"));
        assert_eq!(resolve("../../../.."), Path::new("/"));
        assert_eq!(resolve(""), Path::new("/a/b"));
    }
}
