//! The data directory and the run directory: who may use them, and what a crash left behind.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use selvedge_base::{Clock, random_hex};

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("cannot use {} as the data directory", path.display())]
    Unusable { path: PathBuf, source: io::Error },
    #[error(
        "{} is in use by another selvedge{}: stop that one, or choose another directory with --persist-to",
        path.display(),
        holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        path: PathBuf,
        holder: Option<u32>,
        /// The holder's run directory.
        run: Option<PathBuf>,
    },
    #[error("cannot make a directory for sockets under {}", path.display())]
    Run { path: PathBuf, source: io::Error },
}

/// A data directory that nobody else has, and a private directory for this run's sockets and config.
///
/// Sockets are not in the data directory because the path of a unix socket is at most 107 bytes long.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    run: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Takes the directory, creating it when missing, and ends what an earlier run that was killed left
    /// running.
    pub(crate) async fn take(path: &Path, temporary: &Path, clock: &dyn Clock) -> Result<Self, DataError> {
        let unusable = |source| DataError::Unusable { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .map_err(unusable)?;
        let mut note = String::new();
        lock.read_to_string(&mut note).map_err(unusable)?;
        let (holder, left) = parse(&note);
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataError::InUse { path, holder, run: left }),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        if let Some(left) = left.filter(|left| is_ours(left)) {
            selvedge_workerd::kill_leftover(&left).await;
            remove(&left);
        }
        let run = make_run(temporary, clock)
            .map_err(|source| DataError::Run { path: temporary.to_owned(), source })?;
        let note = format!("{}\n{}\n", std::process::id(), run.display());
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| lock.write_all(note.as_bytes()))
            .map_err(unusable)?;
        Ok(Self { path, run, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Private to this user and this run; gone after it.
    pub(crate) fn run(&self) -> &Path {
        &self.run
    }
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        remove(&self.run);
    }
}

fn remove(run: &Path) {
    if let Err(error) = std::fs::remove_dir_all(run) {
        tracing::debug!(%error, path = %run.display(), "a run directory stays");
    }
}

/// The lock file says who wrote it, and where its run directory is.
fn parse(note: &str) -> (Option<u32>, Option<PathBuf>) {
    let mut lines = note.lines();
    let holder = lines.next().and_then(|line| line.parse().ok());
    (holder, lines.next().map(PathBuf::from))
}

/// Whether `path` is a run directory of ours: the lock file is only text.
fn is_ours(path: &Path) -> bool {
    let named = path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("selvedge-"));
    let owned = std::fs::symlink_metadata(path).is_ok_and(|m| {
        m.is_dir() && m.uid() == rustix::process::getuid().as_raw() && m.permissions().mode() & 0o777 == 0o700
    });
    named && owned
}

fn make_run(temporary: &Path, clock: &dyn Clock) -> io::Result<PathBuf> {
    let run = temporary.join(format!("selvedge-{}", random_hex(clock, 6)));
    std::fs::DirBuilder::new().mode(0o700).create(&run)?;
    Ok(run)
}

#[cfg(test)]
mod tests {
    use selvedge_base::SystemClock;

    use super::*;

    #[tokio::test]
    async fn a_directory_has_one_owner_at_a_time() {
        let temporary = tempfile::tempdir().unwrap();
        let data = temporary.path().join("data");
        let first = DataDirectory::take(&data, temporary.path(), &SystemClock).await.unwrap();
        let second = DataDirectory::take(&data, temporary.path(), &SystemClock).await;
        let Err(DataError::InUse { holder, .. }) = second else { panic!("{second:?}") };
        assert_eq!(holder, Some(std::process::id()));
        let run = first.run().to_owned();
        drop(first);
        assert!(!run.exists());
        DataDirectory::take(&data, temporary.path(), &SystemClock).await.unwrap();
    }

    #[tokio::test]
    async fn a_run_directory_that_was_left_is_removed_but_nothing_else_is() {
        let temporary = tempfile::tempdir().unwrap();
        let data = temporary.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let left = make_run(temporary.path(), &SystemClock).unwrap();
        std::fs::write(data.join("lock"), format!("1\n{}\n", left.display())).unwrap();
        drop(DataDirectory::take(&data, temporary.path(), &SystemClock).await.unwrap());
        assert!(!left.exists());

        let precious = temporary.path().join("precious");
        std::fs::create_dir(&precious).unwrap();
        std::fs::write(data.join("lock"), format!("1\n{}\n", precious.display())).unwrap();
        drop(DataDirectory::take(&data, temporary.path(), &SystemClock).await.unwrap());
        assert!(precious.exists());
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let data = temporary.path().join("data");
        std::fs::write(&data, "x").unwrap();
        let refused = DataDirectory::take(&data, temporary.path(), &SystemClock).await;
        assert!(matches!(refused, Err(DataError::Unusable { path, .. }) if path == data));
    }
}
