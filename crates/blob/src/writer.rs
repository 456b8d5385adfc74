use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use selvedge_base::crash_point;

use crate::behind::{Behind, Step};
use crate::seal::Sums;
use crate::{BlobId, Store};

/// Bytes gathered before one trip to the disk thread.
pub(crate) const GATHER: usize = 512 * 1024;
/// Pieces on their way to the disk, for each writer.
const DEPTH: usize = 2;
/// So often is the disk told to begin with what it was given, so that the last sync is short.
const SYNC_EVERY: u64 = 32 << 20;
/// From this size on, room on the disk is asked for in one piece beforehand.
const RESERVE_FROM: u64 = 1 << 20;

/// Changes bytes on their way into a blob, such as by encrypting them. Runs on the disk thread.
pub trait Transform: Send + 'static {
    /// Appends to `out` what `bytes` become; some may be kept back.
    fn step(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()>;
    /// Appends what was kept back.
    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}

/// A blob that is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub id: BlobId,
    /// For the row: the checksum of the checksums, when the blob is sealed.
    pub sum: Option<u32>,
}

/// A blob being written. Dropped before [`Writer::finish`] has given its id away, it leaves nothing behind.
pub struct Writer {
    id: BlobId,
    target: Behind<Target>,
    syncer: Option<Behind<Syncer>>,
    file: Arc<File>,
    pending: BytesMut,
    /// Bytes handed over since the syncer was last told.
    unsynced: u64,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Writer {
    /// Makes the file. Blocks.
    pub(crate) fn create(store: &Store, id: BlobId, options: Create) -> io::Result<Self> {
        let path = store.temporary(&id);
        let file = Arc::new(std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?);
        let target = Target {
            file: Arc::clone(&file),
            path,
            place: store.path(&id),
            folder: id.folder(),
            lasting: Arc::clone(&store.lasting),
            sums: options.sealed.then(Sums::default),
            transform: options.transform,
            changed: Vec::new(),
            claimed: false,
        };
        if let Some(length) = options.length
            && length >= RESERVE_FROM
        {
            reserve(&file, length)?;
        }
        let target = Behind::new(target, DEPTH);
        Ok(Self { id, target, syncer: None, file, pending: BytesMut::new(), unsynced: 0 })
    }

    pub fn id(&self) -> &BlobId {
        &self.id
    }

    /// Takes a copy of `bytes`.
    pub async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.pending.reserve(GATHER - self.pending.len());
            let taken = bytes.len().min(GATHER - self.pending.len());
            self.pending.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.pending.len() == GATHER {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Takes `bytes` as they are, for a caller that gathers them itself.
    pub async fn push(&mut self, bytes: Bytes) -> io::Result<()> {
        self.flush().await?;
        self.hand_over(bytes).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let bytes = self.pending.split().freeze();
        self.hand_over(bytes).await
    }

    async fn hand_over(&mut self, bytes: Bytes) -> io::Result<()> {
        self.unsynced += bytes.len() as u64;
        self.target.push(bytes).await?;
        if self.unsynced >= SYNC_EVERY {
            self.unsynced = 0;
            let syncer = self.syncer.get_or_insert_with(|| Behind::new(Syncer(Arc::clone(&self.file)), 1));
            syncer.push_if_free(Bytes::new())?;
        }
        Ok(())
    }

    /// Makes the blob durable under its id. A caller that goes away meanwhile, and so never learns the id, leaves
    /// nothing behind.
    pub async fn finish(self) -> io::Result<BlobId> {
        Ok(self.finish_sealed().await?.id)
    }

    /// As [`Writer::finish`], with what the row of a sealed blob keeps.
    pub async fn finish_sealed(mut self) -> io::Result<Finished> {
        self.flush().await?;
        let Self { id, target, syncer, file, .. } = self;
        drop(file);
        if let Some(syncer) = syncer {
            syncer.finish(|_| Ok(())).await?;
        }
        // The target goes along, and is dropped over there if nobody waits for it any more.
        let (mut target, sum) = target.finish(Target::settle).await?;
        target.claimed = true;
        Ok(Finished { id, sum })
    }
}

/// How a blob is to be written.
#[derive(Default)]
pub(crate) struct Create {
    pub(crate) sealed: bool,
    /// About how many bytes there will be.
    pub(crate) length: Option<u64>,
    pub(crate) transform: Option<Box<dyn Transform>>,
}

/// Asks the disk for room, so that it is in one piece, and that a full disk says so before the bytes come.
fn reserve(file: &File, length: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, length) {
        Err(full @ (rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)) => Err(full.into()),
        // A file system that cannot do it takes the bytes as they come.
        _ => Ok(()),
    }
}

/// Tells the disk to write what it has been given.
struct Syncer(Arc<File>);

impl Step for Syncer {
    fn step(&mut self, _: &Bytes) -> io::Result<()> {
        self.0.sync_data()
    }
}

struct Target {
    file: Arc<File>,
    /// Where the file is.
    path: PathBuf,
    /// Where it will be.
    place: PathBuf,
    folder: u8,
    lasting: Arc<[AtomicBool; 256]>,
    sums: Option<Sums>,
    transform: Option<Box<dyn Transform>>,
    /// What the transform gave last, kept for its room.
    changed: Vec<u8>,
    /// Whether somebody else knows the id.
    claimed: bool,
}

impl Step for Target {
    fn step(&mut self, bytes: &Bytes) -> io::Result<()> {
        let Some(transform) = &mut self.transform else { return self.write(bytes) };
        let mut changed = std::mem::take(&mut self.changed);
        changed.clear();
        transform.step(bytes, &mut changed)?;
        self.write(&changed)?;
        self.changed = changed;
        Ok(())
    }
}

impl Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(sums) = &mut self.sums {
            sums.update(bytes);
        }
        (&*self.file).write_all(bytes)
    }

    fn settle(mut self) -> io::Result<(Self, Option<u32>)> {
        if let Some(mut transform) = self.transform.take() {
            let mut last = Vec::new();
            transform.finish(&mut last)?;
            self.write(&last)?;
        }
        let mut sum = None;
        if let Some(sums) = self.sums.take() {
            let (tail, of_table) = sums.finish();
            (&*self.file).write_all(&tail)?;
            sum = Some(of_table);
        }
        crash_point("blob-written", &self.place);
        self.file.sync_all()?;
        crash_point("blob-synced", &self.place);
        let folder = self.place.parent().unwrap_or(&self.place).to_owned();
        std::fs::create_dir_all(&folder)?;
        std::fs::rename(&self.path, &self.place)?;
        self.path.clone_from(&self.place);
        crash_point("blob-renamed", &self.place);
        sync_directory(&folder)?;
        // That the folder exists does not say that its own name is on disk: another writer may be about to see
        // to that, or a run that was killed.
        let lasting = &self.lasting[usize::from(self.folder)];
        if let (Some(root), false) = (folder.parent(), lasting.load(Ordering::Acquire)) {
            sync_directory(root)?;
            lasting.store(true, Ordering::Release);
        }
        crash_point("blob-settled", &self.place);
        Ok((self, sum))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.claimed {
            // An error here leaves a file that the next start or sweep removes.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
