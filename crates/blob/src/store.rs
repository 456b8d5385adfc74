use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use selvedge_base::{SharedClock, random_hex};
use tokio::fs::File;
use tokio::task::spawn_blocking;

/// Names one blob: 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobId(String);

impl BlobId {
    /// The id as a database row keeps it. `None` when `text` cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        hex.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A directory of blobs, spread over 256 folders by the first two digits of the id. Files being written are
/// in `tmp/`.
#[derive(Clone)]
pub struct Store {
    root: Arc<Path>,
    clock: SharedClock,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the directory, creating it when missing, and removes what an interrupted run left half-written.
    pub fn open(root: &Path, clock: SharedClock) -> io::Result<Self> {
        let temporary = root.join("tmp");
        std::fs::create_dir_all(&temporary)?;
        for entry in std::fs::read_dir(&temporary)? {
            std::fs::remove_file(entry?.path())?;
        }
        Ok(Self { root: root.into(), clock })
    }

    /// Starts a new blob.
    pub async fn create(&self) -> io::Result<Writer> {
        let id = BlobId(random_hex(&*self.clock, 16));
        let temporary = self.root.join("tmp").join(id.as_str());
        let place = self.path(&id);
        // Made where the file is made: when the caller goes away meanwhile, it is dropped there.
        let writer = spawn_blocking(move || {
            let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&temporary)?;
            Ok(Writer { file: Some(file), temporary, place, id, pending: Vec::new() })
        });
        writer.await?
    }

    /// Opens a blob for reading. Its bytes stay readable through the returned file even if it is deleted.
    pub async fn open_blob(&self, id: &BlobId) -> io::Result<File> {
        File::open(self.path(id)).await
    }

    /// As [`Store::open_blob`], for a thread that may block.
    pub fn open_file(&self, id: &BlobId) -> io::Result<std::fs::File> {
        std::fs::File::open(self.path(id))
    }

    /// Removes a blob. One that is already gone is no error.
    pub async fn delete(&self, id: &BlobId) -> io::Result<()> {
        match tokio::fs::remove_file(self.path(id)).await {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Removes every blob that `is_live` does not claim, and answers how many there were. Blobs written since
    /// the sweep began are left alone only if `is_live` says so: run it before the store takes writes.
    pub fn sweep(&self, mut is_live: impl FnMut(&BlobId) -> io::Result<bool>) -> io::Result<usize> {
        let mut removed = 0;
        for folder in std::fs::read_dir(&self.root)? {
            let folder = folder?;
            if folder.file_name() == "tmp" || !folder.file_type()?.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(folder.path())? {
                let entry = entry?;
                let Some(id) = entry.file_name().to_str().and_then(BlobId::parse) else { continue };
                if !is_live(&id)? {
                    match std::fs::remove_file(entry.path()) {
                        Ok(()) => removed += 1,
                        // Somebody else was quicker, such as an earlier user of the store who is still tidying.
                        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                        Err(e) => return Err(e),
                    }
                }
            }
        }
        Ok(removed)
    }

    fn path(&self, id: &BlobId) -> PathBuf {
        self.root.join(&id.0[..2]).join(&id.0)
    }
}

/// Bytes gathered before one trip to the disk thread.
const CHUNK: usize = 1 << 20;

/// A blob being written. Dropped before [`Writer::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Writer {
    file: Option<std::fs::File>,
    temporary: PathBuf,
    place: PathBuf,
    id: BlobId,
    pending: Vec<u8>,
}

impl Writer {
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        let mut file = self.file.take().ok_or_else(|| io::Error::other("an earlier write failed"))?;
        let (file, mut pending) = spawn_blocking(move || {
            file.write_all(&pending)?;
            pending.clear();
            Ok::<_, io::Error>((file, pending))
        })
        .await??;
        pending.clear();
        self.pending = pending;
        self.file = Some(file);
        Ok(())
    }

    /// Makes the blob durable under its id.
    pub async fn finish(mut self) -> io::Result<BlobId> {
        self.flush().await?;
        let file = self.file.take().ok_or_else(|| io::Error::other("an earlier write failed"))?;
        let (temporary, place) = (self.temporary.clone(), self.place.clone());
        spawn_blocking(move || {
            file.sync_all()?;
            let folder = place.parent().unwrap_or(&place);
            let new_folder = !folder.is_dir();
            std::fs::create_dir_all(folder)?;
            std::fs::rename(&temporary, &place)?;
            sync_directory(folder)?;
            match folder.parent() {
                Some(root) if new_folder => sync_directory(root),
                _ => Ok(()),
            }
        })
        .await??;
        Ok(self.id.clone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After `finish` the name is gone; an error here leaves a file that the next start removes.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use selvedge_base::SystemClock;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn blob(store: &Store, bytes: &[u8]) -> BlobId {
        let mut writer = store.create().await.unwrap();
        writer.write(bytes).await.unwrap();
        writer.finish().await.unwrap()
    }

    fn files(root: &Path) -> usize {
        let folders = std::fs::read_dir(root).unwrap();
        folders.map(|f| std::fs::read_dir(f.unwrap().path()).unwrap().count()).sum()
    }

    #[tokio::test]
    async fn bytes_come_back_even_after_the_blob_is_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), SystemClock::shared()).unwrap();
        let bytes = vec![7; 3 * CHUNK + 5];
        let id = blob(&store, &bytes).await;
        let mut file = store.open_blob(&id).await.unwrap();
        store.delete(&id).await.unwrap();
        store.delete(&id).await.unwrap();
        let mut read = Vec::new();
        file.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, bytes);
        assert!(store.open_blob(&id).await.is_err());
    }

    #[tokio::test]
    async fn an_unfinished_blob_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), SystemClock::shared()).unwrap();
        let mut writer = store.create().await.unwrap();
        writer.write(b"half").await.unwrap();
        drop(writer);
        assert_eq!(files(directory.path()), 0);
        std::fs::write(directory.path().join("tmp/left-by-a-crash"), b"x").unwrap();
        Store::open(directory.path(), SystemClock::shared()).unwrap();
        assert_eq!(files(directory.path()), 0);
    }

    #[tokio::test]
    async fn a_sweep_removes_what_nobody_claims() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), SystemClock::shared()).unwrap();
        let (kept, orphan) = (blob(&store, b"kept").await, blob(&store, b"orphan").await);
        assert_eq!(store.sweep(|id| Ok(*id == kept)).unwrap(), 1);
        assert!(store.open_blob(&kept).await.is_ok());
        assert!(store.open_blob(&orphan).await.is_err());
    }
}
