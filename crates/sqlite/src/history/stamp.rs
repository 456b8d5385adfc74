//! A note of what the database's file is like when it has everything that the log has. Whoever changes the file
//! while nobody watches changes that too.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Notes it. Not synced: a stamp that is missing or old costs a look at every page, no more.
pub(crate) fn write_stamp(database: &Path, log: &Path, position: u64) {
    let path = stamp_path(log);
    let written = stamp_of(database, position).and_then(|stamp| {
        let temporary = path.with_extension("tmp");
        fs::write(&temporary, stamp).and_then(|()| fs::rename(&temporary, &path))
    });
    if let Err(error) = written {
        tracing::debug!(path = %path.display(), %error, "a stamp could not be written");
    }
}

pub(crate) fn remove_stamp(log: &Path) {
    // What cannot be removed does not match either: the file is about to change.
    let _ = fs::remove_file(stamp_path(log));
}

/// Whether the file is as it was when a checkpoint had brought everything up to `position` into it.
pub(crate) fn is_stamped(database: &Path, log: &Path, position: u64) -> bool {
    let stamped = fs::read_to_string(stamp_path(log));
    matches!((stamped, stamp_of(database, position)), (Ok(was), Ok(is)) if was == is)
}

fn stamp_path(log: &Path) -> PathBuf {
    log.join("checkpoint")
}

fn stamp_of(database: &Path, position: u64) -> io::Result<String> {
    let file = fs::metadata(database)?;
    Ok(format!("{position:016x} {} {} {}\n", file.size(), file.mtime(), file.mtime_nsec()))
}
