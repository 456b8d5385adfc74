//! Noticing that the project changed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use selvedge_base::Millis;
use tokio::sync::Notify;

/// An editor saves in several steps; after this long without another one it is done.
const SETTLE: Duration = Duration::from_millis(25);

/// What to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) files: HashSet<PathBuf>,
    /// Directories with everything in them.
    pub(crate) trees: HashSet<PathBuf>,
}

impl Watched {
    fn covers(&self, path: &Path) -> bool {
        self.files.contains(path)
            || self.trees.iter().any(|tree| {
                path.strip_prefix(tree)
                    .is_ok_and(|inner| !inner.components().any(|c| is_noise(c.as_os_str().to_str())))
            })
    }

    /// Files are watched through their directories: editors replace a file rather than change it.
    fn places(&self) -> HashSet<(PathBuf, bool)> {
        let parents = self.files.iter().filter_map(|f| f.parent()).map(|p| (p.to_owned(), false));
        let trees = self.trees.iter().map(|t| (t.clone(), true));
        parents.chain(trees).filter(|(place, _)| place.is_dir()).collect()
    }
}

/// Directories that builds and tools write into.
fn is_noise(name: Option<&str>) -> bool {
    matches!(name, Some("node_modules" | ".git" | ".selvedge" | ".wrangler"))
}

/// Tells when something that matters changed.
pub(crate) struct Changes {
    watcher: RecommendedWatcher,
    places: HashSet<(PathBuf, bool)>,
    watched: Arc<Mutex<Watched>>,
    changed: Arc<Notify>,
}

impl Changes {
    pub(crate) fn new() -> notify::Result<Self> {
        let watched = Arc::new(Mutex::new(Watched::default()));
        let changed = Arc::new(Notify::new());
        let watcher = notify::recommended_watcher({
            let (watched, changed) = (Arc::clone(&watched), Arc::clone(&changed));
            move |event: notify::Result<notify::Event>| {
                let matters = event.is_ok_and(|event| {
                    let watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
                    is_change(event.kind) && event.paths.iter().any(|path| watched.covers(path))
                });
                if matters {
                    changed.notify_one();
                }
            }
        })?;
        Ok(Self { watcher, places: HashSet::new(), watched, changed })
    }

    /// Looks at `watched` from now on, and at nothing else. What was changed since `since`, when it was read, and
    /// before anybody looked, counts as a change too.
    pub(crate) fn watch(&mut self, watched: Watched, since: Millis) {
        let places = watched.places();
        let kept = |place: &Path| places.iter().any(|(p, _)| p == place);
        for (place, _) in self.places.iter().filter(|(place, _)| !kept(place)) {
            // A directory that is gone is no longer watched anyway.
            let _ = self.watcher.unwatch(place);
        }
        for (place, whole) in places.difference(&self.places) {
            let mode = if *whole { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            if let Err(error) = self.watcher.watch(place, mode) {
                tracing::warn!(%error, "cannot watch {}", place.display());
            }
        }
        self.places = places;
        let missed = watched.files.iter().any(|file| modified(file).is_some_and(|at| at > since));
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = watched;
        if missed {
            self.changed.notify_one();
        }
    }

    /// Resolves once something changed and then stayed as it is for a moment.
    pub(crate) async fn next(&self) {
        self.changed.notified().await;
        while tokio::time::timeout(SETTLE, self.changed.notified()).await.is_ok() {}
    }
}

fn modified(file: &Path) -> Option<Millis> {
    let time = std::fs::metadata(file).ok()?.modified().ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(Millis)
}

fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Create(_) | EventKind::Remove(_) => true,
        EventKind::Modify(what) => !matches!(what, ModifyKind::Metadata(_)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_replaced_or_appears_is_a_change_and_its_neighbours_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::write(root.join("a.js"), "1").unwrap();
        let mut changes = Changes::new().unwrap();
        let files = HashSet::from([root.join("a.js"), root.join(".dev.vars")]);
        changes.watch(Watched { files, trees: HashSet::new() }, Millis(u64::MAX));

        std::fs::write(root.join("b.js"), "1").unwrap();
        std::fs::write(root.join("a.new"), "2").unwrap();
        std::fs::rename(root.join("a.new"), root.join("a.js")).unwrap();
        changes.next().await;
        std::fs::write(root.join(".dev.vars"), "A=1").unwrap();
        changes.next().await;
    }

    #[tokio::test]
    async fn a_change_made_before_anybody_looked_counts() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::write(root.join("a.js"), "1").unwrap();
        let mut changes = Changes::new().unwrap();
        changes
            .watch(Watched { files: HashSet::from([root.join("a.js")]), trees: HashSet::new() }, Millis(1));
        changes.next().await;
    }

    #[test]
    fn a_tree_covers_what_is_in_it_but_not_what_tools_put_there() {
        let watched = Watched { files: HashSet::new(), trees: HashSet::from([PathBuf::from("/p/src")]) };
        assert!(watched.covers(Path::new("/p/src/deep/a.ts")));
        assert!(!watched.covers(Path::new("/p/src/node_modules/x/a.ts")));
        assert!(!watched.covers(Path::new("/p/other.ts")));
    }
}
