use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use selvedge_base::SharedClock;
use tokio::fs::File;
use tokio::task::spawn_blocking;

use crate::read::SealedFile;
use crate::writer::{Create, sync_directory};
use crate::{BlobId, Transform, Writer};

/// A directory of blobs, spread over 256 folders by the first two digits of the id. Files being written are
/// in `tmp/`.
#[derive(Clone)]
pub struct Store {
    pub(crate) root: Arc<Path>,
    pub(crate) clock: SharedClock,
    /// Which of the folders are known to be in `root` on disk, not only in memory.
    pub(crate) lasting: Arc<[AtomicBool; 256]>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("root", &self.root).finish_non_exhaustive()
    }
}

/// A file of a store.
#[derive(Clone, Debug)]
pub struct Found {
    pub id: BlobId,
    /// Bytes, the seal included.
    pub size: u64,
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

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Starts a new blob, as plain bytes.
    pub async fn create(&self) -> io::Result<Writer> {
        self.create_with(Create::default()).await
    }

    /// Starts a new sealed blob of about `length` bytes, as far as that is known, which `transform` changes on
    /// their way.
    pub async fn create_sealed(
        &self,
        length: Option<u64>,
        transform: Option<Box<dyn Transform>>,
    ) -> io::Result<Writer> {
        self.create_with(Create { sealed: true, length, transform }).await
    }

    async fn create_with(&self, options: Create) -> io::Result<Writer> {
        let (store, id) = (self.clone(), BlobId::random(&*self.clock));
        // Made where the file is made: when the caller goes away meanwhile, it is dropped there.
        spawn_blocking(move || Writer::create(&store, id, options)).await?
    }

    /// Opens a blob for reading. Its bytes stay readable through the returned file even if it is deleted.
    pub async fn open_blob(&self, id: &BlobId) -> io::Result<File> {
        File::open(self.path(id)).await
    }

    /// As [`Store::open_blob`], for a thread that may block.
    pub fn open_file(&self, id: &BlobId) -> io::Result<std::fs::File> {
        std::fs::File::open(self.path(id))
    }

    /// Opens a sealed blob of `length` bytes, on a thread that may block. One that cannot be that blob is an
    /// error that carries [`crate::Damage`].
    pub fn open_sealed(&self, id: &BlobId, length: u64) -> io::Result<SealedFile> {
        SealedFile::new(self.open_file(id)?, id.clone(), length)
    }

    /// Removes a blob. One that is already gone is no error.
    pub async fn delete(&self, id: &BlobId) -> io::Result<()> {
        match tokio::fs::remove_file(self.path(id)).await {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Every blob there is, in no order. Blocks.
    pub fn each(&self, mut see: impl FnMut(Found) -> io::Result<()>) -> io::Result<()> {
        for folder in std::fs::read_dir(&self.root)? {
            let folder = folder?;
            if folder.file_name() == "tmp" || !folder.file_type()?.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(folder.path())? {
                let entry = entry?;
                let Some(id) = entry.file_name().to_str().and_then(BlobId::parse) else { continue };
                match entry.metadata() {
                    Ok(found) => see(Found { id, size: found.len() })?,
                    // Somebody else was quicker, such as an earlier user of the store who is still tidying.
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }

    /// Removes every blob that `is_live` does not claim, and answers how many there were. Blobs written since
    /// the sweep began are left alone only if `is_live` says so: run it before the store takes writes.
    ///
    /// It would also remove what another `Store` on the same directory has written and not yet claimed. Nothing
    /// here, nor in a `Database` next to it, keeps a second one out, in this process or another: whoever opens
    /// stores does. In a node that is the lock on the data directory.
    pub fn sweep(&self, mut is_live: impl FnMut(&BlobId) -> io::Result<bool>) -> io::Result<usize> {
        let mut removed = 0;
        self.each(|Found { id, .. }| {
            if !is_live(&id)? {
                match std::fs::remove_file(self.path(&id)) {
                    Ok(()) => removed += 1,
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(e),
                }
            }
            Ok(())
        })?;
        Ok(removed)
    }

    pub(crate) fn path(&self, id: &BlobId) -> PathBuf {
        self.root.join(&id.as_str()[..2]).join(id.as_str())
    }

    pub(crate) fn temporary(&self, id: &BlobId) -> PathBuf {
        self.root.join("tmp").join(id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use selvedge_base::SystemClock;
    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::{Damage, SEAL_CHUNK, Verdict};

    const CHUNK: usize = 1 << 20;

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

    async fn sealed(store: &Store, bytes: &[u8]) -> crate::Finished {
        let mut writer = store.create_sealed(Some(bytes.len() as u64), None).await.unwrap();
        for piece in bytes.chunks(100_000) {
            writer.write(piece).await.unwrap();
        }
        writer.finish_sealed().await.unwrap()
    }

    fn read(store: &Store, id: &BlobId, length: u64, offset: u64, wanted: u64) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut file = store.open_sealed(id, length)?;
        let range = file.read(offset, wanted, offset + wanted, &mut out)?;
        Ok(out[range].to_vec())
    }

    #[tokio::test]
    async fn a_sealed_blob_gives_any_part_of_its_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), SystemClock::shared()).unwrap();
        let chunk = usize::try_from(SEAL_CHUNK).unwrap();
        for size in [0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 1_500_000] {
            let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
            let blob = sealed(&store, &bytes).await;
            let length = bytes.len() as u64;
            for (offset, wanted) in
                [(0, size), (size / 2, size - size / 2), (size / 3, usize::from(size > 3))]
            {
                let part = read(&store, &blob.id, length, offset as u64, wanted as u64).unwrap();
                assert_eq!(part, bytes[offset..offset + wanted], "{size}: {offset} {wanted}");
            }
            let mut file = store.open_sealed(&blob.id, length).unwrap();
            assert_eq!(file.verify(blob.sum.unwrap(), |_| ()).unwrap(), Verdict::Whole);
            assert!(read(&store, &blob.id, length, length, 1).is_err());
        }
    }

    #[tokio::test]
    async fn no_bit_of_a_sealed_blob_can_change_unseen() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), SystemClock::shared()).unwrap();
        let bytes = vec![9; 150_000];
        let blob = sealed(&store, &bytes).await;
        let path = store.path(&blob.id);
        let file = std::fs::read(&path).unwrap();
        for place in (0..file.len()).step_by(4999).chain(file.len() - 40..file.len()) {
            let mut changed = file.clone();
            changed[place] ^= 4;
            std::fs::write(&path, &changed).unwrap();
            let mut open = store.open_sealed(&blob.id, 150_000).unwrap();
            let verdict = open.verify(blob.sum.unwrap(), |_| ()).unwrap();
            assert!(matches!(verdict, Verdict::Damaged(_)), "a change at {place}");
            if place < bytes.len() {
                let failed = read(&store, &blob.id, 150_000, place as u64, 1).unwrap_err();
                assert!(Damage::of(&failed).is_some(), "{failed}");
                let elsewhere = if place < 70_000 { 140_000 } else { 3 };
                assert_eq!(read(&store, &blob.id, 150_000, elsewhere, 1).unwrap(), [9]);
            }
        }
        for size in [0, 1, file.len() - 1, file.len() + 1] {
            let mut changed = file.clone();
            changed.resize(size, 0);
            std::fs::write(&path, &changed).unwrap();
            let failed = store.open_sealed(&blob.id, 150_000).unwrap_err();
            assert!(Damage::of(&failed).is_some(), "{failed}");
        }
    }
}
