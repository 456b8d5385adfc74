//! Where files that are damaged go: nothing of them is thrown away, as somebody may know more than we do.

use std::path::{Path, PathBuf};

use super::error::{HistoryError, Result};
use super::log::sync_directory;

/// In the log's directory.
const DIRECTORY: &str = "damaged";

/// Gives the file at `path`, of the log in `log`, a second name under `damaged/`, so that the first can go.
pub(crate) fn keep(log: &Path, path: &Path) -> Result<PathBuf> {
    let new = new_name(log, path)?;
    std::fs::hard_link(path, &new).map_err(HistoryError::at(&new))?;
    sync_directory(&log.join(DIRECTORY))?;
    Ok(new)
}

/// As [`keep`], for a file that is changed in place afterwards.
pub(crate) fn copy(log: &Path, path: &Path) -> Result<PathBuf> {
    let new = new_name(log, path)?;
    std::fs::copy(path, &new).map_err(HistoryError::at(&new))?;
    std::fs::File::open(&new).and_then(|file| file.sync_all()).map_err(HistoryError::at(&new))?;
    sync_directory(&log.join(DIRECTORY))?;
    Ok(new)
}

/// Takes the file away from where it is.
pub(crate) fn take(log: &Path, path: &Path) -> Result<PathBuf> {
    let new = keep(log, path)?;
    std::fs::remove_file(path).map_err(HistoryError::at(path))?;
    sync_directory(log)?;
    Ok(new)
}

/// Keeps bytes that are about to be written over.
pub(crate) fn keep_bytes(log: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let new = new_name(log, Path::new(name))?;
    std::fs::write(&new, bytes).map_err(HistoryError::at(&new))?;
    std::fs::File::open(&new).and_then(|file| file.sync_all()).map_err(HistoryError::at(&new))?;
    sync_directory(&log.join(DIRECTORY))?;
    Ok(new)
}

fn new_name(log: &Path, path: &Path) -> Result<PathBuf> {
    let directory = log.join(DIRECTORY);
    if !directory.try_exists().map_err(HistoryError::at(&directory))? {
        std::fs::create_dir(&directory).map_err(HistoryError::at(&directory))?;
        sync_directory(log)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for n in 1.. {
        let new = directory.join(format!("{name}.{n}"));
        if !new.try_exists().map_err(HistoryError::at(&new))? {
            return Ok(new);
        }
    }
    Err(HistoryError::Closed)
}
