use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

    /// Which of the 256 folders it is in.
    fn folder(&self) -> u8 {
        u8::from_str_radix(&self.0[..2], 16).unwrap_or_default()
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
    /// Which of the folders are known to be in `root` on disk, not only in memory.
    lasting: Arc<[AtomicBool; 256]>,
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
        // The way here has to last as long as what is at its end.
        for directory in root.ancestors().take(4).filter(|d| !d.as_os_str().is_empty()) {
            sync_directory(directory)?;
        }
        Ok(Self { root: root.into(), clock, lasting: Arc::new([const { AtomicBool::new(false) }; 256]) })
    }

    /// Starts a new blob.
    pub async fn create(&self) -> io::Result<Writer> {
        let id = BlobId(random_hex(&*self.clock, 16));
        let temporary = self.root.join("tmp").join(id.as_str());
        let (place, lasting) = (self.path(&id), Arc::clone(&self.lasting));
        // Made where the file is made: when the caller goes away meanwhile, it is dropped there.
        let writer = spawn_blocking(move || {
            let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&temporary)?;
            Ok(Writer {
                file: Some(file),
                path: temporary,
                place,
                id,
                lasting,
                pending: Vec::new(),
                claimed: false,
            })
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
    ///
    /// It would also remove what another `Store` on the same directory has written and not yet claimed. Nothing
    /// here, nor in a `Database` next to it, keeps a second one out, in this process or another: whoever opens
    /// stores does. In a node that is the lock on the data directory.
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

/// A blob being written. Dropped before [`Writer::finish`] has given its id away, it leaves nothing behind.
#[derive(Debug)]
pub struct Writer {
    file: Option<std::fs::File>,
    /// Where the file is.
    path: PathBuf,
    /// Where it will be.
    place: PathBuf,
    id: BlobId,
    lasting: Arc<[AtomicBool; 256]>,
    pending: Vec<u8>,
    /// Whether somebody else knows the id.
    claimed: bool,
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

    /// Makes the blob durable under its id. A caller that goes away meanwhile, and so never learns the id, leaves
    /// nothing behind.
    pub async fn finish(self) -> io::Result<BlobId> {
        // The writer goes along, and is dropped over there if nobody waits for it any more.
        let mut writer = spawn_blocking(move || self.settle()).await??;
        writer.claimed = true;
        Ok(writer.id.clone())
    }

    fn settle(mut self) -> io::Result<Self> {
        let mut file = self.file.take().ok_or_else(|| io::Error::other("an earlier write failed"))?;
        file.write_all(&self.pending)?;
        file.sync_all()?;
        let folder = self.place.parent().unwrap_or(&self.place);
        std::fs::create_dir_all(folder)?;
        std::fs::rename(&self.path, &self.place)?;
        self.path.clone_from(&self.place);
        sync_directory(folder)?;
        // That the folder exists does not say that its own name is on disk: another writer may be about to see
        // to that, or a run that was killed.
        let lasting = &self.lasting[usize::from(self.id.folder())];
        if let (Some(root), false) = (folder.parent(), lasting.load(Ordering::Acquire)) {
            sync_directory(root)?;
            lasting.store(true, Ordering::Release);
        }
        Ok(self)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.claimed {
            // An error here leaves a file that the next start or sweep removes.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

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

    #[test]
    fn a_blob_whose_id_nobody_receives_leaves_nothing() {
        // One blocking thread, so that what it is given is done in order.
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.max_blocking_threads(1).build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), SystemClock::shared()).unwrap();
        runtime.block_on(async {
            for leaves_before_the_rename in [true, false] {
                let mut writer = store.create().await.unwrap();
                writer.write(b"whole").await.unwrap();
                let (release, released) = std::sync::mpsc::channel::<()>();
                drop(spawn_blocking(move || released.recv()));
                let mut finishing = Box::pin(writer.finish());
                let mut context = Context::from_waker(Waker::noop());
                assert!(finishing.as_mut().poll(&mut context).is_pending());
                let done = spawn_blocking(|| ());
                if leaves_before_the_rename {
                    drop(finishing);
                    drop(release);
                    done.await.unwrap();
                } else {
                    drop(release);
                    done.await.unwrap();
                    assert_eq!(files(directory.path()), 1);
                    drop(finishing);
                }
                assert_eq!(files(directory.path()), 0);
            }
        });
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
