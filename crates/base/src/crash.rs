//! Named moments between two steps of a durable write, at which a test can crash the process or take a
//! picture of the disk. In a release build they are nothing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// `NAME` aborts the process when it first reaches the point of that name, `NAME:3` the third time.
const VARIABLE: &str = "SELVEDGE_CRASH_AT";

type Hook = Arc<dyn Fn(&str) + Send + Sync>;

static WATCHERS: RwLock<Vec<(u64, PathBuf, Hook)>> = RwLock::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(0);
static ABORT: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
    let wanted = std::env::var(VARIABLE).ok()?;
    match wanted.rsplit_once(':').and_then(|(name, nth)| Some((name.to_owned(), nth.parse().ok()?))) {
        Some(named) => Some(named),
        None => Some((wanted, 1)),
    }
});
static REACHED: AtomicU64 = AtomicU64::new(0);

/// Tells that the work on the files under `place` has come to the moment `name` (`kv-value-before-row`).
pub fn crash_point(name: &str, place: &Path) {
    if !cfg!(debug_assertions) {
        return;
    }
    if let Some((wanted, nth)) = &*ABORT
        && wanted == name
        && REACHED.fetch_add(1, Ordering::Relaxed) + 1 == *nth
    {
        std::process::abort();
    }
    // Called without the lock: a hook may take its time, and may itself reach a point.
    let hooks: Vec<Hook> = {
        let watchers = WATCHERS.read().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().filter(|(_, under, _)| place.starts_with(under)).map(|w| Arc::clone(&w.2)).collect()
    };
    for hook in hooks {
        hook(name);
    }
}

/// Calls `hook` with the name of every point that is reached under `place`, on the thread that reaches it,
/// until the watch is dropped. For tests, which may run beside each other: each watches its own directory.
pub fn watch_crash_points(place: &Path, hook: impl Fn(&str) + Send + Sync + 'static) -> CrashWatch {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut watchers = WATCHERS.write().unwrap_or_else(PoisonError::into_inner);
    watchers.push((id, place.to_owned(), Arc::new(hook)));
    CrashWatch { id }
}

/// Ends the watch when dropped.
#[must_use]
pub struct CrashWatch {
    id: u64,
}

impl fmt::Debug for CrashWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashWatch").finish_non_exhaustive()
    }
}

impl Drop for CrashWatch {
    fn drop(&mut self) {
        WATCHERS.write().unwrap_or_else(PoisonError::into_inner).retain(|(id, ..)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_watch_hears_of_its_own_directory_until_it_ends() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let watch = watch_crash_points(Path::new("/data/kv"), {
            let heard = Arc::clone(&heard);
            move |name| heard.lock().unwrap().push(name.to_owned())
        });
        crash_point("before", Path::new("/data/kv/one.sqlite"));
        crash_point("elsewhere", Path::new("/data/r2/one.sqlite"));
        drop(watch);
        crash_point("after", Path::new("/data/kv/one.sqlite"));
        assert_eq!(*heard.lock().unwrap(), ["before"]);
    }
}
