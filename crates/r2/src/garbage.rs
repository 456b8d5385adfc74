//! Files that no object needs any more: recorded in the transaction that makes them so, removed afterwards,
//! and not while somebody is reading them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _};
use selvedge_blob::BlobId;
use selvedge_sqlite::{Database, WriteError};
use tokio::sync::Notify;

/// Moves the bytes of `content` out of use. True when that left files to remove.
pub(crate) fn discard(c: &Connection, content: i64) -> rusqlite::Result<bool> {
    if c.prepare_cached("DELETE FROM inline WHERE content = ?1")?.execute([content])? > 0 {
        return Ok(false);
    }
    c.prepare_cached(
        "INSERT INTO garbage (blob, content) SELECT blob, content FROM parts WHERE content = ?1",
    )?
    .execute([content])?;
    Ok(c.prepare_cached("DELETE FROM parts WHERE content = ?1")?.execute([content])? > 0)
}

/// Moves one part of an upload, which nobody can be reading, out of use. True when there was one.
pub(crate) fn discard_part(c: &Connection, content: i64, number: u32) -> rusqlite::Result<bool> {
    c.prepare_cached(
        "INSERT INTO garbage (blob, content) SELECT blob, 0 FROM parts WHERE content = ?1 AND number = ?2",
    )?
    .execute((content, number))?;
    let gone = c
        .prepare_cached("DELETE FROM parts WHERE content = ?1 AND number = ?2")?
        .execute((content, number))?;
    Ok(gone > 0)
}

/// Removes every file of a bucket that is not in use, before anybody uses the bucket: what was still to be
/// removed, and uploads whose row was never written.
pub(crate) fn sweep(
    c: &Connection,
    blobs: &selvedge_blob::Store,
    path: &Path,
) -> rusqlite::Result<io::Result<()>> {
    let mut used = c.prepare("SELECT 1 FROM parts WHERE blob = ?1")?;
    let swept = blobs.sweep(|id| {
        used.query_row([id.as_str()], |_| Ok(()))
            .optional()
            .map(|row| row.is_some())
            .map_err(io::Error::other)
    });
    match swept {
        Ok(0) => {}
        Ok(count) => tracing::info!(bucket = %path.display(), count, "removed files that no object uses"),
        Err(failed) => return Ok(Err(failed)),
    }
    Ok(Ok(()))
}

/// Who is reading what. A content that is pinned keeps its files.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    state: Mutex<State>,
    /// Rung when there may be something to remove.
    pub(crate) wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    pinned: HashMap<i64, usize>,
    /// Contents whose files are being removed right now.
    going: HashSet<i64>,
    /// Contents that would have been removed, had nobody been reading them.
    waiting: HashSet<i64>,
}

impl Pins {
    /// Keeps the files of `content` until the pin is dropped. `None` when they are being removed. A pin that
    /// comes after they were removed finds no file: open one before relying on it.
    pub(crate) fn pin(self: &Arc<Self>, content: i64) -> Option<Pin> {
        let mut state = self.state();
        if state.going.contains(&content) {
            return None;
        }
        *state.pinned.entry(content).or_default() += 1;
        Some(Pin { pins: Arc::clone(self), content })
    }

    fn begin_removal(&self, content: i64) -> bool {
        let mut state = self.state();
        let free = !state.pinned.contains_key(&content);
        if free {
            state.going.insert(content)
        } else {
            state.waiting.insert(content)
        };
        free
    }

    fn end_removal(&self, contents: &HashSet<i64>) {
        self.state().going.retain(|content| !contents.contains(content));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Pin {
    pins: Arc<Pins>,
    content: i64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.pins.state();
        let left = state.pinned.get_mut(&self.content).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left == 0 {
            state.pinned.remove(&self.content);
            if state.waiting.remove(&self.content) {
                self.pins.wake.notify_one();
            }
        }
    }
}

/// Removes what is in `garbage` and not being read.
pub(crate) async fn drain(database: &Database, blobs: &selvedge_blob::Store, pins: &Pins) {
    let listed = database.read(|c| {
        let mut rows = c.prepare_cached("SELECT blob, content FROM garbage")?;
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<Vec<(String, i64)>>>()
    });
    let listed = match listed.await {
        Ok(Ok(listed)) => listed,
        Ok(Err(error)) => return tracing::warn!(%error, "replaced files stay until the next start"),
        Err(error) => return tracing::warn!(%error, "replaced files stay until the next start"),
    };
    let (mut free, mut kept) = (HashSet::from([0]), HashSet::new());
    let mut gone = Vec::new();
    for (blob, content) in listed {
        if !free.contains(&content) {
            if kept.contains(&content) {
                continue;
            }
            if !pins.begin_removal(content) {
                kept.insert(content);
                continue;
            }
            free.insert(content);
        }
        if let Some(id) = BlobId::parse(&blob)
            && let Err(error) = blobs.delete(&id).await
        {
            tracing::warn!(%error, %blob, "a replaced file stays until the next start");
            continue;
        }
        gone.push(blob);
    }
    pins.end_removal(&free);
    if gone.is_empty() {
        return;
    }
    selvedge_base::crash_point("r2-garbage-removed", database.path());
    let forgotten = database.write(move |c| {
        let mut forget = c.prepare_cached("DELETE FROM garbage WHERE blob = ?1")?;
        gone.iter().try_for_each(|blob| forget.execute([blob]).map(drop))
    });
    match forgotten.await {
        // The bucket was deleted meanwhile, and its list with it; or the node stops, and the next start sweeps.
        Ok(()) | Err(WriteError::Database(selvedge_sqlite::Error::Closed)) => {}
        Err(WriteError::Job(error)) => tracing::warn!(%error, "removed files are still listed as garbage"),
        Err(WriteError::Database(error)) => {
            tracing::warn!(%error, "removed files are still listed as garbage");
        }
    }
}
